// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment

import (
	"cmp"
	"maps"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Snapshot is the compiled view of one namespace's role mappings. It does not change and may be used by many goroutines.
type Snapshot struct {
	byName  map[string]*rule
	byUser  map[string][]*rule // folded userName
	byGroup map[string][]*rule // SCIM id
}

// rule is a compiled mapping.
type rule struct {
	name, app  string
	priority   int32
	rank       int // order by priority and name among all mappings
	roles      []string
	attributes []v1alpha1.AttributeValue
	groups     []string // SCIM ids, sorted
	users      []string // folded userNames, sorted
}

// NewSnapshot compiles mappings. Those that are being deleted give nothing: deleting a mapping is the revocation.
//
// Group names count by what they were resolved to (status.groups), and only as long as the spec names them, so that a name taken out of the spec takes effect at
// once.
func NewSnapshot(mappings []v1alpha1.ScimRoleMapping) *Snapshot {
	rules := make([]*rule, 0, len(mappings))
	for i := range mappings {
		if mappings[i].DeletionTimestamp.IsZero() {
			rules = append(rules, compile(&mappings[i]))
		}
	}
	slices.SortFunc(rules, func(a, b *rule) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.name, b.name))
	})
	s := &Snapshot{byName: map[string]*rule{}, byUser: map[string][]*rule{}, byGroup: map[string][]*rule{}}
	for rank, rule := range rules {
		rule.rank = rank
		s.byName[rule.name] = rule
		for _, user := range rule.users {
			s.byUser[user] = append(s.byUser[user], rule)
		}
		for _, group := range rule.groups {
			s.byGroup[group] = append(s.byGroup[group], rule)
		}
	}
	return s
}

func compile(m *v1alpha1.ScimRoleMapping) *rule {
	r := &rule{
		name:       m.Name,
		app:        m.Spec.App,
		priority:   m.PriorityOrDefault(),
		roles:      sortedSet(m.Spec.Roles),
		attributes: slices.Clone(m.Spec.Attributes),
	}
	for _, g := range m.Status.Groups {
		if slices.Contains(m.Spec.Subjects.Groups, g.DisplayName) {
			r.groups = append(r.groups, g.ID)
		}
	}
	for _, u := range m.Spec.Subjects.Users {
		r.users = append(r.users, scim.Fold(u))
	}
	r.groups = sortedSet(r.groups)
	r.users = sortedSet(r.users)
	return r
}

// UsersOf is whom a mapping gives its app: the SCIM ids of the groups that it follows and the folded userNames that it names, both sorted.
func (s *Snapshot) UsersOf(mapping string) (groupIDs, userNames []string) {
	rule := s.byName[mapping]
	if rule == nil {
		return nil, nil
	}
	return slices.Clone(rule.groups), slices.Clone(rule.users)
}

// Conflicts is, for each mapping, the sorted names of those with which it ties and disagrees over a subject that both name. Precedence decides between them by
// the lower name.
func (s *Snapshot) Conflicts() map[string][]string {
	found := map[string]map[string]bool{}
	add := func(a, b string) {
		if found[a] == nil {
			found[a] = map[string]bool{}
		}
		found[a][b] = true
	}
	for _, index := range []map[string][]*rule{s.byUser, s.byGroup} {
		for _, rules := range index {
			for i, a := range rules {
				for _, b := range rules[i+1:] {
					if a.ties(b) {
						add(a.name, b.name)
						add(b.name, a.name)
					}
				}
			}
		}
	}
	conflicts := make(map[string][]string, len(found))
	for name, others := range found {
		conflicts[name] = slices.Sorted(maps.Keys(others))
	}
	return conflicts
}

// Rivals are the sorted names of the mappings that tie and disagree with this one for every user whom both give the app through a group, whether or not there is
// such a user.
func (s *Snapshot) Rivals(mapping string) []string {
	rule := s.byName[mapping]
	if rule == nil || len(rule.groups) == 0 {
		return nil
	}
	var rivals []string
	for name, other := range s.byName {
		if other != rule && len(other.groups) > 0 && rule.ties(other) {
			rivals = append(rivals, name)
		}
	}
	slices.Sort(rivals)
	return rivals
}

// ties is whether two mappings have the same precedence and give different roles, or a different value of one attribute. A mapping that names no role leaves the
// roles to the other one.
func (r *rule) ties(other *rule) bool {
	if r.app != other.app || r.priority != other.priority {
		return false
	}
	if len(r.roles) > 0 && len(other.roles) > 0 && !slices.Equal(r.roles, other.roles) {
		return true
	}
	for _, a := range r.attributes {
		for _, b := range other.attributes {
			if a.Name == b.Name && a.Value != b.Value {
				return true
			}
		}
	}
	return false
}

// sortedSet is the values sorted, each once.
func sortedSet(values []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(values)))
}
