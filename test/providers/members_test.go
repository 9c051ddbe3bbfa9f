// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// The tests named TestCnn are failures that users of other SCIM services reported; those of this file are about memberships. docs/complaints.md lists all.

func TestC01RemoveTakesExactlyTheMember(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	users := p.newUsers("kim", "lou")
	id := p.newGroup("eng", users...)
	p.send(oktaRemoveMember, "id", id, "member", users[0]).want(204)
	p.storesGroup(id, `{"displayName": "eng", "members": [{"value": "{{lou}}"}]}`, "lou", users[1])
	// A second removal is a success without effect, a second addition takes effect.
	p.send(oktaRemoveMember, "id", id, "member", users[0]).want(204)
	p.send(oktaAddMembers, "id", id, "members", oktaMembers(users[0])).want(204)
	p.hasMembers(id, users...)
}

func TestC02OneChangeLeavesTheRest(t *testing.T) {
	t.Parallel()
	p := connect(t, "entra")
	users := p.newUsers("kim", "lou", "ida")
	id := p.newGroup("eng", users[0], users[1])
	p.send(entraAddMembers, "id", id, "members", entraMembers(users[2])).want(204)
	p.hasMembers(id, users...)
	p.send(entraRemoveMembers, "id", id, "members", entraMembers(users[1])).want(204)
	p.hasMembers(id, users[0], users[2])
	p.send(oktaRemoveMember, "id", id, "member", users[0]).want(204)
	p.hasMembers(id, users[2])
}

func TestC03ConcurrentWritersLoseNoMember(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	const writers = 12
	var ids []string
	for i := range writers {
		ids = append(ids, p.newUser(fmt.Sprintf("user%d@corp.test", i)))
	}
	gone := p.newUser("gone@corp.test")
	group := p.newGroup("eng", gone)
	// A stale read, from before all of it.
	stale := p.send("GET /Groups/" + group).want(200)
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if a := p.send(oktaChangeMembers, "id", group, "remove", gone, "add", id); a.status != http.StatusNoContent {
				t.Errorf("status %d: %s", a.status, a.body)
			}
		})
	}
	wg.Wait()
	p.hasMembers(group, ids...)
	// Who writes the whole list from a stale read, and says so, is told; nobody is lost, nobody comes back.
	p.send("PUT /Groups/"+group+"\nIf-Match: "+stale.header.Get("ETag")+"\n\n"+stale.body).refused(412, "")
	p.hasMembers(group, ids...)
}

func TestC04UnknownMemberIsKeptAndReported(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	kim := p.newUser("kim@corp.test")
	id := p.newGroup("eng")
	p.send(oktaPushGroup, "id", id, "members", oktaMembers(kim, "00unknown")).want(204)
	p.hasMembers(id, kim, "00unknown")
	eventually(t, "the status says that one member is not known", func() bool {
		status := p.group(id).Status
		return status.UnresolvedMembers == 1 && slices.Equal(status.Unresolved, []string{"00unknown"})
	})
}

func TestC05RenameLeavesTheMembership(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	kim := p.newUser("kim@corp.test")
	id := p.newGroup("eng", kim)
	p.send(oktaRenameGroup, "id", id, "inValue", id, "displayName", "eng2").want(204)
	p.storesGroup(id, `{"displayName": "eng2", "members": [{"value": "{{kim}}"}]}`, "kim", kim)
}

// TestC06ReplaceGivesExactlyTheList: what a large shrink does to accounts is the guard's matter (TestGuardCatchesEveryWayToLoseAGroup in
// test/integration).
func TestC06ReplaceGivesExactlyTheList(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	users := p.newUsers("kim", "lou", "ida")
	id := p.newGroup("eng", users[0], users[1])
	p.send(oktaPushGroup, "id", id, "members", oktaMembers(users[1], users[2])).want(204)
	p.hasMembers(id, users[1], users[2])
	p.send(oktaPushGroup, "id", id, "members", "[]").want(204)
	p.storesGroup(id, `{"displayName": "eng"}`)
}

func TestC07PostAndPutStoreMembers(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta-aiw")
	users := p.newUsers("kim", "lou")
	id := p.send(`POST /Groups

{"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "eng", "members": [{"value": "{{kim}}", "display": "kim@corp.test"}]}`, "kim", users[0]).
		want(201).has("members.0.value", users[0]).id()
	p.storesGroup(id, `{"displayName": "eng", "members": [{"value": "{{kim}}"}]}`, "kim", users[0])
	p.send(wizardGroup, "id", id, "displayName", "eng", "members", oktaMembers(users...)).want(200)
	p.hasMembers(id, users...)
	p.storesGroup(id, `{"displayName": "eng", "members": [{"value": "{{kim}}"}, {"value": "{{lou}}"}]}`, "kim", users[0], "lou", users[1])
}

