// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// wanted is a user who has the app, as a viewer.
func wanted(change ...func(*plan.Desired)) plan.Desired {
	w := plan.Desired{
		Assigned: true, Active: true,
		Values: map[string]any{"userName": "ada@corp.test", "title": "Engineer", "roles": []any{map[string]any{"value": "viewer"}}},
		Roles:  []string{"viewer"},
	}
	for _, f := range change {
		f(&w)
	}
	return w
}

func unassigned(w *plan.Desired) { w.Assigned = false }
func inactive(w *plan.Desired)   { w.Active = false }
func deleted(w *plan.Desired)    { w.Active, w.Deleted = false, true }
func noTitle(w *plan.Desired)    { delete(w.Values, "title") }

func value(name string, v any) func(*plan.Desired) {
	return func(w *plan.Desired) { w.Values[name] = v }
}

func missing(names ...string) func(*plan.Desired) {
	return func(w *plan.Desired) {
		w.Missing = names
		for _, name := range names {
			delete(w.Values, name)
		}
	}
}

func problem(name string) func(*plan.Desired) {
	return func(w *plan.Desired) {
		delete(w.Values, name)
		w.Problems = map[string]string{name: "the types do not fit"}
	}
}

// account is one that has what wanted() says.
func account(state v1alpha1.AccountState, change ...func(*v1alpha1.Account)) *v1alpha1.Account {
	a := &v1alpha1.Account{App: "crm", State: state}
	if state != v1alpha1.AccountPending && state != v1alpha1.AccountCreating {
		a.RemoteID, a.Roles, a.Applied = "ada@corp.test", []string{"viewer"}, plan.HashValues(wanted().Values).String()
	}
	for _, f := range change {
		f(a)
	}
	return a
}

// hadRole is an account that has another role.
func hadRole(role string) func(*v1alpha1.Account) {
	return func(a *v1alpha1.Account) {
		a.Roles = []string{role}
		applied := plan.ParseApplied(a.Applied)
		applied["roles"] = "before"
		a.Applied = applied.String()
	}
}

func applied(s string) func(*v1alpha1.Account) {
	return func(a *v1alpha1.Account) { a.Applied = s }
}

// policy has everything switched on.
func policy(change ...func(*plan.Policy)) plan.Policy {
	p := plan.Policy{
		Features: map[v1alpha1.Feature]bool{
			v1alpha1.FeaturePushNewUsers: true, v1alpha1.FeaturePushProfileUpdates: true,
			v1alpha1.FeaturePushUserDeactivation: true, v1alpha1.FeatureReactivateUsers: true,
		},
		MatchAttribute: "userName", RoleAttribute: "roles",
	}
	for _, f := range change {
		f(&p)
	}
	return p
}

func off(f v1alpha1.Feature) func(*plan.Policy) {
	return func(p *plan.Policy) { delete(p.Features, f) }
}

func deprovisioning(d v1alpha1.Deprovisioning) func(*plan.Policy) {
	return func(p *plan.Policy) { p.Deprovisioning = d }
}

func protected(p *plan.Policy)       { p.Protected = true }
func blockIdentifier(p *plan.Policy) { p.BlockIdentifierChange = true }
func noRoles(p *plan.Policy)         { p.RoleAttribute = "" }

var (
	inSync     = plan.Step{InSync: true}
	drop       = plan.Step{InSync: true, Drop: true}
	create     = plan.Step{Action: v1alpha1.ActionCreate}
	release    = plan.Step{Action: v1alpha1.ActionRelease}
	deactivate = plan.Step{Action: v1alpha1.ActionDeactivate, Revocation: true, Effect: v1alpha1.ActionDeactivate}
	remove     = plan.Step{Action: v1alpha1.ActionDelete, Revocation: true, Effect: v1alpha1.ActionDelete}
	reactivate = plan.Step{Action: v1alpha1.ActionReactivate}
)

func because(reason string) plan.Step { return plan.Step{Reason: reason} }

