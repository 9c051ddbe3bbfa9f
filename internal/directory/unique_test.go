// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestOfConcurrentCreatesOfOneUserNameOneSucceeds(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	replicas := []*replica{newReplica(t, ns), newReplica(t, ns)}
	name := "kim.jorgensen@corp.test"
	got := together(64, func(i int) error {
		mixed := strings.Map(func(r rune) rune {
			if i&(1<<(r%6)) != 0 {
				return []rune(strings.ToUpper(string(r)))[0]
			}
			return r
		}, name)
		_, err := replicas[i%2].as("okta").Create(t.Context(), user(t, mixed))
		return err
	})
	if diff := cmp.Diff(map[int]int{200: 1, 409: 63}, got); diff != "" {
		t.Error(diff)
	}
	if found := ids(t, replicas[0].as("okta"), scim.UserType, filter(t, scim.UserType, `userName eq %q`, name)); len(found) != 1 {
		t.Errorf("%d users have the name", len(found))
	}
}

func TestOfConcurrentCreatesOfOneGroupOneSucceeds(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	replicas := []*replica{newReplica(t, ns), newReplica(t, ns)}
	got := together(24, func(i int) error {
		_, err := replicas[i%2].as("okta").Create(t.Context(), group(t, []string{"Engineering", "ENGINEERING"}[i%2]))
		return err
	})
	if diff := cmp.Diff(map[int]int{200: 1, 409: 23}, got); diff != "" {
		t.Error(diff)
	}
	list := &v1alpha1.ScimGroupList{}
	if err := replicas[0].client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 1 {
		t.Errorf("%d groups are left", len(list.Items))
	}
}

func TestOfConcurrentRenamesAndCreatesOneGetsTheName(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	replicas := []*replica{newReplica(t, ns), newReplica(t, ns)}
	const n = 16
	var users []string
	for i := range n {
		users = append(users, must[*scim.Resource](t)(replicas[0].as("okta").Create(t.Context(), user(t, fmt.Sprintf("u%d@corp.test", i)))).ID())
	}
	for _, round := range []struct {
		name    string
		creates bool
	}{{"one@corp.test", false}, {"two@corp.test", true}} {
		got := together(n, func(i int) error {
			d := replicas[i%2].as("okta")
			if round.creates && i%4 == 0 {
				_, err := d.Create(t.Context(), user(t, round.name))
				return err
			}
			_, err := d.Replace(t.Context(), users[i], user(t, round.name))
			return err
		})
		if got[200] != 1 || got[409] != n-1 {
			t.Errorf("%s: %v", round.name, got)
		}
	}
	checkUnique(t, replicas[0])
}

// checkUnique compares all live users, and looks each up by its name.
func checkUnique(t *testing.T, r *replica) {
	t.Helper()
	list := &v1alpha1.ScimUserList{}
	if err := r.client.List(t.Context(), list, client.InNamespace(r.namespace)); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for i := range list.Items {
		u := &list.Items[i]
		if !u.Admitted() || u.DeletionTimestamp != nil {
			continue
		}
		folded := scim.Fold(u.Spec.UserName)
		if names[folded] != "" {
			t.Errorf("%s and %s have one userName", names[folded], u.Name)
		}
		names[folded] = u.Name
		if found := ids(t, r.as("okta"), scim.UserType, filter(t, scim.UserType, `userName eq %q`, u.Spec.UserName)); len(found) != 1 || found[0] != u.SCIMID() {
			t.Errorf("looking up the userName of %s gives %v", u.SCIMID(), found)
		}
	}
}

func TestSwapOfTakenNamesIsRefused(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	replicas := []*replica{newReplica(t, ns), newReplica(t, ns)}
	names := []string{"a@corp.test", "b@corp.test"}
	var users []string
	for _, name := range names {
		users = append(users, must[*scim.Resource](t)(replicas[0].as("okta").Create(t.Context(), user(t, name))).ID())
	}
	for range 10 {
		got := together(2, func(i int) error {
			_, err := replicas[i].as("okta").Replace(t.Context(), users[i], user(t, names[1-i]))
			return err
		})
		if diff := cmp.Diff(map[int]int{409: 2}, got); diff != "" {
			t.Fatal(diff)
		}
	}
	// By way of a third name it works.
	for i, step := range []struct {
		user int
		name string
	}{{0, "c@corp.test"}, {1, "a@corp.test"}, {0, "b@corp.test"}} {
		if _, err := replicas[i%2].as("okta").Replace(t.Context(), users[step.user], user(t, step.name)); err != nil {
			t.Fatal(err)
		}
	}
	checkUnique(t, replicas[1])
}

