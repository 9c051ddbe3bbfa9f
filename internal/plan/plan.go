// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package plan decides the one next change of an account from what it should be, what is known of it, and the app's policy; and whether a mass of changes has
// to wait for a person. It is pure.
package plan

import "github.com/scim-operator/scim-operator/api/v1alpha1"

// Wanted is what one account should be.
type Wanted struct {
	// Assigned: the user has the app.
	Assigned bool
	// Active: the user is active and not being deleted.
	Active bool
	// Deleted: the user is being deleted. What cannot be revoked is then released instead of waited for.
	Deleted bool
	// Values are the mapped attributes and the role attribute: SCIM path to JSON value.
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

// Step is the next change of an account, or why there is none.
type Step struct {
	// Action to take; empty: nothing to do.
	Action v1alpha1.AccountAction
	// Set and Clear are the names of the attributes that an Update or Reactivate writes or takes away, sorted.
	Set, Clear []string
	// Revocation: the action takes something from the user and counts for the mass-change guard.
	Revocation bool
	// Drop: the entry is to be forgotten, nothing was ever made.
	Drop bool
	// InSync: the account is as it should be.
	InSync bool
	// Reason (v1alpha1.Reason...) and Message say why nothing is done although something should be, and what to do about it.
	Reason, Message string
}

// Decide is the next step for an account. have is nil where there is no entry.
func Decide(w Wanted, have *v1alpha1.Account, p Policy) Step { return Step{} }
