// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

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
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	"github.com/scim-operator/scim-operator/internal/crdtest"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner/provisionertest"
)

const (
	setActive = connector.OpSetActive
	switchOff = setActive + "(false)"
	switchOn  = setActive + "(true)"
)

// reactivateOff leaves ReactivateUsers out.
func reactivateOff(app *v1alpha1.ScimApp) {
	app.Spec.Features = slices.DeleteFunc(app.Spec.Features, func(f v1alpha1.Feature) bool { return f == v1alpha1.FeatureReactivateUsers })
}

// lose makes the next call of an operation lose its answer, with its effect or without.
func (e *engine) lose(op string, effect bool) {
	script := e.Apps["crm"]
	script.NoEffect = !effect
	script.Errs[op] = []error{connectortest.Lost(op)}
}

func TestCountsOfACreateAndAChange(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	e.user("kim")
	before := e.Client.Writes
	e.give("crm", kim)
	calls := e.Counted(time.Minute, "crm", 5, 3)
	if diff := cmp.Diff([]string{connector.OpFindUsers, connector.OpCreateUser}, calls); diff != "" || e.Client.Writes-before != 2 {
		t.Errorf("%d status writes of a create\n%s", e.Client.Writes-before, diff)
	}
	before = e.Client.Writes
	user := e.stored("kim")
	user.Spec.Title, user.Generation = "Manager", 2
	e.Client.Put(user)
	e.event()
	if calls = e.Counted(time.Minute, "crm", 5, 3); len(calls) != 1 || e.Client.Writes-before != 1 {
		t.Errorf("%d status writes of a change, the calls %q", e.Client.Writes-before, calls)
	}
	before = e.Client.Writes
	e.lead()
	if calls = e.Counted(time.Minute, "crm", 5, 3); len(calls) != 0 || e.Client.Writes != before {
		t.Errorf("%d status writes of a restart in sync, the calls %q", e.Client.Writes-before, calls)
	}
}

func TestRoleChangeLosesItsAnswerAndTheMappingIsDeleted(t *testing.T) {
	for name, effect := range map[string]bool{"it took effect": true, "it did not take effect": false} {
		t.Run(name, func(t *testing.T) {
			e := employed(t, nil, "viewer")
			e.lose(connector.OpUpdateUser, effect)
			e.give("crm", kim, "viewer", "editor") // the bystander's is another mapping
			e.Run(time.Second)
			if got := e.entry("kim", "crm"); got.Operation == nil {
				t.Fatalf("the call is not announced: %+v", got)
			}
			e.Apps["crm"].NoEffect = false
			e.give("crm", nil)
			calls := e.Counted(time.Hour, "crm", 30, 6)
			if e.account().Active || !slices.Contains(calls, switchOff) {
				t.Errorf("the account is %+v, the calls were %q", e.account(), calls)
			}
			if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountInactive || got.Operation != nil || e.ready("kim") != v1alpha1.ReasonSucceeded {
				t.Errorf("the entry is %+v, Ready %s", got, e.ready("kim"))
			}
		})
	}
}

func TestDeactivationLosesItsAnswerAndTheMappingReturns(t *testing.T) {
	for name, effect := range map[string]bool{"it took effect": true, "it did not take effect": false} {
		t.Run(name, func(t *testing.T) {
			e := employed(t, nil)
			e.lose(setActive, effect)
			e.give("crm", nil)
			e.Run(600 * time.Millisecond)
			if got := e.entry("kim", "crm"); got.Operation == nil {
				t.Fatalf("the call is not announced: %+v", got)
			}
			e.give("crm", kim)
			calls := e.Counted(time.Hour, "crm", 20, 4)
			if !e.account().Active || e.ready("kim") != v1alpha1.ReasonSucceeded {
				t.Errorf("the account is %+v, Ready %s, the calls were %q", e.account(), e.ready("kim"), calls)
			}
			if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountActive || got.Operation != nil {
				t.Errorf("the entry is %+v", got)
			}
		})
	}
}

