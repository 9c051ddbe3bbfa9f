// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// operation is one that is not settled.
func operation(action v1alpha1.AccountAction, attributes ...string) *plan.Operation {
	return &plan.Operation{Types: []v1alpha1.AccountAction{action}, Attributes: attributes}
}

// giving is an operation that writes roles.
func giving(action v1alpha1.AccountAction, roles ...string) *plan.Operation {
	op := operation(action, "roles")
	op.Roles = roles
	return op
}

// late is an operation that only a late effect is possible of.
func late(op *plan.Operation) *plan.Operation {
	op.Superseded = true
	return op
}

func writesActive(p *plan.Policy) { p.UpdateWritesActive = true }

var observe = plan.Step{Action: v1alpha1.ActionObserve}

type stepCase struct {
	w    plan.Desired
	have *v1alpha1.Account
	op   *plan.Operation
	p    plan.Policy
	want plan.Step
}

func TestDecideWithOperation(t *testing.T) {
	const (
		active   = v1alpha1.AccountActive
		disabled = v1alpha1.AccountInactive

		profileUpdates = v1alpha1.FeaturePushProfileUpdates
		deactivation   = v1alpha1.FeaturePushUserDeactivation
		reactivation   = v1alpha1.FeatureReactivateUsers
	)
	anything := &plan.Operation{All: true}
	both := &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionDeactivate, v1alpha1.ActionReactivate}}
	clearRoles := plan.Step{Action: v1alpha1.ActionUpdate, Clear: []string{"roles"}}
	for name, tc := range map[string]stepCase{
		// The user should have the account.
		"deactivate, wanted again":                        {wanted(), account(active), operation(v1alpha1.ActionDeactivate), policy(), observe},
		"delete, wanted again":                            {wanted(), account(active), operation(v1alpha1.ActionDelete), policy(), observe},
		"deactivate, wanted again, reactivation off":      {wanted(), account(active), operation(v1alpha1.ActionDeactivate), policy(off(reactivation)), observe},
		"deactivate, wanted again, protected":             {wanted(), account(active), operation(v1alpha1.ActionDeactivate), policy(protected), observe},
		"update again writes all that it may have":        {wanted(), account(active), operation(v1alpha1.ActionUpdate, "title"), policy(), update("title")},
		"update of an attribute not wanted any more":      {wanted(), account(active), operation(v1alpha1.ActionUpdate, "nickName"), policy(), plan.Step{Action: v1alpha1.ActionUpdate, Clear: []string{"nickName"}}},
		"update, updates off":                             {wanted(), account(active), operation(v1alpha1.ActionUpdate, "title"), policy(off(profileUpdates)), observe},
		"update, protected":                               {wanted(), account(active), operation(v1alpha1.ActionUpdate, "title"), policy(protected), observe},
		"update, required attribute missing":              {wanted(missing("title")), account(active), operation(v1alpha1.ActionUpdate, "title"), policy(), observe},
		"update, superseded":                              {wanted(), account(active), late(operation(v1alpha1.ActionUpdate, "title")), policy(), observe},
		"update of all attributes again":                  {wanted(), account(active), &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionUpdate}, All: true}, policy(), update("roles", "title", "userName")},
		"update, then inactive":                           {wanted(), account(disabled), operation(v1alpha1.ActionUpdate, "title"), policy(), observe},
		"reactivate again":                                {wanted(), account(disabled), operation(v1alpha1.ActionReactivate), policy(), reactivate},
		"reactivate, reactivation off":                    {wanted(), account(disabled), operation(v1alpha1.ActionReactivate), policy(off(reactivation)), observe},
		"reactivate, superseded":                          {wanted(), account(disabled), late(operation(v1alpha1.ActionReactivate)), policy(), observe},
		"several":                                         {wanted(), account(active), both, policy(), observe},
		"anything":                                        {wanted(), account(active), anything, policy(), observe},
		"anything, all features off":                      {wanted(), account(active), anything, plan.Policy{}, observe},
		"the identifier is not written again":             {wanted(value("title", "CTO")), account(active), operation(v1alpha1.ActionUpdate, "title", "userName"), policy(blockIdentifier), update("title")},
		"an attribute that cannot be computed is left":    {wanted(problem("title")), account(active), operation(v1alpha1.ActionUpdate, "title"), policy(), observe},
		"creating: settled by its lookup":                 {wanted(), account(v1alpha1.AccountCreating), anything, policy(), create},
		"orphaned: settled by its lookup":                 {wanted(), account(v1alpha1.AccountOrphaned), anything, policy(), create},
		"no entry":                                        {wanted(), nil, anything, policy(), create},
		"role given, to be taken":                         {wanted(), account(active), giving(v1alpha1.ActionUpdate, "admin"), policy(), revokes(update("roles"))},
		"role given, more wanted":                         {wanted(), account(active), giving(v1alpha1.ActionUpdate, "viewer"), policy(), update("roles")},
		"role given by an operation of all, not recorded": {wanted(noRolesWanted), account(active, noRolesRecorded), &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionUpdate}, All: true, Roles: []string{"admin"}}, policy(), revokesAll(wanted(noRolesWanted), clearRoles)},
		"role given by a reactivation, to be taken":       {wanted(), account(disabled), giving(v1alpha1.ActionReactivate, "admin"), policy(), revokes(plan.Step{Action: v1alpha1.ActionReactivate, Set: []string{"roles"}})},
		"role taken before, not yet active":               {wanted(), account(disabled, hadRole("admin")), nil, policy(), plan.Step{Action: v1alpha1.ActionReactivate, Set: []string{"roles"}}},
		"role given, updates off":                         {wanted(), account(active), giving(v1alpha1.ActionUpdate, "admin"), policy(off(profileUpdates)), observe},
		"role given, then deactivate, wanted again":       {wanted(), account(active, hadRole("admin")), operation(v1alpha1.ActionDeactivate), policy(), revokes(observe)},

		// The user should not be able to use the account. A deprovisioning step goes first.
		"update, no longer assigned":                          {wanted(unassigned), account(active), operation(v1alpha1.ActionUpdate, "roles"), policy(), deactivate},
		"deactivate again":                                    {wanted(unassigned), account(active), operation(v1alpha1.ActionDeactivate), policy(), deactivate},
		"deactivate, then Delete":                             {wanted(unassigned), account(active), operation(v1alpha1.ActionDeactivate), policy(deprovisioning(v1alpha1.DeprovisionDelete)), remove},
		"reactivate, no longer assigned":                      {wanted(unassigned), account(disabled), operation(v1alpha1.ActionReactivate), policy(), deactivate},
		"reactivate, superseded, no longer assigned":          {wanted(unassigned), account(disabled), late(operation(v1alpha1.ActionReactivate)), policy(), observe},
		"update with active, superseded, no longer assigned":  {wanted(unassigned), account(disabled), late(operation(v1alpha1.ActionUpdate, "title")), policy(writesActive), observe},
		"update with active, no longer assigned":              {wanted(unassigned), account(disabled), operation(v1alpha1.ActionUpdate, "title"), policy(writesActive), deactivate},
		"update with active, no longer assigned, feature off": {wanted(unassigned), account(disabled), operation(v1alpha1.ActionUpdate, "title"), policy(writesActive, off(deactivation)), observe},
		"update without active, no longer assigned":           {wanted(unassigned), account(disabled), operation(v1alpha1.ActionUpdate, "title"), policy(), observe},
		"anything, no longer assigned":                        {wanted(unassigned), account(active), anything, policy(), deactivate},
		"anything, inactive":                                  {wanted(inactive), account(disabled), anything, policy(), deactivate},
		"deactivate superseded, active again":                 {wanted(unassigned), account(active), late(operation(v1alpha1.ActionDeactivate)), policy(), deactivate},
		"deactivate, feature off":                             {wanted(unassigned), account(active), operation(v1alpha1.ActionDeactivate), policy(off(deactivation)), observe},
		"deactivate, protected":                               {wanted(unassigned), account(active), operation(v1alpha1.ActionDeactivate), policy(protected), observe},
		"update, feature off: active in either state":         {wanted(unassigned), account(active), operation(v1alpha1.ActionUpdate, "title"), policy(off(deactivation)), because(v1alpha1.ReasonFeatureOff)},
		"deactivate, feature off, deleted":                    {wanted(deleted), account(active), operation(v1alpha1.ActionDeactivate), policy(off(deactivation)), release},
		"deactivate, Orphan":                                  {wanted(unassigned), account(active), operation(v1alpha1.ActionDeactivate), policy(deprovisioning(v1alpha1.DeprovisionOrphan)), release},
		"deactivate of an inactive account":                   {wanted(unassigned), account(disabled), operation(v1alpha1.ActionDeactivate), policy(), observe},
	} {
		t.Run(name, func(t *testing.T) {
			got := plan.Decide(tc.w, tc.have, tc.op, tc.p)
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(plan.Step{}, "Message"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	update := &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionUpdate}, Attributes: []string{"roles", "title"}, Roles: []string{"viewer"}}
	for name, tc := range map[string]struct{ a, b, want *plan.Operation }{
		"neither": {nil, nil, nil},
		"one":     {update, nil, update},
		"other":   {nil, update, update},
		"the same once more": {
			update, update, update,
		},
		"two": {
			update, &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionDeactivate}, Attributes: []string{"nickName"}, Roles: []string{"admin"}},
			&plan.Operation{
				Types:      []v1alpha1.AccountAction{v1alpha1.ActionDeactivate, v1alpha1.ActionUpdate},
				Attributes: []string{"nickName", "roles", "title"}, Roles: []string{"admin", "viewer"},
			},
		},
		"with anything, that stays anything": {
			update, &plan.Operation{All: true}, &plan.Operation{All: true, Attributes: []string{"roles", "title"}, Roles: []string{"viewer"}},
		},
		"with one that is superseded, either may come": {
			&plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionUpdate}, Superseded: true}, operation(v1alpha1.ActionUpdate), operation(v1alpha1.ActionUpdate),
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, plan.Merge(tc.a, tc.b), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("merged (-want +got):\n%s", diff)
			}
		})
	}
}

