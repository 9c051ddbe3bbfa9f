// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package guard decides which revocations of an app are made and which are held as a batch until a person approves them. It decides by effect, counts distinct users,
// and is pure.
package guard

import (
	"cmp"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Defaults of a Guard. Okta's import safeguard holds at 20 % as well.
const (
	defaultMinimum = 10
	defaultPercent = 20
	defaultLeavers = 10
)

// Window is the time over which the guard counts.
const Window = time.Hour

// smallApp is the number of active accounts up to which a revocation of all of them at once is held. A single account is no mass.
const smallApp = 10

// Limits are the guard's limits in force.
type Limits struct {
	// Minimum and Percent: the larger of the two is the threshold. Percent is of the active accounts.
	Minimum, Percent int
	// Leavers is the number of users an hour, made inactive or deleted by the provider, who pass beside held batches of other causes.
	Leavers int
}

// Revocation is a change after which users have less access than they may have now.
type Revocation struct {
	// Subject names the account or pushed group, in the order in which revocations are made.
	Subject string
	// Users who lose access, by an id that is the same for all revocations of a user.
	Users []string
	// ByProvider: the identity provider made the user inactive or deleted it.
	ByProvider bool
	// Locked: a person has locked the user and meant exactly this revocation. It passes, also from a held batch, and does not count.
	Locked bool
	// AlwaysHold: it is held whatever the threshold, because a pushed group of MinEmptied members or more would become empty, or because a held batch of removals or of attributes has
	// grown.
	AlwaysHold bool
	// Batch in which the revocation is held, empty for none. Approved: a person has released that batch.
	Batch    string
	Approved bool
	// Allowed: it has passed an earlier count, and its call may have been sent.
	Allowed bool
	// Attributes: the accounts lose values of attributes, and no access.
	Attributes bool
	// Unconfirmed: the account may never have been created, so it is none of the active ones.
	Unconfirmed bool
}

// MinEmptied is the size from which a pushed group is not emptied without an approval.
const MinEmptied = 5

// Count is what the guard counts of an app.
type Count struct {
	// Active accounts, those with a pending or held revocation too.
	Active int
	// Done are the users who lost access in the window without an approval, by id. Unnamed is how many more there are whose id is not known.
	Done    map[string]bool
	Unnamed int
	// Both is how many of Done are also in Active: they lost only a role, or no status shows the revocation yet.
	Both int
	// LeaversPassed is how many leavers passed beside held batches in the window.
	LeaversPassed int
}

// Verdict says what becomes of revocations. Held holds those that stay in a closed batch, too.
type Verdict struct {
	Pass, Hold, Held []Revocation
}

// Decide returns which revocations pass and which are held from now on. All of one gathering are decided together: counting one by one would release the first
// of a mass.
//
// A closed batch only shrinks: its changes stay held until a person approves them or they are no longer desired, whatever the limits are now. A held user whom the
// provider then makes inactive changes cause and leaves the batch.
func Decide(limits Limits, count Count, revocations []Revocation) Verdict {
	var v Verdict
	var free, allowed []Revocation
	for _, r := range revocations {
		switch {
		case r.Locked, r.Batch != "" && r.Approved:
			v.Pass = append(v.Pass, r)
		case r.Batch == "" && r.Allowed:
			allowed = append(allowed, r)
		case r.Batch == "", r.ByProvider && !OfLeavers(r.Batch):
			free = append(free, r)
		default:
			v.Held = append(v.Held, r)
		}
	}
	slices.SortFunc(free, func(a, b Revocation) int { return cmp.Compare(a.Subject, b.Subject) })
	// Allowed revocations are not made yet: their accounts are still in Active, so the threshold is computed before they are added to Done.
	threshold := Threshold(count.Active-count.Both, len(count.Done)+count.Unnamed, limits)
	pass, hold := divide(limits, count.with(allowed), threshold, v.Held, free, allowed)
	v.Pass, v.Hold = append(append(v.Pass, allowed...), pass...), hold
	return v
}

// Kind returns the kind of batch in which the revocation is held.
func (r *Revocation) Kind() Kind {
	switch {
	case r.Attributes:
		return Attributes
	case r.ByProvider:
		return Leavers
	}
	return Revocations
}

// with counts revocations that have passed as if they were made.
func (c Count) with(allowed []Revocation) Count {
	for _, r := range allowed {
		if r.ByProvider {
			c.LeaversPassed++
		}
	}
	c.Done = users(c.Done, allowed)
	return c
}

// divide decides on the free revocations. The allowed ones have passed and may not be made yet: their accounts are among the active ones.
func divide(limits Limits, count Count, threshold int, held, free, allowed []Revocation) (pass, hold []Revocation) {
	affected := users(nil, confirmed(held), confirmed(free), confirmed(allowed))
	over := len(users(count.Done, held, free))+count.Unnamed > threshold || all(count.Active, affected)
	room := 0
	if over {
		room = leaversRoom(limits, count, threshold, free, allowed)
	}
	for _, r := range free {
		switch {
		case r.AlwaysHold:
			hold = append(hold, r)
		case !over:
			pass = append(pass, r)
		case r.ByProvider && room > 0:
			room--
			pass = append(pass, r)
		default:
			hold = append(hold, r)
		}
	}
	return pass, hold
}

// leaversRoom returns how many leavers may pass while a batch is held. Leavers who are a mass by themselves are held like any other. Over all batches of the window, at
// most the threshold and the leavers' number pass together.
func leaversRoom(limits Limits, count Count, threshold int, free, allowed []Revocation) int {
	byProvider := slices.DeleteFunc(slices.Clone(free), func(r Revocation) bool { return !r.ByProvider })
	leavers := users(nil, byProvider)
	if len(leavers) > threshold || all(count.Active, users(nil, confirmed(byProvider), confirmed(allowed))) {
		return 0
	}
	return max(0, min(limits.Leavers-count.LeaversPassed, threshold+limits.Leavers-len(count.Done)-count.Unnamed))
}

// confirmed returns the revocations of accounts that exist.
func confirmed(list []Revocation) []Revocation {
	return slices.DeleteFunc(slices.Clone(list), func(r Revocation) bool { return r.Unconfirmed })
}

// all reports whether every account of a small app is affected.
func all(active int, affected map[string]bool) bool {
	return active > 1 && active <= smallApp && len(affected) >= active
}

// users are the distinct users of the lists, and those of done.
func users(done map[string]bool, lists ...[]Revocation) map[string]bool {
	set := make(map[string]bool, len(done))
	for user := range done {
		set[user] = true
	}
	for _, list := range lists {
		for _, r := range list {
			for _, user := range r.Users {
				set[user] = true
			}
		}
	}
	return set
}

// Threshold returns how many users of an app may lose access within the window: the larger of the minimum and the percentage, rounded down.
//
// The base of the percentage is the accounts that were active an hour ago: those that are now and those revoked since. Were it only those that are now, every
// revocation would lower the threshold for the next.
func Threshold(active, done int, limits Limits) int {
	return max(limits.Minimum, (active+done)*limits.Percent/100)
}

// LimitsOf returns the limits that a spec asks for.
func LimitsOf(g *v1alpha1.Guard) Limits {
	limits := Limits{Minimum: defaultMinimum, Percent: defaultPercent, Leavers: defaultLeavers}
	if g == nil {
		return limits
	}
	for field, value := range map[*int]*int32{&limits.Minimum: g.Minimum, &limits.Percent: g.Percent, &limits.Leavers: g.LeaversPerHour} {
		if value != nil {
			*field = int(*value)
		}
	}
	return limits
}
