// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// pushedAt says when the provider pushed the last change of a user.
func pushedAt(t *testing.T, at time.Time) func(*v1alpha1.ScimUser) {
	t.Helper()
	origin, err := json.Marshal(map[string]string{"client": "okta", "time": at.UTC().Format(time.RFC3339)})
	if err != nil {
		t.Fatal(err)
	}
	return func(user *v1alpha1.ScimUser) {
		user.Annotations = map[string]string{v1alpha1.AnnotationOrigin: string(origin)}
	}
}

// The revocation waits for an app whose token is rejected. The status says so once, since the time of the push, whatever happens meanwhile.
func TestRevocationThatWaitsForTheAppSaysSoOnceAndSinceThePush(t *testing.T) {
	e := employed(t, nil)
	e.Apps["crm"].Always = map[string]error{}
	for _, op := range []string{connector.OpSetActive, connector.OpTest, connector.OpGetUser} {
		e.Apps["crm"].Always[op] = &connector.Error{Op: op, Kind: connector.Credentials, Status: 401}
	}
	pushed := e.Clock.Now().Add(-time.Minute).Truncate(time.Second)
	before := e.Client.Writes
	e.leaves(pushedAt(t, pushed))
	e.Run(time.Minute)
	entry := e.entry("kim", "crm")
	if entry.Reason != v1alpha1.ReasonCredentialsRejected || entry.Planned != v1alpha1.ActionDeactivate || entry.Message == "" {
		t.Fatalf("the account status is %+v", entry)
	}
	if entry.PendingRevocationTime == nil || !entry.PendingRevocationTime.Time.Equal(pushed) {
		t.Errorf("pending since %v, pushed at %s", entry.PendingRevocationTime, pushed)
	}
	first := e.Client.Writes
	if first-before > 2 {
		t.Errorf("%d status writes", first-before)
	}
	for range 5 {
		e.event()
		e.Run(10 * time.Minute)
	}
	if e.Client.Writes != first {
		t.Errorf("%d more status writes while nothing changes", e.Client.Writes-first)
	}

	e.Registry.Stop(pt.Key("crm"))
	e.Registry.SetTrouble(pt.Key("crm"), provisioner.Health{Reason: v1alpha1.ReasonUnreachable})
	e.event()
	e.Run(time.Minute)
	entry = e.entry("kim", "crm")
	if entry.Reason != v1alpha1.ReasonUnreachable || !entry.PendingRevocationTime.Time.Equal(pushed) {
		t.Errorf("for another reason the account status is %+v", entry)
	}
	clear(e.Apps["crm"].Always)
	e.lead()
	e.Run(time.Hour)
	entry = e.entry("kim", "crm")
	if entry.State != v1alpha1.AccountInactive || entry.Reason != "" || entry.PendingRevocationTime != nil {
		t.Errorf("in the end the account status is %+v", entry)
	}
}

// Accounts of users who stay cost no write when the app breaks.
func TestChangeThatWaitsForTheAppCostsNoFurtherWrite(t *testing.T) {
	e := employed(t, nil)
	for _, op := range []string{connector.OpUpdateUser, connector.OpTest, connector.OpGetUser} {
		e.Apps["crm"].Always[op] = &connector.Error{Op: op, Kind: connector.ServerError, Status: 503}
	}
	user := e.stored("kim")
	user.Spec.Title = "Engineer"
	user.Generation++
	e.Client.Put(user)
	before := e.Client.Writes
	e.event()
	e.Run(time.Minute)
	if e.Client.Writes-before > 1 || e.entry("kim", "crm").Planned != v1alpha1.ActionUpdate {
		t.Errorf("%d writes, status %+v", e.Client.Writes-before, e.entry("kim", "crm"))
	}
	first := e.Client.Writes
	for _, reason := range []string{v1alpha1.ReasonUnreachable, v1alpha1.ReasonCredentialsRejected} {
		e.Registry.Stop(pt.Key("crm"))
		e.Registry.SetTrouble(pt.Key("crm"), provisioner.Health{Reason: reason})
		e.event()
		e.Run(time.Hour)
	}
	if e.Client.Writes != first {
		t.Errorf("%d writes for troubles of the app: %+v", e.Client.Writes-first, e.entry("kim", "crm"))
	}
	if e.entry("kim", "crm").PendingRevocationTime != nil {
		t.Error("an update counts as a revocation")
	}
}

func TestCauseOfARevocation(t *testing.T) {
	at := func(minutes int) time.Time {
		return pt.Now.Add(time.Duration(minutes) * time.Minute).Truncate(time.Second)
	}
	for name, tc := range map[string]struct {
		user func(*v1alpha1.ScimUser)
		want time.Time
	}{
		"a change of another object": {func(*v1alpha1.ScimUser) {}, at(0)},
		"a push that the status does not tell of": {func(u *v1alpha1.ScimUser) {
			pushedAt(t, at(-5))(u)
			u.Status.ObservedGeneration--
		}, at(-5)},
		"an older push that the status tells of": {pushedAt(t, at(-5)), at(0)},
		"a deletion": {func(u *v1alpha1.ScimUser) {
			deleted := metav1.NewTime(at(-7))
			u.DeletionTimestamp = &deleted
		}, at(-7)},
		"a clock that was ahead": {func(u *v1alpha1.ScimUser) {
			deleted := metav1.NewTime(at(7))
			u.DeletionTimestamp = &deleted
		}, at(0)},
	} {
		t.Run(name, func(t *testing.T) {
			user := pt.User("kim")
			user.Status.ObservedGeneration = user.Generation
			tc.user(user)
			if diff := cmp.Diff(tc.want, desired.CausedAt(user, user.Status.ObservedGeneration, metav1.NewTime(pt.Now)).Time); diff != "" {
				t.Error(diff)
			}
		})
	}
}
