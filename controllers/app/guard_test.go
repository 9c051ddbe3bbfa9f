// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// The next process reads who lost access, and the limits that were in force, from the status.
func TestStatusRecordsRevocationsAndTheLimitsInForce(t *testing.T) {
	clock := clocktesting.NewFakeClock(pt.Now)
	app := pt.App("crm")
	look := func(users ...string) *v1alpha1.GuardStatus {
		t.Helper()
		r := &Reconciler{Clock: clock, View: desired.NewView(pt.NewCache(), ledger.NewBook(clock))}
		book := r.View.Book.Ledger(pt.Key("crm"))
		for _, user := range users {
			book.AddRevoked(user, ledger.Revoked{At: clock.Now(), Record: true})
		}
		book.AddRevoked("shown-by-its-status", ledger.Revoked{At: clock.Now()})
		s := &scope{key: pt.Key("crm"), app: app, connection: &connection{}}
		if err := r.guard(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(users, s.recorded); diff != "" {
			t.Errorf("recorded (-want +got):\n%s", diff)
		}
		return app.Status.Guard
	}
	want := func(status *v1alpha1.GuardStatus, percent int32, users ...string) {
		t.Helper()
		known, more := ledger.ParseRecords(status.Revoked, clock.Now())
		for _, user := range users {
			if !known[user].Recorded {
				t.Errorf("%s is not recorded: %+v", user, status.Revoked)
			}
		}
		if len(known) != len(users) || more != 0 || status.Percent != percent {
			t.Errorf("the status is %+v", status)
		}
	}
	want(look("aaaaaaaa"), 20, "aaaaaaaa")
	clock.Step(30 * time.Minute)
	everything := int32(100)
	app.Spec.Guard = &v1alpha1.Guard{Percent: &everything}
	want(look("bbbbbbbb", "cccccccc"), 20, "aaaaaaaa", "bbbbbbbb", "cccccccc")
	clock.Step(59 * time.Minute)
	want(look(), 20, "bbbbbbbb", "cccccccc")
	clock.Step(time.Hour)
	want(look(), 100)
}
