// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// quiet is how long nothing may happen after something that is to cost nothing. It is a bound on what a test can see, not a wait for it.
const quiet = 2 * time.Second

// TestNewUserCostsOneCreateAndTwoStatusWrites: intent and outcomes, however many apps there are, when they answer together.
func TestNewUserCostsOneCreateAndTwoStatusWrites(t *testing.T) {
	for _, apps := range []int{1, 5} {
		t.Run(fmt.Sprintf("%d apps", apps), func(t *testing.T) {
			d := harness.NewDirectory(t)
			fakes := map[string]*fakeapp.App{}
			for i := range apps {
				name := fmt.Sprintf("app-%d", i)
				fakes[name] = d.App(t, name, fakeapp.Generic, nil)
				d.Mapping(t, name, name, v1alpha1.Subjects{Users: []string{"kim@corp.test"}})
			}
			op := d.Run(t)
			for name := range fakes {
				d.AwaitReady(t, name)
			}
			awaitMappings(t, d)
			quietly(t, op, fakes, func() {})
			op.API.Reset()

			kim := op.CreateUser(t, "kim@corp.test")
			for name := range fakes {
				d.AwaitAccount(t, kim, name, v1alpha1.AccountActive)
			}
			want := map[string]int{"create scimusers": 1, "patch scimusers/status": 2}
			if diff := cmp.Diff(want, userWrites(op)); diff != "" {
				t.Errorf("writes (-want +got):\n%s", diff)
			}
			for name, fake := range fakes {
				if counts := fake.Counts(); counts[fakeapp.UsersFind] != 1 || counts[fakeapp.UsersCreate] != 1 {
					t.Errorf("%s was called %v, want one look-up and one create", name, counts)
				}
			}
		})
	}
}

// TestWhatChangesNothingCostsNothing: an identical PUT or PATCH writes nothing and calls nobody; a profile change costs a write, a status
// write and one call in those apps that map the attribute.
func TestWhatChangesNothingCostsNothing(t *testing.T) {
	d := harness.NewDirectory(t)
	fakes := map[string]*fakeapp.App{
		"maps": d.App(t, "maps", fakeapp.Generic, nil),
		"maps-not": d.App(t, "maps-not", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
			app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "title"}}
		}),
	}
	for name := range fakes {
		d.Mapping(t, name, name, v1alpha1.Subjects{Users: []string{"kim@corp.test"}})
	}
	op := d.Run(t)
	for name := range fakes {
		d.AwaitReady(t, name)
	}
	kim := op.CreateUser(t, "kim@corp.test")
	for name := range fakes {
		d.AwaitAccount(t, kim, name, v1alpha1.AccountActive)
	}
	d.AwaitActivity(t, "okta")
	body := harness.UserBody("kim@corp.test", "kim", "Tester")
	quietly(t, op, fakes, func() {
		op.Want(t, http.StatusOK, "PUT", "/Users/"+kim, body)
		op.Want(t, http.StatusOK, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(true)))
	})

	op.API.Reset()
	reset(fakes)
	op.Want(t, http.StatusOK, "PUT", "/Users/"+kim, strings.Replace(body, `"locale"`, `"title":"Engineer","locale"`, 1))
	harness.Eventually(t, "the title is in the app", func() error {
		if user, _ := fakes["maps"].User("kim@corp.test"); user.Attributes["title"] != "Engineer" {
			return fmt.Errorf("the app has %v", user.Attributes)
		}
		if n := userWrites(op)["patch scimusers/status"]; n == 0 {
			return fmt.Errorf("no status write yet")
		}
		return nil
	})
	d.AwaitAccount(t, kim, "maps", v1alpha1.AccountActive)
	if diff := cmp.Diff(map[string]int{"update scimusers": 1, "patch scimusers/status": 1}, userWrites(op)); diff != "" {
		t.Errorf("writes of a profile change (-want +got):\n%s", diff)
	}
	if n := fakes["maps"].Writes(); n != 1 {
		t.Errorf("the app that maps the attribute got %d write calls: %v", n, fakes["maps"].Counts())
	}
	if n := len(fakes["maps-not"].Calls()); n != 0 {
		t.Errorf("the app that does not map the attribute got %d calls: %v", n, fakes["maps-not"].Counts())
	}
}

