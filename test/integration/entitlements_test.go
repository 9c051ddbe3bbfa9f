// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// discovered is what Okta finds below the endpoints of the resource types that have one of its schemas: name of the type, then id and displayName.
func discovered(t *testing.T, op *harness.Operator) map[string]map[string]string {
	t.Helper()
	schemas := []any{"urn:okta:scim:schemas:core:1.0:Role", "urn:okta:scim:schemas:core:1.0:Entitlement"}
	published := map[any]bool{}
	for _, schema := range rowsOf(op.Want(t, 200, "GET", "/Schemas", "")) {
		published[schema["id"]] = true
	}
	found := map[string]map[string]string{}
	for _, rt := range rowsOf(op.Want(t, 200, "GET", "/ResourceTypes", "")) {
		if !slices.Contains(schemas, rt["schema"]) {
			continue
		}
		if !published[rt["schema"]] {
			t.Errorf("/Schemas does not have %s", rt["schema"])
		}
		name := fmt.Sprint(rt["name"])
		found[name] = map[string]string{}
		for start := 1; ; {
			page := op.Want(t, 200, "GET", fmt.Sprintf("%s?startIndex=%d&count=2", rt["endpoint"], start), "")
			rows := rowsOf(page)
			if page.JSON["itemsPerPage"] != float64(len(rows)) {
				t.Errorf("itemsPerPage is %v for %d rows", page.JSON["itemsPerPage"], len(rows))
			}
			for _, row := range rows {
				found[name][fmt.Sprint(row["id"])] = fmt.Sprint(row["displayName"])
			}
			if start += len(rows); len(rows) == 0 || float64(start) > page.JSON["totalResults"].(float64) {
				break
			}
		}
	}
	return found
}

func rowsOf(answer harness.Answer) []map[string]any {
	list, _ := answer.JSON["Resources"].([]any)
	rows := make([]map[string]any, len(list))
	for i := range list {
		rows[i], _ = list[i].(map[string]any)
	}
	return rows
}

// TestOktaDiscoversRolesAndAssignsThem is the way of an entitlement: Okta lists what the apps offer, an admin there gives a user a role and an app, Okta pushes both
// as it found them, and the role mappings make accounts of them.
func TestOktaDiscoversRolesAndAssignsThem(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	room, desk := d.App(t, "room", fakeapp.CommonRoom, nil), d.App(t, "desk", fakeapp.RService, nil)
	for _, role := range []string{"owner", "editor", "viewer"} {
		d.Mapping(t, "room-"+role, "room", selectedBy(fmt.Sprintf(`user.roles.exists(r, r.value == "room.%s")`, role)), role)
	}
	d.Mapping(t, "desk", "desk", selectedBy(`user.entitlements.exists(e, e.value == "desk")`))
	op := d.Run(t)
	d.AwaitReady(t, "room")
	d.AwaitReady(t, "desk")

	found := discovered(t, op)
	want := map[string]map[string]string{
		"Role":        {"room.editor": "room: editor", "room.owner": "room: owner", "room.viewer": "room: viewer"},
		"Entitlement": {"desk": "desk", "room": "room"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Fatalf("discovered (-want +got):\n%s", diff)
	}

	body := withAttribute(harness.UserBody("kim@corp.test", "Kim", "Tester"), fmt.Sprintf(
		`"roles":[{"value":"room.editor","display":%q}],"entitlements":[{"value":"desk","display":%q,"type":"Entitlement"}]`,
		found["Role"]["room.editor"], found["Entitlement"]["desk"]))
	kim := op.Want(t, 201, "POST", "/Users", body).ID()
	d.AwaitAccount(t, kim, "room", v1alpha1.AccountActive)
	d.AwaitAccount(t, kim, "desk", v1alpha1.AccountActive)
	awaitRoles(t, room, "kim@corp.test", "editor")
	awaitActive(t, desk, "kim@corp.test", true)

	// An app that offers other roles shows them, and takes none from those who have them.
	harness.Change(t, d, "room", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) {
		app.Spec.Roles = &v1alpha1.AppRoles{Allowed: []string{"editor", "viewer"}}
	})
	harness.Eventually(t, "the catalogue follows the app", func() error {
		if got := discovered(t, op)["Role"]; len(got) != 2 || got["room.owner"] != "" {
			return fmt.Errorf("it has %v", got)
		}
		return nil
	})
	awaitRoles(t, room, "kim@corp.test", "editor")
	op.Want(t, 405, "POST", "/Roles", `{"schemas":["urn:okta:scim:schemas:core:1.0:Role"],"displayName":"room: emperor"}`)
}
