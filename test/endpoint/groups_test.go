// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/http"
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// groupView is what a client sees of a group.
type groupView struct {
	displayName, external string
	// members are ids, sorted and joined; "-" where the answer leaves them out.
	members string
}

const unlisted = "-"

// seenGroup is a group in an answer.
type seenGroup struct {
	groupView
	id, mark, etag, created string
	// mortal are those of its members that are deleted in the course of the test. They leave by themselves, so they are looked at in the end.
	mortal []string
}

// markPrefix begins the member that says which create made a group. Nobody takes it out.
const markPrefix = "mark-"

func seeGroup(row map[string]any, mortal func(id string) bool) seenGroup {
	str := func(name string) string { s, _ := row[name].(string); return s }
	etag, created := metaOf(row)
	s := seenGroup{groupView: groupView{displayName: str("displayName"), external: str("externalId"), members: unlisted}, id: str("id"), etag: etag, created: created}
	list, listed := row["members"].([]any)
	var members []string
	for _, m := range list {
		m, _ := m.(map[string]any)
		id, _ := m["value"].(string)
		switch {
		case strings.HasPrefix(id, markPrefix):
			s.mark = id
		case mortal(id):
			s.mortal = append(s.mortal, id)
		default:
			members = append(members, id)
		}
	}
	if listed {
		s.members = joined(members)
	}
	return s
}

func joined(ids []string) string {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return strings.Join(ids, ",")
}

// memberChange is an operation on members.
type memberChange struct {
	// op is add, remove or replace.
	op  string
	ids []string
}

// groupChange is what a write asks for. What is nil is not mentioned.
type groupChange struct {
	displayName, external *string
	// members are operations, one after the other. A PUT has one that replaces.
	members []memberChange
	// ifMatch is what the version of If-Match stands for.
	ifMatch *groupView
}

// groupState is a group.
type groupState struct {
	phase       phase
	owner       int
	displayName string
	members     string
	external    [3]string
}

// shownBy is whether an answer shows the group.
func (s groupState) shownBy(e *event) bool {
	if len(e.seenGroups) == 0 {
		return true
	}
	seen := e.seenGroups[0]
	return seen.displayName == s.displayName && seen.external == s.external[e.client] && (seen.members == unlisted || seen.members == s.members)
}

func (s groupState) after(e *event) groupState {
	next := s
	if e.verb == create {
		next = groupState{phase: live, owner: e.client}
	}
	if e.verb != patch {
		next.external[e.client] = ""
	}
	if e.group.displayName != nil {
		next.displayName = *e.group.displayName
	}
	if e.group.external != nil {
		next.external[e.client] = *e.group.external
	}
	for _, change := range e.group.members {
		next.members = change.apply(next.members)
	}
	return next
}

func (c memberChange) apply(members string) string {
	var ids []string
	if members != "" {
		ids = strings.Split(members, ",")
	}
	switch c.op {
	case "replace":
		ids = slices.Clone(c.ids)
	case "remove":
		ids = slices.DeleteFunc(ids, func(id string) bool { return slices.Contains(c.ids, id) })
	default:
		ids = append(ids, c.ids...)
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), ",")
}

// groupModel says which answers a group may give.
func groupModel() porcupine.Model {
	return model(groupState{}, func(s groupState, e *event) []groupState {
		switch {
		case e.verb == create:
			return when(s.phase == unborn && s.after(e).shownBy(e), s.after(e))
		case s.phase != live:
			return when(e.status == http.StatusNotFound || e.status == 0, s)
		case e.verb == remove:
			return s.deleted(e)
		case e.verb == put || e.verb == patch:
			return s.changed(e)
		default:
			return when(e.status == http.StatusOK && s.shownBy(e), s)
		}
	})
}

func (s groupState) matches(e *event) bool {
	return e.group.ifMatch == nil || *e.group.ifMatch == groupView{displayName: s.displayName, external: s.external[e.client], members: s.members}
}

func (s groupState) owned(e *event) bool { return s.owner == e.client || idps[e.client].takeOver }

func (s groupState) deleted(e *event) []groupState {
	after := s
	after.phase = gone
	allowed := s.matches(e) && s.owned(e)
	switch {
	case e.status == 0 && allowed:
		return []groupState{s, after}
	case e.status == 0:
		return []groupState{s}
	case e.status == http.StatusPreconditionFailed:
		return when(!s.matches(e), s)
	case e.status == http.StatusForbidden:
		return when(s.matches(e) && !s.owned(e), s)
	}
	return when(e.ok() && allowed, after)
}

func (s groupState) changed(e *event) []groupState {
	after := s.after(e)
	nothing := after == s
	after.owner = e.client
	if nothing {
		after = s
	}
	allowed := s.matches(e) && (nothing || s.owned(e))
	// A client that takes the group over needs the name among its own.
	renames := scim.Fold(after.displayName) != scim.Fold(s.displayName) || after.owner != s.owner
	switch {
	case e.status == 0 && allowed:
		return []groupState{s, after}
	case e.status == 0:
		return []groupState{s}
	case e.status == http.StatusPreconditionFailed:
		return when(!s.matches(e), s)
	case e.status == http.StatusForbidden:
		return when(s.matches(e) && !nothing && !s.owned(e), s)
	case e.status == http.StatusConflict:
		return when(allowed && renames, s)
	}
	return when(e.ok() && allowed && after.shownBy(e), after)
}
