// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

func compiled(t testing.TB, change func(*v1alpha1.ScimApp)) *desired.App {
	t.Helper()
	app := pt.App("crm")
	if change != nil {
		change(app)
	}
	out, err := desired.CompileApp(app)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// now of the statuses that the tests compute.
var now = metav1.NewTime(pt.Now)

func viewOf(user *v1alpha1.ScimUser, accounts ...desired.AccountView) *desired.UserView {
	for i := range accounts {
		if accounts[i].Recorded != nil {
			user.Status.Accounts = append(user.Status.Accounts, *accounts[i].Recorded)
		}
	}
	return &desired.UserView{User: user, Cached: user, Accounts: accounts}
}

func TestEntryFollowsFromTheStep(t *testing.T) {
	since := metav1.NewTime(now.Add(-time.Hour))
	later := &metav1.Time{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	good := appState{running: true, healthy: true, known: true}
	entry := func(change func(*v1alpha1.Account)) *v1alpha1.Account {
		e := &v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1"}
		if change != nil {
			change(e)
		}
		return e
	}
	const off = v1alpha1.ActionDeactivate
	revocation := plan.Step{Action: off, Revocation: true, Effect: off}
	verdict := func(v ledger.Verdict) appState {
		v.Effect = string(off)
		return appState{running: true, healthy: true, known: true, verdict: v}
	}
	operation := func(action v1alpha1.AccountAction, attributes ...string) *v1alpha1.AccountOperation {
		return &v1alpha1.AccountOperation{Types: []v1alpha1.AccountAction{action}, Attributes: attributes, StartTime: now}
	}
	for name, tc := range map[string]struct {
		entry     *v1alpha1.Account
		step      plan.Step
		state     appState
		announced bool
		app       func(*v1alpha1.ScimApp)
		want      v1alpha1.Account
		urgent    bool
		imminent  bool
		intent    bool
	}{
		"a new account is announced at once": {
			step: plan.Step{Action: v1alpha1.ActionCreate}, state: good,
			want:   v1alpha1.Account{App: "crm", State: v1alpha1.AccountCreating, Planned: v1alpha1.ActionCreate, MatchValue: "kim@corp.test"},
			urgent: true, imminent: true, intent: true,
		},
		"one that is announced is not announced again": {
			entry: entry(func(e *v1alpha1.Account) {
				e.State, e.RemoteID, e.MatchValue = v1alpha1.AccountCreating, "", "former@corp.test"
			}),
			step: plan.Step{Action: v1alpha1.ActionCreate}, state: good, announced: true,
			want:     v1alpha1.Account{App: "crm", State: v1alpha1.AccountCreating, Planned: v1alpha1.ActionCreate, MatchValue: "former@corp.test"},
			imminent: true,
		},
		"an update says what it is about": {
			entry: entry(nil), step: plan.Step{Action: v1alpha1.ActionUpdate, Set: []string{"title"}, Clear: []string{"locale"}}, state: good, announced: true,
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: v1alpha1.ActionUpdate, PlannedAttributes: []string{"locale", "title"},
				Operation: operation(v1alpha1.ActionUpdate, "locale", "title"),
			},
			imminent: true,
		},
		"a revocation is not announced before the guard has counted": {
			entry: entry(nil), step: revocation, state: good,
			want:     v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, PendingRevocationTime: &now, Reason: v1alpha1.ReasonQueued},
			imminent: true,
		},
		"a revocation that passed is announced": {
			entry: entry(nil), step: revocation, state: verdict(ledger.Verdict{Allowed: true}),
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, Operation: operation(off), PendingRevocationTime: &now, Reason: v1alpha1.ReasonQueued,
			},
			urgent: true, imminent: true,
		},
		"a revocation is held": {
			entry: entry(nil), step: revocation, state: verdict(ledger.Verdict{Batch: "b1"}),
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, HeldBatch: "b1", PendingRevocationTime: &now, Reason: v1alpha1.ReasonHeld,
			},
		},
		"it stays held until the guard has counted after a restart": {
			entry: entry(func(e *v1alpha1.Account) {
				e.Planned, e.HeldBatch, e.Reason, e.PendingRevocationTime = off, "b1", v1alpha1.ReasonHeld, &since
			}),
			step: revocation, state: good,
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, HeldBatch: "b1", PendingRevocationTime: &since, Reason: v1alpha1.ReasonHeld,
			},
		},
		"one that was approved keeps its batch and is under way": {
			entry: entry(func(e *v1alpha1.Account) {
				e.Planned, e.HeldBatch, e.Reason = off, "b1", v1alpha1.ReasonHeld
			}),
			step: revocation, state: verdict(ledger.Verdict{Batch: "b1", Approved: true, Allowed: true}),
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, HeldBatch: "b1", Operation: operation(off),
				PendingRevocationTime: &now, Reason: v1alpha1.ReasonQueued,
			},
			urgent: true, imminent: true,
		},
		"another revocation than the one that is held is none of the batch": {
			entry: entry(func(e *v1alpha1.Account) { e.Planned, e.HeldBatch = v1alpha1.ActionUpdate, "b1" }),
			step:  revocation, state: good,
			want:     v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, PendingRevocationTime: &now, Reason: v1alpha1.ReasonQueued},
			imminent: true,
		},
		"a failure stays until the next try": {
			entry: entry(func(e *v1alpha1.Account) {
				e.Planned, e.Attempts, e.Reason, e.NextRetryTime = v1alpha1.ActionDeactivate, 2, v1alpha1.ReasonRejected, later
			}),
			step: revocation, state: good, announced: true,
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: v1alpha1.ActionDeactivate, Attempts: 2,
				Reason: v1alpha1.ReasonRejected, NextRetryTime: later, PendingRevocationTime: &now,
			},
		},
		"a failure of another change is history": {
			entry: entry(func(e *v1alpha1.Account) {
				e.Planned, e.Attempts, e.Reason, e.NextRetryTime = v1alpha1.ActionUpdate, 2, v1alpha1.ReasonRejected, later
			}),
			step: revocation, state: good, announced: true,
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: v1alpha1.ActionDeactivate, PendingRevocationTime: &now, Reason: v1alpha1.ReasonQueued,
			},
			imminent: true,
		},
		"what cannot be done says why": {
			entry: entry(func(e *v1alpha1.Account) { e.Planned, e.Attempts, e.NextRetryTime = v1alpha1.ActionUpdate, 2, later }),
			step:  plan.Step{Reason: v1alpha1.ReasonFeatureOff}, state: good, announced: true,
			want: v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Reason: v1alpha1.ReasonFeatureOff},
		},
		"a suspended app waits": {
			entry: entry(nil), step: revocation, app: func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true },
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: v1alpha1.ActionDeactivate, PendingRevocationTime: &now,
				Reason: v1alpha1.ReasonSuspended,
			},
		},
		"a revocation says that the app does not answer": {
			entry: entry(nil), step: revocation, state: appState{running: true, known: true, trouble: provisioner.Health{Reason: v1alpha1.ReasonUnreachable}},
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, PendingRevocationTime: &now, Reason: v1alpha1.ReasonUnreachable,
			},
		},
		"a revocation says that the token is rejected": {
			entry: entry(func(e *v1alpha1.Account) {
				e.Planned, e.Reason, e.PendingRevocationTime = off, v1alpha1.ReasonQueued, &since
			}),
			step: revocation, state: appState{known: true, trouble: provisioner.Health{Reason: v1alpha1.ReasonCredentialsRejected}},
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, PendingRevocationTime: &since, Reason: v1alpha1.ReasonCredentialsRejected,
			},
		},
		"a revocation keeps its reason until it is known after a restart whether the app is ready": {
			entry: entry(func(e *v1alpha1.Account) {
				e.Planned, e.Reason, e.Message, e.PendingRevocationTime = off, v1alpha1.ReasonCredentialsRejected, "the app rejects the token", &since
			}),
			step: revocation,
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: off, PendingRevocationTime: &since, Reason: v1alpha1.ReasonCredentialsRejected,
			},
		},
		"a revocation that is no longer desired is not pending": {
			entry: entry(func(e *v1alpha1.Account) {
				e.Planned, e.Reason, e.PendingRevocationTime = off, v1alpha1.ReasonQueued, &since
			}),
			step: plan.Step{InSync: true}, state: good,
			want: v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1"},
		},
		"an update that is planned while the app does not answer says so": {
			entry: entry(nil), step: plan.Step{Action: v1alpha1.ActionUpdate, Set: []string{"title"}}, announced: true,
			state: appState{running: true, known: true, trouble: provisioner.Health{Reason: v1alpha1.ReasonUnreachable}},
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: v1alpha1.ActionUpdate, PlannedAttributes: []string{"title"}, Reason: v1alpha1.ReasonAppNotReady,
			},
		},
		"an app that breaks later costs no write of an update": {
			entry: entry(func(e *v1alpha1.Account) { e.Planned, e.PlannedAttributes = v1alpha1.ActionUpdate, []string{"title"} }),
			step:  plan.Step{Action: v1alpha1.ActionUpdate, Set: []string{"title"}}, announced: true,
			state: appState{running: true, known: true, trouble: provisioner.Health{Reason: v1alpha1.ReasonUnreachable}},
			want: v1alpha1.Account{
				App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Planned: v1alpha1.ActionUpdate, PlannedAttributes: []string{"title"},
			},
		},
		// A promise that changed: the intent was written whatever the app's state.
		"no intent is written while the app is suspended": {
			step: plan.Step{Action: v1alpha1.ActionCreate}, state: good, app: func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true },
			want: v1alpha1.Account{App: "crm", State: v1alpha1.AccountPending, Planned: v1alpha1.ActionCreate, Reason: v1alpha1.ReasonSuspended},
		},
		"no intent is written while the app does not run": {
			step: plan.Step{Action: v1alpha1.ActionCreate},
			want: v1alpha1.Account{App: "crm", State: v1alpha1.AccountPending, Planned: v1alpha1.ActionCreate, Reason: v1alpha1.ReasonAppNotReady},
		},
		"no intent is written while the app does not answer": {
			step: plan.Step{Action: v1alpha1.ActionCreate}, state: appState{running: true},
			want: v1alpha1.Account{App: "crm", State: v1alpha1.AccountPending, Planned: v1alpha1.ActionCreate, Reason: v1alpha1.ReasonAppNotReady},
		},
	} {
		t.Run(name, func(t *testing.T) {
			account := desired.AccountView{
				App: compiled(t, tc.app), AppName: "crm", Recorded: tc.entry, Stored: tc.entry, Step: tc.step, Announced: tc.announced,
				Desired: plan.Desired{Values: map[string]any{"userName": "kim@corp.test"}},
			}
			next := computeStatus(viewOf(pt.User("kim"), account), now, func(*desired.AccountView) appState { return tc.state })
			got := next.status.Accounts[0]
			if got.Reason != "" && got.Attempts == 0 && tc.step.Action != "" && got.Message == "" {
				t.Errorf("%s has no message", got.Reason)
			}
			got.Message = ""
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("entry (-want +got):\n%s", diff)
			}
			if next.urgent != tc.urgent || next.imminent != tc.imminent || next.intents["crm"] != tc.intent {
				t.Errorf("urgent %t, imminent %t, intents %v", next.urgent, next.imminent, next.intents)
			}
		})
	}
}

