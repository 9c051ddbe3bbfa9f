// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"net/http"
	"slices"

	"github.com/anishathalye/porcupine"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// holders are who has a name: for users one, under 0, for groups one for each client.
type holders [3]string

func (h holders) has(id string) bool { return slices.Contains(h[:], id) }

func (h holders) without(id string) holders {
	for i := range h {
		if h[i] == id {
			h[i] = ""
		}
	}
	return h
}

// nameModel says who may have a name, from all that was asked of those who ever wanted it.
func nameModel(name string) porcupine.Model {
	return model(holders{}, func(h holders, e *event) []holders {
		switch {
		case e.verb == lookup:
			return when(h.foundBy(e), h)
		case e.verb == get:
			return when(h.has(e.id) == (shownName(e) == name), h)
		case e.verb == remove:
			return h.deleted(e)
		case e.wants() == name:
			return h.taken(e)
		default:
			return h.otherwise(e, name)
		}
	})
}

// foundBy is whether a lookup shows exactly those who have the name.
func (h holders) foundBy(e *event) bool {
	found := map[string]bool{}
	for _, s := range e.seenUsers {
		found[s.id] = true
	}
	for _, s := range e.seenGroups {
		found[s.id] = true
	}
	held := 0
	for _, id := range h {
		if id != "" {
			held++
			if !found[id] {
				return false
			}
		}
	}
	return held == len(found)
}

func (h holders) deleted(e *event) []holders {
	switch e.status {
	case http.StatusNoContent:
		return []holders{h.without(e.id)}
	case http.StatusNotFound:
		return when(!h.has(e.id), h)
	case 0:
		return []holders{h, h.without(e.id)}
	}
	return []holders{h}
}

// taken is what a write does that asks for the name.
func (h holders) taken(e *event) []holders {
	mine := e.place()
	after := h.without(e.id)
	after[mine] = e.id
	free := h[mine] == "" || h[mine] == e.id
	switch {
	case e.status == http.StatusConflict:
		return when(!free, h)
	case e.status == 0:
		if free {
			return []holders{h, after}
		}
		return []holders{h}
	case e.ok() && e.groups && h.has(e.id) && h[mine] != e.id && !idps[e.client].takeOver:
		// The group of another client has that name already: nothing was changed.
		return []holders{h}
	case e.ok():
		return when(free, after)
	}
	return when(e.status != http.StatusNotFound || !h.has(e.id), h)
}

// otherwise is what a write does that asks for another name, or for none.
func (h holders) otherwise(e *event, name string) []holders {
	elsewhere := e.wants() != ""
	switch {
	case e.ok() && elsewhere:
		return []holders{h.without(e.id)}
	case e.status == 0 && elsewhere:
		return []holders{h, h.without(e.id)}
	case e.status == http.StatusNotFound:
		return when(!h.has(e.id), h)
	case e.ok() && len(e.seenUsers)+len(e.seenGroups) > 0:
		return when(h.has(e.id) == (shownName(e) == name), h)
	}
	return []holders{h}
}

// place is where a resource stands that the event's client writes.
func (e *event) place() int {
	if e.groups {
		return e.client
	}
	return 0
}

// wants is the folded name that a write asks for, "" for none.
func (e *event) wants() string {
	switch {
	case e.groups && e.group.displayName != nil:
		return scim.Fold(*e.group.displayName)
	case !e.groups && e.user.userName != nil:
		return scim.Fold(*e.user.userName)
	}
	return ""
}

// shownName is the folded name in an answer with one resource, "" if there is none.
func shownName(e *event) string {
	for _, s := range e.seenUsers {
		return scim.Fold(s.userName)
	}
	for _, s := range e.seenGroups {
		return scim.Fold(s.displayName)
	}
	return ""
}
