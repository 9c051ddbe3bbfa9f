// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/guard"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// awaitMembers is how long unknown members of a linked group stay without an approval, while accounts of users are to be linked.
const awaitMembers = 10 * time.Minute

// memberChange is the change of a group that has to be written.
type memberChange struct {
	connector.GroupChange
	// users who lose access by it, as the guard counts them; held are the members whose removal waits for an approval.
	users, held []string
}

func (m *memberChange) empty() bool {
	return m.DisplayName == "" && len(m.Add)+len(m.Remove) == 0 && m.Want == nil
}

// change returns the change from the group that the app shows. wait: the guard has to count the removals first, and then enqueues the key.
func (c *groupCall) change(ctx context.Context, have connector.Group) (change memberChange, wait bool, err error) {
	if have.DisplayName != c.Desired.DisplayName {
		change.DisplayName = c.Desired.DisplayName
	}
	recorded, known, err := c.worker.view.RecordedMembers(ctx, c.view.Group, c.AppName)
	if err != nil {
		return change, false, err
	}
	if !have.MembersKnown {
		return c.replacement(ctx, change, recorded.IDs, known)
	}
	state := plan.MemberState{Shown: ids(have.Members), Recorded: recorded.IDs, Desired: c.Desired.Members, Hidden: c.Entry.MembersHidden}
	add, remove := state.Changes()
	remove, awaited, err := c.withoutForeign(ctx, remove, recorded.IDs)
	if err != nil {
		return change, false, err
	}
	users, err := c.losers(ctx, remove)
	if err != nil {
		return change, false, err
	}
	size := max(len(have.Members), len(recorded.IDs))
	allowed, counted := c.mayRemove(remove, users, awaited || c.empties(size, len(remove), len(add)))
	if !counted {
		return change, true, nil
	}
	change.Add, change.Hidden = members(add), len(have.Members) == 0
	stay := c.staying(have, recorded.IDs, remove, add)
	if allowed {
		change.Remove, change.users = members(remove), users
	} else {
		change.held = remove
		stay = append(stay, remove...)
	}
	if len(change.Add)+len(change.Remove) > 0 {
		// For apps that only take the whole membership.
		change.Want = members(stay)
	}
	return change, false, nil
}

// staying are the members of the group after a change, without those whose removal is held.
func (c *groupCall) staying(have connector.Group, recorded, remove, add []string) []string {
	all := append(ids(have.Members), add...)
	if len(have.Members) == 0 {
		all = append(slices.Clone(recorded), add...)
	}
	slices.Sort(all)
	stay, _ := plan.Difference(remove, slices.Compact(all))
	return stay
}

// empties reports whether a group of some size loses all of its members.
func (c *groupCall) empties(size, removed, added int) bool {
	return size-removed+added <= 0 && size >= guard.MinEmptied
}

// withoutForeign returns the members to be removed without those who are no account of a user: they stay where the policy says so. Otherwise they stay while accounts of the
// group's members are to be linked, for they may be those; after some time a person decides, and awaited is true.
func (c *groupCall) withoutForeign(ctx context.Context, remove, recorded []string) (_ []string, awaited bool, err error) {
	var ours []string
	written := make(map[string]bool, len(recorded))
	for _, id := range recorded {
		written[id] = true
	}
	for _, id := range remove {
		known := written[id]
		if !known {
			if known, err = c.worker.view.HasUser(ctx, c.worker.config.Key, id); err != nil {
				return nil, false, err
			}
		}
		if known {
			ours = append(ours, id)
		}
	}
	foreign := len(remove) - len(ours)
	if foreign == 0 || !c.Desired.Pushed {
		return remove, false, nil
	}
	if c.KeepForeign {
		return ours, false, nil
	}
	awaits, err := c.worker.view.AwaitsAccount(ctx, c.view.Group, c.AppName)
	if err != nil || !awaits {
		return remove, false, err
	}
	if linked := c.Entry.ProvisionedTime; linked != nil && c.worker.clock.Since(linked.Time) >= awaitMembers {
		return remove, true, nil
	}
	c.awaiting = foreign
	return ours, false, nil
}