func TestMistakeWhileTheAppIsSuspendedRevokesNothingOfStrangers(t *testing.T) {
	app := pt.App("crm")
	app.Spec.Suspend = true
	e := newEngine(t, app)
	var names []string
	for i := range 8 {
		user := e.user(fmt.Sprintf("user-%d", i))
		names = append(names, user.Spec.UserName)
		e.Apps["crm"].Users = append(e.Apps["crm"].Users, connector.User{ID: fmt.Sprint(i), UserName: user.Spec.UserName, Active: true})
	}
	e.give("crm", names)
	e.Run(time.Minute)
	for _, name := range []string{"user-0", "user-7"} {
		if got := e.entry(name, "crm"); got.State != v1alpha1.AccountPending || got.Reason != v1alpha1.ReasonSuspended {
			t.Errorf("while the app is suspended, %s has %+v", name, got)
		}
	}
	e.give("crm", nil)
	e.Run(time.Minute)
	e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = false, 2 })
	e.event()
	e.Run(2 * time.Hour)
	if calls := e.Apps["crm"].TakeCalls(); len(calls) != 0 {
		t.Errorf("the app was called %q", calls)
	}
	for _, user := range e.Apps["crm"].Users {
		if !user.Active {
			t.Errorf("the account of %s was switched off", user.UserName)
		}
	}
}

func TestPossibleStateStaysVisibleAfterACrashUntilItIsSettled(t *testing.T) {
	e := employed(t, reactivateOff)
	e.lose(setActive, true)
	e.give("crm", nil)
	e.Run(600 * time.Millisecond)
	if got := e.entry("kim", "crm"); got.Operation == nil {
		t.Fatalf("the call is not announced: %+v", got)
	}
	e.Client.Put(pt.Mapping("crm", "crm", kim)) // wanted again, and a crash
	e.lead()
	for range 5 {
		e.Run(provisionertest.SettleTime / 10)
		if got := e.entry("kim", "crm"); got.Operation == nil || e.ready("kim") == v1alpha1.ReasonSucceeded {
			t.Fatalf("before it is settled the entry is %+v, Ready %s", got, e.ready("kim"))
		}
	}
	e.Counted(time.Hour, "crm", 20, 3)
	if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountInactive || got.Reason != v1alpha1.ReasonFeatureOff || got.Operation != nil {
		t.Errorf("once it is settled the entry is %+v", got)
	}
	e.event()
	e.Run(time.Hour)
	if e.ready("kim") != v1alpha1.ReasonFeatureOff {
		t.Errorf("after another look Ready is %s", e.ready("kim"))
	}
}

func TestDeactivationTimesOutThenTheAppIsSuspendedAndTheMappingReturns(t *testing.T) {
	e := employed(t, nil)
	e.lose(setActive, true)
	e.give("crm", nil)
	e.Run(600 * time.Millisecond)
	e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = true, 2 })
	e.give("crm", kim)
	e.Counted(time.Hour, "crm", 40, 0)
	if got := e.entry("kim", "crm"); got.Operation == nil || got.Planned != v1alpha1.ActionObserve || e.ready("kim") == v1alpha1.ReasonSucceeded {
		t.Errorf("while the app is suspended the entry is %+v, Ready %s", got, e.ready("kim"))
	}
	e.Change("crm", func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = false, 3 })
	e.event()
	e.Run(time.Minute)
	if !e.account().Active || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("in the end the account is %+v, Ready %s", e.account(), e.ready("kim"))
	}
}

func TestSpecThatChangedWhileNobodyLedIsPushed(t *testing.T) {
	e := employed(t, reactivateOff)
	user := e.stored("kim")
	user.Spec.Title, user.Generation = "Manager", 2
	e.Client.Put(user)
	e.lead()
	calls := e.Counted(time.Hour, "crm", 25, 4)
	if title := e.account().Attributes["title"]; title != "Manager" || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the title is %v, Ready %s, the calls were %q", title, e.ready("kim"), calls)
	}
}

// An earlier process has pushed a title and died before it could write the status; the title changed back while nobody led.
func TestSpecThatAnEarlierProcessMayHavePushedIsObserved(t *testing.T) {
	e := employed(t, reactivateOff)
	e.account().Attributes["title"] = "Manager"
	user := e.stored("kim")
	user.Generation = 3
	e.Client.Put(user)
	e.lead()
	for range 5 {
		e.Run(provisionertest.SettleTime / 10)
		got, current := e.entry("kim", "crm"), e.stored("kim").Status.ObservedGeneration == user.Generation
		if current && (got.Operation == nil || e.ready("kim") == v1alpha1.ReasonSucceeded) {
			t.Fatalf("before it is settled the entry is %+v, Ready %s", got, e.ready("kim"))
		}
	}
	calls := e.Counted(time.Hour, "crm", 25, 4)
	if title := e.account().Attributes["title"]; title != nil || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("the title is %v, Ready %s, the calls were %q", title, e.ready("kim"), calls)
	}
}