func TestOperationOf(t *testing.T) {
	for name, tc := range map[string]struct {
		step plan.Step
		p    plan.Policy
		want *plan.Operation
	}{
		"update of a profile": {
			plan.Step{Action: v1alpha1.ActionUpdate, Set: []string{"title"}, Clear: []string{"nickName"}}, policy(), operation(v1alpha1.ActionUpdate, "nickName", "title"),
		},
		"update of roles":           {update("roles"), policy(), giving(v1alpha1.ActionUpdate, "viewer")},
		"a name that is no role":    {update("roles"), policy(noRoles), operation(v1alpha1.ActionUpdate, "roles")},
		"reactivate gives the role": {reactivate, policy(), &plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionReactivate}, Roles: []string{"viewer"}}},
		"deactivate":                {deactivate, policy(), operation(v1alpha1.ActionDeactivate)},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, plan.OperationOf(tc.step, wanted(), tc.p), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("operation (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRepeats(t *testing.T) {
	for name, tc := range map[string]struct {
		op   *plan.Operation
		step plan.Step
		want bool
	}{
		"deactivate":                   {operation(v1alpha1.ActionDeactivate), deactivate, true},
		"delete":                       {operation(v1alpha1.ActionDelete), remove, true},
		"delete after deactivate":      {operation(v1alpha1.ActionDeactivate), remove, false},
		"update may write other value": {operation(v1alpha1.ActionUpdate, "title"), update("title"), false},
		"anything":                     {&plan.Operation{All: true}, deactivate, false},
		"several":                      {&plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionDeactivate, v1alpha1.ActionUpdate}}, deactivate, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.op.Repeats(tc.step); got != tc.want {
				t.Errorf("repeats is %t, want %t", got, tc.want)
			}
		})
	}
}

