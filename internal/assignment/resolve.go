// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment

import (
	"cmp"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// GroupRef is a group that exists.
type GroupRef struct{ ID, DisplayName string }

// Resolution is what the group names of a spec stand for. The lists are sorted.
type Resolution struct {
	// Groups to keep in the status. A group that was deleted stays there, so that another one that takes its name is noticed.
	Groups []v1alpha1.ResolvedGroup
	// NotFound are names that stand for no group. They give nothing.
	NotFound []string
	// Renamed are names whose group has another name now. It is followed.
	Renamed []string
	// Changed are names that another group has now. The former group is followed, and the new one gives nothing, until the spec changes.
	Changed []string
	// Ambiguous are names that several groups had when they were first looked for. They give nothing until one of these groups is left.
	Ambiguous []string
}

// ResolveGroups follows the groups that a spec names.
//
// names are the spec's, generation is the spec's, previous is what was resolved before. groups has to hold every group whose id stands in previous or whose
// displayName, folded, is one of the names; more do no harm.
//
// An entry's generation is the last one of which it is known that the name meant this group. While another group has the name it stays behind, and a later
// generation is a person's word that the new group is meant.
func ResolveGroups(names []string, generation int64, previous []v1alpha1.ResolvedGroup, groups []GroupRef) Resolution {
	known := newDirectory(groups)
	before := make(map[string]v1alpha1.ResolvedGroup, len(previous))
	for _, p := range previous {
		before[p.DisplayName] = p
	}
	var out Resolution
	for _, name := range sortedSet(names) {
		prev, followed := before[name]
		if !followed {
			out.first(name, generation, known)
			continue
		}
		out.follow(prev, generation, known)
	}
	return out
}

// first resolves a name that stood for nothing yet.
func (r *Resolution) first(name string, generation int64, known directory) {
	switch ids := known.named(name); len(ids) {
	case 0:
		r.NotFound = append(r.NotFound, name)
	case 1:
		r.keep(name, ids[0], generation)
	default:
		r.Ambiguous = append(r.Ambiguous, name)
	}
}

// follow resolves a name that stood for a group already.
func (r *Resolution) follow(prev v1alpha1.ResolvedGroup, generation int64, known directory) {
	name := prev.DisplayName
	current, exists := known.names[prev.ID]
	others := known.named(name)
	switch {
	case exists && current == scim.Fold(name):
		r.keep(name, prev.ID, generation)
	case len(others) == 0 && exists:
		r.Renamed = append(r.Renamed, name)
		r.keep(name, prev.ID, generation)
	case len(others) == 0:
		r.NotFound = append(r.NotFound, name)
		r.keep(name, prev.ID, prev.Generation)
	case generation > prev.Generation && len(others) == 1:
		r.keep(name, others[0], generation)
	default:
		r.Changed = append(r.Changed, name)
		r.keep(name, prev.ID, prev.Generation)
	}
}

func (r *Resolution) keep(name, id string, generation int64) {
	r.Groups = append(r.Groups, v1alpha1.ResolvedGroup{DisplayName: name, ID: id, Generation: generation})
}

// directory finds groups by id and by name.
type directory struct {
	names map[string]string   // id -> folded displayName
	ids   map[string][]string // folded displayName -> ids, sorted
}

func newDirectory(groups []GroupRef) directory {
	d := directory{names: make(map[string]string, len(groups)), ids: make(map[string][]string, len(groups))}
	for _, g := range slices.SortedFunc(slices.Values(groups), func(a, b GroupRef) int { return cmp.Compare(a.ID, b.ID) }) {
		if _, twice := d.names[g.ID]; twice {
			continue
		}
		name := scim.Fold(g.DisplayName)
		d.names[g.ID] = name
		d.ids[name] = append(d.ids[name], g.ID)
	}
	return d
}

func (d directory) named(name string) []string { return d.ids[scim.Fold(name)] }
