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
	// conditions are sorted by their expression.
	conditions []*condition
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
	expression string   // in CEL, "" for none
}

// NewSnapshot compiles mappings. Those that are being deleted give nothing: deleting a mapping is the revocation.
func NewSnapshot(mappings []v1alpha1.ScimRoleMapping) *Snapshot {
	return (*Snapshot)(nil).Next(mappings)
}

// Next compiles mappings as NewSnapshot does. Expressions that the snapshot has already are not compiled again. The snapshot, which may be nil, stays as it is.
//
// Group names count by what they were resolved to (status.groups), and only as long as the spec names them, so that a name taken out of the spec takes effect at
// once.
func (s *Snapshot) Next(mappings []v1alpha1.ScimRoleMapping) *Snapshot {
	rules := make([]*rule, 0, len(mappings))
	for i := range mappings {
		if mappings[i].DeletionTimestamp.IsZero() {
			rules = append(rules, compile(&mappings[i]))
		}
	}
	slices.SortFunc(rules, func(a, b *rule) int {
		return cmp.Or(cmp.Compare(a.priority, b.priority), cmp.Compare(a.name, b.name))
	})
	next := &Snapshot{byName: map[string]*rule{}, byUser: map[string][]*rule{}, byGroup: map[string][]*rule{}, conditions: conditionsOf(rules, s)}
	for rank, rule := range rules {
		rule.rank = rank
		next.byName[rule.name] = rule
		for _, user := range rule.users {
			next.byUser[user] = append(next.byUser[user], rule)
		}
		for _, group := range rule.groups {
			next.byGroup[group] = append(next.byGroup[group], rule)
		}
	}
	return next
}

func compile(m *v1alpha1.ScimRoleMapping) *rule {
	m = InForce(m)
	r := &rule{
		name:       m.Name,
		app:        m.Spec.App,
		priority:   m.PriorityOrDefault(),
		roles:      sortedSet(m.Spec.Roles),
		attributes: slices.Clone(m.Spec.Attributes),
		expression: m.Spec.Subjects.Expression,
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

// ExpressionOf is the expression of a mapping, "" for none.
func (s *Snapshot) ExpressionOf(mapping string) string {
	rule := s.byName[mapping]
	if rule == nil {
		return ""
	}
	return rule.expression
}

// Conflicts is, for each mapping, the sorted names of those with which it ties and disagrees over a subject that both name, the same expression included.
// Precedence decides between them by the lower name.
func (s *Snapshot) Conflicts() map[string][]string {
	found := map[string]map[string]bool{}
	add := func(a, b string) {
		if found[a] == nil {
			found[a] = map[string]bool{}
		}
		found[a][b] = true
	}
	compare := func(rules []*rule) {
		for i, a := range rules {
			for _, b := range rules[i+1:] {
				if a.ties(b) {
					add(a.name, b.name)
					add(b.name, a.name)
				}
			}
		}
	}
	for _, index := range []map[string][]*rule{s.byUser, s.byGroup} {
		for _, rules := range index {
			compare(rules)
		}
	}
	for _, c := range s.conditions {
		compare(c.rules)
	}
	conflicts := make(map[string][]string, len(found))
	for name, others := range found {
		conflicts[name] = slices.Sorted(maps.Keys(others))
	}
	return conflicts
}

// Rivals are the sorted names of the mappings that tie and disagree with this one for every user whom both give the app through a group or an expression, whether
// or not there is such a user.
func (s *Snapshot) Rivals(mapping string) []string {
	rule := s.byName[mapping]
	if rule == nil || !rule.open() {
		return nil
	}
	var rivals []string
	for name, other := range s.byName {
		if other != rule && other.open() && rule.ties(other) {
			rivals = append(rivals, name)
		}
	}
	slices.Sort(rivals)
	return rivals
}

// open is whether the mapping gives the app to users whom it does not name.
func (r *rule) open() bool { return len(r.groups) > 0 || r.expression != "" }

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