// stored is an account whose status has an operation.
func stored(op *plan.Operation) *v1alpha1.Account {
	a := account(v1alpha1.AccountActive)
	a.Operation = op.Status(metav1.Time{})
	return a
}

func TestAnnounced(t *testing.T) {
	for name, tc := range map[string]struct {
		step   plan.Step
		have   *v1alpha1.Account
		behind bool
		want   bool
	}{
		"nothing to do":                    {step: inSync, have: account(v1alpha1.AccountActive), want: true},
		"a create without intent":          {step: create, have: account(v1alpha1.AccountPending)},
		"a create without entry":           {step: create},
		"a create with intent":             {step: create, have: account(v1alpha1.AccountCreating), want: true},
		"a create is never told by spec":   {step: create, have: account(v1alpha1.AccountPending), behind: true},
		"a deactivation after an intent":   {step: deactivate, have: account(v1alpha1.AccountCreating), want: true},
		"a release calls nobody":           {step: release, have: account(v1alpha1.AccountActive), want: true},
		"an observation changes nothing":   {step: observe, have: account(v1alpha1.AccountActive), want: true},
		"a revocation out of the blue":     {step: deactivate, have: account(v1alpha1.AccountActive)},
		"one that the spec tells of":       {step: deactivate, have: account(v1alpha1.AccountActive), behind: true, want: true},
		"one that the status tells of":     {step: deactivate, have: stored(operation(v1alpha1.ActionDeactivate)), want: true},
		"another than the status tells of": {step: reactivate, have: stored(operation(v1alpha1.ActionDeactivate))},
		"one of several":                   {step: reactivate, have: stored(&plan.Operation{Types: []v1alpha1.AccountAction{v1alpha1.ActionDeactivate, v1alpha1.ActionReactivate}, Roles: []string{"viewer"}}), want: true},
		"anything":                         {step: deactivate, have: stored(&plan.Operation{All: true}), want: true},
		"more attributes than announced":   {step: update("roles", "title"), have: stored(operation(v1alpha1.ActionUpdate, "title"))},
		"all attributes announced":         {step: update("title"), have: stored(operation(v1alpha1.ActionUpdate, "roles", "title")), want: true},
		"an attribute cleared":             {step: plan.Step{Action: v1alpha1.ActionUpdate, Clear: []string{"title"}}, have: stored(operation(v1alpha1.ActionUpdate, "nickName"))},
		"another role than announced":      {step: update("roles"), have: stored(giving(v1alpha1.ActionUpdate, "admin"))},
		"the role announced":               {step: update("roles"), have: stored(giving(v1alpha1.ActionUpdate, "admin", "viewer")), want: true},
		"a reactivation gives a role":      {step: reactivate, have: stored(operation(v1alpha1.ActionReactivate))},
		"as many roles as are shown":       {step: update("roles"), have: stored(giving(v1alpha1.ActionUpdate, manyNames(200)...)), want: true},
		"more names than are shown":        {step: update("zz"), have: stored(operation(v1alpha1.ActionUpdate, manyNames(plan.MaxAttributes+1)...)), want: true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := plan.Announced(tc.step, wanted(), policy(), tc.have, tc.behind); got != tc.want {
				t.Errorf("announced is %t, want %t", got, tc.want)
			}
		})
	}
}

func manyNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("name%03d", i)
	}
	return names
}

func TestOperationSurvivesTheStatus(t *testing.T) {
	start := metav1.NewTime(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	const department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
	long := strings.Repeat("n", plan.MaxAttributeLength+1)
	for name, tc := range map[string]struct {
		op, want *plan.Operation
		more     int32
	}{
		"update":            {op: giving(v1alpha1.ActionUpdate, "admin", "viewer"), want: giving(v1alpha1.ActionUpdate, "admin", "viewer")},
		"anything":          {op: &plan.Operation{All: true}, want: &plan.Operation{All: true}, more: 1},
		"as many as fit":    {op: operation(v1alpha1.ActionUpdate, manyNames(plan.MaxAttributes)...), want: operation(v1alpha1.ActionUpdate, manyNames(plan.MaxAttributes)...)},
		"one more than fit": {op: operation(v1alpha1.ActionUpdate, manyNames(plan.MaxAttributes+1)...), want: all(operation(v1alpha1.ActionUpdate, manyNames(plan.MaxAttributes)...)), more: 1},
		"the enterprise extension is shortened": {
			op: operation(v1alpha1.ActionUpdate, department, "title"), want: operation(v1alpha1.ActionUpdate, department, "title"),
		},
		"a name that looks shortened": {
			op: operation(v1alpha1.ActionUpdate, "@department", "title"), want: all(operation(v1alpha1.ActionUpdate, "title")), more: 1,
		},
		"a name of 48 bytes": {
			op: operation(v1alpha1.ActionUpdate, long[1:]), want: operation(v1alpha1.ActionUpdate, long[1:]),
		},
		"a name of 49 bytes": {
			op: operation(v1alpha1.ActionUpdate, long, "title"), want: all(operation(v1alpha1.ActionUpdate, "title")), more: 1,
		},
		"a late effect is as any other after a restart": {
			op: late(operation(v1alpha1.ActionUpdate, "title")), want: operation(v1alpha1.ActionUpdate, "title"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			status := tc.op.Status(start)
			if status.MoreAttributes != tc.more || len(status.Attributes) > plan.MaxAttributes || !status.StartTime.Equal(&start) {
				t.Errorf("status %+v", status)
			}
			if diff := cmp.Diff(tc.want, plan.ParseOperation(status), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("operation (-want +got):\n%s", diff)
			}
		})
	}
	if plan.ParseOperation(nil) != nil {
		t.Error("no operation is read as one")
	}
}

func all(op *plan.Operation) *plan.Operation {
	op.All = true
	return op
}

func noRolesWanted(w *plan.Desired) {
	delete(w.Values, "roles")
	w.Roles = nil
}

func noRolesRecorded(a *v1alpha1.Account) {
	a.Roles = nil
	applied := plan.ParseApplied(a.Applied)
	delete(applied, "roles")
	a.Applied = applied.String()
}

// revokesAll is an update that takes the roles; everything else is written later.
func revokesAll(w plan.Desired, s plan.Step) plan.Step {
	for name := range w.Values {
		s.Later = append(s.Later, name)
	}
	slices.Sort(s.Later)
	return revokes(s)
}
