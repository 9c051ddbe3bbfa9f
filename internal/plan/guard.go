// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import "github.com/scim-operator/scim-operator/api/v1alpha1"

// Census counts the accounts of an app for the guard.
type Census struct {
	// Active accounts now.
	Active int
	// Done is the revocations made in the last hour.
	Done int
	// Held is the revocations already held in batches.
	Held int
	// Pending is the revocations wanted now and not held.
	Pending int
}

// Change is one change in a held batch.
type Change struct {
	// User is the object's name and id.
	User string
	// Action is the change, such as Deactivate.
	Action string
}

// GuardThreshold is how many revocations an app may have within an hour.
func GuardThreshold(active, done int, g *v1alpha1.Guard) int { return 0 }

// Hold is whether the pending revocations have to wait for a person.
func Hold(c Census, g *v1alpha1.Guard) bool { return false }

// Digest names a batch.
func Digest(app string, changes []Change) string { return "" }
