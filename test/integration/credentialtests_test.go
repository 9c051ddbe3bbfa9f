// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// prompt is how long a change may take however many apps hang, on a busy machine.
const prompt = 5 * time.Second

// TestHangingAppsOfOneTenantDelayNobodyElse: a healthy app of another tenant becomes Ready, takes a new token and is suspended before any of
// the hanging credential tests has ended.
func TestHangingAppsOfOneTenantDelayNobodyElse(t *testing.T) {
	t.Parallel()
	slow, fast := harness.NewDirectory(t), harness.NewDirectory(t)
	var hanging []*fakeapp.App
	for i := range 24 {
		fake := slow.App(t, fmt.Sprintf("hangs-%02d", i), fakeapp.Generic, nil)
		fake.Inject(fakeapp.Fault{Hang: true})
		hanging = append(hanging, fake)
	}
	startReplica(t, harness.Install(t, fast.Env, slow.Namespace, fast.Namespace), fast.Admin, nil)
	harness.Eventually(t, "the tests of one tenant hang", func() error {
		if n := calling(hanging); n < 4 {
			return fmt.Errorf("%d tests hang", n)
		}
		return nil
	})
	if n := calling(hanging); n > 4 {
		t.Errorf("%d tests of one tenant run at once", n)
	}
	healthy := fast.App(t, "crm", fakeapp.Generic, nil)
	promptly(t, "a new app is Ready", hanging, func() { fast.AwaitReady(t, "crm") })
	promptly(t, "a new token is tested", hanging, func() {
		healthy.RotateToken("rotated")
		healthy.ResetCalls()
		setToken(t, fast, "crm", healthy, "rotated")
		harness.Eventually(t, "the test", func() error {
			if healthy.Counts()[fakeapp.UsersList] == 0 {
				return fmt.Errorf("no test yet")
			}
			return nil
		})
		fast.AwaitReady(t, "crm")
	})
	promptly(t, "an app is suspended", hanging, func() { suspend(t, fast, "crm") })
	promptly(t, "an app that hangs is suspended", hanging, func() { suspend(t, slow, "hangs-23") })
}

// calling is how many of the apps have a call that hangs.
func calling(apps []*fakeapp.App) int {
	n := 0
	for _, app := range apps {
		n += app.Hanging()
	}
	return n
}

// promptly fails if what is done takes long, and one of the hanging calls has ended before it was done.
func promptly(t *testing.T, what string, hanging []*fakeapp.App, do func()) {
	t.Helper()
	for _, app := range hanging {
		app.ResetCalls()
	}
	began := time.Now()
	do()
	took, ended := time.Since(began), 0
	for _, app := range hanging {
		ended += len(app.Calls())
	}
	if took > prompt && ended > 0 {
		t.Errorf("%s only after %s, when %d hanging tests had ended", what, took, ended)
	}
}

func suspend(t *testing.T, d *harness.Directory, app string) {
	t.Helper()
	harness.Change(t, d, app, &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) { a.Spec.Suspend = true })
	awaitCondition(t, d, &v1alpha1.ScimApp{}, app, v1alpha1.ConditionReady, "False", v1alpha1.ReasonSuspended)
}

// TestSuspensionEndsACallThatHangs: without waiting for the call's own timeout.
func TestSuspensionEndsACallThatHangs(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	fake := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "named", "crm", named("kim@corp.test"))
	op := d.Run(t)
	d.AwaitReady(t, "crm")
	fake.Inject(fakeapp.Fault{Hang: true})
	kim := op.CreateUser(t, "kim@corp.test")
	harness.Eventually(t, "a call hangs", func() error {
		if fake.Hanging() == 0 {
			return fmt.Errorf("none hangs")
		}
		return nil
	})
	began := time.Now()
	suspend(t, d, "crm")
	harness.Eventually(t, "no call hangs", func() error {
		if n := fake.Hanging(); n > 0 {
			return fmt.Errorf("%d calls hang", n)
		}
		return nil
	})
	if took := time.Since(began); took > prompt {
		t.Errorf("the call ended %s after the suspension", took)
	}
	fake.ClearFaults()
	harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) { a.Spec.Suspend = false })
	d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
}
