// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// FuzzDecide decides random cases and holds the steps to what is true of every one of them. Then it takes the steps in a simulated app.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		for range 200 {
			w, have, p := randomWanted(r), randomAccount(r), randomPolicy(r)
			earlier := randomWanted(r)
			op := randomOperation(r, earlier, have, p)
			s := newSimulation(r, w, earlier, have, op, p)
			if problem := s.run(); problem != "" {
				t.Fatalf("%s\ndesired %+v\nearlier %+v\nrecorded %+v\noperation %+v\npolicy %+v\n%s", problem, w, earlier, have, op, p, s.log)
			}
		}
	})
}

// broken says which of the rules a step breaks.
func broken(w plan.Desired, have *v1alpha1.Account, op *plan.Operation, p plan.Policy, s plan.Step) string {
	use := usable(w)
	outcomes := 0
	for _, is := range []bool{s.Action != "", s.InSync, s.Reason != ""} {
		if is {
			outcomes++
		}
	}
	ends := isAction(s, v1alpha1.ActionDeactivate, v1alpha1.ActionDelete, v1alpha1.ActionRelease)
	reads := s.Action == v1alpha1.ActionObserve
	switch {
	case outcomes != 1:
		return "not exactly one of action, in sync, reason"
	case s.Drop && have != nil && have.RemoteID != "":
		return "an entry with a remote id is dropped"
	case s.Drop && have != nil && have.State != v1alpha1.AccountPending:
		return "an entry whose account may exist is dropped"
	case s.Drop && !s.InSync:
		return "dropped, but not in sync"
	case ends && use:
		return "the account of a user who should have it ends"
	case !use && s.Action != "" && !ends && !reads:
		return "an account is made or written for a user who should not have it"
	case reads && op == nil:
		return "an observation without an operation to settle"
	case p.Protected && s.Action != "" && s.Action != v1alpha1.ActionRelease && !reads:
		return "a protected account is changed"
	}
	if problem := attributesBroken(w, have, p, s); problem != "" {
		return problem
	}
	if problem := revocationBroken(w, have, op, p, s); problem != "" {
		return problem
	}
	return featureBroken(p, s)
}

func attributesBroken(w plan.Desired, have *v1alpha1.Account, p plan.Policy, s plan.Step) string {
	writes := isAction(s, v1alpha1.ActionUpdate, v1alpha1.ActionReactivate)
	switch {
	case !writes && len(s.Set)+len(s.Clear) > 0:
		return "attributes without a write"
	case s.Action == v1alpha1.ActionUpdate && len(s.Set)+len(s.Clear) == 0:
		return "an update of nothing"
	case !slices.IsSorted(s.Set) || !slices.IsSorted(s.Clear):
		return "attributes are not sorted"
	case s.Action == v1alpha1.ActionCreate && len(w.Missing) > 0:
		return "created without a required attribute (S115)"
	case p.BlockIdentifierChange && have != nil && slices.Contains(s.Set, p.MatchAttribute) &&
		!slices.Contains([]string{"", "?"}, plan.ParseApplied(have.Applied)[p.MatchAttribute]):
		return "the identifier is changed (S34)"
	}
	for _, name := range slices.Concat(s.Set, s.Clear) {
		if w.Problems[name] != "" {
			return "an attribute that could not be computed is written"
		}
	}
	for _, name := range s.Clear {
		if slices.Contains(w.Missing, name) {
			return "a required attribute is cleared"
		}
	}
	return ""
}

// revocationBroken holds the steps to the possible states: the recorded one, and the one after the operation.
func revocationBroken(w plan.Desired, have *v1alpha1.Account, op *plan.Operation, p plan.Policy, s plan.Step) string {
	writesRole := isAction(s, v1alpha1.ActionUpdate, v1alpha1.ActionReactivate) && slices.Contains(slices.Concat(s.Set, s.Clear), p.RoleAttribute)
	former := p.RoleAttribute == "" && mayHaveFormerRoles(have, op, p)
	less := isAction(s, v1alpha1.ActionDeactivate, v1alpha1.ActionDelete) || (writesRole && mayHaveMoreRoles(w, have, op, p)) ||
		(former && len(have.Roles) > 0 && slices.Contains(s.Clear, "roles"))
	switch {
	case less && !s.Revocation:
		return "a revocation that is not called one"
	case s.Revocation && !less && !former && (s.Action != v1alpha1.ActionObserve || !mayHaveMoreRoles(w, have, op, p)):
		return "a revocation without cause"
	case s.Guarded() != (s.Effect != "") || s.Empties != (s.Effect == plan.EffectClear):
		return "a revocation without effect, or the reverse"
	case op == nil || s.Action == "" || !isAction(s, v1alpha1.ActionUpdate, v1alpha1.ActionReactivate):
		return ""
	case op.Superseded || !slices.Equal(op.Types, []v1alpha1.AccountAction{s.Action}):
		return "a write while an operation of another type is not settled"
	}
	return ""
}