func TestAppWhoseConfigurationIsInvalidCostsNoWriteOfItsUsers(t *testing.T) {
	entry := v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1", Applied: "v1"}
	broken := desired.AccountView{AppName: "crm", Recorded: &entry, Desired: plan.Desired{Assigned: true}, Step: plan.Step{Reason: v1alpha1.ReasonAppNotReady, Message: "invalid"}}
	user := pt.User("kim")
	next := computeStatus(viewOf(user, broken), now, func(*desired.AccountView) appState { return appState{} })
	if diff := cmp.Diff([]v1alpha1.Account{entry}, next.status.Accounts); diff != "" || next.status.Summary != "1/1" {
		t.Errorf("summary %s\n%s", next.status.Summary, diff)
	}
	broken.Recorded = nil
	next = computeStatus(viewOf(pt.User("kim"), broken), now, func(*desired.AccountView) appState { return appState{} })
	if got := next.status.Accounts[0]; got.State != v1alpha1.AccountPending || got.Reason != v1alpha1.ReasonAppNotReady {
		t.Errorf("a new account is %+v", got)
	}
}

func TestUserHasAtMostAsManyAccountsAsTheStatusHolds(t *testing.T) {
	var accounts []desired.AccountView
	app := compiled(t, nil)
	for i := range 70 {
		account := desired.AccountView{App: app, AppName: fmt.Sprintf("app-%02d", i), Step: plan.Step{Action: v1alpha1.ActionCreate}}
		if i >= 40 && i < 60 {
			account.Recorded = &v1alpha1.Account{App: account.AppName, State: v1alpha1.AccountActive}
			account.Step = plan.Step{InSync: true}
		}
		accounts = append(accounts, account)
	}
	view := viewOf(pt.User("kim"), accounts...)
	next := computeStatus(view, now, func(*desired.AccountView) appState { return appState{running: true, healthy: true} })
	if len(next.status.Accounts) != maxAccounts || len(next.intents) != 44 {
		t.Errorf("%d accounts, %d intents", len(next.status.Accounts), len(next.intents))
	}
	ready := meta.FindStatusCondition(next.status.Conditions, v1alpha1.ConditionReady)
	if ready.Reason != v1alpha1.ReasonTooManyAccounts || next.status.Summary != "20/64" {
		t.Errorf("summary %s, Ready %+v", next.status.Summary, ready)
	}
	for i := range accounts {
		if entry := accounts[i].Recorded; entry != nil && (&next.status).Account(entry.App) == nil {
			t.Errorf("the account in %s is forgotten", entry.App)
		}
	}
}