// TestRestartInSyncCostsNothing: a new process writes nothing and calls the apps for the credential test alone.
func TestRestartInSyncCostsNothing(t *testing.T) {
	d := harness.NewDirectory(t)
	fakes := map[string]*fakeapp.App{"crm": d.App(t, "crm", fakeapp.Generic, func(app *v1alpha1.ScimApp) {
		app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
		app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "Sales"}}
	})}
	d.Mapping(t, "sales", "crm", v1alpha1.Subjects{Groups: []string{"Sales"}})
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	var users []string
	for i := range 20 {
		users = append(users, op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i)))
	}
	op.CreateGroup(t, "Sales", users...)
	for _, id := range users {
		d.AwaitAccount(t, id, "crm", v1alpha1.AccountActive)
	}
	harness.Eventually(t, "the group is pushed with all members", func() error {
		if group, _ := fakes["crm"].Group("Sales"); len(group.Members) != len(users) {
			return fmt.Errorf("the app's group is %+v", group)
		}
		return nil
	})
	harness.Eventually(t, "the app's counters have settled", func() error {
		app := &v1alpha1.ScimApp{}
		if err := d.Admin.Get(t.Context(), d.Key("crm"), app); err != nil || app.Status.Accounts != 20 || app.Status.Pending != 0 {
			return fmt.Errorf("status %+v, error %v", app.Status, err)
		}
		return nil
	})
	op.Stop()
	reset(fakes)

	again := d.Run(t)
	harness.Eventually(t, "the credentials are tested", func() error {
		if len(fakes["crm"].Calls()) == 0 {
			return fmt.Errorf("no call yet")
		}
		return nil
	})
	quietly(t, again, map[string]*fakeapp.App{}, func() {})
	if diff := cmp.Diff(map[string]int{}, again.API.Writes()); diff != "" {
		t.Errorf("writes of a restart (-want +got):\n%s", diff)
	}
	if counts := fakes["crm"].Counts(); len(fakes["crm"].Calls()) != 1 || counts[fakeapp.UsersList] != 1 {
		t.Errorf("the app was called %v, want the credential test alone", counts)
	}
}

// TestAppThatIsDownCostsNoWritePerUserAndRetry: it is the app's trouble, so it stands on the ScimApp.
func TestAppThatIsDownCostsNoWritePerUserAndRetry(t *testing.T) {
	const users = 200
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "sales", "crm", v1alpha1.Subjects{Groups: []string{"Sales"}})
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	if err := fake.Refuse(true); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range users {
		ids = append(ids, op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i)))
	}
	for _, id := range ids {
		harness.Eventually(t, "the user is looked at", func() error {
			if user := d.User(t, id); user.Status.ObservedGeneration == 0 {
				return fmt.Errorf("no status yet")
			}
			return nil
		})
	}
	op.API.Reset()
	op.CreateGroup(t, "Sales", ids...)
	harness.Eventually(t, "the ScimApp says that the app does not answer", func() error {
		return conditionIs(t, d, "crm", v1alpha1.ConditionReachable, "False", v1alpha1.ReasonUnreachable)
	})
	awaitIntents(t, d, ids)
	before := op.API.Writes()
	// Those that were enqueued before the app was known to be down say once what they wait for, when the breaker tries with them.
	untold := 0
	for _, id := range ids {
		if d.User(t, id).Status.Account("crm").Reason == "" {
			untold++
		}
	}
	// A minute, in which the breaker tries again and again.
	holdsFor(t, time.Minute, func() error {
		if extra := op.API.Writes()["patch scimusers/status"] - before["patch scimusers/status"]; extra > untold {
			return fmt.Errorf("%d status writes of users while the app is down", extra)
		}
		return nil
	})
	if n := op.API.Writes()["patch scimapps/status"]; n > 15 {
		t.Errorf("%d status writes of the ScimApp in a minute", n)
	}
	if err := fake.Refuse(false); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		d.AwaitAccount(t, id, "crm", v1alpha1.AccountActive)
	}
	if n := len(fake.Users()); n != users {
		t.Errorf("the app has %d accounts, want %d", n, users)
	}
	// That the account is pending, the intent once the app can be called, and the outcome. No intent is written while the app cannot be called.
	if n := op.API.Writes()["patch scimusers/status"]; n > 3*users {
		t.Errorf("%d status writes for %d users", n, users)
	}
}

