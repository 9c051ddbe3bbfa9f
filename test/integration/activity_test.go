// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestScimClientSaysWhenItWasLastActiveAndWhetherItsPushesAreAccepted follows a provider that is configured badly, and then well.
func TestScimClientSaysWhenItWasLastActiveAndWhetherItsPushesAreAccepted(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	d.Client(t, "silent", "okta", nil)
	op := d.Run(t)
	begin := time.Now().Add(-time.Second)
	op.CreateUser(t, "kim@corp.test")
	awaitCondition(t, d, &v1alpha1.ScimClient{}, "okta", v1alpha1.ConditionPushesAccepted, "True", v1alpha1.ReasonSucceeded)
	harness.Eventually(t, "the status has the time of the last request", func() error {
		sc := &v1alpha1.ScimClient{}
		if err := d.Admin.Get(t.Context(), d.Key("okta"), sc); err != nil {
			return err
		}
		if at := sc.Status.LastRequestTime; at == nil || at.Time.Before(begin.Truncate(time.Second).Add(-time.Minute)) || at.After(time.Now()) {
			return fmt.Errorf("the time is %v", at)
		}
		return nil
	})

	// Lookups that find nothing are no refusals, and neither are changes of what does not exist.
	for range 6 {
		op.Want(t, 404, "GET", "/Users/nobody.abcdefghijklm", "")
		op.Want(t, 404, "PATCH", "/Users/nobody.abcdefghijklm", harness.PatchBody(harness.SetActive(true)))
	}
	for range 6 {
		op.Want(t, 409, "POST", "/Users", harness.UserBody("KIM@corp.test", "Kim", "Tester"))
	}
	message := awaitCondition(t, d, &v1alpha1.ScimClient{}, "okta", v1alpha1.ConditionPushesAccepted, "False", v1alpha1.ReasonPushesRefused)
	if !strings.Contains(message, "409 uniqueness") || !strings.Contains(message, "attribute userName") || strings.Contains(strings.ToLower(message), "kim") {
		t.Errorf("the message is %q", message)
	}
	for i := range 5 {
		op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i))
	}
	awaitCondition(t, d, &v1alpha1.ScimClient{}, "okta", v1alpha1.ConditionPushesAccepted, "True", v1alpha1.ReasonSucceeded)

	silent := &v1alpha1.ScimClient{}
	if err := d.Admin.Get(t.Context(), d.Key("silent"), silent); err != nil || silent.Status.LastRequestTime != nil {
		t.Errorf("a client that has sent nothing: %v, %v", silent.Status.LastRequestTime, err)
	}
}