func TestConditionsOfAUser(t *testing.T) {
	for name, tc := range map[string]struct {
		problems []problem
		ready    string
		reason   string
		kstatus  string
	}{
		"all is well":                     {ready: "True", reason: v1alpha1.ReasonSucceeded},
		"a change is under way":           {problems: []problem{{app: "a", waits: true}}, ready: "False", reason: v1alpha1.ReasonProgressing, kstatus: v1alpha1.ConditionReconciling},
		"held is not stalled":             {problems: []problem{{app: "a", reason: v1alpha1.ReasonHeld, waits: true}}, ready: "False", reason: v1alpha1.ReasonHeld, kstatus: v1alpha1.ConditionReconciling},
		"an app that is down resolves":    {problems: []problem{{app: "a", reason: v1alpha1.ReasonUnreachable, waits: true}}, ready: "False", reason: v1alpha1.ReasonUnreachable, kstatus: v1alpha1.ConditionReconciling},
		"what needs a person comes first": {problems: []problem{{app: "a", reason: v1alpha1.ReasonHeld, waits: true}, {app: "b", reason: v1alpha1.ReasonMissingRequiredAttribute}}, ready: "False", reason: v1alpha1.ReasonMissingRequiredAttribute, kstatus: v1alpha1.ConditionStalled},
	} {
		t.Run(name, func(t *testing.T) {
			user := pt.User("kim")
			user.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionStalled, Status: metav1.ConditionTrue}, {Type: v1alpha1.ConditionReconciling, Status: metav1.ConditionTrue}}
			setConditions(user, tc.problems)
			ready := meta.FindStatusCondition(user.Status.Conditions, v1alpha1.ConditionReady)
			if string(ready.Status) != tc.ready || ready.Reason != tc.reason {
				t.Errorf("Ready is %+v", ready)
			}
			for _, condition := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
				if got := meta.IsStatusConditionTrue(user.Status.Conditions, condition); got != (condition == tc.kstatus) {
					t.Errorf("%s is %t", condition, got)
				}
			}
			if strings.Contains(ready.Message, "kim@") {
				t.Errorf("the message names the user: %s", ready.Message)
			}
		})
	}
}

