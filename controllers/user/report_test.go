// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func TestReportsOfAUser(t *testing.T) {
	account := func(reason string, change ...func(*v1alpha1.Account)) *v1alpha1.ScimUserStatus {
		entry := v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, Reason: reason, Message: "our words; the app says: kim is unknown"}
		for _, c := range change {
			c(&entry)
		}
		return &v1alpha1.ScimUserStatus{Accounts: []v1alpha1.Account{entry}}
	}
	leaver := func(e *v1alpha1.Account) { e.Planned, e.PendingRevocationTime = v1alpha1.ActionDeactivate, &now }
	conflict := &v1alpha1.ScimUserStatus{Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonUserNameConflict, Message: "belongs to another",
	}}}
	for name, tc := range map[string]struct {
		before, after *v1alpha1.ScimUserStatus
		want          string
	}{
		"a new account fails":                                {&v1alpha1.ScimUserStatus{}, account(v1alpha1.ReasonMissingRequiredAttribute), "Warning MissingRequiredAttribute Observe crm: our words"},
		"the same failure":                                   {account(v1alpha1.ReasonRejected), account(v1alpha1.ReasonRejected), ""},
		"another failure":                                    {account(v1alpha1.ReasonRejected), account(v1alpha1.ReasonNotApplied), "Warning NotApplied Observe crm: our words"},
		"a revocation is held":                               {account(""), account(v1alpha1.ReasonHeld, leaver), "Warning Held Deactivate crm: our words"},
		"a revocation waits for the app":                     {account(""), account(v1alpha1.ReasonCredentialsRejected, leaver), "Warning CredentialsRejected Deactivate crm: our words"},
		"an app that is not tested keeps a leaver's account": {account(""), account(v1alpha1.ReasonAppNotReady, leaver), "Warning AppNotReady Deactivate crm: our words"},
		"a joiner waits for the app, which tells itself":     {account(""), account(v1alpha1.ReasonAppNotReady), ""},
		"a queued revocation":                                {account(""), account(v1alpha1.ReasonQueued, leaver), ""},
		"it is in sync again":                                {account(v1alpha1.ReasonRejected), account(""), " Succeeded  "},
		"it never told of anything":                          {account(v1alpha1.ReasonQueued), account(""), ""},
		"a userName of another":                              {&v1alpha1.ScimUserStatus{}, conflict, "Warning UserNameConflict Ready belongs to another"},
		"no account any more":                                {account(v1alpha1.ReasonRejected), &v1alpha1.ScimUserStatus{}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range reports(tc.before, tc.after) {
				got = append(got, strings.Join([]string{r.Type, r.Reason, r.Action, r.Message}, " "))
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
