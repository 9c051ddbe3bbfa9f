// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"errors"
	"slices"
	"testing"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// byHand stores a user as a person would.
func byHand(t *testing.T, r *replica, name, userName string) *v1alpha1.ScimUser {
	t.Helper()
	u := &v1alpha1.ScimUser{}
	u.Namespace, u.Name, u.Spec.UserName = r.namespace, name, userName
	if err := r.client.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAHandMadeUserTakesEffectWhenAdmitted(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	u := byHand(t, r, "kim", "Kim@corp.test")
	look := filter(t, scim.UserType, `userName eq "kim@corp.test"`)
	if found := ids(t, d, scim.UserType, look); len(found) != 0 {
		t.Fatal("it takes effect before it is admitted")
	}
	if err := r.Admit(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if !u.Admitted() || !slices.Contains(u.Finalizers, v1alpha1.FinalizerDeprovision) {
		t.Fatalf("not admitted: %v %v", u.Spec, u.Finalizers)
	}
	if found := ids(t, d, scim.UserType, look); !slices.Equal(found, []string{u.SCIMID()}) {
		t.Errorf("found %v", found)
	}
	_, err := d.Create(t.Context(), user(t, "kim@corp.test"))
	wantStatus(t, err, 409)
	eventually(t, "the cache knows", func() bool { return must[bool](t)(r.Entitled(t.Context(), u)) })
	_, writes := r.requests(func() {
		if err := r.Admit(t.Context(), u); err != nil {
			t.Error(err)
		}
	})
	if writes != 0 {
		t.Errorf("admitted again with %d writes", writes)
	}
}

func TestAHandMadeUserWhoseNameIsTakenIsAConflict(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	holder := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test")))
	u := byHand(t, r, "kim", "KIM@corp.test")
	var conflict *ConflictError
	if err := r.Admit(t.Context(), u); !errors.As(err, &conflict) || conflict.Removed || conflict.Holder != userSlot("kim@corp.test") {
		t.Fatalf("got %v", err)
	}
	if err := r.client.Get(t.Context(), client.ObjectKeyFromObject(u), u); err != nil || u.Admitted() {
		t.Errorf("a person's user was touched: %v %v", err, u.Spec)
	}
	if err := d.Delete(t.Context(), scim.UserType, holder.ID()); err != nil {
		t.Fatal(err)
	}
	if err := r.Admit(t.Context(), u); err != nil {
		t.Errorf("the name is free: %v", err)
	}
	checkUnique(t, r)
}

func TestWhatACrashedCreateLeftIsFinishedOrRemoved(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	remains := func(name string) *v1alpha1.ScimUser {
		u := &v1alpha1.ScimUser{}
		u.Namespace, u.Name, u.Spec.UserName, u.Spec.Client = r.namespace, name, "kim@corp.test", "okta"
		if err := d.stamp(u); err != nil {
			t.Fatal(err)
		}
		if err := r.client.Create(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		return u
	}
	first, second := remains("u-first"), remains("u-second")
	if err := r.Admit(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	var conflict *ConflictError
	if err := r.Admit(t.Context(), second); !errors.As(err, &conflict) || !conflict.Removed {
		t.Fatalf("got %v", err)
	}
	if err := r.client.Get(t.Context(), client.ObjectKeyFromObject(second), second); !apierrors.IsNotFound(err) {
		t.Errorf("still there: %v", err)
	}
	checkUnique(t, r)
}

func TestAUserRenamedByHandIsNoticedAndSetRight(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	kim := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test"))).ID()
	must[*scim.Resource](t)(d.Create(t.Context(), user(t, "ann@corp.test")))
	rename := func(name string) *v1alpha1.ScimUser {
		u := object(t, r, kim, &v1alpha1.ScimUser{})
		u.Spec.UserName = name
		if err := r.client.Update(t.Context(), u); err != nil {
			t.Fatal(err)
		}
		return u
	}

	u := rename("kim2@corp.test")
	if must[bool](t)(r.Entitled(t.Context(), u)) {
		t.Error("not noticed")
	}
	if err := r.Admit(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	eventually(t, "entitled", func() bool { return must[bool](t)(r.Entitled(t.Context(), u)) })
	checkUnique(t, r)

	u = rename("ann@corp.test")
	var conflict *ConflictError
	if err := r.Admit(t.Context(), u); !errors.As(err, &conflict) || conflict.Removed {
		t.Fatalf("got %v", err)
	}
	if found := ids(t, d, scim.UserType, filter(t, scim.UserType, `userName eq "ann@corp.test"`)); len(found) != 1 || found[0] == kim {
		t.Errorf("the holder is not found any more: %v", found)
	}
}

func TestAUserRenamedBackByHandIsNoticedAndSetRight(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	first := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "a@corp.test"))).ID()
	must[*scim.Resource](t)(d.Replace(t.Context(), first, user(t, "b@corp.test")))
	second := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "a@corp.test"))).ID()
	u := object(t, r, first, &v1alpha1.ScimUser{})
	u.Spec.UserName = "a@corp.test"
	if err := r.client.Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	look := filter(t, scim.UserType, `userName eq "a@corp.test"`)
	if found := ids(t, d, scim.UserType, look); !slices.Equal(found, []string{second}) {
		t.Errorf("the holder is not found any more: %v", found)
	}
	var conflict *ConflictError
	if err := r.Admit(t.Context(), u); !errors.As(err, &conflict) || must[bool](t)(r.Entitled(t.Context(), u)) {
		t.Fatalf("got %v", err)
	}
	if err := d.Delete(t.Context(), scim.UserType, second); err != nil {
		t.Fatal(err)
	}
	if err := r.Admit(t.Context(), u); err != nil || !must[bool](t)(r.Entitled(t.Context(), u)) {
		t.Fatalf("got %v", err)
	}
	checkUnique(t, r)
}