// userWrites are the writes to users alone: those of apps and mappings are counted elsewhere.
func userWrites(op *harness.Operator) map[string]int {
	writes := op.API.Writes()
	for what := range writes {
		if !strings.Contains(what, "scimusers") {
			delete(writes, what)
		}
	}
	return writes
}

func reset(fakes map[string]*fakeapp.App) {
	for _, fake := range fakes {
		fake.ResetCalls()
	}
}

// quietly runs what is to cost nothing and watches for a while that it does not.
func quietly(t *testing.T, op *harness.Operator, fakes map[string]*fakeapp.App, what func()) {
	t.Helper()
	harness.Eventually(t, "all is quiet", func() error {
		op.API.Reset()
		reset(fakes)
		select {
		case <-t.Context().Done():
		case <-time.After(quiet):
		}
		return calm(op, fakes)
	})
	what()
	holdsFor(t, quiet, func() error { return calm(op, fakes) })
}

func calm(op *harness.Operator, fakes map[string]*fakeapp.App) error {
	if writes := op.API.Writes(); len(writes) > 0 {
		return fmt.Errorf("writes: %v", writes)
	}
	for name, fake := range fakes {
		if counts := fake.Counts(); len(fake.Calls()) > 0 {
			return fmt.Errorf("calls of %s: %v", name, counts)
		}
	}
	return nil
}

// holdsFor checks that something holds all the time.
func holdsFor(t *testing.T, duration time.Duration, check func() error) {
	t.Helper()
	for end := time.Now().Add(duration); time.Now().Before(end); {
		if err := check(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-t.Context().Done():
			return
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func awaitMappings(t *testing.T, d *harness.Directory) {
	t.Helper()
	harness.Eventually(t, "the mappings are accepted", func() error {
		var list v1alpha1.ScimRoleMappingList
		if err := d.Admin.List(t.Context(), &list, inNamespace(d)); err != nil {
			return err
		}
		for i := range list.Items {
			if list.Items[i].Status.ObservedGeneration == 0 {
				return fmt.Errorf("%s is not looked at yet", list.Items[i].Name)
			}
		}
		return nil
	})
}

func awaitIntents(t *testing.T, d *harness.Directory, ids []string) {
	t.Helper()
	for _, id := range ids {
		harness.Eventually(t, "the intent is written", func() error {
			user, err := d.GetUser(t.Context(), id)
			if err != nil || user.Status.Account("crm") == nil {
				return fmt.Errorf("status %+v, error %v", user.Status, err)
			}
			return nil
		})
	}
}

func conditionIs(t *testing.T, d *harness.Directory, app, conditionType, status, reason string) error {
	t.Helper()
	object := &v1alpha1.ScimApp{}
	if err := d.Admin.Get(t.Context(), d.Key(app), object); err != nil {
		return err
	}
	for _, c := range object.Status.Conditions {
		if c.Type == conditionType && string(c.Status) == status && c.Reason == reason {
			return nil
		}
	}
	return fmt.Errorf("conditions are %+v", object.Status.Conditions)
}
