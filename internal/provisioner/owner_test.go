// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// ownerWorld is an app with users in the cache, without workers.
type ownerWorld struct {
	app   *App
	clock *clocktesting.FakeClock
	cache *desiredtest.Cache
}

func newOwnerWorld() *ownerWorld {
	w := &ownerWorld{clock: clocktesting.NewFakeClock(time.Unix(1_700_000_000, 0)), cache: desiredtest.NewCache()}
	w.app = &App{
		config: Config{Key: desiredtest.Key("crm")}, clock: w.clock, view: desired.NewView(w.cache), owners: newOwners(),
	}
	return w
}

func (w *ownerWorld) call(user *v1alpha1.ScimUser) *accountCall {
	return &accountCall{
		app: w.app, key: Key{Kind: KindAccount, Name: user.Name}, user: desiredtest.Key(user.Name),
		view: &desired.UserView{User: user}, AccountView: desired.AccountView{AppName: "crm"},
	}
}

func TestAccountIsWorkedOnByOneCallAndLookedAtAgainByTheNext(t *testing.T) {
	w := newOwnerWorld()
	one, other := w.call(desiredtest.User("kim")), w.call(desiredtest.User("lee"))
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
	one.release()
	if err := other.hold("1", looked); err == nil {
		t.Error("a call goes on with what it saw before another one had changed the account")
	}
	w.clock.Step(time.Second)
	if err := other.hold("1", w.clock.Now()); err != nil {
		t.Errorf("a call that has looked since cannot hold the account: %v", err)
	}
}

func TestOwnerIsWhoeverLivesAndWasLinkedLast(t *testing.T) {
	deleted := func(u *v1alpha1.ScimUser) { u.DeletionTimestamp = &metav1.Time{Time: time.Unix(1_700_000_000, 0)} }
	successor := func(u *v1alpha1.ScimUser) { u.UID = types.UID("uid-of-a-successor") }
	for name, tc := range map[string]struct {
		// now is what became of the owner since, nil if it is gone.
		now  func(*v1alpha1.ScimUser)
		gone bool
		want string
	}{
		"it lives":                         {now: func(*v1alpha1.ScimUser) {}, want: "kim"},
		"it is being deleted":              {now: deleted},
		"it is gone":                       {gone: true},
		"another object has its name, now": {now: successor},
	} {
		t.Run(name, func(t *testing.T) {
			w := newOwnerWorld()
			kim, lee := desiredtest.User("kim"), desiredtest.User("lee")
			w.call(kim).own("1", true)
			if !tc.gone {
				tc.now(kim)
				w.cache.Put(kim)
			}
			owner, err := w.call(lee).otherOwner(t.Context(), "1")
			if err != nil || owner != tc.want {
				t.Errorf("the owner is %q, want %q (%v)", owner, tc.want, err)
			}
			if owner, err := w.call(desiredtest.User("kim")).otherOwner(t.Context(), "1"); err != nil || owner != "" {
				t.Errorf("for the owner itself it is another one's: %q (%v)", owner, err)
			}
		})
	}
}
