// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// sharing makes a ScimApp that calls another one's fake app, with a token of its own.
func sharing(t *testing.T, d *harness.Directory, name string, flavour fakeapp.Flavour, fake *fakeapp.App, token string) {
	t.Helper()
	d.App(t, name, flavour, func(app *v1alpha1.ScimApp) {
		app.Spec.SCIM.BaseURL = fake.URL()
		setToken(t, d, name, fake, token)
	})
}

// TestSecondAppOfATenantMakesNoCall: of the same namespace or another one, until the first is deleted.
func TestSecondAppOfATenantMakesNoCall(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"one namespace", "two namespaces"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			first := harness.NewDirectory(t)
			second := first
			if where == "two namespaces" {
				second = harness.NewDirectory(t)
			}
			fake := first.App(t, "first", fakeapp.Generic, nil)
			namespaces := []string{first.Namespace, second.Namespace}
			if second == first {
				namespaces = namespaces[:1]
			}
			r := startReplica(t, harness.Install(t, first.Env, namespaces...), first.Admin, nil)
			first.AwaitReady(t, "first")
			fake.ResetCalls()

			sharing(t, second, "second", fakeapp.Generic, fake, fake.Token())
			second.Mapping(t, "named", "second", named("kim@corp.test"))
			message := awaitCondition(t, second, &v1alpha1.ScimApp{}, "second", v1alpha1.ConditionReady, "False", v1alpha1.ReasonTenantConflict)
			if strings.Contains(message, "first") != (second == first) {
				t.Errorf("the message is %q", message)
			}
			idp := r.idp(second)
			awaitServing(t, idp)
			kim := idp.CreateUser(t, "kim@corp.test")
			noCalls(t, fake, watched)

			harness.Change(t, first, "first", &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) { a.Spec.Suspend = true })
			awaitCondition(t, first, &v1alpha1.ScimApp{}, "first", v1alpha1.ConditionReady, "False", v1alpha1.ReasonSuspended)
			noCalls(t, fake, watched)

			first.Delete(t, getApp(t, first, "first"))
			second.AwaitReady(t, "second")
			second.AwaitAccount(t, kim, "second", v1alpha1.AccountActive)
		})
	}
}

// TestAppsOfOneURLConflictByTheirToken where the URL serves all tenants.
func TestAppsOfOneURLConflictByTheirToken(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "first", fakeapp.CommonRoom, nil)
	token := fake.Token()
	d.Run(t)
	d.AwaitReady(t, "first")
	fake.RotateToken("token-of-the-second")
	sharing(t, d, "second", fakeapp.CommonRoom, fake, "token-of-the-second")
	d.AwaitReady(t, "second")
	d.AwaitReady(t, "first")

	setToken(t, d, "second", fake, token)
	awaitCondition(t, d, &v1alpha1.ScimApp{}, "second", v1alpha1.ConditionReady, "False", v1alpha1.ReasonTenantConflict)
	d.AwaitReady(t, "first")
	setToken(t, d, "second", fake, "token-of-the-second")
	d.AwaitReady(t, "second")
}
