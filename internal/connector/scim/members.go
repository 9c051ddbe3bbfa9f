// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"net/http"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

// maxRefused is the largest number of members that are looked for in refused requests. An app that refuses more refuses something else.
const maxRefused = 10

// MembersPerRequest implements connector.Batched.
func (c *Connector) MembersPerRequest() int { return int(c.learned.Load()) }

// membersPerRequest is the largest number of members in one request; 0 is no bound.
func (c *Connector) membersPerRequest() int {
	if n := c.MembersPerRequest(); n > 0 && (c.maxMembers <= 0 || n < c.maxMembers) {
		return n
	}
	return c.maxMembers
}

// learn keeps that the app takes n members in one request, and not more.
func (c *Connector) learn(n int) {
	for {
		before := c.learned.Load()
		if (before > 0 && before <= int64(n)) || c.learned.CompareAndSwap(before, int64(n)) {
			return
		}
	}
}

// split returns the first n members and the rest; n of 0 is no bound.
func split(members []connector.Member, n int) (first, rest []connector.Member) {
	if n <= 0 || len(members) <= n {
		return members, nil
	}
	return members[:n], members[n:]
}

// refusesMembers reports whether an error may be about the number of members in the request, or about one of them.
func refusesMembers(err error) bool { return connector.Is(err, connector.Invalid) }

// memberWriter writes a change of a group in requests that the app takes.
type memberWriter struct {
	*Connector
	op, id string
	// write sends one request.
	write func(context.Context, connector.GroupChange) (connector.Group, error)
	// group is what the last answer shows.
	group connector.Group
	// refused are the members that the app does not take, and failure is how it refused the last of them.
	refused []connector.Member
	failure *connector.Error
}

// writeMembers changes a group by PATCH. Who loses membership goes first, and shares no request with anything else.
func (c *Connector) writeMembers(ctx context.Context, op, id string, change connector.GroupChange) (connector.Group, error) {
	path, err := resourcePath(op, c.profile.SCIM.GroupsPath, id)
	if err != nil {
		return connector.Group{}, err
	}
	if c.profile.SCIM.GroupPatch == profiles.GroupPatchSCIM11 && replacesMembers(change) {
		return c.putGroup(ctx, id, change)
	}
	w := &memberWriter{Connector: c, op: op, id: id}
	w.write = func(ctx context.Context, part connector.GroupChange) (connector.Group, error) {
		group, shown, err := c.group(ctx, connector.HTTPRequest{Op: op, Method: http.MethodPatch, Path: path, Body: c.patch(part)}, id)
		if err == nil && !shown {
			group = connector.Group{ID: id}
		}
		return group, err
	}
	return w.run(ctx, change)
}

// replaceGroup changes a group by PUT, in one request where the app takes it.
func (c *Connector) replaceGroup(ctx context.Context, id string, change connector.GroupChange) (connector.Group, error) {
	after, err := c.putGroup(ctx, id, change)
	if !refusesMembers(err) || change.Hidden || len(change.Add)+len(change.Remove) == 0 {
		return after, err
	}
	w := &memberWriter{Connector: c, op: connector.OpUpdateGroup, id: id}
	w.write = func(ctx context.Context, part connector.GroupChange) (connector.Group, error) {
		return c.putGroup(ctx, id, part)
	}
	change.Want = nil
	return w.run(ctx, change)
}

// run makes the change: removals, then the name, then additions.
func (w *memberWriter) run(ctx context.Context, change connector.GroupChange) (connector.Group, error) {
	add := change.Add
	err := w.send(ctx, change.Remove, false)
	if err == nil && change.DisplayName != "" {
		w.group, err = w.write(ctx, connector.GroupChange{DisplayName: change.DisplayName})
	}
	if err == nil && replacesMembers(change) {
		var first []connector.Member
		first, add = split(change.Want, w.membersPerRequest())
		w.group, err = w.write(ctx, connector.GroupChange{Want: first})
	}
	if err == nil {
		err = w.send(ctx, add, true)
	}
	switch {
	case err != nil:
		return connector.Group{}, err
	case w.failure != nil:
		refusal := *w.failure
		refusal.Refused = w.refused
		return w.group, &refusal
	default:
		return w.group, nil
	}
}

// send adds or removes members in requests of the size that the app takes.
func (w *memberWriter) send(ctx context.Context, members []connector.Member, add bool) error {
	for len(members) > 0 {
		var now []connector.Member
		now, members = split(members, w.membersPerRequest())
		if err := w.try(ctx, now, add); err != nil {
			return err
		}
	}
	return nil
}

// try sends one request, and two of half the size where the app refuses it. What is refused alone is left out.
func (w *memberWriter) try(ctx context.Context, members []connector.Member, add bool) error {
	change := connector.GroupChange{Remove: members}
	if add {
		change = connector.GroupChange{Add: members}
	}
	group, err := w.write(ctx, change)
	if err == nil {
		w.group = group
		return nil
	}
	refused, otherwise := w.refuses(ctx, err)
	switch {
	case !refused:
		return otherwise
	case len(members) == 1 && len(w.refused) == maxRefused:
		return err
	case len(members) == 1:
		w.refused, w.failure = append(w.refused, members[0]), connector.AsError(err)
		return nil
	}
	before, half := len(w.refused), (len(members)+1)/2
	if err := w.send(ctx, members[:half], add); err != nil {
		return err
	}
	if err := w.send(ctx, members[half:], add); err != nil {
		return err
	}
	if len(w.refused) == before && w.profile.SCIM.GroupPatch != profiles.GroupPut {
		w.learn(half)
	}
	return nil
}

// refuses reports whether the app has the group and refuses its members. Some answer 404 for a member that they do not have.
func (w *memberWriter) refuses(ctx context.Context, err error) (bool, error) {
	if !connector.Is(err, connector.NotFound) || w.op != connector.OpUpdateGroup {
		return refusesMembers(err), err
	}
	_, missing := w.readGroup(ctx, connector.OpGetGroup, w.id)
	return missing == nil, err
}