func TestADeletedNameIsFreeAtOnce(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	one, two := newReplica(t, ns), newReplica(t, ns)
	const name = "kim@corp.test"
	first := must[*scim.Resource](t)(one.as("okta").Create(t.Context(), user(t, name)))
	if err := one.as("okta").Delete(t.Context(), scim.UserType, first.ID()); err != nil {
		t.Fatal(err)
	}
	_, err := two.as("okta").Get(t.Context(), scim.UserType, first.ID())
	wantStatus(t, err, 404)
	wantStatus(t, two.as("okta").Delete(t.Context(), scim.UserType, first.ID()), 404)
	if found := ids(t, two.as("okta"), scim.UserType, filter(t, scim.UserType, `userName eq %q`, name)); len(found) != 0 {
		t.Fatalf("still found: %v", found)
	}
	if found := ids(t, one.as("okta"), scim.UserType, Query{Page: scim.Page{StartIndex: 1, Count: 10}}); len(found) != 0 {
		t.Fatalf("still listed: %v", found)
	}

	second := must[*scim.Resource](t)(two.as("okta").Create(t.Context(), user(t, name)))
	if first.ID() == second.ID() {
		t.Fatal("the id was used again")
	}
	_, err = one.as("okta").Create(t.Context(), user(t, name))
	wantStatus(t, err, 409)
	checkUnique(t, one)
	if one.finalize(first.ID()) {
		t.Fatal("the slot may vanish although its name is held by way of it")
	}

	if err := one.as("okta").Delete(t.Context(), scim.UserType, second.ID()); err != nil {
		t.Fatal(err)
	}
	if !one.finalize(second.ID()) || !one.finalize(first.ID()) {
		t.Fatal("a deleted user cannot vanish")
	}
	third := must[*scim.Resource](t)(two.as("okta").Create(t.Context(), user(t, name)))
	if u := object(t, one, third.ID(), &v1alpha1.ScimUser{}); u.Name != userSlot(name) {
		t.Errorf("the user is not its own slot again")
	}
}

func TestARenamedAwayNameIsFreeAtOnce(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	r := newReplica(t, ns)
	d := r.as("okta")
	first := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "a@corp.test")))
	must[*scim.Resource](t)(d.Replace(t.Context(), first.ID(), user(t, "b@corp.test")))
	second := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "A@corp.test")))
	_, err := d.Replace(t.Context(), first.ID(), user(t, "a@corp.test"))
	wantStatus(t, err, 409)
	must[*scim.Resource](t)(d.Replace(t.Context(), second.ID(), user(t, "c@corp.test")))
	must[*scim.Resource](t)(d.Replace(t.Context(), first.ID(), user(t, "a@corp.test")))
	checkUnique(t, r)

	list := &v1alpha1.ScimUserList{}
	if err := r.client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
		t.Fatal(err)
	}
	if len(list.Items) != 3 { // Two users, and the reservation of c@corp.test.
		t.Errorf("%d objects are left", len(list.Items))
	}
}

func TestAChangeOfLetterCaseKeepsTheName(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	id := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test"))).ID()
	_, writes := r.requests(func() {
		got := must[*scim.Resource](t)(d.Replace(t.Context(), id, user(t, "Kim@corp.test")))
		if got.ID() != id || got.String("userName") != "Kim@corp.test" {
			t.Errorf("got %s %s", got.ID(), got.String("userName"))
		}
	})
	if writes != 1 {
		t.Errorf("%d writes", writes)
	}
}

func TestGroupNamesAreUniqueForEachClient(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	okta, entra := r.as("okta"), r.as("entra")
	first := must[*scim.Resource](t)(okta.Create(t.Context(), group(t, "eng")))
	must[*scim.Resource](t)(entra.Create(t.Context(), group(t, "eng")))
	_, err := okta.Create(t.Context(), group(t, "Eng"))
	wantStatus(t, err, 409)
	other := must[*scim.Resource](t)(okta.Create(t.Context(), group(t, "ops")))
	_, err = okta.Replace(t.Context(), other.ID(), group(t, "ENG"))
	wantStatus(t, err, 409)

	must[*scim.Resource](t)(okta.Replace(t.Context(), first.ID(), group(t, "eng2")))
	must[*scim.Resource](t)(okta.Replace(t.Context(), other.ID(), group(t, "eng")))
	if err := okta.Delete(t.Context(), scim.GroupType, first.ID()); err != nil {
		t.Fatal(err)
	}
	must[*scim.Resource](t)(okta.Create(t.Context(), group(t, "eng2")))
	if found := ids(t, okta, scim.GroupType, filter(t, scim.GroupType, `displayName eq "ENG"`)); len(found) != 2 {
		t.Errorf("found %v", found)
	}
}

func TestSharedGroupNamesCostOneWriteAndDoNotConflict(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta", sharing)
	for range 2 {
		_, writes := r.requests(func() { must[*scim.Resource](t)(d.Create(t.Context(), group(t, "eng"))) })
		if writes != 1 {
			t.Errorf("%d writes", writes)
		}
	}
	// Once names have to be unique, those that are there count.
	_, err := r.as("okta").Create(t.Context(), group(t, "eng"))
	wantStatus(t, err, 409)
}
