// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// answer is what came back.
type answer struct {
	t      *testing.T
	what   string
	status int
	header http.Header
	body   string
	// json is the body, nil without one.
	json map[string]any
}

// want ends the test unless the answer has the status.
func (a *answer) want(status int) *answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%s: status %d, want %d\n%s", a.what, a.status, status, a.body)
	}
	if status == http.StatusNoContent && a.body != "" {
		a.t.Errorf("%s: a 204 with the body %s", a.what, a.body)
	}
	if a.body != "" && !strings.HasPrefix(a.header.Get("Content-Type"), "application/scim+json") && !strings.HasPrefix(a.header.Get("Content-Type"), "application/json") {
		a.t.Errorf("%s: Content-Type %q", a.what, a.header.Get("Content-Type"))
	}
	return a
}

// refused checks that the answer is a SCIM error (RFC 7644 3.12) whose detail has the words.
func (a *answer) refused(status int, scimType string, words ...string) *answer {
	a.t.Helper()
	a.want(status)
	if got, want := fmt.Sprint(a.json["schemas"]), "[urn:ietf:params:scim:api:messages:2.0:Error]"; got != want {
		a.t.Errorf("%s: schemas %s", a.what, got)
	}
	if got := a.json["status"]; got != strconv.Itoa(status) {
		a.t.Errorf("%s: the body's status is %#v, want the string %d", a.what, got, status)
	}
	if got, _ := a.json["scimType"].(string); got != scimType {
		a.t.Errorf("%s: scimType %q, want %q\n%s", a.what, got, scimType, a.body)
	}
	detail, _ := a.json["detail"].(string)
	if detail == "" {
		a.t.Errorf("%s: no detail", a.what)
	}
	for _, w := range words {
		if !strings.Contains(detail, w) {
			a.t.Errorf("%s: the detail %q does not say %q", a.what, detail, w)
		}
	}
	return a
}

// get reads a value by a path such as "Resources.0.id". Extensions are named by "enterprise".
func (a *answer) get(path string) any {
	var v any = a.json
	for _, step := range strings.Split(path, ".") {
		if step == "enterprise" {
			step = enterprise
		}
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// has checks a value of the body. nil means that there is none.
func (a *answer) has(path string, want any) *answer {
	a.t.Helper()
	if got := a.get(path); !cmp.Equal(want, got) {
		a.t.Errorf("%s: %s is %#v, want %#v\n%s", a.what, path, got, want, a.body)
	}
	return a
}

// shows compares the whole resource in the body with JSON, but for id and meta, which are checked to be there.
func (a *answer) shows(want string, pairs ...string) *answer {
	a.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		want = strings.ReplaceAll(want, "{{"+pairs[i]+"}}", pairs[i+1])
	}
	got := decoded(a.t, a.body)
	for _, name := range []string{"id", "meta"} {
		if got[name] == nil {
			a.t.Errorf("%s: no %s in %s", a.what, name, a.body)
		}
		delete(got, name)
	}
	if diff := cmp.Diff(decoded(a.t, want), got); diff != "" {
		a.t.Errorf("%s: the answer (-want +got):\n%s", a.what, diff)
	}
	return a
}

func (a *answer) id() string {
	a.t.Helper()
	id, _ := a.json["id"].(string)
	if id == "" {
		a.t.Fatalf("%s: no id in %s", a.what, a.body)
	}
	return id
}

// rows checks a ListResponse and gives the ids in it.
func (a *answer) rows(total int) []string {
	a.t.Helper()
	a.want(http.StatusOK)
	a.has("schemas.0", "urn:ietf:params:scim:api:messages:2.0:ListResponse").has("totalResults", float64(total))
	rows, ok := a.json["Resources"].([]any)
	if !ok {
		a.t.Fatalf("%s: Resources is no array: %s", a.what, a.body)
	}
	a.has("itemsPerPage", float64(len(rows)))
	ids := []string{}
	for i := range rows {
		ids = append(ids, fmt.Sprint(a.get(fmt.Sprintf("Resources.%d.id", i))))
	}
	return ids
}

// finds checks that a query finds exactly one resource.
func (a *answer) finds(id string) *answer {
	a.t.Helper()
	if ids := a.rows(1); !slices.Equal(ids, []string{id}) {
		a.t.Errorf("%s: found %v, want %s", a.what, ids, id)
	}
	return a
}

// members are the ids of the members that a GET shows, sorted.
func (p *provider) members(group string) []string {
	p.t.Helper()
	a := p.send("GET /Groups/" + group).want(200)
	ids := []string{}
	list, _ := a.json["members"].([]any)
	for i := range list {
		ids = append(ids, fmt.Sprint(a.get(fmt.Sprintf("members.%d.value", i))))
	}
	slices.Sort(ids)
	return ids
}

func (p *provider) hasMembers(group string, want ...string) {
	p.t.Helper()
	want = append([]string{}, want...)
	slices.Sort(want)
	if diff := cmp.Diff(want, p.members(group)); diff != "" {
		p.t.Errorf("members (-want +got):\n%s", diff)
	}
}
