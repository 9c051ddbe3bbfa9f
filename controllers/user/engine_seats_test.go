// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner"
	"github.com/scim-operator/scim-operator/internal/provisioner/provisionertest"
)

// noSeat is the refusal of an app whose plan has no seat left.
func noSeat(op string) error {
	return &connector.Error{Op: op, Kind: connector.NoSeats, Status: 402, Sent: true}
}

// creates are how many calls are creates.
func creates(calls []string) (n int) {
	for _, call := range calls {
		if call == connector.OpCreateUser {
			n++
		}
	}
	return n
}

// full is an engine whose app has accounts of 12 users and no seat for 30 others.
func full(t *testing.T) (e *engine, staff, joiners []string) {
	t.Helper()
	e = newEngine(t, pt.App("crm"))
	for i := range 42 {
		name := e.user(fmt.Sprintf("user-%02d", i)).Spec.UserName
		if i < 12 {
			staff = append(staff, name)
		} else {
			joiners = append(joiners, name)
		}
	}
	e.give("crm", staff)
	e.Run(time.Minute)
	e.Apps["crm"].TakeCalls()
	e.Apps["crm"].Always[connector.OpCreateUser] = noSeat(connector.OpCreateUser)
	e.give("crm", slices.Concat(staff, joiners))
	return e, staff, joiners
}

// Creates pause while the app has no seat left, one is tried now and then, and no waiting user counts as failed.
func TestCreatesPauseWhileTheAppHasNoSeat(t *testing.T) {
	e, _, joiners := full(t)
	e.Run(20 * time.Second)
	if n := creates(e.Apps["crm"].TakeCalls()); n != 1 {
		t.Errorf("%d creates within 20 s", n)
	}
	for i := range joiners {
		got := e.entry(fmt.Sprintf("user-%02d", 12+i), "crm")
		if got.Reason != v1alpha1.ReasonNoSeats || got.Attempts != 0 || got.NextRetryTime != nil || e.ready(fmt.Sprintf("user-%02d", 12+i)) != v1alpha1.ReasonNoSeats {
			t.Fatalf("user-%02d has %+v", 12+i, got)
		}
	}
	census, err := e.View.Census(t.Context(), pt.Key("crm"), e.Clock.Now(), nil)
	if err != nil || census.NoSeats != len(joiners) || census.Failed != 0 {
		t.Errorf("the census is %+v, error %v", census, err)
	}
	e.Run(time.Hour)
	if n := creates(e.Apps["crm"].TakeCalls()); n < 5 || n > 12 {
		t.Errorf("%d creates within an hour", n)
	}
	delete(e.Apps["crm"].Always, connector.OpCreateUser)
	e.Run(11 * time.Minute)
	if n := len(e.Apps["crm"].Users); n != 42 {
		t.Errorf("once there are seats the app has %d accounts", n)
	}
}

// Changes and revocations go on, and a seat that a revocation frees is used at once, by one create after the other.
func TestRevocationsFreeSeats(t *testing.T) {
	e, staff, joiners := full(t)
	e.Run(10 * time.Second)
	app := e.Apps["crm"]
	app.TakeCalls()
	user := e.stored("user-05")
	user.Spec.Title, user.Generation = "Manager", 2
	e.Client.Put(user)
	app.Errs[connector.OpCreateUser] = []error{nil}
	e.give("crm", slices.Concat(staff[1:], joiners))
	e.Run(5 * time.Second)
	calls := app.TakeCalls()
	if !slices.Contains(calls, switchOff) || !slices.Contains(calls, connector.OpUpdateUser) || creates(calls) != 2 {
		t.Errorf("the calls are %q", calls)
	}
	active := 0
	for _, account := range app.Users {
		if account.Active {
			active++
		}
	}
	if active != 12 {
		t.Errorf("%d accounts are active", active)
	}
}

// A process that takes over knows from the status of the app that there is no seat, and tries one create.
func TestNoSeatsSurvivesARestart(t *testing.T) {
	e, _, _ := full(t)
	e.Run(10 * time.Second)
	e.lead()
	e.Registry.Stop(pt.Key("crm"))
	config := provisioner.Config{Key: pt.Key("crm"), Connector: e.Apps["crm"], Settle: provisionertest.SettleTime, Credentials: "token", NoSeats: true}
	if !e.Registry.Run(config) {
		t.Fatal("the app does not run")
	}
	e.event()
	e.Apps["crm"].TakeCalls()
	e.Run(3 * provisionertest.SettleTime)
	if n := creates(e.Apps["crm"].TakeCalls()); n > 1 {
		t.Errorf("%d creates after the restart", n)
	}
}

// A reactivation needs a seat, too.
func TestReactivationWaitsForASeat(t *testing.T) {
	e := employed(t, nil)
	e.give("crm", nil)
	e.Run(time.Minute)
	app := e.Apps["crm"]
	app.Always[setActive] = noSeat(setActive)
	app.TakeCalls()
	e.give("crm", kim)
	e.Run(20 * time.Second)
	if got := e.entry("kim", "crm"); got.Reason != v1alpha1.ReasonNoSeats || got.State != v1alpha1.AccountInactive {
		t.Errorf("the account status is %+v", got)
	}
	if calls := app.TakeCalls(); len(calls) != 1 {
		t.Errorf("the calls are %q", calls)
	}
	delete(app.Always, setActive)
	e.Run(11 * time.Minute)
	if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountActive || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the account status is %+v", got)
	}
}
