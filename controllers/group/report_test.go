// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

func TestReportsOfAGroup(t *testing.T) {
	since := metav1.NewTime(pt.Now)
	status := func(reason string, pending *metav1.Time) *v1alpha1.ScimGroupStatus {
		return &v1alpha1.ScimGroupStatus{Apps: []v1alpha1.PushedGroupStatus{{App: "crm", Reason: reason, Message: "ours; the app says: theirs", PendingRevocationTime: pending}}}
	}
	conflict := &v1alpha1.ScimGroupStatus{Conditions: []metav1.Condition{{
		Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonDisplayNameConflict, Message: "belongs to another",
	}}}
	for name, tc := range map[string]struct {
		before, after *v1alpha1.ScimGroupStatus
		want          []string
	}{
		"it fails":                       {status("", nil), status(v1alpha1.ReasonRejected, nil), []string{"Warning Rejected crm: ours"}},
		"the same failure":               {status(v1alpha1.ReasonRejected, nil), status(v1alpha1.ReasonRejected, nil), nil},
		"it is in sync again":            {status(v1alpha1.ReasonRejected, nil), status(v1alpha1.ReasonMembersPending, nil), []string{" Succeeded "}},
		"members without account":        {status("", nil), status(v1alpha1.ReasonMembersPending, nil), nil},
		"a removal is queued":            {status("", nil), status(v1alpha1.ReasonQueued, &since), nil},
		"a removal waits for the app":    {status("", nil), status(v1alpha1.ReasonUnreachable, &since), []string{"Warning Unreachable crm: ours"}},
		"a new group waits for the app":  {status("", nil), status(v1alpha1.ReasonAppNotReady, nil), nil},
		"the displayName is another's":   {&v1alpha1.ScimGroupStatus{}, conflict, []string{"Warning DisplayNameConflict belongs to another"}},
		"it is not pushed to it anymore": {status(v1alpha1.ReasonRejected, nil), &v1alpha1.ScimGroupStatus{}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, r := range reports(tc.before, tc.after) {
				got = append(got, r.Type+" "+r.Reason+" "+r.Message)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