// The worker may have decided on the status before: the user is reconciled again after the write.
func TestWriteOfAnInputOfTheDecisionCausesAnotherReconcile(t *testing.T) {
	e := employed(t, reactivateOff)
	for _, tc := range []struct {
		generation int64
		writes     int
		again      time.Duration
	}{{generation: 2, writes: 1, again: staleWait}, {generation: 2}} {
		user := e.stored("kim")
		user.Generation = tc.generation
		e.Client.Put(user)
		view, err := e.View.User(t.Context(), pt.Key("kim"))
		if err != nil {
			t.Fatal(err)
		}
		before := e.Client.Writes
		result, _, err := e.users.accounts(t.Context(), view)
		if writes := e.Client.Writes - before; err != nil || writes != tc.writes || result.RequeueAfter != tc.again {
			t.Errorf("generation %d: %d writes, then again after %s, error %v", tc.generation, writes, result.RequeueAfter, err)
		}
	}
}

func TestNewTokenEndsTheWaitOfRefusedWrites(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	var names []string
	for i := range 3 {
		names = append(names, e.user(fmt.Sprintf("user-%d", i)).Spec.UserName)
	}
	e.Apps["crm"].Always[connector.OpCreateUser] = &connector.Error{Op: connector.OpCreateUser, Kind: connector.Forbidden, Status: 403, Sent: true}
	e.give("crm", names)
	e.Run(time.Minute)
	for i := range names {
		if got := e.entry(fmt.Sprintf("user-%d", i), "crm"); got.Reason != v1alpha1.ReasonInsufficientPermissions || got.NextRetryTime == nil {
			t.Fatalf("user-%d has %+v", i, got)
		}
	}
	delete(e.Apps["crm"].Always, connector.OpCreateUser)
	e.Counted(10*time.Minute, "crm", 30, 0)
	e.Start("crm", "another token")
	e.event() // the app's reconciler does so when it starts the app
	e.Run(time.Minute)
	if n := len(e.Apps["crm"].Users); n != 3 {
		t.Errorf("a minute after the new token the app has %d accounts", n)
	}
}

func TestJoinerIsToldThatTheAccountBelongsToAHeldUserAndDoesNotPoll(t *testing.T) {
	for name, failover := range map[string]bool{"under one leader": false, "with a failover": true} {
		t.Run(name, func(t *testing.T) { joinerWaits(t, failover) })
	}
}

func joinerWaits(t *testing.T, failover bool) {
	t.Helper()
	e := newEngine(t, pt.App("crm"))
	var names []string
	for i := range 30 {
		names = append(names, e.user(fmt.Sprintf("user-%02d", i)).Spec.UserName)
	}
	e.give("crm", names)
	e.Run(time.Minute)
	e.give("crm", names[15:])
	e.Run(time.Minute)
	owner := e.entry("user-00", "crm")
	if owner.Reason != v1alpha1.ReasonHeld {
		t.Fatalf("the owner has %+v", owner)
	}
	// The app knows the account by the joiner's name.
	account := e.Apps["crm"].User(owner.RemoteID)
	account.UserName, account.Attributes["userName"] = "joiner@corp.test", "joiner@corp.test"
	// The account has the externalId of its owner: a person has to say that it is the joiner's once it is inactive.
	joiner := e.user("joiner")
	joiner.Annotations = map[string]string{v1alpha1.AnnotationConfirmAccount: "crm/" + owner.RemoteID}
	e.Client.Put(joiner)
	e.give("crm", append(names[15:], "joiner@corp.test"))
	calls := e.Counted(50*time.Minute, "crm", 60, 1)
	got := e.entry("joiner", "crm")
	if got.Reason != v1alpha1.ReasonAccountConflict || !strings.Contains(got.Message, "user-00") || len(calls) != 1 {
		t.Errorf("the joiner has %+v, the calls were %q", got, calls)
	}

	if failover {
		// Whom the joiner waits for is found out again.
		e.lead()
		if calls = e.Counted(5*time.Minute, "crm", 150, 1); len(calls) != 1 {
			t.Errorf("after a failover the calls were %q", calls)
		}
	}
	e.Change("crm", func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: owner.HeldBatch}
	})
	leaver := e.stored("user-00")
	leaver.DeletionTimestamp = &metav1.Time{Time: e.Clock.Now()}
	leaver.Generation++
	e.Client.Put(leaver)
	e.Registry.Get(pt.Key("crm")).Recheck()
	e.Run(2 * time.Minute)
	if got := e.entry("joiner", "crm"); got.RemoteID != owner.RemoteID || e.ready("joiner") != v1alpha1.ReasonSucceeded {
		t.Errorf("once the owner is deactivated the joiner has %+v, Ready %s", got, e.ready("joiner"))
	}
}

