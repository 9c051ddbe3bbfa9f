// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// shows is what an app shows of an account. Without roles in values, it does not show them.
func shows(active bool, values map[string]any, roles ...string) plan.Observed {
	_, shown := values["roles"]
	return plan.Observed{
		Active: active, Roles: roles, RolesShown: shown,
		Value: func(path string) (any, bool) {
			value, ok := values[path]
			return value, ok
		},
	}
}

func with(values map[string]any, name string, v any) map[string]any {
	after := map[string]any{}
	for have, value := range values {
		after[have] = value
	}
	after[name] = v
	return after
}

func TestSettle(t *testing.T) {
	asDesired := wanted().Values
	admin := []any{map[string]any{"value": "admin"}}
	hidden := map[string]any{"userName": "ada@corp.test", "title": "Engineer"}
	hash := plan.HashValues(asDesired)
	for name, tc := range map[string]struct {
		w     plan.Desired
		have  *v1alpha1.Account
		op    *plan.Operation
		seen  plan.Observed
		state v1alpha1.AccountState
		roles []string
		// changed are the hashes that are others than before; "" for none.
		changed map[string]string
	}{
		"deactivated": {wanted(), account(v1alpha1.AccountActive), operation(v1alpha1.ActionDeactivate), shows(false, asDesired, "viewer"), v1alpha1.AccountInactive, []string{"viewer"}, nil},
		"not deactivated": {
			wanted(), account(v1alpha1.AccountActive), operation(v1alpha1.ActionDeactivate), shows(true, asDesired, "viewer"), v1alpha1.AccountActive, []string{"viewer"}, nil,
		},
		"what the operation did not write is not touched": {
			wanted(), account(v1alpha1.AccountActive), operation(v1alpha1.ActionUpdate, "title"), shows(true, with(asDesired, "roles", admin), "admin"),
			v1alpha1.AccountActive, []string{"viewer"}, nil,
		},
		"title written": {
			wanted(value("title", "CTO")), account(v1alpha1.AccountActive), operation(v1alpha1.ActionUpdate, "title"), shows(true, with(asDesired, "title", "CTO")),
			v1alpha1.AccountActive, []string{"viewer"}, map[string]string{"title": plan.HashValues(map[string]any{"title": "CTO"})["title"]},
		},
		"title not written": {
			wanted(value("title", "CTO")), account(v1alpha1.AccountActive), operation(v1alpha1.ActionUpdate, "title"), shows(true, asDesired),
			v1alpha1.AccountActive, []string{"viewer"}, map[string]string{"title": "?"},
		},
		"an attribute that nobody desires now": {
			wanted(), account(v1alpha1.AccountActive), operation(v1alpha1.ActionUpdate, "nickName"), shows(true, with(asDesired, "nickName", "ada")),
			v1alpha1.AccountActive, []string{"viewer"}, map[string]string{"nickName": "?"},
		},
		"an attribute cleared": {
			wanted(noTitle), account(v1alpha1.AccountActive), operation(v1alpha1.ActionUpdate, "title"), shows(true, map[string]any{}),
			v1alpha1.AccountActive, []string{"viewer"}, map[string]string{"title": ""},
		},
		"role given": {
			wanted(), account(v1alpha1.AccountActive), giving(v1alpha1.ActionUpdate, "admin"), shows(true, with(asDesired, "roles", admin), "admin"),
			v1alpha1.AccountActive, []string{"admin"}, map[string]string{"roles": "?"},
		},
		"role not given": {
			wanted(), account(v1alpha1.AccountActive), giving(v1alpha1.ActionUpdate, "admin"), shows(true, asDesired, "viewer"),
			v1alpha1.AccountActive, []string{"viewer"}, nil,
		},
		"roles that the app does not show": {
			wanted(), account(v1alpha1.AccountActive), giving(v1alpha1.ActionUpdate, "admin"), shows(true, hidden),
			v1alpha1.AccountActive, []string{"admin", "viewer"}, map[string]string{"roles": "?"},
		},
		"a role given at first that the app does not show": {
			wanted(noRolesWanted), account(v1alpha1.AccountActive, noRolesRecorded), giving(v1alpha1.ActionUpdate, "admin"), shows(true, hidden),
			v1alpha1.AccountActive, []string{"admin"}, map[string]string{"roles": "?"},
		},
		"anything": {
			wanted(), account(v1alpha1.AccountActive), &plan.Operation{All: true}, shows(false, with(asDesired, "title", "CTO"), "viewer"),
			v1alpha1.AccountInactive, []string{"viewer"}, map[string]string{"title": "?"},
		},
		"nothing to settle": {wanted(), account(v1alpha1.AccountInactive), nil, shows(true, with(asDesired, "title", "CTO"), "admin"), v1alpha1.AccountActive, []string{"viewer"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before := tc.have.DeepCopy()
			before.Operation = (&plan.Operation{All: true}).Status(metav1.Time{})
			got := plan.Settle(tc.w, before, tc.op, tc.seen, policy())
			want := plan.Applied{}
			for name, hash := range plan.ParseApplied(tc.have.Applied) {
				want[name] = hash
			}
			for name, hash := range tc.changed {
				want[name] = hash
				if hash == "" {
					delete(want, name)
				}
			}
			if diff := cmp.Diff(want, plan.ParseApplied(got.Applied)); diff != "" {
				t.Errorf("applied (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.roles, got.Roles, cmpopts.EquateEmpty()); diff != "" || got.State != tc.state || got.Operation != nil {
				t.Errorf("state %s, operation %v, roles (-want +got):\n%s", got.State, got.Operation, diff)
			}
			if before.Applied != tc.have.Applied || before.Operation == nil {
				t.Error("the recorded state is changed")
			}
		})
	}
	if hash["roles"] == "" {
		t.Fatal("the account has no role")
	}
}

func TestLinked(t *testing.T) {
	w := wanted()
	state, roles, applied := plan.Linked(w, shows(true, with(w.Values, "title", "CTO"), "admin"))
	if state != v1alpha1.AccountActive || !slices.Equal(roles, []string{"admin"}) {
		t.Errorf("state %s with roles %v", state, roles)
	}
	want := plan.HashValues(w.Values)
	want["title"] = "?"
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	state, _, applied = plan.Linked(w, shows(false, nil))
	if state != v1alpha1.AccountInactive || len(applied) > 0 {
		t.Errorf("state %s, applied %v", state, applied)
	}
}

func TestRolesOfAnAppAreBounded(t *testing.T) {
	long := strings.Repeat("é", 300)
	hostile := []string{"viewer", long}
	for i := range 200 {
		hostile = append(hostile, fmt.Sprint("role", i))
	}
	bounded := func(roles []string) bool {
		return len(roles) == 64 && !slices.ContainsFunc(roles, func(r string) bool { return utf8.RuneCountInString(r) > 256 })
	}
	w := wanted()
	seen := shows(true, w.Values, hostile...)
	_, linked, _ := plan.Linked(w, seen)
	settled := plan.Settle(w, account(v1alpha1.AccountActive), giving(v1alpha1.ActionUpdate, "viewer"), seen, policy()).Roles
	announced := giving(v1alpha1.ActionUpdate, hostile...).Status(metav1.Time{}).Roles
	if !bounded(linked) || !bounded(settled) || !bounded(announced) {
		t.Errorf("roles of a linked account: %d; of a settled one: %d; of an operation: %d", len(linked), len(settled), len(announced))
	}
	if slices.Contains(settled, "viewer") {
		t.Error("a desired role takes the room of one that is to be revoked")
	}
}
