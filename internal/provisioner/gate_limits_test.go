// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/guard"
)

// A looser spec applies neither to what is held nor to the running hour.
func TestLooserGuardReleasesNothing(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(60)
	loosen := func(percent int32) {
		w.change(func(app *v1alpha1.ScimApp) { app.Spec.Guard = &v1alpha1.Guard{Percent: &percent} })
	}
	loosen(20)
	w.guard()
	revoke := func(from, to int, batches int) []string {
		w.assign(users[to:]...)
		w.count()
		w.writeHeld(users[from:to]...)
		return w.batches(batches)
	}
	first := revoke(0, 20, 1)
	loosen(100)
	revoke(20, 21, 2)
	w.guard()
	w.clock.Step(time.Hour - time.Minute)
	held := revoke(21, 35, 3)
	w.clock.Step(2 * time.Minute)
	w.guard()
	w.count()
	if diff := cmp.Diff(held, w.batches(3)); diff != "" || !slices.Contains(held, first[0]) || w.passed(users...) != 0 {
		t.Errorf("%d pass of those that are held (-want +got)\n%s", w.passed(users...), diff)
	}
	w.assign(users[40:]...)
	w.count()
	if w.passed(users[35:40]...) != 5 || w.passed(users[:35]...) != 0 {
		t.Errorf("an hour later %d of the next five pass", w.passed(users[35:40]...))
	}
}

// guard writes the limits in force into the status of the app, as its reconciler does.
func (w *world) guard() {
	w.change(func(app *v1alpha1.ScimApp) {
		_, status := guard.InForce(app.Spec.Guard, app.Status.Guard, w.clock.Now())
		app.Status.Guard = &status
	})
}

// Beside a held batch of another cause, ten users whom the provider makes inactive pass within the hour, across a failover; the next one is held in a batch of leavers.
func TestLeaversPassBesideAHeldBatch(t *testing.T) {
	w := newWorld(t, nil)
	users := w.staff(60)
	for i, user := range users {
		w.script.Users = append(w.script.Users, connector.User{ID: fmt.Sprint(i), UserName: user.Spec.UserName, Active: true})
	}
	w.assign(users[20:]...)
	w.count()
	w.writeHeld(users[:20]...)
	mass := w.batches(1)[0]
	held := metav1.NewTime(w.clock.Now())
	w.change(func(app *v1alpha1.ScimApp) {
		app.Status.Batches = []v1alpha1.HeldBatch{{Digest: mass, HeldTime: &held}}
	})
	leave := func(user *v1alpha1.ScimUser) bool {
		w.clock.Step(time.Minute)
		user.Spec.Active = new(bool)
		w.announce(user, v1alpha1.ActionDeactivate)
		w.work(user.Name)
		w.count()
		if w.passed(user) == 0 {
			w.writeHeld(user)
			return false
		}
		w.write(user, w.work(user.Name))
		return true
	}
	for i, user := range users[20:31] {
		if i == 5 {
			w.lead()
			w.count()
			w.clock.Step(settleTime)
		}
		if passed := leave(user); passed != (i < 10) {
			t.Errorf("leaver %d passes: %t", i+1, passed)
		}
	}
	if leavers := w.verdict(users[30]).Batch; !strings.HasSuffix(leavers, "-leavers") || w.verdict(users[0]).Batch != mass {
		t.Errorf("the batches are %q and %q", leavers, w.verdict(users[0]).Batch)
	}
	// An hour later there is room again, for others.
	w.clock.Step(time.Hour)
	if !leave(users[40]) || w.passed(users[30]) != 0 {
		t.Errorf("an hour later the verdicts are %+v and %+v", w.verdict(users[40]), w.verdict(users[30]))
	}
}
