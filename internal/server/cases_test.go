// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"sync"
	"testing"
)

// The tests named TestCnn show failures that users of other SCIM servers reported.

func TestC01RemoveTakesExactlyTheMember(t *testing.T) {
	e := start(t, "okta")
	kim, lou := e.newUser("kim@corp.test"), e.newUser("lou@corp.test")
	id := e.newGroup("eng", kim, lou)
	e.do("PATCH", "/Groups/"+id, fill(oktaRemoveMember, "remove", kim)).want(204)
	e.wantMembers(id, lou)
}

func TestC02OneChangeLeavesTheRest(t *testing.T) {
	e := start(t, "okta")
	kim, lou, ida := e.newUser("kim@corp.test"), e.newUser("lou@corp.test"), e.newUser("ida@corp.test")
	id := e.newGroup("eng", kim, lou)
	e.do("PATCH", "/Groups/"+id, fill(oktaAddMember, "add", ida)).want(204)
	e.wantMembers(id, kim, lou, ida)
	e.do("PATCH", "/Groups/"+id, fill(oktaRemoveMember, "remove", lou)).want(204)
	e.wantMembers(id, kim, ida)
}

func TestC03ConcurrentPatchesLoseNoMember(t *testing.T) {
	e := start(t, "okta")
	const writers = 12
	var ids []string
	for i := range writers {
		ids = append(ids, e.newUser(fmt.Sprintf("user%d@corp.test", i)))
	}
	gone := e.newUser("gone@corp.test")
	group := e.newGroup("eng", gone)
	var wg sync.WaitGroup
	for _, id := range ids {
		wg.Go(func() {
			if a := e.do("PATCH", "/Groups/"+group, fill(oktaChangeMembers, "remove", gone, "add", id)); a.status != 204 {
				t.Errorf("status %d: %s", a.status, a.raw)
			}
		})
	}
	wg.Wait()
	e.wantMembers(group, ids...)
}

func TestC04UnknownMemberIsKept(t *testing.T) {
	e := start(t, "okta")
	kim := e.newUser("kim@corp.test")
	id := e.newGroup("eng")
	e.do("PATCH", "/Groups/"+id, fill(oktaReplaceMembers, "members", memberList(kim, "00unknown"))).want(204)
	e.wantMembers(id, kim, "00unknown")
}

func TestC05RenameLeavesTheMembership(t *testing.T) {
	e := start(t, "okta")
	kim := e.newUser("kim@corp.test")
	id := e.newGroup("eng", kim)
	e.do("PATCH", "/Groups/"+id, fill(oktaRenameGroup, "id", id, "displayName", "eng2")).want(204)
	e.wantMembers(id, kim)
}

func TestC06ReplaceGivesExactlyTheList(t *testing.T) {
	e := start(t, "okta")
	kim, lou := e.newUser("kim@corp.test"), e.newUser("lou@corp.test")
	id := e.newGroup("eng", kim)
	e.do("PATCH", "/Groups/"+id, fill(oktaReplaceMembers, "members", memberList(lou))).want(204)
	e.wantMembers(id, lou)
}

func TestC07PostAndPutStoreMembers(t *testing.T) {
	e := start(t, "okta-aiw")
	kim, lou := e.newUser("kim@corp.test"), e.newUser("lou@corp.test")
	id := e.newGroup("eng", kim)
	e.wantMembers(id, kim)
	e.do("PUT", "/Groups/"+id, fill(aiwPutGroup, "id", id, "displayName", "eng", "members", memberList(kim, lou))).want(200)
	e.wantMembers(id, kim, lou)
}

func TestC08ReplaceWithNobodyOnAnEmptyGroup(t *testing.T) {
	e := start(t, "okta")
	id := e.newGroup("eng")
	e.writesNothing("replace members []", func() {
		e.do("PATCH", "/Groups/"+id, fill(oktaReplaceMembers, "members", "[]")).want(204)
		e.do("PATCH", "/Groups/"+id, fill(oktaReplaceMembersPathless, "members", "[]", "id", id, "displayName", "eng")).want(204)
	})
}