// The connector refuses an id of 1,100 characters: that account alone fails, in words, and the other accounts of the user are written.
func TestUnusableIDFailsThatAccountAlone(t *testing.T) {
	e := newEngine(t, pt.App("crm"), pt.App("wiki"))
	e.user("kim")
	e.Apps["crm"].Errs[connector.OpCreateUser] = []error{&connector.Error{
		Op: connector.OpCreateUser, Kind: connector.UnusableAnswer, Status: 201, Sent: true, Detail: "the id is longer than 512 bytes",
	}}
	e.Client.Put(pt.Mapping("wiki", "wiki", kim))
	e.give("crm", kim)
	e.Run(time.Minute)
	if got := e.entry("kim", "wiki"); got.State != v1alpha1.AccountActive {
		t.Errorf("the other app has %+v", got)
	}
	if got := e.entry("kim", "crm"); got.RemoteID != "" || !strings.Contains(got.Message, "longer than 512 bytes") {
		t.Errorf("the account is %+v", got)
	}
}

// Nothing that an app supplies reaches the status unbounded: otherwise no patch of the user's status would be taken any more.
func TestRolesOfAnAppAreBoundedInTheStatus(t *testing.T) {
	var many []any
	for i := range 200 {
		many = append(many, map[string]any{"value": fmt.Sprintf("role-%03d", i)})
	}
	for name, roles := range map[string]any{"many roles": many, "a long role": []any{map[string]any{"value": strings.Repeat("ä", 2000)}}} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, pt.App("crm"), pt.App("wiki"))
			e.user("kim")
			e.Apps["crm"].Users = []connector.User{{
				ID: "1", UserName: "kim@corp.test", Active: true, Attributes: map[string]any{"userName": "kim@corp.test", "roles": roles},
			}}
			e.Client.Put(pt.Mapping("wiki", "wiki", kim))
			e.give("crm", kim, "viewer")
			e.Run(time.Minute)
			if got := e.entry("kim", "wiki"); got.State != v1alpha1.AccountActive {
				t.Errorf("the other app has %+v", got)
			}
			if got := e.entry("kim", "crm"); got.RemoteID != "1" || got.Reason != v1alpha1.ReasonHeld && e.ready("kim") != v1alpha1.ReasonSucceeded {
				t.Errorf("the account is %+v, Ready %s", got, e.ready("kim"))
			}
		})
	}
}

// As many roles as a provider may give a user by an attribute mapping: the API server takes each status, also while a change of them is not settled.
func TestDesiredRolesAreBoundedInTheStatus(t *testing.T) {
	app := pt.App("crm")
	app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "roles", Expression: `user.roles.map(r, {"value": r.value})`}}
	e := newEngine(t, app)
	user := e.user("kim")
	for i := range 100 {
		user.Spec.Roles = append(user.Spec.Roles, v1alpha1.MultiValue{Value: fmt.Sprint(i, strings.Repeat("ä", 100))})
	}
	e.Client.Put(user)
	e.give("crm", kim)
	e.Run(time.Minute)
	if got := e.entry("kim", "crm"); got.State != v1alpha1.AccountActive || len(got.Roles) == 0 {
		t.Fatalf("the account is %+v", got)
	}
	// No spec of the user tells of the change, so it is announced.
	e.Change("crm", func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes[0].Expression, app.Generation = `user.roles.map(r, {"value": r.value}) + [{"value": "another"}]`, 2
	})
	e.lose(connector.OpUpdateUser, true)
	e.event()
	e.Run(time.Second)
	if got := e.entry("kim", "crm"); got.Operation == nil || len(got.Operation.Roles) == 0 {
		t.Errorf("while it is not settled the account is %+v", got)
	}
	e.Run(time.Minute)
	if n := len(e.account().Attributes["roles"].([]any)); n != 101 || e.ready("kim") != v1alpha1.ReasonSucceeded {
		t.Errorf("in the end the account has %d roles, Ready %s", n, e.ready("kim"))
	}
}