func TestAHandMadeGroupIsAdmitted(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	g := &v1alpha1.ScimGroup{}
	g.Namespace, g.Name, g.Spec.DisplayName = r.namespace, "eng", "eng"
	if err := r.client.Create(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if err := r.AdmitGroup(t.Context(), g); err != nil {
		t.Fatal(err)
	}
	if !EntitledGroup(g) {
		t.Error("not entitled")
	}
	if found := ids(t, r.as("okta"), scim.GroupType, filter(t, scim.GroupType, `displayName eq "Eng"`)); !slices.Equal(found, []string{g.SCIMID()}) {
		t.Errorf("found %v", found)
	}
	again := &v1alpha1.ScimGroup{}
	again.Namespace, again.Name, again.Spec.DisplayName = r.namespace, "eng2", "ENG"
	if err := r.client.Create(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	var conflict *ConflictError
	if err := r.AdmitGroup(t.Context(), again); !errors.As(err, &conflict) || conflict.Holder != "eng" {
		t.Errorf("got %v", err)
	}
}

func TestReservationsAreSweptWhenNobodyNeedsThem(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	kim := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "a@corp.test"))).ID()
	must[*scim.Resource](t)(d.Replace(t.Context(), kim, user(t, "b@corp.test")))
	slot := &v1alpha1.ScimUser{}
	key := client.ObjectKey{Namespace: r.namespace, Name: userSlot("b@corp.test")}
	if err := r.client.Get(t.Context(), key, slot); err != nil {
		t.Fatal(err)
	}
	if gone := must[bool](t)(r.SweepReservation(t.Context(), slot)); gone {
		t.Fatal("a reservation that is needed was removed")
	}
	if err := d.Delete(t.Context(), scim.UserType, kim); err != nil {
		t.Fatal(err)
	}
	if gone := must[bool](t)(r.SweepReservation(t.Context(), slot)); !gone {
		t.Fatal("not removed")
	}
	if err := r.client.Get(t.Context(), key, slot); !apierrors.IsNotFound(err) {
		t.Errorf("still there: %v", err)
	}
}

// TestARestoredBackupKeepsIDsAndNames copies what a backup has into an empty namespace: without UIDs, resourceVersions and status, in any order.
func TestARestoredBackupKeepsIDsAndNames(t *testing.T) {
	for name, leases := range map[string]bool{"with Leases": true, "without Leases": false} {
		t.Run(name, func(t *testing.T) {
			env := cptest.New(t)
			old := newReplica(t, env.Namespace(t))
			d := old.as("okta")
			a := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "a@corp.test", `,"shoeSize":41`)))
			a = must[*scim.Resource](t)(d.Replace(t.Context(), a.ID(), user(t, "b@corp.test", `,"shoeSize":41`)))
			c := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "a@corp.test")))
			g := must[*scim.Resource](t)(d.Create(t.Context(), group(t, "eng", a.ID())))

			fresh := newReplica(t, env.Namespace(t))
			restore(t, old, fresh, leases)
			d = fresh.as("okta")
			for _, want := range []*scim.Resource{a, c, g} {
				got := must[*scim.Resource](t)(d.Get(t.Context(), want.Type(), want.ID()))
				if got.String("meta.version") != want.String("meta.version") {
					t.Errorf("the ETag of a %s has changed", want.Type().Name)
				}
			}
			checkUnique(t, fresh)
			for _, taken := range []string{"a@corp.test", "B@corp.test"} {
				_, err := d.Create(t.Context(), user(t, taken))
				wantStatus(t, err, 409)
			}
			_, err := d.Create(t.Context(), group(t, "ENG"))
			wantStatus(t, err, 409)
			must[*scim.Resource](t)(d.Replace(t.Context(), a.ID(), user(t, "d@corp.test")))
			must[*scim.Resource](t)(d.Create(t.Context(), user(t, "b@corp.test")))
			must[*scim.Resource](t)(d.Replace(t.Context(), g.ID(), group(t, "eng2")))
			must[*scim.Resource](t)(d.Create(t.Context(), group(t, "eng")))
			checkUnique(t, fresh)
		})
	}
}

func restore(t *testing.T, from, to *replica, leases bool) {
	t.Helper()
	lists := []client.ObjectList{&v1alpha1.ScimUserList{}, &v1alpha1.ScimGroupList{}}
	if leases {
		lists = append(lists, &coordination.LeaseList{})
	}
	var objects []client.Object
	for _, list := range lists {
		if err := from.client.List(t.Context(), list, client.InNamespace(from.namespace)); err != nil {
			t.Fatal(err)
		}
		switch list := list.(type) {
		case *v1alpha1.ScimUserList:
			for i := range list.Items {
				objects = append(objects, &list.Items[i])
			}
		case *v1alpha1.ScimGroupList:
			for i := range list.Items {
				objects = append(objects, &list.Items[i])
			}
		case *coordination.LeaseList:
			for i := range list.Items {
				objects = append(objects, &list.Items[i])
			}
		}
	}
	for _, obj := range objects {
		obj.SetNamespace(to.namespace)
		obj.SetUID("")
		obj.SetResourceVersion("")
		obj.SetCreationTimestamp(metav1.Time{})
		obj.SetManagedFields(nil)
		if err := to.client.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
}