func TestC08ReplaceWithNobodyOnAnEmptyGroup(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	id := p.newGroup("eng")
	// The older form has no schemas (scimgateway #113).
	const pathless = `PATCH /Groups/{{id}}
Content-Type: application/json

{
  "Operations":[{"op":"replace","value":{ "members":  [], "id":"{{id}}","displayName":"eng"}}]
}`
	p.writesNothing("replace members []", id, func() {
		p.send(oktaPushGroup, "id", id, "members", "[]").want(204)
		p.send(pathless, "id", id).want(204)
	})
	p.needed("MissingSchemas")
	p.strictly(pathless, "id", id).refused(400, "invalidSyntax", "schemas")
	// On a group that has members it clears them.
	p.send(oktaAddMembers, "id", id, "members", oktaMembers(p.newUser("kim@corp.test"))).want(204)
	p.send(pathless, "id", id).want(204)
	p.storesGroup(id, `{"displayName": "eng"}`)
}

func TestC09PutRenamesAndTheRenameThatIsNone(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta-aiw")
	id := p.newGroup("eng")
	p.send(wizardGroup, "id", id, "displayName", "eng2", "members", "[]").want(200).has("displayName", "eng2")
	p.storesGroup(id, `{"displayName": "eng2"}`)
	before := p.send("GET /Groups/" + id).want(200)
	p.writesNothing("the rename to the same name", id, func() { p.send(oktaRenameGroup, "id", id, "inValue", id, "displayName", "eng2").want(204) })
	p.send("GET /Groups/"+id).want(200).has("meta.lastModified", before.get("meta.lastModified")).has("meta.version", before.get("meta.version"))
}

func TestC10MemberWithoutTypeAndChangesThatAreNone(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	users := p.newUsers("kim", "lou")
	id := p.newGroup("eng", users[0])
	// The user is in the group although no type says that it is one.
	eventually(t, "groups are derived", func() bool { return p.send("GET /Users/"+users[0]).want(200).get("groups.0.value") == id })
	p.writesNothing("add of a member, remove of none", id, func() {
		p.send(oktaAddMembers, "id", id, "members", oktaMembers(users[0])).want(204)
		p.send(oktaRemoveMember, "id", id, "member", users[1]).want(204)
	})
}

func TestC11UnreadableRemovalChangesNothing(t *testing.T) {
	t.Parallel()
	for _, dialect := range []v1alpha1.Dialect{"entra", "okta", "jumpcloud"} {
		p := connect(t, dialect)
		kim := p.newUser("kim@corp.test")
		id := p.newGroup("eng", kim)
		p.writesNothing("a removal that cannot be read", id, func() {
			for _, value := range []string{`[{"display": "kim"}]`, `[{}]`, `{}`, `17`, `""`, `null`, `[null]`} {
				a := p.send(strings.Replace(entraRemoveMembers, "Remove", "remove", 1), "id", id, "members", value)
				if scimType, _ := a.json["scimType"].(string); a.status != 400 || scimType != "invalidValue" && scimType != "invalidSyntax" {
					t.Errorf("%s, value %s: %d %s", dialect, value, a.status, a.body)
				}
			}
			for _, path := range []string{`members[value eq `, `members[value=\"x\"]`, `members[value eq {{kim}}]`, `members.`} {
				p.send(`PATCH /Groups/{{id}}

{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "remove", "path": "`+path+`"}]}`, "id", id, "kim", kim).refused(400, "invalidPath")
			}
		})
		p.hasMembers(id, kim)
	}
}

// largeGroup is how many members a large group has: more than fit into one object. TestAGroupOf100000Members in internal/directory goes further.
const largeGroup = 20_000

// TestC12OneMemberInALargeGroup: the change of one member is bounded work, whatever the size, and the answer has no member list.
func TestC12OneMemberInALargeGroup(t *testing.T) {
	t.Parallel()
	p := connect(t, "okta")
	kim := p.newUser("kim@corp.test")
	id := p.newGroup("all")
	const batch = 1000
	for from := 0; from < largeGroup; from += batch {
		members := make([]string, batch)
		for i := range members {
			members[i] = fmt.Sprintf("00u%d", from+i)
		}
		p.send(oktaAddMembers, "id", id, "members", oktaMembers(members...)).want(204)
	}
	start := time.Now()
	p.send(oktaAddMembers, "id", id, "members", oktaMembers(kim)).want(204)
	p.send("GET /Groups?filter=id%20eq%20%22" + id + "%22%20and%20members%20eq%20%22" + kim + "%22&attributes=id").finds(id)
	p.send(oktaRemoveMember, "id", id, "member", kim).want(204)
	p.send("GET /Groups?filter=id%20eq%20%22" + id + "%22%20and%20members%20eq%20%22" + kim + "%22&attributes=id").rows(0)
	for _, query := range []string{"?attributes=displayName", "?excludedAttributes=members"} {
		p.send(oktaAddMembers, "id", id+query, "members", oktaMembers(kim)).want(200).has("displayName", "all").has("members", nil)
		p.send(oktaRemoveMember, "id", id+query, "member", kim).want(200).has("displayName", "all").has("members", nil)
	}
	p.send(oktaRenameGroup, "id", id, "inValue", id, "displayName", "everybody").want(204)
	p.send("GET /Groups/"+id+"?excludedAttributes=members").want(200).has("displayName", "everybody").has("members", nil)
	// Others took minutes for one such request; this allows for the noise of a shared machine.
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("ten requests took %s", took)
	}
	if got := len(p.members(id)); got != largeGroup {
		t.Errorf("%d members, want %d", got, largeGroup)
	}
}
