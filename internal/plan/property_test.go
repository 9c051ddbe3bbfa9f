// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// FuzzDecide decides random cases and holds the steps to what is true of every one of them.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(64) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 1))
		for range 200 {
			w, have, p := randomWanted(r), randomAccount(r), randomPolicy(r)
			step := plan.Decide(w, have, p)
			if problem := broken(w, have, p, step); problem != "" {
				t.Fatalf("%s\nwanted %+v\nhave %+v\npolicy %+v\nstep %+v", problem, w, have, p, step)
			}
			if problem := settles(w, have, p); problem != "" {
				t.Fatalf("%s\nwanted %+v\nhave %+v\npolicy %+v", problem, w, have, p)
			}
		}
	})
}

// broken says which of the rules a step breaks.
func broken(w plan.Desired, have *v1alpha1.Account, p plan.Policy, s plan.Step) string {
	use := w.Assigned && w.Active && !w.Deleted
	outcomes := 0
	for _, is := range []bool{s.Action != "", s.InSync, s.Reason != ""} {
		if is {
			outcomes++
		}
	}
	writes := slices.Contains([]v1alpha1.AccountAction{v1alpha1.ActionUpdate, v1alpha1.ActionReactivate}, s.Action)
	ends := slices.Contains([]v1alpha1.AccountAction{v1alpha1.ActionDeactivate, v1alpha1.ActionDelete, v1alpha1.ActionRelease}, s.Action)
	takesRole := s.Action == v1alpha1.ActionUpdate && !slices.Equal(have.Roles, w.Roles) && slices.Contains(slices.Concat(s.Set, s.Clear), p.RoleAttribute)
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
	case s.Revocation && !ends && !takesRole:
		return "a revocation without cause"
	case s.Revocation != (s.Action == v1alpha1.ActionDeactivate || s.Action == v1alpha1.ActionDelete) && !takesRole:
		return "a revocation that is not called one"
	case !use && s.Action != "" && !ends:
		return "an account is made or written for a user who should not have it"
	case p.Protected && s.Action != "" && s.Action != v1alpha1.ActionRelease:
		return "a protected account is changed"
	case !writes && len(s.Set)+len(s.Clear) > 0:
		return "attributes without a write"
	case s.Action == v1alpha1.ActionUpdate && len(s.Set)+len(s.Clear) == 0:
		return "an update of nothing"
	case !slices.IsSorted(s.Set) || !slices.IsSorted(s.Clear):
		return "attributes are not sorted"
	case s.Action == v1alpha1.ActionCreate && len(w.Missing) > 0:
		return "created without a required attribute (S115)"
	case p.BlockIdentifierChange && have != nil && slices.Contains(s.Set, p.MatchAttribute) && plan.ParseApplied(have.Applied)[p.MatchAttribute] != "":
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
	return featureBroken(p, s)
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

// settles makes every step succeed in a simulated app until none is left, and says when that does not end, or ends wrong.
func settles(w plan.Desired, have *v1alpha1.Account, p plan.Policy) string {
	for range 3 {
		step := plan.Decide(w, have, p)
		if step.Action == "" {
			return endsWrong(w, have, step)
		}
		have = simulate(w, have, p, step)
	}
	return "after three steps there is still something to do"
}

// endsWrong says when an account is called in sync that is not.
func endsWrong(w plan.Desired, have *v1alpha1.Account, s plan.Step) string {
	use := w.Assigned && w.Active && !w.Deleted
	usable := have != nil && (have.State == v1alpha1.AccountActive || have.State == v1alpha1.AccountCreating)
	switch {
	case s.InSync && use && (have == nil || have.State != v1alpha1.AccountActive):
		return "in sync without an account"
	case s.InSync && !use && usable:
		return "in sync with an account that is too many"
	}
	return ""
}

// simulate is the entry after a step that succeeded.
func simulate(w plan.Desired, have *v1alpha1.Account, p plan.Policy, s plan.Step) *v1alpha1.Account {
	after := v1alpha1.Account{App: "crm"}
	if have != nil {
		have.DeepCopyInto(&after)
	}
	switch s.Action {
	case v1alpha1.ActionDelete:
		return nil
	case v1alpha1.ActionRelease:
		after.State = v1alpha1.AccountOrphaned
	case v1alpha1.ActionDeactivate:
		after.State = v1alpha1.AccountInactive
	case v1alpha1.ActionCreate:
		after.State, after.Roles = v1alpha1.AccountActive, w.Roles
		after.RemoteID, _ = w.Values["userName"].(string)
		after.Applied = plan.HashValues(w.Values).String()
	case v1alpha1.ActionUpdate, v1alpha1.ActionReactivate:
		after.State = v1alpha1.AccountActive
		applied := plan.ParseApplied(after.Applied)
		if applied == nil {
			applied = plan.Applied{}
		}
		for _, name := range s.Set {
			applied[name] = plan.HashValues(w.Values)[name]
		}
		for _, name := range s.Clear {
			delete(applied, name)
		}
		after.Applied = applied.String()
		if slices.Contains(slices.Concat(s.Set, s.Clear), p.RoleAttribute) {
			after.Roles = w.Roles
		}
	}
	return &after
}

var attributes = []string{"userName", "title", "emails", "name.familyName", "urn:example:1.0:User:badge"}

func randomWanted(r *rand.Rand) plan.Desired {
	w := plan.Desired{
		Assigned: r.IntN(3) > 0, Active: r.IntN(3) > 0, Deleted: r.IntN(8) == 0, Values: map[string]any{}, Problems: map[string]string{},
	}
	for _, name := range attributes {
		switch r.IntN(12) {
		case 0:
			w.Missing = append(w.Missing, name)
		case 1:
			w.Problems[name] = "it failed"
		case 2: // no value
		default:
			w.Values[name] = string(rune('a' + r.IntN(2)))
		}
	}
	for _, role := range []string{"editor", "viewer"} {
		if r.IntN(2) == 0 {
			w.Roles = append(w.Roles, role)
		}
	}
	switch {
	case r.IntN(10) == 0:
		w.Problems["roles"] = "it is unknown"
	case len(w.Roles) > 0:
		w.Values["roles"] = w.Roles
	}
	return w
}

func randomAccount(r *rand.Rand) *v1alpha1.Account {
	states := []v1alpha1.AccountState{
		v1alpha1.AccountPending, v1alpha1.AccountCreating, v1alpha1.AccountActive, v1alpha1.AccountInactive, v1alpha1.AccountOrphaned,
	}
	if r.IntN(6) == 0 {
		return nil
	}
	a := &v1alpha1.Account{App: "crm", State: states[r.IntN(len(states))]}
	if a.State == v1alpha1.AccountPending || a.State == v1alpha1.AccountCreating && r.IntN(2) == 0 {
		return a
	}
	before := randomWanted(r)
	a.RemoteID = []string{"a", "b", "7"}[r.IntN(3)]
	a.Roles = before.Roles
	a.Applied = plan.HashValues(before.Values).String()
	if r.IntN(8) == 0 {
		a.Applied = []string{"", "v3 x", "v2 x"}[r.IntN(3)]
	}
	return a
}

func randomPolicy(r *rand.Rand) plan.Policy {
	p := plan.Policy{
		Features: map[v1alpha1.Feature]bool{}, MatchAttribute: "userName", RoleAttribute: "roles",
		BlockIdentifierChange: r.IntN(2) == 0, Protected: r.IntN(8) == 0,
		Deprovisioning: []v1alpha1.Deprovisioning{"", v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDelete, v1alpha1.DeprovisionOrphan}[r.IntN(4)],
	}
	for _, f := range []v1alpha1.Feature{
		v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation, v1alpha1.FeatureReactivateUsers,
	} {
		p.Features[f] = r.IntN(4) > 0
	}
	if r.IntN(6) == 0 {
		p.RoleAttribute = ""
	}
	return p
}