func TestC08ReplaceWithNobodyEmptiesAGroup(t *testing.T) {
	e := start(t, "okta")
	kim := e.newUser("kim@corp.test")
	id := e.newGroup("eng", kim)
	e.do("PATCH", "/Groups/"+id, fill(oktaReplaceMembersPathless, "members", memberList(kim), "id", id, "displayName", "eng")).want(204)
	e.wantMembers(id, kim)
	e.do("PATCH", "/Groups/"+id, fill(oktaReplaceMembers, "members", "[]")).want(204)
	e.wantMembers(id)
}

func TestC09PutRenames(t *testing.T) {
	e := start(t, "okta-aiw")
	id := e.newGroup("eng")
	e.do("PUT", "/Groups/"+id, fill(aiwPutGroup, "id", id, "displayName", "eng2", "members", "[]")).want(200).has("eng2", "displayName")
	e.do("GET", "/Groups/"+id, "").want(200).has("eng2", "displayName")
}

func TestC10PresentAndMissingMembersAreNoChange(t *testing.T) {
	e := start(t, "okta")
	kim, lou := e.newUser("kim@corp.test"), e.newUser("lou@corp.test")
	id := e.newGroup("eng", kim)
	e.writesNothing("add of a member, remove of none", func() {
		e.do("PATCH", "/Groups/"+id, fill(oktaAddMember, "add", kim)).want(204)
		e.do("PATCH", "/Groups/"+id, fill(oktaRemoveMember, "remove", lou)).want(204)
	})
}

func TestC11UnreadableRemovalChangesNothing(t *testing.T) {
	e := start(t, "entra")
	kim := e.newUser("kim@corp.test")
	id := e.newGroup("eng", kim)
	e.writesNothing("a removal that cannot be read", func() {
		for _, value := range []string{`[{"display": "kim"}]`, `[{}]`, `{}`, `17`} {
			body := `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "Remove", "path": "members", "value": ` + value + `}]}`
			e.do("PATCH", "/Groups/"+id, body).refused(400, "invalidValue", "members")
		}
	})
	e.do("PATCH", "/Groups/"+id, fill(entraRemoveMember, "remove", kim)).want(204)
	e.wantMembers(id)
}

func TestC12ChangeIsAnsweredWithoutTheMembers(t *testing.T) {
	e := start(t, "okta")
	kim, lou := e.newUser("kim@corp.test"), e.newUser("lou@corp.test")
	id := e.newGroup("eng", kim)
	e.do("PATCH", "/Groups/"+id, fill(oktaAddMember, "add", lou)).want(204)
	a := e.do("PATCH", "/Groups/"+id+"?attributes=displayName", fill(oktaRemoveMember, "remove", lou)).want(200)
	a.has("eng", "displayName").has(nil, "members")
	a = e.do("PATCH", "/Groups/"+id+"?excludedAttributes=members", fill(oktaAddMember, "add", lou)).want(200)
	a.has("eng", "displayName").has(nil, "members")
	e.do("GET", "/Groups/"+id+"?excludedAttributes=members", "").want(200).has("eng", "displayName").has(nil, "members")
}

func TestC14UserNameChangesAndTheIDDoesNot(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	put := fill(oktaNewUser, "userName", "kim.lee@corp.test", "givenName", "Kim", "familyName", "Lee")
	e.do("PUT", "/Users/"+id, put).want(200).has(id, "id").has("kim.lee@corp.test", "userName")
	e.do("GET", "/Users", "").rows(1)
	e.do("GET", "/Users"+filter(`userName eq "kim@corp.test"`), "").rows(0)
	e.do("GET", "/Users"+filter(`userName eq "kim.lee@corp.test"`), "").rows(1)
	// The name that became free is free at once.
	if other := e.newUser("kim@corp.test"); other == id {
		t.Error("an id was given twice")
	}
}

func TestC15StringBooleans(t *testing.T) {
	e := start(t, "entra")
	id := e.newUser("kim@corp.test")
	e.do("PATCH", "/Users/"+id, entraDisable).want(200).has(false, "active")
}

