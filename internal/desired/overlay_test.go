// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

type outcome = desired.Outcome[v1alpha1.Account]

func newOverlay() *desired.UserOverlay {
	return desired.NewOverlay[v1alpha1.ScimUserStatus, v1alpha1.Account]()
}

func active(app, id string) v1alpha1.Account {
	return v1alpha1.Account{App: app, State: v1alpha1.AccountActive, RemoteID: id}
}

func appsOf(outcomes map[string]outcome) []string {
	names := []string{}
	for app := range outcomes {
		names = append(names, app)
	}
	slices.Sort(names)
	return names
}

func TestOverlayKeepsAnOutcomeUntilAWriteHoldsIt(t *testing.T) {
	o, key, uid := newOverlay(), desiredtest.Key("kim"), types.UID("uid-kim")
	o.Put(key, outcome{App: "crm", UID: uid, Entry: active("crm", "1")})
	o.Put(key, outcome{App: "wiki", UID: uid, Entry: active("wiki", "1")})
	seen := o.Look(key)
	written := seen.Outcomes(uid)
	// A newer outcome comes while the write is under way.
	o.Put(key, outcome{App: "crm", UID: uid, Entry: active("crm", "2")})
	o.Written(key, "5", &v1alpha1.ScimUserStatus{}, written)
	later := o.Look(key)
	if o.Complete(key, uid, written) || !o.Complete(key, uid, later.Outcomes(uid)) {
		t.Error("it cannot be told that an outcome came since")
	}
	if diff := cmp.Diff([]string{"crm"}, appsOf(later.Outcomes(uid))); diff != "" {
		t.Error(diff)
	}
	o.Settled(key, later.Outcomes(uid))
	if o.Pending(key) {
		t.Error("an outcome that needed no write is still there")
	}
}

func TestOverlayForgetsAStatusOnceTheCacheShowsIt(t *testing.T) {
	o, user := newOverlay(), desiredtest.User("kim")
	key := desiredtest.Key("kim")
	o.Written(key, "5", &v1alpha1.ScimUserStatus{Summary: "1/1"}, nil)
	before := o.Look(key)
	user.ResourceVersion = "4"
	if newest := before.Newest(user); newest == nil || newest.Summary != "1/1" {
		t.Errorf("what was written is not laid over an older cache: %v", newest)
	}
	o.CaughtUp(user)
	if o.Look(key).Nothing() {
		t.Error("an older cache made the overlay forget")
	}
	user.ResourceVersion = "5"
	o.CaughtUp(user)
	if !o.Look(key).Nothing() {
		t.Error("the overlay keeps what the cache shows")
	}
	// Whoever looked before still sees it, though others have seen a newer cache since.
	user.ResourceVersion = "4"
	if before.Newest(user) == nil {
		t.Error("a reader of an older cache lost the status")
	}
	user.ResourceVersion = "not a number"
	if before.Newest(user) != nil {
		t.Error("a resourceVersion without order counts as older: that could last for ever")
	}
}

func TestOverlayKeepsOutcomesOfAnotherObjectOfTheNameApart(t *testing.T) {
	o, key := newOverlay(), desiredtest.Key("kim")
	o.Put(key, outcome{App: "crm", UID: "uid of the predecessor", Entry: active("crm", "1")})
	seen := o.Look(key)
	if outcomes := seen.Outcomes("uid-kim"); len(outcomes) > 0 {
		t.Errorf("the successor got %v", outcomes)
	}
	o.Forget(key)
	if o.Pending(key) {
		t.Error("nothing is forgotten")
	}
}
