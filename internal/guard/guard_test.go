// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scim-operator/scim-operator/internal/guard"
)

func TestThreshold(t *testing.T) {
	for name, tc := range map[string]struct {
		active, done int
		limits       guard.Limits
		want         int
	}{
		"default minimum":                {40, 0, guard.LimitsOf(nil), 10},
		"default percentage":             {100, 0, guard.LimitsOf(nil), 20},
		"rounded down":                   {104, 0, guard.LimitsOf(nil), 20},
		"what was done stays in":         {80, 20, guard.LimitsOf(nil), 20},
		"own minimum":                    {100, 0, guard.Limits{Minimum: 50, Percent: 20}, 50},
		"own percentage":                 {1000, 0, guard.Limits{Minimum: 10, Percent: 5}, 50},
		"everything is held":             {1000, 10, guard.Limits{}, 0},
		"nothing is held":                {1000, 10, guard.Limits{Percent: 100}, 1010},
		"more accounts than 16 bits, 20": {100000, 0, guard.LimitsOf(nil), 20000},
	} {
		t.Run(name, func(t *testing.T) {
			if got := guard.Threshold(tc.active, tc.done, tc.limits); got != tc.want {
				t.Errorf("threshold %d, want %d", got, tc.want)
			}
		})
	}
}

var closed = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// batches of each cause.
var (
	batch   = guard.Digest("crm", closed, guard.Revocations, nil)
	leavers = guard.Digest("crm", closed, guard.Leavers, nil)
)

// revocations of n users, from number first on.
func revocations(first, n int, change ...func(*guard.Revocation)) []guard.Revocation {
	list := make([]guard.Revocation, n)
	for i := range list {
		user := fmt.Sprintf("%04d", first+i)
		list[i] = guard.Revocation{Subject: "user/" + user, Users: []string{user}}
		for _, f := range change {
			f(&list[i])
		}
	}
	return list
}

// removal is of members of a pushed group.
func removal(group string, first, n int, change ...func(*guard.Revocation)) []guard.Revocation {
	r := guard.Revocation{Subject: "group/" + group}
	for _, member := range revocations(first, n) {
		r.Users = append(r.Users, member.Users...)
	}
	for _, f := range change {
		f(&r)
	}
	return []guard.Revocation{r}
}

func byProvider(r *guard.Revocation) { r.ByProvider = true }
func emptied(r *guard.Revocation)    { r.AlwaysHold = true }
func approved(r *guard.Revocation)   { r.Approved = true }
func locked(r *guard.Revocation)     { r.Locked = true }
func allowed(r *guard.Revocation)    { r.Allowed = true }

func in(batch string) func(*guard.Revocation) {
	return func(r *guard.Revocation) { r.Batch = batch }
}

// done are n users who lost access, from number first on.
func done(first, n int) map[string]bool {
	users := map[string]bool{}
	for i := range n {
		users[fmt.Sprintf("%04d", first+i)] = true
	}
	return users
}

