// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan decides the next step of one account or pushed group from its desired state, its recorded state, an operation that is not settled, and the policy of
// the app. It is pure.
package plan

import (
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Desired is the desired state of one account.
type Desired struct {
	// Assigned: the user has the app.
	Assigned bool
	// Active: the user is active and not being deleted.
	Active bool
	// Deleted: the user is being deleted. What may not be revoked is then released instead of waited for, so that the deletion ends.
	Deleted bool
	// Values are the mapped attributes and the role attribute: SCIM path to JSON value. An attribute without value is not there.
	Values map[string]any
	// Roles that the account should have, by the app's names.
	Roles []string
	// Missing are required attributes without a value (S115).
	Missing []string
	// Problems are the attributes that could not be computed, and why. They are left as they are.
	Problems map[string]string
	// Asked changes when a person asks for another attempt.
	Asked string
}

// Policy is the policy of the app.
type Policy struct {
	// Features that are switched on.
	Features map[v1alpha1.Feature]bool
	// Deprovisioning of accounts that should not be there; Deactivate when empty.
	Deprovisioning v1alpha1.Deprovisioning
	// MatchAttribute is the path by which the app identifies an account, such as userName.
	MatchAttribute string
	// BlockIdentifierChange: a changed MatchAttribute would make another account of it, so it is not sent (S34).
	BlockIdentifierChange bool
	// Protected: the account is one that is never changed.
	Protected bool
	// RoleAttribute is the path that takes the roles; empty when the app has none.
	RoleAttribute string
	// Mapped are the paths of all mapped attributes. KeepUnmapped: an attribute that was written and is not mapped any more stays as it is in the app.
	Mapped       []string
	KeepUnmapped bool
	// Refused are the attributes that the app does not take in an update, from any account, sorted.
	Refused []string
	// Mapping has a hash of how each attribute is computed.
	Mapping map[string]string
	// UpdateWritesActive: an update of the profile writes active as well (PUT), so a late one may reactivate the account.
	UpdateWritesActive bool
}

// Step is the next step of an account, or why there is none. Exactly one of these holds: there is an Action; the account is InSync; there is a Reason.
type Step struct {
	// Action to take; empty: nothing to do. ActionObserve reads the account to settle its operation.
	Action v1alpha1.AccountAction
	// Set and Clear are the names of the attributes that an Update or Reactivate writes or clears, sorted.
	Set, Clear []string
	// Forget are the names of attributes that were written, are not mapped any more and stay as they are: the status does not keep them after this step, sorted.
	Forget []string
	// Later are the names of attributes that differ and are written by a step of their own, because this one is a revocation, sorted. An unsettled operation may have
	// written them: their value is unknown once this step has settled it.
	Later []string
	// Rejected are the names of the attributes that differ and are left out because the app refuses them, sorted.
	Rejected []string
	// Revocation: the account may have more access than desired, so the step counts for the mass-change guard, whatever its action. Effect names what is
	// revoked: Deactivate, Delete, or Update for a role.
	Revocation bool
	Effect     v1alpha1.AccountAction
	// Drop: the account status is to be dropped, no account was ever created. InSync is true as well.
	Drop bool
	// InSync: the account equals its desired state.
	InSync bool
	// Reason (v1alpha1.Reason...) and Message say why nothing is done although the account is out of sync, and what to do about it.
	Reason, Message string
}

// Decide returns the next step of an account. recorded is nil where the user's status has no entry for the app; op is nil where no operation is unsettled.
//
// An unsettled operation leaves two possible states. If one of them has more access than desired, the step is a revocation, and one that deprovisions goes first. The
// same operation may be repeated. Any other step waits until an observation has settled the operation.
//
// An account in state Creating may exist in the app: its step looks it up first. An Orphaned account is left alone until the user has the app again; then it is looked up
// and linked.
func Decide(w Desired, recorded *v1alpha1.Account, op *Operation, p Policy) Step {
	d := decision{Desired: w, Policy: p, have: recorded, op: op}
	if recorded == nil {
		d.have = &v1alpha1.Account{State: v1alpha1.AccountPending}
	}
	if !d.exists() {
		// A create is settled by its lookup.
		d.op = nil
	}
	if !w.Assigned || !w.Active || w.Deleted {
		return d.unassigned()
	}
	step := d.assigned()
	if d.exists() {
		step.Rejected = d.rejected()
	}
	return step
}

type decision struct {
	Desired
	Policy
	have *v1alpha1.Account
	op   *Operation
}

// exists reports whether the app has confirmed that it has the account.
func (d decision) exists() bool {
	return d.have.State == v1alpha1.AccountActive || d.have.State == v1alpha1.AccountInactive
}

// mayBeActive reports whether the account is active in one of its possible states.
func (d decision) mayBeActive() bool {
	if d.have.State == v1alpha1.AccountActive {
		return true
	}
	return d.op != nil && (d.op.may(v1alpha1.ActionReactivate) || (d.UpdateWritesActive && d.op.may(v1alpha1.ActionUpdate)))
}

// assigned is the step of an account that the user should have.
func (d decision) assigned() Step {
	switch {
	case !d.exists():
		return d.create()
	case d.op == nil:
		return d.change()
	case d.op.Superseded:
		return d.observe()
	}
	// The same operation again does no harm, and needs no observation.
	step := d.change()
	if d.op.only(step.Action) {
		return step
	}
	return d.observe()
}

// change is the step of an account that is there.
func (d decision) change() Step {
	if d.have.State == v1alpha1.AccountInactive {
		return d.reactivate()
	}
	return d.update()
}

// observe reads the account. What follows from it may revoke a role, and counts from now on.
func (d decision) observe() Step {
	step := Step{Action: v1alpha1.ActionObserve}
	if d.mayBeActive() && (d.losesRole() || d.losesFormerRole()) && d.Features[v1alpha1.FeaturePushProfileUpdates] {
		step.Revocation, step.Effect = true, v1alpha1.ActionUpdate
	}
	return step
}

// unassigned is the step of an account that the user should not be able to use.
func (d decision) unassigned() Step {
	switch d.have.State {
	case v1alpha1.AccountActive, v1alpha1.AccountInactive:
		switch {
		case !d.mayBeActive() && d.op != nil:
			// Nobody has access; an observation has to show what the operation did.
			return Step{Action: v1alpha1.ActionObserve}
		case !d.mayBeActive():
			return Step{InSync: true}
		case d.op != nil && d.op.Superseded && d.have.State == v1alpha1.AccountInactive:
			// It was deactivated since; only a late effect can have reactivated it.
			return Step{Action: v1alpha1.ActionObserve}
		}
		return d.deprovision()
	case v1alpha1.AccountCreating:
		return d.deprovision()
	case v1alpha1.AccountOrphaned:
		return Step{InSync: true}
	default:
		if d.have.RemoteID != "" {
			return d.deprovision()
		}
		return Step{InSync: true, Drop: true}
	}
}

func (d decision) deprovision() Step {
	if d.Deprovisioning == v1alpha1.DeprovisionOrphan {
		return Step{Action: v1alpha1.ActionRelease}
	}
	why := d.keepsAccess()
	switch {
	case why.Reason == "":
	case d.Deleted:
		return Step{Action: v1alpha1.ActionRelease}
	case d.op != nil && (d.have.State == v1alpha1.AccountInactive || !d.op.only(v1alpha1.ActionUpdate)):
		// Nothing may be written, but an observation can tell which of the possible states holds.
		return Step{Action: v1alpha1.ActionObserve}
	default:
		return why
	}
	action := v1alpha1.ActionDeactivate
	if d.Deprovisioning == v1alpha1.DeprovisionDelete {
		action = v1alpha1.ActionDelete
	}
	return Step{Action: action, Revocation: true, Effect: action}
}

// keepsAccess says why an account that should not be usable stays as it is.
func (d decision) keepsAccess() Step {
	if d.Protected {
		return blocked(v1alpha1.ReasonAccountProtected, messageProtectedActive)
	}
	if !d.Features[v1alpha1.FeaturePushUserDeactivation] {
		return blocked(v1alpha1.ReasonFeatureOff, messageDeactivationOff)
	}
	return Step{}
}

// create is the step for an account that should be there and is not known to be.
func (d decision) create() Step {
	switch {
	case d.Protected:
		return blocked(v1alpha1.ReasonAccountProtected, messageProtected)
	case !d.Features[v1alpha1.FeaturePushNewUsers]:
		return blocked(v1alpha1.ReasonFeatureOff, messageNewUsersOff)
	case len(d.Missing) > 0:
		return d.missing()
	case d.matchValue() != StorableMatchValue(d.matchValue()):
		return blocked(v1alpha1.ReasonInvalidAttribute, longMatchValueMessage(d.MatchAttribute))
	case d.problem(d.RoleAttribute):
		// An app that is given no role may choose one itself, and not the least one.
		return d.problems()
	}
	return Step{Action: v1alpha1.ActionCreate}
}

// matchValue identifies the account in the app.
func (d decision) matchValue() string {
	value, _ := d.Values[d.MatchAttribute].(string)
	return value
}

// reactivate is the step for an account that we deactivated and that the user should have again (S49).
func (d decision) reactivate() Step {
	set, clear := d.differing()
	switch {
	case d.Protected:
		return blocked(v1alpha1.ReasonAccountProtected, messageProtected)
	case !d.Features[v1alpha1.FeatureReactivateUsers]:
		return blocked(v1alpha1.ReasonFeatureOff, messageReactivationOff)
	case len(d.Missing) > 0:
		return d.missing()
	case d.identifierChange(set):
		return blocked(v1alpha1.ReasonIdentifierChange, identifierChangeMessage(d.MatchAttribute))
	case d.problem(d.RoleAttribute):
		return d.problems()
	}
	if !d.Features[v1alpha1.FeaturePushProfileUpdates] {
		// The profile is left alone, but nobody gets access with the roles of former days.
		set, clear = only(set, d.RoleAttribute), only(clear, d.RoleAttribute)
	}
	return d.writeStep(v1alpha1.ActionReactivate, set, clear)
}

// writeStep writes attributes. It is a revocation where it takes a role from an account that may be active.
func (d decision) writeStep(action v1alpha1.AccountAction, set, clear []string) Step {
	step := Step{Action: action, Set: set, Clear: clear, Forget: d.forgotten()}
	if d.mayBeActive() && d.takesRole(set, clear) {
		step.Revocation, step.Effect = true, v1alpha1.ActionUpdate
	}
	return step
}

// update is the step for an account that is active, as desired.
func (d decision) update() Step {
	set, clear := d.differing()
	switch {
	case d.Features[v1alpha1.FeaturePushProfileUpdates]:
	case d.takesRole(set, clear):
		return blocked(v1alpha1.ReasonFeatureOff, messageUpdatesOff)
	default:
		return Step{InSync: true}
	}
	differs, all := len(set)+len(clear) > 0, slices.Concat(set, clear)
	var why Step
	switch {
	case d.Protected && differs:
		return blocked(v1alpha1.ReasonAccountProtected, messageProtected)
	case d.identifierChange(set):
		why = blocked(v1alpha1.ReasonIdentifierChange, identifierChangeMessage(d.MatchAttribute))
	case len(d.Missing) > 0 && !d.Protected:
		why = d.missing()
	}
	if why.Reason != "" {
		// What takes a role away goes all the same, alone.
		set, clear = only(set, d.RoleAttribute), only(clear, d.RoleAttribute)
		if !d.takesRole(set, clear) {
			return why
		}
		differs = true
	}
	if d.takesRole(set, clear) {
		// The rest follows.
		set, clear = d.revoking(set), d.revoking(clear)
	}
	switch {
	case differs:
		step := d.writeStep(v1alpha1.ActionUpdate, set, clear)
		step.Later = d.later(all, slices.Concat(set, clear))
		return step
	case len(d.Problems) > 0 && !d.Protected:
		return d.problems()
	}
	return Step{InSync: true}
}

func blocked(reason, message string) Step { return Step{Reason: reason, Message: message} }
