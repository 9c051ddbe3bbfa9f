// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/internal/guard"
)

// FuzzDecide has users of an app lose access over some hours, in masses and one by one, and holds what passes to the promise of the guard: without an approval, never
// more users than the threshold and the leavers' number within any hour.
func FuzzDecide(f *testing.F) {
	for seed := range uint64(100) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		m := newModel(rand.New(rand.NewPCG(seed, 2)))
		for range 200 {
			m.now = m.now.Add(time.Duration(m.r.IntN(20)) * time.Minute)
			m.change()
			if problem := m.decide(); problem != "" {
				t.Fatalf("%s\nlimits %+v", problem, m.limits)
			}
		}
	})
}

// model is an app and its guard.
type model struct {
	r      *rand.Rand
	now    time.Time
	limits guard.Limits
	active map[string]bool
	// wanted are the desired revocations, by subject.
	wanted map[string]guard.Revocation
	// lost is when users lost access without an approval; left, when leavers did.
	lost, left map[string]time.Time
	closed     map[string]time.Time
	approved   string
}

func newModel(r *rand.Rand) *model {
	m := &model{
		r: r, now: closed, limits: guard.Limits{Minimum: r.IntN(12), Percent: r.IntN(40), Leavers: r.IntN(12)},
		active: map[string]bool{}, wanted: map[string]guard.Revocation{}, lost: map[string]time.Time{}, left: map[string]time.Time{}, closed: map[string]time.Time{},
	}
	for i := range 1 + r.IntN(80) {
		m.active[fmt.Sprintf("%04d", i)] = true
	}
	return m
}

// change has something happen: users are to lose access or not any more, leave, are given access again, or a person approves a batch.
func (m *model) change() {
	m.approved = ""
	switch m.r.IntN(8) {
	case 0:
		clear(m.wanted)
	case 1:
		for batch := range m.closed {
			m.approved = max(m.approved, batch)
		}
	case 2:
		for user := range m.active {
			m.active[user] = true
		}
	case 3:
		m.removeMembers()
	default:
		m.revoke(m.r.IntN(4) == 0, m.r.IntN(2) == 0)
	}
}

// revoke wants some users to lose access, or many.
func (m *model) revoke(many, byProvider bool) {
	for _, user := range slices.Sorted(maps.Keys(m.active)) {
		if !m.active[user] || (!many && m.r.IntN(12) > 0) {
			continue
		}
		r := m.wanted["user/"+user]
		r.Subject, r.Users = "user/"+user, []string{user}
		r.ByProvider = r.ByProvider || byProvider
		m.wanted[r.Subject] = r
	}
}

// removeMembers wants a group to lose members. One that is held does not grow.
func (m *model) removeMembers() {
	r := guard.Revocation{Subject: fmt.Sprint("group/", m.r.IntN(3)), AlwaysHold: m.r.IntN(4) == 0}
	if m.wanted[r.Subject].Batch != "" {
		return
	}
	for _, user := range slices.Sorted(maps.Keys(m.active)) {
		if m.r.IntN(6) == 0 {
			r.Users = append(r.Users, user)
		}
	}
	m.wanted[r.Subject] = r
}

func (m *model) count() guard.Count {
	count := guard.Count{Done: map[string]bool{}}
	for _, active := range m.active {
		if active {
			count.Active++
		}
	}
	for user, at := range m.lost {
		if m.now.Sub(at) < guard.Window {
			count.Done[user] = true
		}
	}
	oldest := m.now.Add(time.Second)
	for _, r := range m.wanted {
		if r.Batch != "" && !guard.OfLeavers(r.Batch) && m.closed[r.Batch].Before(oldest) {
			oldest = m.closed[r.Batch]
		}
	}
	for user, at := range m.left {
		if count.Done[user] && !at.Before(oldest) {
			count.LeaversPassed++
		}
	}
	return count
}

// decide takes the verdict and makes what passes. It says which promise was broken.
func (m *model) decide() string {
	var list []guard.Revocation
	for _, r := range m.wanted {
		r.Approved = r.Batch != "" && r.Batch == m.approved
		list = append(list, r)
	}
	count := m.count()
	threshold := guard.Threshold(count.Active, len(count.Done), m.limits)
	v := guard.Decide(m.limits, count, list)
	if len(v.Pass)+len(v.Hold)+len(v.Held) != len(list) {
		return "a revocation is lost, or is there twice"
	}
	unapproved := false
	for _, r := range v.Pass {
		unapproved = unapproved || !r.Approved
		if problem := m.pass(r); problem != "" {
			return problem
		}
	}
	m.hold(v.Hold)
	after := m.count()
	if most := threshold + m.limits.Leavers; unapproved && len(after.Done) > max(most, len(count.Done)) {
		return fmt.Sprintf("%d users lost access within an hour, the most is %d; %d active", len(after.Done), most, count.Active)
	}
	return ""
}

func (m *model) pass(r guard.Revocation) string {
	switch leaves := r.ByProvider && !guard.OfLeavers(r.Batch); {
	case r.Batch != "" && !r.Approved && !leaves:
		return "a held revocation passes without an approval: " + r.Subject
	case r.AlwaysHold && !r.Approved:
		return "what is always held passes: " + r.Subject
	}
	for _, user := range r.Users {
		if !r.Approved {
			m.lost[user] = m.now
		}
		if r.ByProvider && !r.Approved {
			m.left[user] = m.now
		}
		if r.Subject == "user/"+user {
			m.active[user] = false
		}
	}
	delete(m.wanted, r.Subject)
	return ""
}

// hold closes a batch of each cause.
func (m *model) hold(list []guard.Revocation) {
	for _, r := range list {
		r.Batch = guard.Digest("crm", m.now, r.Kind(), nil)
		m.closed[r.Batch] = m.now
		m.wanted[r.Subject] = r
	}
	for batch := range m.closed {
		used := false
		for _, r := range m.wanted {
			used = used || r.Batch == batch
		}
		if !used {
			delete(m.closed, batch)
		}
	}
}

// What the model is about happens in it.
func TestModelHasLeaversBesideBatches(t *testing.T) {
	m := newModel(rand.New(rand.NewPCG(1, 2)))
	m.limits = guard.Limits{Minimum: 2, Leavers: 3}
	m.active = map[string]bool{}
	for i := range 30 {
		m.active[fmt.Sprintf("%04d", i)] = true
	}
	m.revoke(true, false)
	if problem := m.decide(); problem != "" || len(m.closed) != 1 {
		t.Fatalf("%s; %d batches", problem, len(m.closed))
	}
	for _, subject := range slices.Sorted(maps.Keys(m.wanted))[:2] {
		r := m.wanted[subject]
		r.ByProvider = true
		m.wanted[subject] = r
	}
	if problem := m.decide(); problem != "" || len(m.lost) != 2 || len(m.left) != 2 {
		t.Errorf("%s; %d users lost access", problem, len(m.lost))
	}
}