func TestClassesOfChanges(t *testing.T) {
	for want, step := range map[provisioner.Class]plan.Step{
		provisioner.ClassRevocation: {Action: v1alpha1.ActionUpdate, Revocation: true},
		provisioner.ClassChange:     {Action: v1alpha1.ActionUpdate},
		provisioner.ClassJoiner:     {Action: v1alpha1.ActionCreate},
	} {
		if got := classOf(&desired.AccountView{Step: step}); got != want {
			t.Errorf("%s is of class %d, want %d", step.Action, got, want)
		}
	}
}

func TestNextRetryIsTheSoonest(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(d time.Duration) v1alpha1.Account {
		return v1alpha1.Account{NextRetryTime: &metav1.Time{Time: now.Add(d)}}
	}
	for want, accounts := range map[time.Duration][]v1alpha1.Account{
		0:           {{}, at(-time.Minute)}, // what is due is in the queues
		time.Minute: {at(time.Hour), {}, at(time.Minute)},
		time.Second: {at(time.Millisecond)},
		// It comes from a clock that was ahead.
		ledger.MaxWait: {at(1000 * time.Hour)},
	} {
		if got := nextRetry(accounts, now); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestEffectiveGroups(t *testing.T) {
	kim := pt.User("kim")
	group := pt.Group("sales", kim)
	if got := effective(group); got != group {
		t.Errorf("a group that takes effect is %v", got)
	}
	gone := group.DeepCopy()
	gone.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	refused := group.DeepCopy()
	refused.Spec.ID = ""
	for _, group := range []*v1alpha1.ScimGroup{nil, gone, refused} {
		if got := effective(group); got != nil {
			t.Errorf("a group without effect is %v", got)
		}
	}
}