// revokes is the step when it takes a role.
func revokes(s plan.Step) plan.Step {
	s.Revocation, s.Effect = true, v1alpha1.ActionUpdate
	return s
}

// later is a step that leaves attributes to the next one.
func later(s plan.Step, names ...string) plan.Step {
	s.Later = names
	return s
}

func update(set ...string) plan.Step { return plan.Step{Action: v1alpha1.ActionUpdate, Set: set} }

func TestDecide(t *testing.T) {
	const (
		pending  = v1alpha1.AccountPending
		creating = v1alpha1.AccountCreating
		active   = v1alpha1.AccountActive
		disabled = v1alpha1.AccountInactive
		orphaned = v1alpha1.AccountOrphaned

		newUsers       = v1alpha1.FeaturePushNewUsers
		profileUpdates = v1alpha1.FeaturePushProfileUpdates
		deactivation   = v1alpha1.FeaturePushUserDeactivation
		reactivation   = v1alpha1.FeatureReactivateUsers
	)
	for name, tc := range map[string]struct {
		w    plan.Desired
		have *v1alpha1.Account
		p    plan.Policy
		want plan.Step
	}{
		// Nothing is known of an account.
		"no entry, wanted":                       {wanted(), nil, policy(), create},
		"pending, wanted":                        {wanted(), account(pending), policy(), create},
		"no entry, not assigned":                 {wanted(unassigned), nil, policy(), drop},
		"no entry, assigned to an inactive user": {wanted(inactive), nil, policy(), drop},
		"pending, not assigned":                  {wanted(unassigned), account(pending), policy(), drop},
		"pending, inactive":                      {wanted(inactive), account(pending), policy(), drop},
		"pending, deleted":                       {wanted(deleted), account(pending), policy(), drop},
		"no entry, new users off":                {wanted(), nil, policy(off(newUsers)), because(v1alpha1.ReasonFeatureOff)},
		"no entry, no feature":                   {wanted(), nil, plan.Policy{}, because(v1alpha1.ReasonFeatureOff)},
		"no entry, protected":                    {wanted(), nil, policy(protected), because(v1alpha1.ReasonAccountProtected)},
		"no entry, required attribute missing":   {wanted(missing("title")), nil, policy(), because(v1alpha1.ReasonMissingRequiredAttribute)},
		"no entry, role cannot be computed":      {wanted(problem("roles")), nil, policy(), because(v1alpha1.ReasonInvalidAttribute)},
		"no entry, title cannot be computed":     {wanted(problem("title")), nil, policy(), create},
		"no entry, other features off":           {wanted(), nil, policy(off(profileUpdates), off(deactivation), off(reactivation)), create},

		// A create was decided; the account may exist.
		"creating, wanted":                             {wanted(), account(creating), policy(), create},
		"creating, new users switched off since":       {wanted(), account(creating), policy(off(newUsers)), because(v1alpha1.ReasonFeatureOff)},
		"creating, attribute went missing":             {wanted(missing("title")), account(creating), policy(), because(v1alpha1.ReasonMissingRequiredAttribute)},
		"creating, protected since":                    {wanted(), account(creating), policy(protected), because(v1alpha1.ReasonAccountProtected)},
		"creating, no longer assigned":                 {wanted(unassigned), account(creating), policy(), deactivate},
		"creating, inactive":                           {wanted(inactive), account(creating), policy(), deactivate},
		"creating, no longer assigned, Delete":         {wanted(unassigned), account(creating), policy(deprovisioning(v1alpha1.DeprovisionDelete)), remove},
		"creating, no longer assigned, Orphan":         {wanted(unassigned), account(creating), policy(deprovisioning(v1alpha1.DeprovisionOrphan)), release},
		"creating, no longer assigned, feature off":    {wanted(unassigned), account(creating), policy(off(deactivation)), because(v1alpha1.ReasonFeatureOff)},
		"creating, no longer assigned, protected":      {wanted(unassigned), account(creating), policy(protected), because(v1alpha1.ReasonAccountProtected)},
		"pending with a remote id, no longer assigned": {wanted(unassigned), account(pending, func(a *v1alpha1.Account) { a.RemoteID = "7" }), policy(), deactivate},

		// The account is there, and should not be usable.
		"active, not assigned":                       {wanted(unassigned), account(active), policy(), deactivate},
		"active, not assigned, policy by name":       {wanted(unassigned), account(active), policy(deprovisioning(v1alpha1.DeprovisionDeactivate)), deactivate},
		"active, inactive user":                      {wanted(inactive), account(active), policy(), deactivate},
		"active, deleted user":                       {wanted(deleted), account(active), policy(), deactivate},
		"active, not assigned, Delete":               {wanted(unassigned), account(active), policy(deprovisioning(v1alpha1.DeprovisionDelete)), remove},
		"active, not assigned, Orphan":               {wanted(unassigned), account(active), policy(deprovisioning(v1alpha1.DeprovisionOrphan)), release},
		"active, not assigned, Orphan needs no call": {wanted(unassigned), account(active), policy(deprovisioning(v1alpha1.DeprovisionOrphan), off(deactivation), protected), release},
		"active, not assigned, feature off":          {wanted(unassigned), account(active), policy(off(deactivation)), because(v1alpha1.ReasonFeatureOff)},
		"active, not assigned, protected":            {wanted(unassigned), account(active), policy(protected), because(v1alpha1.ReasonAccountProtected)},
		"active, deleted user, feature off":          {wanted(deleted), account(active), policy(off(deactivation)), release},
		"active, deleted user, protected":            {wanted(deleted), account(active), policy(protected), release},
		"active, not assigned, attribute missing":    {wanted(unassigned, missing("title")), account(active), policy(), deactivate},
		"active, not assigned, identifier changed":   {wanted(unassigned, value("userName", "ada.l@corp.test")), account(active), policy(blockIdentifier), deactivate},

		// The account is there, and should be.
		"active, as it should be":                           {wanted(), account(active), policy(), inSync},
		"active, as it should be, protected":                {wanted(), account(active), policy(protected), inSync},
		"active, as it should be, all features off":         {wanted(), account(active), plan.Policy{}, inSync},
		"active, title changed":                             {wanted(value("title", "CTO")), account(active), policy(), update("title")},
		"active, two changed":                               {wanted(value("title", "CTO"), value("userName", "ada.l@corp.test")), account(active), policy(), update("title", "userName")},
		"active, title gone":                                {wanted(noTitle), account(active), policy(), plan.Step{Action: v1alpha1.ActionUpdate, Clear: []string{"title"}}},
		"active, title changed, updates off":                {wanted(value("title", "CTO")), account(active), policy(off(profileUpdates)), inSync},
		"active, title changed, protected":                  {wanted(value("title", "CTO")), account(active), policy(protected), because(v1alpha1.ReasonAccountProtected)},
		"active, written by another version":                {wanted(), account(active, applied("v9 x")), policy(), update("roles", "title", "userName")},
		"active, linked and never written":                  {wanted(), account(active, applied("")), policy(), update("roles", "title", "userName")},
		"active, required attribute gone":                   {wanted(missing("title")), account(active), policy(), because(v1alpha1.ReasonMissingRequiredAttribute)},
		"active, required attribute gone, others too":       {wanted(missing("title"), value("userName", "ada.l@corp.test")), account(active), policy(), because(v1alpha1.ReasonMissingRequiredAttribute)},
		"active, required gone, updates off":                {wanted(missing("title")), account(active), policy(off(profileUpdates)), inSync},
		"active, title cannot be computed":                  {wanted(problem("title")), account(active), policy(), because(v1alpha1.ReasonInvalidAttribute)},
		"active, title cannot be computed, protected":       {wanted(problem("title")), account(active), policy(protected), inSync},
		"active, title cannot be computed, another differs": {wanted(problem("title"), value("userName", "ada.l@corp.test")), account(active), policy(), update("userName")},
		"active, role cannot be computed":                   {wanted(problem("roles")), account(active, hadRole("editor")), policy(), because(v1alpha1.ReasonInvalidAttribute)},

		// Roles.
		"active, role taken away":              {wanted(), account(active, hadRole("editor")), policy(), revokes(update("roles"))},
		"active, first role":                   {wanted(), account(active, hadRole("editor"), func(a *v1alpha1.Account) { a.Roles = nil }), policy(), update("roles")},
		"active, further role":                 {wanted(func(w *plan.Desired) { w.Roles = []string{"editor", "viewer"} }), account(active, hadRole("editor")), policy(), update("roles")},
		"active, last role taken away":         {wanted(func(w *plan.Desired) { delete(w.Values, "roles"); w.Roles = nil }), account(active), policy(), revokes(plan.Step{Action: v1alpha1.ActionUpdate, Clear: []string{"roles"}})},
		"active, app without roles":            {wanted(func(w *plan.Desired) { w.Roles = nil }, value("title", "CTO")), account(active), policy(noRoles), update("title")},
		"active, roles differ, protected":      {wanted(), account(active, hadRole("editor")), policy(protected), because(v1alpha1.ReasonAccountProtected)},
		"active, a role too many, updates off": {wanted(), account(active, hadRole("editor")), policy(off(profileUpdates)), because(v1alpha1.ReasonFeatureOff)},
		"active, role taken, required missing": {wanted(missing("title")), account(active, hadRole("editor")), policy(), revokes(update("roles"))},
		"active, role given, required missing": {wanted(missing("title"), func(w *plan.Desired) { w.Roles = []string{"editor", "viewer"} }), account(active, hadRole("editor")), policy(), because(v1alpha1.ReasonMissingRequiredAttribute)},

		// Identifiers (S34).
		"active, identifier changed, blocked":              {wanted(value("userName", "ada.l@corp.test"), value("title", "CTO")), account(active), policy(blockIdentifier), because(v1alpha1.ReasonIdentifierChange)},
		"active, other attribute changed, blocked":         {wanted(value("title", "CTO")), account(active), policy(blockIdentifier), update("title")},
		"active, identifier changed, role taken away":      {wanted(value("userName", "ada.l@corp.test"), value("title", "CTO")), account(active, hadRole("editor")), policy(blockIdentifier), later(revokes(update("roles")), "title")},
		"active, identifier changed, updates off":          {wanted(value("userName", "ada.l@corp.test")), account(active), policy(blockIdentifier, off(profileUpdates)), inSync},
		"active, written by another version, blocked":      {wanted(), account(active, applied("v9 x")), policy(blockIdentifier), update("roles", "title", "userName")},
		"active, identifier changed under another version": {wanted(value("userName", "ada.l@corp.test")), account(active, applied("v9 x")), policy(blockIdentifier), because(v1alpha1.ReasonIdentifierChange)},
		"inactive, identifier changed, blocked":            {wanted(value("userName", "ada.l@corp.test")), account(disabled), policy(blockIdentifier), because(v1alpha1.ReasonIdentifierChange)},
		"inactive, identifier changed, update":             {wanted(value("userName", "ada.l@corp.test")), account(disabled), policy(), plan.Step{Action: v1alpha1.ActionReactivate, Set: []string{"userName"}}},

		// We deactivated the account.
		"inactive, not assigned":                 {wanted(unassigned), account(disabled), policy(), inSync},
		"inactive, inactive user":                {wanted(inactive), account(disabled), policy(), inSync},
		"inactive, deleted user":                 {wanted(deleted), account(disabled), policy(deprovisioning(v1alpha1.DeprovisionDelete)), inSync},
		"inactive, title changed, not assigned":  {wanted(unassigned, value("title", "CTO")), account(disabled), policy(), inSync},
		"inactive, wanted":                       {wanted(), account(disabled), policy(), reactivate},
		"inactive, wanted, title changed":        {wanted(value("title", "CTO")), account(disabled), policy(), plan.Step{Action: v1alpha1.ActionReactivate, Set: []string{"title"}}},
		"inactive, wanted, title gone":           {wanted(noTitle), account(disabled), policy(), plan.Step{Action: v1alpha1.ActionReactivate, Clear: []string{"title"}}},
		"inactive, wanted, updates off":          {wanted(value("title", "CTO")), account(disabled), policy(off(profileUpdates)), reactivate},
		"inactive, wanted, role is another":      {wanted(value("title", "CTO")), account(disabled, hadRole("owner")), policy(off(profileUpdates)), plan.Step{Action: v1alpha1.ActionReactivate, Set: []string{"roles"}}},
		"inactive, wanted, reactivation off":     {wanted(), account(disabled), policy(off(reactivation)), because(v1alpha1.ReasonFeatureOff)},
		"inactive, wanted, protected":            {wanted(), account(disabled), policy(protected), because(v1alpha1.ReasonAccountProtected)},
		"inactive, wanted, attribute missing":    {wanted(missing("title")), account(disabled), policy(), because(v1alpha1.ReasonMissingRequiredAttribute)},
		"inactive, wanted, role not computable":  {wanted(problem("roles")), account(disabled), policy(), because(v1alpha1.ReasonInvalidAttribute)},
		"inactive, wanted, title not computable": {wanted(problem("title")), account(disabled), policy(), reactivate},

		// We let the account go.
		"orphaned, not assigned":          {wanted(unassigned), account(orphaned), policy(), inSync},
		"orphaned, deleted user":          {wanted(deleted), account(orphaned), policy(), inSync},
		"orphaned, wanted again":          {wanted(), account(orphaned), policy(), create},
		"orphaned, wanted, new users off": {wanted(), account(orphaned), policy(off(newUsers)), because(v1alpha1.ReasonFeatureOff)},
		"orphaned, wanted, protected":     {wanted(), account(orphaned), policy(protected), because(v1alpha1.ReasonAccountProtected)},
	} {
		t.Run(name, func(t *testing.T) {
			got := plan.Decide(tc.w, tc.have, nil, tc.p)
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(plan.Step{}, "Message"), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("step (-want +got):\n%s", diff)
			}
			if (got.Reason == "") != (got.Message == "") {
				t.Errorf("reason %q with message %q", got.Reason, got.Message)
			}
		})
	}
}

