// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// What a Guard is without values of its own. Okta's import safeguard holds at 20 % as well.
const (
	defaultGuardMinimum = 10
	defaultGuardPercent = 20
)

// Census counts the accounts of an app for the guard.
type Census struct {
	// Active accounts now, those with a pending or held revocation too.
	Active int
	// Done is the revocations made in the last hour.
	Done int
	// Held is the revocations already held in batches.
	Held int
	// Pending is the revocations wanted now and not held.
	Pending int
}

// GuardThreshold is how many revocations an app may have within an hour: the larger of the guard's minimum and its percentage, rounded down.
//
// The base of the percentage is the accounts that were active an hour ago: those that are now and those revoked since. Were it only those that are now, every
// revocation would lower the threshold for the next. (Who only lost a role is in both; counting such a user twice is lax by a fifth of a user.)
func GuardThreshold(active, done int, g *v1alpha1.Guard) int {
	minimum, percent := defaultGuardMinimum, defaultGuardPercent
	if g != nil && g.Minimum != nil {
		minimum = int(*g.Minimum)
	}
	if g != nil && g.Percent != nil {
		percent = int(*g.Percent)
	}
	return max(minimum, (active+done)*percent/100)
}

// Hold is whether the pending revocations have to wait for a person: together with what was done in the last hour and what is held already they are more than
// the threshold.
//
// What is held counts, because one cause reaches the users one by one: the last ten of two hundred who lost their group are held like the others. So whoever
// leaves while a batch is held waits for a person, too; and after a batch was approved, for the rest of the hour.
func Hold(c Census, g *v1alpha1.Guard) bool {
	return c.Pending > 0 && c.Done+c.Held+c.Pending > GuardThreshold(c.Active, c.Done, g)
}

// Change is one change in a held batch.
type Change struct {
	// User is the object's name and id.
	User string
	// Action is the change, such as Deactivate.
	Action string
}

// Digest names a batch: 16 hexadecimal digits that depend on the app, the time at which the batch was closed and the set of changes, in whatever order they
// come. A person approves a batch by its digest, and so nothing that comes later: not even the same changes another time.
func Digest(app string, closed time.Time, changes []Change) string {
	set := make([]string, 0, len(changes))
	for _, c := range changes {
		set = append(set, c.User+"\x00"+c.Action)
	}
	slices.Sort(set)
	set = slices.Compact(set)
	// JSON keeps the parts apart. It cannot fail for strings.
	canonical, _ := json.Marshal(append([]string{app, closed.UTC().Format(time.RFC3339Nano)}, set...))
	sum := sha256.Sum256(canonical)
	return hex.EncodeToString(sum[:8])
}