// replacement returns the change that replaces the membership of a group whose members the app does not show. Where they are not recorded, it is unknown who loses
// membership: the guard counts all recorded members, and always holds the replacement of a group that is being linked. While they are held, only the name is written, because the
// app may only accept the whole list.
func (c *groupCall) replacement(ctx context.Context, change memberChange, have []string, known bool) (_ memberChange, wait bool, err error) {
	c.hidden = true
	_, lost := plan.Difference(have, c.Desired.Members)
	count := len(have)
	var users []string
	// The status of a held link says that the group is pushed.
	linking := !known && (c.Entry.State != v1alpha1.GroupPushed || c.Entry.HeldBatch != "")
	if known {
		users, err = c.losers(ctx, lost)
	} else {
		count = int(c.Entry.Members)
		lost, users = c.placeholders(count, linking)
	}
	if err != nil {
		return change, false, err
	}
	empties := len(c.Desired.Members) == 0 && count >= guard.MinEmptied
	allowed, counted := c.mayRemove(lost, users, empties || linking)
	switch {
	case !counted:
		return change, true, nil
	case allowed:
		change.Want, change.users = members(c.Desired.Members), users
	default:
		change.held = lost
	}
	return change, false, nil
}

// placeholders stand for the members of a group that are unknown: for as many as are recorded, and for one at least if it is being linked.
func (c *groupCall) placeholders(count int, linking bool) (lost, users []string) {
	if linking {
		count = max(1, count)
	}
	for i := range count {
		lost = append(lost, fmt.Sprint("member ", i))
		users = append(users, ledger.GuardID(fmt.Sprint(c.id.UID, " ", i), ""))
	}
	return lost, users
}

// losers are the users who lose access with their membership, as the guard counts them. Accounts that are not active have lost theirs before.
func (c *groupCall) losers(ctx context.Context, remove []string) ([]string, error) {
	var users []string
	for _, remoteID := range remove {
		id := ledger.GuardID(remoteID, "")
		active, err := c.worker.view.HasActiveAccount(ctx, c.worker.config.Key, remoteID)
		if err != nil {
			return nil, err
		}
		if active && !c.worker.ledger.EndWasApproved(id) {
			users = append(users, id)
		}
	}
	return users, nil
}

// mayRemove reports whether the guard lets the members be removed, and whether it has counted them.
func (c *groupCall) mayRemove(remove, users []string, empties bool) (allowed, counted bool) {
	book := c.worker.ledger
	if len(users) == 0 && !empties {
		book.SetRemovals(c.id, nil)
		// Nothing is held any more, also if the call fails.
		c.Entry.HeldBatch, c.Entry.Held, c.Entry.HeldMembers = "", 0, ""
		return true, true
	}
	book.SetRemovals(c.id, &ledger.Removals{Name: c.view.Group.Name, Members: remove, Users: users, Empties: empties})
	verdict := c.verdict()
	changed := verdict.Removals != ledger.RemovalsDigest(remove)
	switch {
	case verdict == (ledger.Verdict{}), changed && verdict.Allowed:
		// More or other members than those that were counted.
		c.worker.gate.recount(c.id)
		return false, false
	case verdict.Allowed:
		return true, c.recorded(users, verdict.Approved)
	case changed:
		// Those outside of the batch close another one. Nothing is removed meanwhile.
		c.worker.gate.submit()
	}
	return false, true
}

// recorded reports whether the status of the app tells of the revocations, so that a crash does not make the guard forget them.
func (c *groupCall) recorded(users []string, approved bool) bool {
	return c.worker.askRecord(users, approved, ledger.Waiting{Kind: ledger.Group, Name: c.group.Name})
}

// revoked counts the members that were removed.
func (c *groupCall) revoked(users []string) {
	approved := c.verdict().Approved
	for _, user := range users {
		c.worker.ledger.AddRevoked(user, ledger.Revoked{At: c.worker.clock.Now(), Approved: approved, Record: !approved})
	}
}

func members(ids []string) []connector.Member {
	list := make([]connector.Member, len(ids))
	for i, id := range ids {
		list[i] = connector.Member{ID: id}
	}
	return list
}

func ids(list []connector.Member) []string {
	out := make([]string, len(list))
	for i, member := range list {
		out[i] = member.ID
	}
	return out
}