func TestDecide(t *testing.T) {
	defaults := guard.LimitsOf(nil)
	list := slices.Concat[[]guard.Revocation]
	for name, tc := range map[string]struct {
		limits             guard.Limits
		count              guard.Count
		revocations        []guard.Revocation
		pass, hold, inHeld int
	}{
		"nothing":                           {defaults, guard.Count{Active: 5, Done: done(0, 50)}, nil, 0, 0, 0},
		"at the threshold":                  {defaults, guard.Count{Active: 100}, revocations(0, 20), 20, 0, 0},
		"above the threshold":               {defaults, guard.Count{Active: 100}, revocations(0, 21), 0, 21, 0},
		"the rest of the hour's allowance":  {defaults, guard.Count{Active: 85, Done: done(50, 15)}, revocations(0, 5), 5, 0, 0},
		"above it with those of the hour":   {defaults, guard.Count{Active: 85, Done: done(50, 15)}, revocations(0, 6), 0, 6, 0},
		"above it with users without names": {defaults, guard.Count{Active: 85, Done: done(50, 10), Unnamed: 5}, revocations(0, 6), 0, 6, 0},
		"users who lost access lately already are not counted twice": {
			defaults, guard.Count{Active: 85, Done: done(0, 15)}, revocations(0, 20), 20, 0, 0,
		},

		// Batches.
		"the last of a batch are held as well":      {defaults, guard.Count{Active: 200}, list(revocations(0, 192, in(batch)), revocations(192, 8)), 0, 8, 192},
		"one more while few are held":               {defaults, guard.Count{Active: 100}, list(revocations(0, 4, in(batch)), revocations(4, 1)), 1, 0, 4},
		"a closed batch stays held when it shrinks": {defaults, guard.Count{Active: 100}, revocations(0, 1, in(batch)), 0, 0, 1},
		"a looser guard does not release it":        {guard.Limits{Minimum: 1000, Percent: 100, Leavers: 1000}, guard.Count{Active: 100}, revocations(0, 30, in(batch)), 0, 0, 30},
		"an approved batch passes":                  {defaults, guard.Count{Active: 100}, revocations(0, 90, in(batch), approved), 90, 0, 0},
		"an approval is for one batch": {
			defaults, guard.Count{Active: 100}, list(revocations(0, 30, in(batch), approved), revocations(30, 30, in("another")), revocations(60, 1)), 30, 1, 30,
		},
		"an approval of no batch":                      {defaults, guard.Count{Active: 100}, revocations(0, 21, approved), 0, 21, 0},
		"what passes by approval leaves the threshold": {defaults, guard.Count{Active: 100}, list(revocations(0, 50, in(batch), approved), revocations(50, 20)), 70, 0, 0},

		// Locked users: they pass, whatever holds, and use up nobody's room.
		"a locked user leaves a batch":          {defaults, guard.Count{Active: 100}, list(revocations(0, 30, in(batch)), revocations(30, 1, in(batch), locked)), 1, 0, 30},
		"a mass of locked users":                {defaults, guard.Count{Active: 100}, revocations(0, 90, locked), 90, 0, 0},
		"locked users leave the threshold":      {defaults, guard.Count{Active: 100}, list(revocations(0, 50, locked), revocations(50, 20)), 70, 0, 0},
		"locked users leave the leavers' room":  {defaults, guard.Count{Active: 100}, list(revocations(0, 30, in(batch)), revocations(30, 9, byProvider, locked), revocations(39, 10, byProvider)), 19, 0, 30},
		"all users of a small app, each locked": {defaults, guard.Count{Active: 3}, revocations(0, 3, locked), 3, 0, 0},

		// Leavers beside held batches.
		"leavers beside a batch of another cause":          {defaults, guard.Count{Active: 100}, list(revocations(0, 30, in(batch)), revocations(30, 10, byProvider)), 10, 0, 30},
		"the 11th is held":                                 {defaults, guard.Count{Active: 100}, list(revocations(0, 30, in(batch)), revocations(30, 11, byProvider)), 10, 1, 30},
		"the 11th is held after ten passed":                {defaults, guard.Count{Active: 90, Done: done(30, 10), LeaversPassed: 10}, list(revocations(0, 30, in(batch)), revocations(40, 1, byProvider)), 0, 1, 30},
		"not all of ten are left":                          {defaults, guard.Count{Active: 93, Done: done(30, 7), LeaversPassed: 7}, list(revocations(0, 30, in(batch)), revocations(40, 5, byProvider)), 3, 2, 30},
		"no leavers an hour":                               {guard.Limits{Minimum: 10, Percent: 20}, guard.Count{Active: 100}, list(revocations(0, 30, in(batch)), revocations(30, 1, byProvider)), 0, 1, 30},
		"leavers beside what is about to be held":          {defaults, guard.Count{Active: 100}, list(revocations(0, 30), revocations(30, 3, byProvider)), 3, 30, 0},
		"leavers who are a mass of their own":              {defaults, guard.Count{Active: 100}, list(revocations(0, 30, in(batch)), revocations(30, 21, byProvider)), 0, 21, 30},
		"leavers who are a mass without a batch":           {defaults, guard.Count{Active: 100}, revocations(0, 21, byProvider), 0, 21, 0},
		"a held user who becomes a leaver leaves":          {defaults, guard.Count{Active: 100}, list(revocations(0, 30, in(batch)), revocations(30, 1, in(batch), byProvider)), 1, 0, 30},
		"a batch of leavers stays held":                    {defaults, guard.Count{Active: 100}, revocations(0, 21, in(leavers), byProvider), 0, 0, 21},
		"the last of a batch of leavers stays held":        {defaults, guard.Count{Active: 100}, revocations(0, 1, in(leavers), byProvider), 0, 0, 1},
		"an approved batch of leavers":                     {defaults, guard.Count{Active: 100}, revocations(0, 21, in(leavers), byProvider, approved), 21, 0, 0},
		"no leaver beyond what the hour allows altogether": {defaults, guard.Count{Active: 70, Done: done(30, 30)}, list(revocations(0, 30, in(batch)), revocations(90, 1, byProvider)), 0, 1, 30},

		// Small apps.
		"one account alone":                      {defaults, guard.Count{Active: 1}, revocations(0, 1), 1, 0, 0},
		"both of two":                            {defaults, guard.Count{Active: 2}, revocations(0, 2), 0, 2, 0},
		"one of two":                             {defaults, guard.Count{Active: 2}, revocations(0, 1), 1, 0, 0},
		"all of ten":                             {defaults, guard.Count{Active: 10}, revocations(0, 10), 0, 10, 0},
		"nine of ten":                            {defaults, guard.Count{Active: 10}, revocations(0, 9), 9, 0, 0},
		"ten of eleven":                          {defaults, guard.Count{Active: 11}, revocations(0, 10), 10, 0, 0},
		"all of eleven are above the threshold":  {defaults, guard.Count{Active: 11}, revocations(0, 11), 0, 11, 0},
		"all of three, one of them held":         {defaults, guard.Count{Active: 3}, list(revocations(0, 1, in(batch)), revocations(1, 2)), 0, 2, 1},
		"all of three leave":                     {defaults, guard.Count{Active: 3}, revocations(0, 3, byProvider), 0, 3, 0},
		"all of a small app, approved":           {defaults, guard.Count{Active: 3}, revocations(0, 3, in(batch), approved), 3, 0, 0},
		"the rest of a small app":                {defaults, guard.Count{Active: 3}, list(revocations(0, 1, allowed), revocations(1, 2)), 1, 2, 0},
		"the leavers that are the rest of one":   {defaults, guard.Count{Active: 3}, list(revocations(0, 1, allowed, byProvider), revocations(1, 2, byProvider)), 1, 2, 0},
		"all of a small app whatever the limits": {guard.Limits{Minimum: 1000, Percent: 100, Leavers: 1000}, guard.Count{Active: 4}, revocations(0, 4), 0, 4, 0},

		// Pushed groups.
		"a group that is emptied":                       {defaults, guard.Count{Active: 1000}, removal("staff", 0, 5, emptied), 0, 1, 0},
		"a group that is emptied holds nothing else":    {defaults, guard.Count{Active: 1000}, list(removal("staff", 0, 5, emptied), revocations(100, 1)), 1, 1, 0},
		"a group that loses members":                    {defaults, guard.Count{Active: 1000}, removal("staff", 0, 200), 1, 0, 0},
		"a group that loses too many":                   {defaults, guard.Count{Active: 1000}, removal("staff", 0, 201), 0, 1, 0},
		"own deactivation and removals are one user":    {defaults, guard.Count{Active: 100}, list(revocations(0, 20), removal("staff", 0, 20), removal("sales", 5, 10)), 22, 0, 0},
		"one member more":                               {defaults, guard.Count{Active: 100}, list(revocations(0, 20), removal("staff", 1, 20)), 0, 21, 0},
		"removal of a user who was deactivated before":  {defaults, guard.Count{Active: 80, Done: done(0, 20)}, removal("staff", 0, 20), 1, 0, 0},
		"a held batch of removals that grew":            {defaults, guard.Count{Active: 1000}, removal("staff", 0, 1, emptied), 0, 1, 0},
		"an approved batch that would empty the group":  {defaults, guard.Count{Active: 1000}, removal("staff", 0, 9, emptied, in(batch), approved), 1, 0, 0},
		"a held batch that would empty it stays closed": {defaults, guard.Count{Active: 1000}, removal("staff", 0, 9, emptied, in(batch)), 0, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			before := slices.Clone(tc.revocations)
			v := guard.Decide(tc.limits, tc.count, tc.revocations)
			if len(v.Pass) != tc.pass || len(v.Hold) != tc.hold || len(v.Held) != tc.inHeld {
				t.Errorf("%d pass, %d are held now, %d stay held; want %d, %d, %d", len(v.Pass), len(v.Hold), len(v.Held), tc.pass, tc.hold, tc.inHeld)
			}
			if diff := cmp.Diff(before, tc.revocations, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the list is changed (-before +after):\n%s", diff)
			}
		})
	}
}

