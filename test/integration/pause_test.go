// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestRequestToWaitSurvives a restart of the operator, and a suspension: the app gets no call before its time.
func TestRequestToWaitSurvives(t *testing.T) {
	t.Parallel()
	const wait = 20 * time.Second
	for what, interrupt := range map[string]func(*testing.T, *harness.Directory, *harness.Operator){
		"a restart": func(t *testing.T, d *harness.Directory, op *harness.Operator) {
			op.Stop()
			d.Run(t)
		},
		"a suspension": func(t *testing.T, d *harness.Directory, _ *harness.Operator) {
			suspend(t, d, "crm")
			harness.Change(t, d, "crm", &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) { a.Spec.Suspend = false })
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, oneByOne)
			d.Mapping(t, "named", "crm", named("kim@corp.test"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			header := map[string]string{"Retry-After": strconv.Itoa(int(wait.Seconds()))}
			fake.Inject(fakeapp.Fault{Op: fakeapp.UsersCreate, Times: 1, Answer: &fakeapp.Answer{Status: http.StatusTooManyRequests, Header: header}})
			kim := op.CreateUser(t, "kim@corp.test")
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReachable, "True", v1alpha1.ReasonRateLimited)
			d.AwaitReady(t, "crm")
			until := getApp(t, d, "crm").Status.PausedUntil
			if until == nil || time.Until(until.Time) < wait/2 {
				t.Fatalf("status says that the app is paused until %v", until)
			}
			var refused time.Time
			for _, call := range fake.Calls() {
				if call.Status == http.StatusTooManyRequests {
					refused = call.At
				}
			}
			fake.ResetCalls()
			interrupt(t, d, op)
			d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
			for _, call := range fake.Calls() {
				if early := refused.Add(wait).Sub(call.At); early > 0 {
					t.Errorf("%s %s came %s before its time", call.Method, call.Path, early)
				}
			}
			awaitCondition(t, d, &v1alpha1.ScimApp{}, "crm", v1alpha1.ConditionReachable, "True", v1alpha1.ReasonSucceeded)
			harness.Eventually(t, "status says nothing of a pause", func() error {
				if until := getApp(t, d, "crm").Status.PausedUntil; until != nil {
					return fmt.Errorf("paused until %s", until)
				}
				return nil
			})
		})
	}
}
