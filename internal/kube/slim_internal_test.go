// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// decoded is a user as a watch brings it: each text, time and list of its own.
func decoded(t testing.TB, accounts int) *v1alpha1.ScimUser {
	t.Helper()
	first := metav1.NewTime(time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC).Local())
	user := &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{UserName: "kim@corp.test", Emails: []v1alpha1.MultiValue{{Value: "kim@corp.test"}}}}
	user.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	if accounts > 0 {
		user.Status = v1alpha1.ScimUserStatus{Active: "true", Summary: "0/1", Conditions: []metav1.Condition{
			{
				Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded,
				Message: "every account is as it should be", LastTransitionTime: first,
			},
		}}
	}
	for a := range accounts {
		at := metav1.NewTime(first.Add(time.Duration(a%2) * time.Second))
		user.Status.Accounts = append(user.Status.Accounts, v1alpha1.Account{
			App: fmt.Sprintf("app-%d", a), State: v1alpha1.AccountActive, Roles: []string{"member", "editor"}, RemoteID: fmt.Sprintf("remote-%d", a),
			ProvisionedTime: &first, UpdatedTime: &at, Planned: v1alpha1.ActionUpdate, PlannedAttributes: []string{"title"},
			HeldBatch: "batch-one", Reason: v1alpha1.ReasonHeld, Message: "held by the guard", Applied: "v1 title=k3Jd9aXq",
		})
	}
	raw, err := json.Marshal(user)
	if err != nil {
		t.Fatal(err)
	}
	user = &v1alpha1.ScimUser{}
	if err := json.Unmarshal(raw, user); err != nil {
		t.Fatal(err)
	}
	return user
}

func slimmed(t testing.TB, slim toolscache.TransformFunc, obj any) any {
	t.Helper()
	obj, err := slim(obj)
	if err != nil {
		t.Fatal(err)
	}
	return obj
}

func TestASlimUserSaysTheSameWithoutManagedFields(t *testing.T) {
	for _, accounts := range []int{0, 1, 2, 5, 64} {
		slim := SlimUsers()
		user := decoded(t, accounts)
		want := user.DeepCopy()
		want.ManagedFields = nil
		// Objects may come by more than once.
		for range 2 {
			if diff := cmp.Diff(want, slimmed(t, slim, user)); diff != "" {
				t.Errorf("%d accounts (-want +got):\n%s", accounts, diff)
			}
		}
	}
}

func TestWhatIsNoUserStaysAsItIs(t *testing.T) {
	slim := SlimUsers()
	for _, obj := range []any{
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{{Manager: "m"}}}},
		toolscache.DeletedFinalStateUnknown{Key: "a/b", Obj: decoded(t, 1)},
	} {
		want := obj
		if diff := cmp.Diff(want, slimmed(t, slim, obj)); diff != "" {
			t.Errorf("%T (-want +got):\n%s", obj, diff)
		}
	}
}

func TestSlimUsersShareWhatIsNotTheirOwn(t *testing.T) {
	slim := SlimUsers()
	one, other := slimmed(t, slim, decoded(t, 3)).(*v1alpha1.ScimUser), slimmed(t, slim, decoded(t, 3)).(*v1alpha1.ScimUser)
	a, b := &one.Status, &other.Status
	for name, texts := range map[string][2]string{
		"active":            {a.Active, b.Active},
		"summary":           {a.Summary, b.Summary},
		"condition type":    {a.Conditions[0].Type, b.Conditions[0].Type},
		"condition status":  {string(a.Conditions[0].Status), string(b.Conditions[0].Status)},
		"condition reason":  {a.Conditions[0].Reason, b.Conditions[0].Reason},
		"condition message": {a.Conditions[0].Message, b.Conditions[0].Message},
		"app":               {a.Accounts[2].App, b.Accounts[2].App},
		"state":             {string(a.Accounts[0].State), string(b.Accounts[2].State)},
		"planned":           {string(a.Accounts[0].Planned), string(b.Accounts[2].Planned)},
		"held batch":        {a.Accounts[0].HeldBatch, b.Accounts[2].HeldBatch},
		"reason":            {a.Accounts[0].Reason, b.Accounts[2].Reason},
		"message":           {a.Accounts[0].Message, b.Accounts[2].Message},
	} {
		if texts[0] == "" || unsafe.StringData(texts[0]) != unsafe.StringData(texts[1]) {
			t.Errorf("%s: %q and %q are two texts", name, texts[0], texts[1])
		}
	}
	if &a.Accounts[0].Roles[0] != &b.Accounts[2].Roles[0] || &a.Accounts[0].PlannedAttributes[0] != &b.Accounts[2].PlannedAttributes[0] {
		t.Error("equal lists are two")
	}
	if a.Accounts[0].ProvisionedTime != a.Accounts[2].UpdatedTime || a.Accounts[0].ProvisionedTime == a.Accounts[1].UpdatedTime {
		t.Error("equal times are two, or different ones are one")
	}
	if a.Accounts[0].ProvisionedTime == b.Accounts[0].ProvisionedTime {
		t.Error("two users share a time")
	}
	if cap(a.Accounts) != 3 || cap(a.Conditions) != 1 || cap(a.Accounts[0].Roles) != 2 || cap(a.Accounts[0].PlannedAttributes) != 1 {
		t.Error("a list has room for more")
	}
}

func TestCopiesOfSlimUsersAreTheirOwn(t *testing.T) {
	user := slimmed(t, SlimUsers(), decoded(t, 3)).(*v1alpha1.ScimUser)
	want := user.DeepCopy()
	changed := user.DeepCopy()
	changed.Status.Accounts[0].ProvisionedTime.Time = time.Time{}
	changed.Status.Accounts[0].Roles[0] = "changed"
	if diff := cmp.Diff(want, user); diff != "" {
		t.Errorf("the cached user changed (-want +got):\n%s", diff)
	}
	if changed.Status.Accounts[1].ProvisionedTime.IsZero() {
		t.Error("another account of the copy changed")
	}
}

func TestListsThatDifferStayDifferent(t *testing.T) {
	s := shared{}
	for _, want := range [][]string{{"a", "b"}, {"a\x00b"}, {"a", "b"}, {"b", "a"}, {""}, {}, nil} {
		if diff := cmp.Diff(want, s.list(want)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestWhatIsSharedIsBounded(t *testing.T) {
	s := shared{}
	for i := range 2 * maxKnown {
		s.slim(&v1alpha1.ScimUserStatus{Accounts: []v1alpha1.Account{{Message: fmt.Sprint(i), Roles: []string{"member", fmt.Sprint(i)}}}})
		if len(s.texts) > maxKnown || len(s.lists) > maxKnown {
			t.Fatalf("%d texts and %d lists are known", len(s.texts), len(s.lists))
		}
	}
}

func TestManyInformersMaySlimAtOnce(t *testing.T) {
	slim := SlimUsers()
	var done sync.WaitGroup
	for range 4 {
		done.Go(func() {
			for range 50 {
				slimmed(t, slim, decoded(t, 2))
			}
		})
	}
	done.Wait()
}

// BenchmarkSlimUsers is what the transform adds to the way of a user from the API server into the cache.
func BenchmarkSlimUsers(b *testing.B) {
	for _, accounts := range []int{0, 5} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			slim, user := SlimUsers(), decoded(b, accounts)
			decoded, room := user.Status.Accounts, make([]v1alpha1.Account, accounts, 2*accounts)
			b.ReportAllocs()
			for b.Loop() {
				copy(room, decoded)
				user.Status.Accounts = room
				slimmed(b, slim, user)
			}
		})
	}
}
