// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// refusal is an app's word that it does not take the data of an account, whatever the attribute: nothing that repeating would help.
var refusal = &fakeapp.Answer{Status: http.StatusBadRequest, Body: `{"status":"400","detail":"the account is archived"}`}

// TestRefusedUpdateKeepsNothingElseWaiting: neither the leaver whose last update was refused, nor a value that was mended.
func TestRefusedUpdateKeepsNothingElseWaiting(t *testing.T) {
	t.Parallel()
	body := withAttribute(harness.UserBody("kim@corp.test", "kim", "Tester"), `"title":"Wizard"`)
	tests := map[string]struct {
		then func(t *testing.T, op *harness.Operator, kim string)
		want func(fakeapp.User) bool
	}{
		"deactivation": {
			then: func(t *testing.T, op *harness.Operator, kim string) {
				op.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(false)))
			},
			want: func(u fakeapp.User) bool { return !u.Active },
		},
		"deletion": {
			then: func(t *testing.T, op *harness.Operator, kim string) { op.Want(t, 204, "DELETE", "/Users/"+kim, "") },
			want: func(u fakeapp.User) bool { return !u.Active },
		},
		"another value": {
			then: func(t *testing.T, op *harness.Operator, kim string) {
				op.Want(t, 200, "PUT", "/Users/"+kim, strings.Replace(body, "Wizard", "Engineer", 1))
			},
			want: func(u fakeapp.User) bool { return u.Attributes["title"] == "Engineer" },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, nil)
			d.Mapping(t, "named", "crm", named("kim@corp.test"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			kim := op.CreateUser(t, "kim@corp.test")
			d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
			fake.Inject(fakeapp.Fault{Op: fakeapp.UsersPatch, Times: 1, Answer: refusal})
			op.Want(t, 200, "PUT", "/Users/"+kim, body)
			entry := awaitReason(t, d, kim, "crm", v1alpha1.ReasonRejected)
			if entry.State != v1alpha1.AccountActive || entry.NextRetryTime == nil || entry.Attempts != 1 {
				t.Errorf("the entry is %+v", entry)
			}
			fake.ResetCalls()
			noCalls(t, fake, watched)
			test.then(t, op, kim)
			harness.Eventually(t, "the app has what came after", func() error {
				if user, _ := fake.User("kim@corp.test"); !test.want(user) {
					return fmt.Errorf("it has %+v", user)
				}
				return nil
			})
		})
	}
}

// TestRenamedUserKeepsTheAccount: in an app that takes another userName.
func TestRenamedUserKeepsTheAccount(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "team", "crm", inGroups("Team"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	op.CreateGroup(t, "Team", kim)
	before := d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive).Status.Account("crm").RemoteID
	op.Want(t, 200, "PUT", "/Users/"+kim, harness.UserBody("kim.tester@corp.test", "kim", "Tester"))
	after := awaitActive(t, fake, "kim.tester@corp.test", true)
	if n := len(fake.Users()); n != 1 || after.ID != before {
		t.Errorf("the app has %d accounts, the one of the new name is %s, want %s", n, after.ID, before)
	}
}

// TestSuspendedAppIsNotCalledAndThenCatchesUp: what is due meanwhile is shown.
func TestSuspendedAppIsNotCalledAndThenCatchesUp(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "named", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	kim := op.CreateUser(t, "kim@corp.test")
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true })
	awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReady, "False", v1alpha1.ReasonSuspended)
	fake.ResetCalls()
	op.Want(t, 200, "PATCH", "/Users/"+kim, harness.PatchBody(harness.SetActive(false)))
	if entry := awaitReason(t, d, kim, "crm", v1alpha1.ReasonSuspended); entry.Planned != v1alpha1.ActionDeactivate {
		t.Errorf("the entry is %+v", entry)
	}
	noCalls(t, fake, watched)
	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) { app.Spec.Suspend = false })
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountInactive)
	d.AwaitReady(t, "crm")
}