func TestMessagesSayWhatToDo(t *testing.T) {
	long := strings.Repeat("é", 300)
	for name, tc := range map[string]struct {
		w    plan.Desired
		have *v1alpha1.Account
		p    plan.Policy
		want []string
	}{
		"missing names the attributes":     {wanted(missing("title", "name.familyName")), nil, policy(), []string{"name.familyName, title", "identity provider"}},
		"missing names the first few":      {wanted(missing("g", "f", "e", "d", "c", "b", "a", long)), nil, policy(), []string{"a, b, c, d and 4 more"}},
		"still active after FeatureOff":    {wanted(unassigned), account(v1alpha1.AccountActive), policy(off(v1alpha1.FeaturePushUserDeactivation)), []string{"still active", "PushUserDeactivation"}},
		"problem names attribute and why":  {wanted(problem("roles")), nil, policy(), []string{"roles cannot be computed: the types do not fit."}},
		"identifier change names the path": {wanted(value("userName", "ada.l@corp.test")), account(v1alpha1.AccountActive), policy(blockIdentifier), []string{"userName changed"}},
		"long names and reasons are cut": {wanted(func(w *plan.Desired) {
			w.Problems = map[string]string{long: strings.Repeat("é", 2000), "x": "y"}
		}), account(v1alpha1.AccountActive), policy(func(p *plan.Policy) { p.RoleAttribute = long }), []string{"1 more"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := plan.Decide(tc.w, tc.have, nil, tc.p).Message
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("message %q does not say %q", got, want)
				}
			}
			if len(got) > 512 || strings.ToValidUTF8(got, "?") != got {
				t.Errorf("message of %d bytes, or not UTF-8: %q", len(got), got)
			}
			if strings.Contains(got, "corp.test") {
				t.Errorf("message %q holds a personal value", got)
			}
		})
	}
}