func TestC16QualifiedCoreAttributes(t *testing.T) {
	e := start(t, "entra")
	id := e.newUser("kim@corp.test")
	e.do("GET", "/Users"+filter(`urn:ietf:params:scim:schemas:core:2.0:User:userName eq "kim@corp.test"`), "").rows(1)
	e.do("PATCH", "/Users/"+id, `{"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations":
		[{"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:name.familyName", "value": "Ruiz"}]}`).want(200).has("Ruiz", "name", "familyName")
}

func TestC17FiltersOnSubAttributesAndNames(t *testing.T) {
	e := start(t, "entra")
	id := e.newUser("kim@corp.test")
	e.newUser("lou@corp.test")
	group := e.newGroup("eng", id)
	eventually(t, "a filter without index sees the user", func() bool {
		return e.do("GET", "/Users"+filter(`emails[type eq "work"].value eq "kim@corp.test"`), "").want(200).get("Resources", 0, "id") == id
	})
	a := e.do("GET", "/Groups"+filter(`displayName eq "ENG"`), "")
	a.rows(1)
	a.has(group, "Resources", 0, "id")
}

func TestC18UnknownAttributeIsNeverASilentEmptyAnswer(t *testing.T) {
	e := start(t, "okta")
	e.do("GET", "/Users"+filter(`shoeSize eq "44"`), "").refused(400, "invalidFilter", "shoeSize", "position 1")
}

func TestC19WhatWasWrittenIsRead(t *testing.T) {
	e := start(t, "okta")
	for i := range 20 {
		name := fmt.Sprintf("user%d@corp.test", i)
		id := e.newUser(name)
		a := e.do("GET", "/Users"+filter(`userName eq "`+name+`"`), "")
		a.rows(1)
		a.has(id, "Resources", 0, "id")
		e.do("GET", "/Users/"+id, "").want(200)
		e.do("GET", "/Users?count=0", "").rows(i + 1)
	}
}

func TestDeletedUserIsGoneEverywhere(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	e.do("DELETE", "/Users/"+id, "").want(204)
	e.do("GET", "/Users/"+id, "").refused(404, "")
	e.do("PUT", "/Users/"+id, fill(oktaNewUser, "userName", "kim@corp.test", "givenName", "Kim", "familyName", "Lee")).refused(404, "")
	e.do("PATCH", "/Users/"+id, fill(oktaSetActive, "active", "true")).refused(404, "")
	e.do("DELETE", "/Users/"+id, "").refused(404, "")
	e.do("GET", "/Users"+filter(`userName eq "kim@corp.test"`), "").rows(0)
	e.do("GET", "/Users", "").rows(0)
	e.newUser("kim@corp.test")
}

func TestC13ManagerInEveryFormIsAnObject(t *testing.T) {
	const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	e := start(t, "entra")
	boss, kim := e.newUser("boss@corp.test"), e.newUser("kim@corp.test")
	set := func(op, path, value string) *answer {
		t.Helper()
		return e.do("PATCH", "/Users/"+kim, fmt.Sprintf(`%s[{"op": %q, "path": %q, "value": %s}]}`, patchHead, op, path, value)).want(200)
	}
	for _, form := range []struct{ path, value string }{
		{enterprise + ":manager", `"` + boss + `"`},
		{"manager", `[{"$ref": null, "value": "` + boss + `"}]`},
		{enterprise + ":manager", `{"value": "` + boss + `"}`},
	} {
		set("Add", form.path, form.value).has(boss, enterprise, "manager", "value")
		e.writesNothing("the same manager again", func() { set("Replace", form.path, form.value) })
		for _, nobody := range []string{`""`, `null`} {
			set("Replace", form.path, nobody).has(nil, enterprise, "manager")
			set("Add", form.path, form.value).has(boss, enterprise, "manager", "value")
		}
		e.do("PATCH", "/Users/"+kim, fmt.Sprintf(`%s[{"op": "Remove", "path": %q}]}`, patchHead, form.path)).want(200).has(nil, enterprise, "manager")
	}
}