// mayHaveMoreRoles reports whether the account is usable and has more roles than desired in one of its possible states.
func mayHaveMoreRoles(w plan.Desired, have *v1alpha1.Account, op *plan.Operation, p plan.Policy) bool {
	if p.RoleAttribute == "" || have == nil {
		return false
	}
	active, roles := have.State == v1alpha1.AccountActive, have.Roles
	if op != nil {
		active = active || may(op, v1alpha1.ActionReactivate) || (p.UpdateWritesActive && may(op, v1alpha1.ActionUpdate))
		roles = slices.Concat(roles, op.Roles)
	}
	return active && slices.ContainsFunc(roles, func(role string) bool { return !slices.Contains(w.Roles, role) })
}

// mayHaveFormerRoles reports whether the account is usable and has roles in one of its possible states.
func mayHaveFormerRoles(have *v1alpha1.Account, op *plan.Operation, p plan.Policy) bool {
	// Without roles, every role is one too many.
	p.RoleAttribute = "roles"
	return mayHaveMoreRoles(plan.Desired{}, have, op, p)
}

func may(op *plan.Operation, action v1alpha1.AccountAction) bool {
	return len(op.Types) == 0 || slices.Contains(op.Types, action)
}

func usable(w plan.Desired) bool { return w.Assigned && w.Active && !w.Deleted }

func isAction(s plan.Step, actions ...v1alpha1.AccountAction) bool {
	return slices.Contains(actions, s.Action)
}

func featureBroken(p plan.Policy, s plan.Step) string {
	needs := map[v1alpha1.AccountAction]v1alpha1.Feature{
		v1alpha1.ActionCreate: v1alpha1.FeaturePushNewUsers, v1alpha1.ActionUpdate: v1alpha1.FeaturePushProfileUpdates,
		v1alpha1.ActionDeactivate: v1alpha1.FeaturePushUserDeactivation, v1alpha1.ActionDelete: v1alpha1.FeaturePushUserDeactivation,
		v1alpha1.ActionReactivate: v1alpha1.FeatureReactivateUsers,
	}
	if f, ok := needs[s.Action]; ok && !p.Features[f] {
		return "an action whose feature is off"
	}
	return ""
}

// maxSteps bounds the steps of an account: one that revokes, an observation, and what it shows; and a late effect that is observed.
const maxSteps = 6

// run takes every step in the simulated app until none is left, and says when that does not end, or ends wrong.
func (s *simulation) run() string {
	for range maxSteps {
		step := plan.Decide(s.w, s.have, s.op, s.p)
		s.log += fmt.Sprintf("step %+v; recorded %+v; operation %+v; app %+v\n", step, s.have, s.op, s.app)
		if problem := broken(s.w, s.have, s.op, s.p, step); problem != "" {
			return problem
		}
		if step.Action == "" {
			return s.endsWrong(step)
		}
		s.take(step)
	}
	return fmt.Sprintf("after %d steps there is still something to do", maxSteps)
}

// endsWrong says when an account is called in sync that is not, or when a reason is given before what can be observed was.
func (s *simulation) endsWrong(step plan.Step) string {
	// One that was active before an update is so after it.
	active := s.have != nil && s.have.State == v1alpha1.AccountActive && s.op != nil && slices.Equal(s.op.Types, []v1alpha1.AccountAction{v1alpha1.ActionUpdate})
	switch use := usable(s.w); {
	case step.Reason != "" && s.op != nil && (use || !active):
		return "a reason, but which of the possible states holds was not observed"
	case step.Reason != "":
		return ""
	case !use && s.have != nil && s.have.State == v1alpha1.AccountCreating:
		return "in sync though an account may have been created"
	case !use && s.app != nil && s.app.active && s.have != nil && s.have.State != v1alpha1.AccountOrphaned:
		return "in sync with an account that is too many"
	case s.op != nil:
		return "in sync with an operation that is not settled"
	case use && (s.app == nil || !s.app.active):
		return "in sync without an account that can be used"
	case use && s.p.Features[v1alpha1.FeaturePushProfileUpdates] && !s.p.Protected:
		return s.differs()
	}
	return ""
}