// Whatever apps answer, each account takes as little of a user's status as decision 0022 says. The letters take six bytes each in JSON.
func TestStatusThatHostileAppsCauseIsSmall(t *testing.T) {
	const many = 12
	hostile := strings.Repeat("<", 2000)
	var roles []any
	for i := range 200 {
		roles = append(roles, map[string]any{"value": fmt.Sprint(i, hostile)})
	}
	var apps []*v1alpha1.ScimApp
	for i := range many {
		apps = append(apps, pt.App(fmt.Sprintf("app-%02d", i)))
	}
	e := newEngine(t, apps...)
	e.user("kim")
	for i, app := range apps {
		e.Client.Put(pt.Mapping(app.Name, app.Name, kim, "viewer"))
		script := e.Apps[app.Name]
		if i%2 == 0 {
			script.Always[connector.OpCreateUser] = &connector.Error{Op: connector.OpCreateUser, Kind: connector.Invalid, Status: 400, Sent: true, AppText: hostile, Detail: hostile}
			continue
		}
		script.Users = []connector.User{{ID: strings.Repeat("<", connector.MaxIDLength/6), UserName: "kim@corp.test", Active: true, Attributes: map[string]any{
			"userName": "kim@corp.test", "title": hostile, "roles": roles,
		}}}
		script.Errs[connector.OpUpdateUser] = []error{connectortest.Lost(connector.OpUpdateUser)}
	}
	e.event()
	e.Run(5 * time.Minute)
	status := e.stored("kim").Status
	if n := crdtest.Size(t, status); len(status.Accounts) != many || n > many*11<<10 {
		t.Errorf("%d accounts take %d bytes: %s", len(status.Accounts), n, crdtest.Sizes(t, status))
	}
	if got := e.entry("kim", "app-00"); got.Reason != v1alpha1.ReasonRejected || !strings.HasSuffix(got.Message, "<...") {
		t.Errorf("app-00 has %+v", got)
	}
	if got := e.entry("kim", "app-01"); got.RemoteID == "" {
		t.Errorf("app-01 has %+v", got)
	}
}

// A batch stays closed whatever an earlier process may have left: the observations of a new one make no further batches of it.
func TestHeldBatchSurvivesAFailoverWithObservations(t *testing.T) {
	e := newEngine(t, pt.App("crm"))
	var names []string
	for i := range 20 {
		names = append(names, e.user(fmt.Sprintf("user-%02d", i)).Spec.UserName)
	}
	e.give("crm", names, "admin")
	e.Run(time.Minute)
	e.give("crm", names, "viewer")
	e.Run(time.Minute)
	batch := e.entry("user-00", "crm").HeldBatch
	if batch == "" {
		t.Fatalf("nothing is held: %+v", e.entry("user-00", "crm"))
	}
	for i := range 20 {
		user := e.stored(fmt.Sprintf("user-%02d", i))
		user.Generation++
		e.Client.Put(user)
	}
	e.Apps["crm"].TakeCalls()
	e.lead()
	before := e.Looks
	e.Run(time.Hour)
	if n := e.Looks - before; n > 20*10 {
		t.Errorf("%d looks at 20 users", n)
	}
	for i := range 20 {
		if got := e.entry(fmt.Sprintf("user-%02d", i), "crm"); got.HeldBatch != batch || got.Reason != v1alpha1.ReasonHeld || got.Operation != nil {
			t.Errorf("user-%02d has %+v, the batch was %s", i, got, batch)
			break
		}
	}
	calls := e.Apps["crm"].TakeCalls()
	if len(calls) != 20 || slices.ContainsFunc(calls, func(call string) bool { return call != connector.OpGetUser }) {
		t.Errorf("the calls are %q", calls)
	}
	e.Change("crm", func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: batch}
	})
	e.Registry.Get(pt.Key("crm")).Recheck()
	e.Run(time.Minute)
	if calls := e.Apps["crm"].TakeCalls(); len(calls) != 20 || e.ready("user-19") != v1alpha1.ReasonSucceeded {
		t.Errorf("once it is approved the calls are %q, Ready of the last user is %s", calls, e.ready("user-19"))
	}
}
