// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// call is a look at a user's account.
func (w *world) call(user *v1alpha1.ScimUser) *accountCall {
	return &accountCall{
		line: &line{id: idOf(user)}, worker: w.worker, key: account(user.Name), user: pt.Key(user.Name),
		view: &desired.UserView{User: user}, AccountView: desired.AccountView{AppName: "crm"},
	}
}

func TestAccountIsWorkedOnByOneCallAndLookedAtAgainByTheNext(t *testing.T) {
	w := newWorld(t, nil)
	one, other := w.call(pt.User("kim")), w.call(pt.User("lee"))
	looked := w.clock.Now()
	if err := one.hold("1", looked); err != nil {
		t.Fatal(err)
	}
	if err := other.hold("1", looked); err == nil {
		t.Error("two calls hold one account")
	}
	if err := other.hold("2", looked); err != nil {
		t.Errorf("another account is held as well: %v", err)
	}
	w.clock.Step(time.Second)
	w.worker.ledger.Release(one.held)
	if err := other.hold("1", looked); err == nil {
		t.Error("a call goes on with what it saw before another one had changed the account")
	}
	w.clock.Step(time.Second)
	if err := other.hold("1", w.clock.Now()); err != nil {
		t.Errorf("a call that has looked since cannot hold the account: %v", err)
	}
}

func TestOwnerIsWhoeverLivesAndWasLinkedLast(t *testing.T) {
	for name, tc := range map[string]struct {
		// now is what became of the owner since, nil if it does not exist any more.
		now  func(*v1alpha1.ScimUser)
		want string
	}{
		"it lives":                         {now: func(*v1alpha1.ScimUser) {}, want: "kim"},
		"it is being deleted":              {now: func(u *v1alpha1.ScimUser) { u.DeletionTimestamp = &metav1.Time{Time: pt.Now} }},
		"it does not exist any more":       {},
		"another object has its name, now": {now: func(u *v1alpha1.ScimUser) { u.UID = types.UID("uid-of-a-successor") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			kim, lee := pt.User("kim"), pt.User("lee")
			w.call(kim).own("1", true)
			if tc.now != nil {
				tc.now(kim)
				w.cache.Put(kim)
			}
			owner, err := w.call(lee).otherOwner(t.Context(), "1")
			got := ""
			if owner != nil {
				got = owner.Name
			}
			if err != nil || got != tc.want {
				t.Errorf("the owner is %q, want %q (%v)", got, tc.want, err)
			}
			if owner, err := w.call(pt.User("kim")).otherOwner(t.Context(), "1"); err != nil || owner != nil {
				t.Errorf("for the owner itself it is another one's: %v (%v)", owner, err)
			}
		})
	}
}

// A joiner's account belongs to a user whose deactivation is held. Nobody asks the app until the owner's account changes.
func TestJoinerWhoseAccountBelongsToAHeldUserIsWokenByTheOwnersChange(t *testing.T) {
	w := newWorld(t, nil)
	owner := w.member("lee")
	owner.Spec.UserName = "lee.former@corp.test"
	w.put(owner)
	joiner := w.joiner("kim")
	w.script.Users[0].UserName = joiner.Spec.UserName
	got := w.work("kim")
	w.wantCalls(find)
	if got == nil || got.Entry.Reason != v1alpha1.ReasonAccountConflict {
		t.Fatalf("the outcome is %+v", got)
	}
	w.write(joiner, got)
	for range 20 {
		w.clock.Step(time.Minute)
		w.work("kim")
	}
	w.wantCalls()

	told := w.told["user kim"]
	w.registry.WakeWaiting(pt.Key("crm"), "uid-of-somebody-else")
	if w.told["user kim"] != told {
		t.Error("the change of another user wakes the joiner")
	}
	w.registry.WakeWaiting(pt.Key("crm"), owner.UID)
	if w.told["user kim"] != told+1 {
		t.Error("the change of the owner does not wake the joiner")
	}
	owner.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
	w.put(owner)
	if got := w.work("kim"); got == nil || got.Event != "Linked" || got.Entry.RemoteID != "r-lee" {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls(connector.OpFindUsers)
}
