// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

func TestReadySaysWhatAnsweredATestThatFailed(t *testing.T) {
	for name, tc := range map[string]struct {
		connection connection
		says       []string
	}{
		"a wrong base URL": {
			connection{reason: v1alpha1.ReasonUnexpectedAnswer, message: "Test: NotFound (status 404): the base URL https://crm.test answered with status 404 and content type text/html"},
			[]string{"not tested: the test of the credentials failed", "https://crm.test", "status 404", "text/html", "retrying"},
		},
		"a server error": {
			connection{reason: v1alpha1.ReasonServerError, message: "Test: ServerError (status 500)"}, []string{"the test of the credentials failed", "status 500"},
		},
		"nobody": {
			connection{reason: v1alpha1.ReasonUnreachable, message: "Test: Unreachable: connection refused"}, []string{"does not answer the test", "connection refused"},
		},
		"a rate limit": {connection{reason: v1alpha1.ReasonRateLimited}, []string{"asked for no calls"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scope{app: pt.App("crm"), connection: &tc.connection}
			setStatus(s, runState{})
			ready := find(s.app, v1alpha1.ConditionReady)
			for _, part := range tc.says {
				if !strings.Contains(ready.Message, part) {
					t.Errorf("Ready is %s %s %q, want it to say %q", ready.Status, ready.Reason, ready.Message, part)
				}
			}
		})
	}
}
