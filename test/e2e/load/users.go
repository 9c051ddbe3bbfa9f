// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"fmt"
	"net/http"
)

// Of a client's users, one of so many joins the group, which all clients share, and one of so many is deactivated. Each is renamed so many times.
const (
	joinEach       = 3
	deactivateEach = 4
	renames        = 3
)

// createGroup makes the group that all users of the load become members of.
func (c *client) createGroup(ctx context.Context, name string) (id string, err error) {
	got, err := c.try(request{
		op: "create group", method: http.MethodPost, path: "/Groups", want: []int{http.StatusCreated},
		body: fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":[]}`, name),
	})
	if err == nil {
		err = ctx.Err()
	}
	return got.string("id"), err
}

// run pushes one user after the other until ctx is done. What an end interrupts is told as far as it was acknowledged.
func (c *client) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		u := &User{UserName: fmt.Sprintf("%s-%d-%d@corp.test", c.load.config.Prefix, c.number, n)}
		_ = c.create(ctx, u) && (n%joinEach != 0 || c.join(ctx, u)) && c.rename(ctx, u) && (n%deactivateEach != 0 || c.deactivate(ctx, u))
		c.load.finished(*u)
	}
}

// create looks a user up and makes it, as identity providers do. A creation without an answer is looked for before it is sent again.
func (c *client) create(ctx context.Context, u *User) (goOn bool) {
	display := "Load " + u.UserName
	post := request{
		op: "create user", method: http.MethodPost, path: "/Users", want: []int{http.StatusCreated}, right: isUser(u.UserName, display, true),
		body: fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"name":{"givenName":"Load","familyName":"Tester"},`+
			`"emails":[{"primary":true,"value":%q,"type":"work"}],"displayName":%q,"externalId":"okta-%s","groups":[],"password":"1mz050nq","active":true}`,
			u.UserName, u.UserName, display, u.UserName),
	}
	sent := false
	for {
		found, goOn := c.insist(ctx, lookup(u.UserName, atMostOne(sent)))
		if id := firstID(found); id != "" {
			u.ID, u.DisplayName, u.Active = id, display, true
			return goOn
		}
		if !goOn {
			return false
		}
		got, err := c.try(post)
		sent = true
		if err == nil {
			u.ID, u.DisplayName, u.Active = got.string("id"), display, true
			return pause(ctx, c.load.config.Pause)
		}
		if !pause(ctx, retryAfter(got)) {
			return false
		}
	}
}

// join makes the user a member of the group.
func (c *client) join(ctx context.Context, u *User) bool {
	got, goOn := c.insist(ctx, request{
		op: "add member", method: http.MethodPatch, path: "/Groups/" + c.group, want: []int{http.StatusNoContent, http.StatusOK},
		body: fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"add","path":"members","value":[{"value":%q}]}]}`, u.ID),
	})
	u.Member = got.status == http.StatusNoContent || got.status == http.StatusOK
	return goOn
}

// rename gives the user one displayName after the other.
func (c *client) rename(ctx context.Context, u *User) bool {
	for n := range renames {
		if !c.renameTo(ctx, u, fmt.Sprintf("Renamed %d %s", n, u.UserName)) {
			return false
		}
	}
	return true
}

// renameTo gives the user another displayName, and reads it back: from whichever replica answers.
func (c *client) renameTo(ctx context.Context, u *User, display string) bool {
	got, goOn := c.insist(ctx, c.patch("rename user", u, fmt.Sprintf(`{"displayName":%q}`, display), isUser(u.UserName, display, true)))
	if got.status != http.StatusOK {
		u.Unsure = true
		return false
	}
	u.DisplayName = display
	if !goOn {
		return false
	}
	_, goOn = c.insist(ctx, request{
		op: "read user", method: http.MethodGet, path: "/Users/" + u.ID, want: []int{http.StatusOK}, right: isUser(u.UserName, display, true),
	})
	return goOn
}

func (c *client) deactivate(ctx context.Context, u *User) bool {
	got, goOn := c.insist(ctx, c.patch("deactivate user", u, `{"active":false}`, isUser(u.UserName, u.DisplayName, false)))
	u.Unsure, u.Active = got.status != http.StatusOK, got.status != http.StatusOK
	return goOn
}

func (c *client) patch(op string, u *User, value string, right func(answer) error) request {
	return request{
		op: op, method: http.MethodPatch, path: "/Users/" + u.ID, want: []int{http.StatusOK}, right: right,
		body: `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":` + value + `}]}`,
	}
}

// isUser says how a body is not the user.
func isUser(userName, displayName string, active bool) func(answer) error {
	return func(got answer) error {
		if got.string("id") == "" || got.string("userName") != userName || got.string("displayName") != displayName || got.body["active"] != active {
			return fmt.Errorf("the answer should have userName %q, displayName %q, active %v and an id: %s", userName, displayName, active, got.text)
		}
		return nil
	}
}

// atMostOne says how a list is none of a user that may be there, or of one that must not be.
func atMostOne(maybe bool) func(answer) error {
	return func(got answer) error {
		rows, is := got.body["totalResults"].(float64)
		if !is || rows > 1 || rows == 1 && !maybe {
			return fmt.Errorf("the list should have no row, or one where a creation was not answered: %s", got.text)
		}
		return nil
	}
}

// firstID is the id of the first row of a list.
func firstID(list answer) string {
	rows, _ := list.body["Resources"].([]any)
	if len(rows) == 0 {
		return ""
	}
	row, _ := rows[0].(map[string]any)
	id, _ := row["id"].(string)
	return id
}
