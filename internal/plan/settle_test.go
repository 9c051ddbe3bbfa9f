// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
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

// refusing is an active account of which the app refused the values of attributes.
func refusing(w plan.Desired, names ...string) *v1alpha1.Account {
	have := account(v1alpha1.AccountActive)
	have.Applied = plan.ParseApplied(have.Applied).WithRefused(w, policy(), names).String()
	return have
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
		"title refused": {
			wanted(value("title", "CTO")), refusing(wanted(value("title", "CTO")), "title"), operation(v1alpha1.ActionUpdate, "title"), shows(true, asDesired),
			v1alpha1.AccountActive, []string{"viewer"}, nil,
		},
		"title refused and written": {
			wanted(value("title", "CTO")), refusing(wanted(value("title", "CTO")), "title"), operation(v1alpha1.ActionUpdate, "title"), shows(true, with(asDesired, "title", "CTO")),
			v1alpha1.AccountActive, []string{"viewer"}, map[string]string{"title": plan.HashValues(map[string]any{"title": "CTO"})["title"]},
		},
		"another title refused": {
			wanted(value("title", "CTO")), refusing(wanted(value("title", "CEO")), "title"), operation(v1alpha1.ActionUpdate, "title"), shows(true, asDesired),
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
	state, roles, applied := plan.Linked(w, shows(true, with(w.Values, "title", "CTO"), "admin"), nil)
	if state != v1alpha1.AccountActive || !slices.Equal(roles, []string{"admin"}) {
		t.Errorf("state %s with roles %v", state, roles)
	}
	want := plan.HashValues(w.Values)
	want["title"] = "?"
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("applied (-want +got):\n%s", diff)
	}
	// What a create may have written is recorded, to be cleared; what an admin has set is not.
	for _, made := range [][]string{nil, {"nickName"}} {
		_, _, applied = plan.Linked(w, shows(true, with(w.Values, "nickName", "Ada")), made)
		if recorded := applied["nickName"] != ""; recorded != (made != nil) {
			t.Errorf("made %v: applied %v", made, applied)
		}
	}
	state, _, applied = plan.Linked(w, shows(false, nil), nil)
	if state != v1alpha1.AccountInactive || len(applied) > 0 {
		t.Errorf("state %s, applied %v", state, applied)
	}
}

func TestRolesOfAnAppAreBounded(t *testing.T) {
	hostile := []string{"viewer", strings.Repeat("😀", 300), strings.Repeat("<", 300), "\xff\x00"}
	for i := range 200 {
		hostile = append(hostile, fmt.Sprint("role", i))
	}
	w := wanted()
	seen := shows(true, w.Values, hostile...)
	_, linked, _ := plan.Linked(w, seen, nil)
	settled := plan.Settle(w, account(v1alpha1.AccountActive), giving(v1alpha1.ActionUpdate, "viewer"), seen, policy()).Roles
	announced := giving(v1alpha1.ActionUpdate, hostile...).Status(metav1.Time{}).Roles
	for name, roles := range map[string][]string{"linked": linked, "settled": settled, "announced": announced} {
		long := slices.ContainsFunc(roles, func(r string) bool { return bounded.Size(r) > plan.MaxRoleLength })
		if len(roles) != plan.MaxRoles || long {
			t.Errorf("%s: %d roles: %q", name, len(roles), roles)
		}
		if roles[len(roles)-1] != "..." {
			t.Errorf("%s: nothing says that there are more: %q", name, roles)
		}
	}
	if slices.Contains(settled, "viewer") {
		t.Error("a desired role takes the room of one that is to be revoked")
	}
}

func names(prefix string, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s%03d", prefix, i)
	}
	return all
}

// The guard counts a revocation by the roles in the status. Nothing may pass beside it because a role has a long name or there are many.
func TestRolesThatWereShortenedAreRevokedAllTheSame(t *testing.T) {
	long := strings.Repeat("a-role-with-a-long-name.", 10)
	for name, tc := range map[string]struct {
		recorded, desired []string
		revocation        bool
	}{
		"a long role stays":                    {[]string{long + "1"}, []string{long + "1"}, false},
		"a long role becomes another":          {[]string{long + "1"}, []string{long + "2"}, true},
		"a long role beside another is given":  {[]string{long + "1"}, []string{long + "1", "viewer"}, false},
		"as many as there may be stay":         {names("role", 32), append(names("role", 32), "more"), false},
		"one of more than there may be may be": {names("role", 40), names("role", 39), true},
	} {
		t.Run(name, func(t *testing.T) {
			w := wanted(func(w *plan.Desired) { w.Roles, w.Values["roles"] = tc.desired, tc.desired })
			have := account(v1alpha1.AccountActive)
			have.Roles = plan.BoundedRoles(tc.recorded, tc.recorded)
			step := plan.Decide(w, have, nil, policy())
			if step.Action != v1alpha1.ActionUpdate || step.Revocation != tc.revocation {
				t.Errorf("step %+v, want a revocation: %t", step, tc.revocation)
			}
		})
	}
}

func TestAnnouncedWithLongRoles(t *testing.T) {
	long := strings.Repeat("a-role-with-a-long-name.", 10)
	w := wanted(func(w *plan.Desired) { w.Roles = []string{long} })
	if have := stored(plan.OperationOf(update("roles"), w, policy())); !plan.Announced(update("roles"), w, policy(), have, false) {
		t.Error("an operation does not announce its own long role")
	}
}

func TestMatchValueThatDoesNotFitIsNotCreated(t *testing.T) {
	for name, tc := range map[string]struct {
		value   string
		blocked bool
	}{
		"fits":                    {strings.Repeat("x", plan.MaxMatchValue), false},
		"one more":                {strings.Repeat("x", plan.MaxMatchValue+1), true},
		"fits in characters only": {strings.Repeat("é", plan.MaxMatchValue-1), true},
	} {
		t.Run(name, func(t *testing.T) {
			step := plan.Decide(wanted(value("userName", tc.value)), nil, nil, policy())
			if blocked := step.Reason == v1alpha1.ReasonInvalidAttribute && step.Action == ""; blocked != tc.blocked {
				t.Errorf("step %+v", step)
			}
			group := plan.DecideGroup(plan.DesiredGroup{Pushed: true, DisplayName: tc.value}, nil)
			if blocked := group.Reason == v1alpha1.ReasonInvalidAttribute && group.Action == ""; blocked != tc.blocked {
				t.Errorf("step of a group %+v", group)
			}
		})
	}
}
