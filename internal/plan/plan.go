// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan decides the one next change of an account from what it should be, what is known of it, and the app's policy; and whether a mass of changes has
// to wait for a person. It is pure.
package plan

import (
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Wanted is what one account should be.
type Wanted struct {
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
}

// Policy is what the app allows and wants.
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
}

// Step is the next change of an account, or why there is none. Exactly one of these holds: there is an Action; the account is InSync; there is a Reason.
type Step struct {
	// Action to take; empty: nothing to do.
	Action v1alpha1.AccountAction
	// Set and Clear are the names of the attributes that an Update or Reactivate writes or takes away, sorted.
	Set, Clear []string
	// Revocation: the action takes something from the user and counts for the mass-change guard: a deactivation, a deletion, a role taken away.
	Revocation bool
	// Drop: the entry is to be forgotten, nothing was ever made. InSync is true as well.
	Drop bool
	// InSync: the account is as it should be.
	InSync bool
	// Reason (v1alpha1.Reason...) and Message say why nothing is done although something should be, and what to do about it.
	Reason, Message string
}

// Announced is whether the step may be taken: whoever finds have after a crash has to see that the step may have been taken. have is the entry as it is stored,
// behind is whether it is seen anyway, because the user's spec has changed since the status was written.
func Announced(step Step, have *v1alpha1.Account, behind bool) bool {
	switch step.Action {
	case "", v1alpha1.ActionRelease:
		return true
	case v1alpha1.ActionCreate:
		return have != nil && have.State == v1alpha1.AccountCreating
	}
	if behind {
		return true
	}
	if have == nil || have.Planned != step.Action || waits(have) {
		return false
	}
	changes := len(have.PlannedAttributes)
	return changes == MaxPlannedAttributes || len(without(slices.Concat(step.Set, step.Clear), have.PlannedAttributes)) == 0
}

// MaxPlannedAttributes is how many names an entry shows (Account.plannedAttributes).
const MaxPlannedAttributes = 64

// Decide is the next step for an account. have is nil where there is no entry.
//
// An entry that is Creating may stand for an account that exists: its action looks the account up first. An Orphaned account is left alone until the user has the
// app again; then it is looked up and linked.
func Decide(w Wanted, have *v1alpha1.Account, p Policy) Step {
	d := decision{Wanted: w, Policy: p, have: have}
	if have == nil {
		d.have = &v1alpha1.Account{State: v1alpha1.AccountPending}
	}
	if !w.Assigned || !w.Active || w.Deleted {
		return d.unwanted()
	}
	switch d.have.State {
	case v1alpha1.AccountActive:
		if d.announced(v1alpha1.ActionDeactivate, v1alpha1.ActionDelete, v1alpha1.ActionReactivate) {
			// It was to be switched off, and perhaps was.
			return d.reactivate()
		}
		return d.update()
	case v1alpha1.AccountInactive:
		return d.reactivate()
	default:
		return d.create()
	}
}

type decision struct {
	Wanted
	Policy
	have *v1alpha1.Account
}

// unwanted is the step for an account that the user should not be able to use.
func (d decision) unwanted() Step {
	switch d.have.State {
	case v1alpha1.AccountActive, v1alpha1.AccountCreating:
		return d.deprovision()
	case v1alpha1.AccountInactive:
		if d.announced() {
			// It was to be switched on, and perhaps was.
			return d.deprovision()
		}
		return Step{InSync: true}
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
	if why.Reason != "" {
		if d.Deleted {
			return Step{Action: v1alpha1.ActionRelease}
		}
		return why
	}
	if d.Deprovisioning == v1alpha1.DeprovisionDelete {
		return Step{Action: v1alpha1.ActionDelete, Revocation: true}
	}
	return Step{Action: v1alpha1.ActionDeactivate, Revocation: true}
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
	case d.problem(d.RoleAttribute):
		// An app that is given no role may choose one itself, and not the least one.
		return d.problems()
	}
	return Step{Action: v1alpha1.ActionCreate}
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
	return Step{Action: v1alpha1.ActionReactivate, Set: set, Clear: clear}
}

// update is the step for an account that is there, as it should be.
func (d decision) update() Step {
	if !d.Features[v1alpha1.FeaturePushProfileUpdates] {
		return Step{InSync: true}
	}
	set, clear := d.differing()
	differs := len(set)+len(clear) > 0
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
	switch {
	case differs:
		return Step{Action: v1alpha1.ActionUpdate, Set: set, Clear: clear, Revocation: d.takesRole(set, clear)}
	case len(d.Problems) > 0 && !d.Protected:
		return d.problems()
	}
	return Step{InSync: true}
}

func blocked(reason, message string) Step { return Step{Reason: reason, Message: message} }