// The order in which revocations come makes no difference: subjects decide.
func TestDecideGoesByTheOrderOfSubjects(t *testing.T) {
	count := guard.Count{Active: 100}
	held, leaving := revocations(0, 30, in(batch)), revocations(30, 12, byProvider)
	want := guard.Decide(guard.LimitsOf(nil), count, slices.Concat(held, leaving))
	slices.Reverse(leaving)
	got := guard.Decide(guard.LimitsOf(nil), count, slices.Concat(leaving, held))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("verdict (-want +got):\n%s", diff)
	}
	if len(got.Pass) != 10 || got.Pass[0].Subject != "user/0030" {
		t.Errorf("pass %v", got.Pass)
	}
}

// Whoever comes one by one gets no further than who comes at once.
func TestDecideLetsNoMoreThroughOneByOne(t *testing.T) {
	for _, step := range []int{1, 3, 7, 200} {
		lost := map[string]bool{}
		var held []guard.Revocation
		for next := 0; next < 200; next += step {
			coming := revocations(next, min(step, 200-next))
			v := guard.Decide(guard.LimitsOf(nil), guard.Count{Active: 200 - len(lost), Done: lost}, slices.Concat(held, coming))
			for _, r := range v.Pass {
				lost[r.Users[0]] = true
			}
			for i := range v.Hold {
				v.Hold[i].Batch = batch
			}
			held = append(held, v.Hold...)
		}
		if len(lost) > 40 || len(lost)+len(held) != 200 {
			t.Errorf("%d at a time: %d done, %d held", step, len(lost), len(held))
		}
	}
}
