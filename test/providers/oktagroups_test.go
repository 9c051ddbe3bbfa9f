// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestOktaPushesAGroup(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	users := p.newUsers("kim", "lou")
	a := p.send(oktaGroup, "displayName", "eng").want(201)
	id := a.id()
	a.shows(`{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "eng"}`)
	if a.header.Get("Location") != p.base(clientName)+"/Groups/"+id {
		t.Errorf("Location %q", a.header.Get("Location"))
	}
	p.send("GET /Groups?filter=displayName%20eq%20%22eng%22&startIndex=1&count=100").finds(id)
	p.writesNothing("the rename that changes nothing", id, func() { p.send(oktaRenameGroup, "id", id, "inValue", id, "displayName", "eng").want(204) })
	p.send(oktaAddMembers, "id", id, "members", oktaMembers(users[0])).want(204)
	p.storesGroup(id, `{"displayName": "eng", "members": [{"value": "{{kim}}"}]}`, "kim", users[0])
	p.send(oktaChangeMembers, "id", id, "remove", users[0], "add", users[1]).want(204)
	p.storesGroup(id, `{"displayName": "eng", "members": [{"value": "{{lou}}"}]}`, "lou", users[1])
	p.send("GET /Groups/"+id).want(200).has("members.0.$ref", p.base(clientName)+"/Users/"+users[1]).has("displayName", "eng")
	p.needed()
}

func TestOktaRenamesAGroup(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	kim := p.newUser("kim@corp.test")
	id := p.newGroup("eng", kim)
	p.send(oktaRenameGroup, "id", id, "inValue", id, "displayName", "engineering").want(204)
	p.storesGroup(id, `{"displayName": "engineering", "members": [{"value": "{{kim}}"}]}`, "kim", kim)
	p.send("GET /Groups?filter=displayName%20eq%20%22engineering%22&startIndex=1&count=100").finds(id)
	p.send("GET /Groups?filter=displayName%20eq%20%22eng%22&startIndex=1&count=100").rows(0)
	p.writesNothing("a PATCH with another id", id, func() {
		p.send(oktaRenameGroup, "id", id, "inValue", "another", "displayName", "x").refused(400, "mutability", "id")
	})
	p.needed()
}

func TestOktaUnlinksAGroupAndDeletesIt(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	kim := p.newUser("kim@corp.test")
	id := p.newGroup("eng", kim)
	p.send("DELETE /Groups/" + id).want(204)
	p.send("GET /Groups/"+id).refused(404, "")
	p.send("GET /Groups?filter=displayName%20eq%20%22eng%22&startIndex=1&count=100").rows(0)
	eventually(t, "the user is in no group", func() bool { return p.send("GET /Users/"+kim).want(200).get("groups") == nil })
	p.newGroup("eng", kim)
}

func TestOktaWizardAppPutsAGroupWhole(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta-aiw")
	users := p.newUsers("kim", "lou")
	id := p.newGroup("eng")
	members := oktaMembers(users...)
	p.send(wizardGroup, "id", id, "displayName", "eng", "members", members).want(200).has("id", id)
	p.hasMembers(id, users...)
	p.writesNothing("the same PUT again", id, func() { p.send(wizardGroup, "id", id, "displayName", "eng", "members", members).want(200) })
	p.send(wizardGroup, "id", id, "displayName", "eng2", "members", oktaMembers(users[1])).want(200).has("displayName", "eng2")
	p.storesGroup(id, `{"displayName": "eng2", "members": [{"value": "{{lou}}"}]}`, "lou", users[1])
	// A PUT without members clears them.
	p.send(`PUT /Groups/{{id}}

		{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": "{{id}}", "displayName": "eng2"}`, "id", id).want(200)
	p.storesGroup(id, `{"displayName": "eng2"}`)
	p.needed()
}

func TestOktaPushesMembersInBatches(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	kim := p.newUser("kim@corp.test")
	id := p.newGroup("all", kim)
	// The largest batch that Okta can be told to send.
	batch := make([]string, 1000)
	for i := range batch {
		batch[i] = fmt.Sprintf("00u%d", i)
	}
	start := time.Now()
	p.send(oktaAddMembers, "id", id, "members", oktaMembers(batch...)).want(204)
	if took := time.Since(start); took > 60*time.Second {
		t.Errorf("the batch took %s, Okta closes after 60 s", took)
	}
	p.hasMembers(id, slices.Concat(batch, []string{kim})...)
	// A remove of as many is one operation for each.
	operations := make([]map[string]string, len(batch))
	for i, member := range batch {
		operations[i] = map[string]string{"op": "remove", "path": `members[value eq "` + member + `"]`}
	}
	p.send(`PATCH /Groups/{{id}}

		{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": {{operations}}}`, "id", id, "operations", text(t, operations)).want(204)
	p.hasMembers(id, kim)
}

func text(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		select {
		case <-t.Context().Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}
