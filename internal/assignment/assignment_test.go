// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

type change = func(*v1alpha1.ScimRoleMapping)

// mapping gives the app crm; its groups are resolved to the ids g-<name>.
func mapping(name string, changes ...change) v1alpha1.ScimRoleMapping {
	m := v1alpha1.ScimRoleMapping{ObjectMeta: metav1.ObjectMeta{Name: name, Generation: 1}, Spec: v1alpha1.ScimRoleMappingSpec{App: "crm"}}
	for _, f := range changes {
		f(&m)
	}
	return m
}

func app(name string) change { return func(m *v1alpha1.ScimRoleMapping) { m.Spec.App = name } }

func roles(names ...string) change {
	return func(m *v1alpha1.ScimRoleMapping) { m.Spec.Roles = names }
}

func priority(n int32) change {
	return func(m *v1alpha1.ScimRoleMapping) { m.Spec.Priority = ptr.To(n) }
}

func users(names ...string) change {
	return func(m *v1alpha1.ScimRoleMapping) { m.Spec.Subjects.Users = names }
}

func groups(names ...string) change {
	return func(m *v1alpha1.ScimRoleMapping) {
		for _, name := range names {
			m.Spec.Subjects.Groups = append(m.Spec.Subjects.Groups, name)
			m.Status.Groups = append(m.Status.Groups, v1alpha1.ResolvedGroup{DisplayName: name, ID: "g-" + name, Generation: 1})
		}
	}
}

func attribute(name, value string) change {
	return func(m *v1alpha1.ScimRoleMapping) {
		m.Spec.Attributes = append(m.Spec.Attributes, v1alpha1.AttributeValue{Name: name, Value: value})
	}
}

func user(userName string) *v1alpha1.ScimUser {
	return &v1alpha1.ScimUser{ObjectMeta: metav1.ObjectMeta{Name: "u"}, Spec: v1alpha1.ScimUserSpec{ID: "0123456789", UserName: userName}}
}

func TestFor(t *testing.T) {
	ada := user("Ada@corp.test")
	for name, tc := range map[string]struct {
		mappings []v1alpha1.ScimRoleMapping
		user     *v1alpha1.ScimUser
		groups   []string
		want     []assignment.Assignment
	}{
		"no mapping": {user: ada, groups: []string{"g-eng"}},
		"by group (S65)": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("viewer"))}, user: ada, groups: []string{"g-ops", "g-eng"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"a"}}},
		},
		"not by another group (S62)": {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"))}, user: ada, groups: []string{"g-ops"}},
		"by userName, whatever its letter case (S64)": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", users("ADA@corp.TEST"), roles("viewer"))}, user: ada,
			want: []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"a"}}},
		},
		"not by another userName": {mappings: []v1alpha1.ScimRoleMapping{mapping("a", users("bob@corp.test"))}, user: ada},
		"without roles: the app's default": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"))}, user: ada, groups: []string{"g-eng"},
			want: []assignment.Assignment{{App: "crm", Mappings: []string{"a"}}},
		},
		"a group that is not resolved gives nothing": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), func(m *v1alpha1.ScimRoleMapping) { m.Status.Groups = nil })},
			user:     ada, groups: []string{"g-eng", "eng"},
		},
		"a name taken out of the spec gives nothing at once": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng", "ops"), func(m *v1alpha1.ScimRoleMapping) { m.Spec.Subjects.Groups = []string{"ops"} })},
			user:     ada, groups: []string{"g-eng"},
		},
		"a mapping that is being deleted gives nothing": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), func(m *v1alpha1.ScimRoleMapping) {
				m.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			})}, user: ada, groups: []string{"g-eng"},
		},
		"a user that is not admitted has nothing": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), users("ada@corp.test"))},
			user:     &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{UserName: "ada@corp.test"}}, groups: []string{"g-eng"},
		},
		"a mapping that names the user wins over every priority": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("viewer"), priority(0)), mapping("b", users("ada@corp.test"), roles("owner"), priority(1000))},
			user:     ada, groups: []string{"g-eng"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"owner"}, Mappings: []string{"a", "b"}}},
		},
		"the lowest priority wins among groups": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("viewer")), mapping("b", groups("ops"), roles("editor"), priority(99))},
			user:     ada, groups: []string{"g-eng", "g-ops"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"editor"}, Mappings: []string{"a", "b"}}},
		},
		"the lowest name wins among equals": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("b", groups("eng"), roles("viewer")), mapping("a", groups("ops"), roles("editor"), priority(100))},
			user:     ada, groups: []string{"g-eng", "g-ops"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"editor"}, Mappings: []string{"a", "b"}}},
		},
		"the winner names no role: the next one's": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", users("ada@corp.test")), mapping("b", groups("eng"), roles("viewer", "editor", "viewer"))},
			user:     ada, groups: []string{"g-eng"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"editor", "viewer"}, Mappings: []string{"a", "b"}}},
		},
		"values of a group are defaults, of a user overrides (S66)": {
			mappings: []v1alpha1.ScimRoleMapping{
				mapping("a", groups("eng"), attribute("timezone", "Europe/Zurich"), attribute("locale", "de-CH"), priority(2)),
				mapping("b", groups("ops"), attribute("timezone", "Europe/Rome"), priority(1)),
				mapping("c", users("ada@corp.test"), attribute("timezone", "Asia/Tokyo")),
				mapping("d", users("ada@corp.test"), attribute("timezone", "Asia/Seoul"), attribute("title", "Boss"), priority(1)),
			},
			user: ada, groups: []string{"g-eng", "g-ops"},
			want: []assignment.Assignment{{
				App: "crm", Overrides: map[string]string{"timezone": "Asia/Seoul", "title": "Boss"},
				Defaults: map[string]string{"timezone": "Europe/Rome", "locale": "de-CH"}, Mappings: []string{"a", "b", "c", "d"},
			}},
		},
		"one mapping names the user and the group": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng", "ops"), users("ada@corp.test"), roles("viewer"), attribute("title", "Boss"))},
			user:     ada, groups: []string{"g-eng", "g-ops"},
			want: []assignment.Assignment{{
				App: "crm", Roles: []string{"viewer"}, Overrides: map[string]string{"title": "Boss"}, Defaults: map[string]string{"title": "Boss"},
				Mappings: []string{"a"},
			}},
		},
		"several apps, sorted": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), app("wiki")), mapping("b", groups("eng"), app("crm")), mapping("c", users("ada@corp.test"), app("wiki"))},
			user:     ada, groups: []string{"g-eng"},
			want: []assignment.Assignment{{App: "crm", Mappings: []string{"b"}}, {App: "wiki", Mappings: []string{"a", "c"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := assignment.NewSnapshot(tc.mappings).For(tc.user, tc.groups)
			if diff := cmp.Diff(tc.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("assignments (-want +got):\n%s", diff)
			}
		})
	}
}

// An inactive user keeps the assignments, so that the account comes back with the user (S49).
func TestForDoesNotMindInactive(t *testing.T) {
	ada := user("ada@corp.test")
	ada.Spec.Active = ptr.To(false)
	if got := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{mapping("a", users("ada@corp.test"))}).For(ada, nil); len(got) != 1 {
		t.Errorf("%d assignments", len(got))
	}
}

func TestConflicts(t *testing.T) {
	for name, tc := range map[string]struct {
		mappings []v1alpha1.ScimRoleMapping
		want     map[string][]string
	}{
		"other roles for one group": {
			[]v1alpha1.ScimRoleMapping{mapping("b", groups("eng", "ops"), roles("viewer")), mapping("a", groups("eng"), roles("editor"))},
			map[string][]string{"a": {"b"}, "b": {"a"}},
		},
		"other roles for one user": {
			[]v1alpha1.ScimRoleMapping{mapping("a", users("ada@corp.test"), roles("viewer")), mapping("b", users("ADA@corp.test"), roles("editor"))},
			map[string][]string{"a": {"b"}, "b": {"a"}},
		},
		"three of them": {
			[]v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x")), mapping("b", groups("eng"), roles("y")), mapping("c", groups("eng"), roles("z"))},
			map[string][]string{"a": {"b", "c"}, "b": {"a", "c"}, "c": {"a", "b"}},
		},
		"another value": {
			[]v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), attribute("title", "x")), mapping("b", groups("eng"), attribute("title", "y"))},
			map[string][]string{"a": {"b"}, "b": {"a"}},
		},
		"the same roles in another order": {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x", "y")), mapping("b", groups("eng"), roles("y", "x"))}},
		"one names no role":               {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x")), mapping("b", groups("eng"))}},
		"other attributes":                {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), attribute("title", "x")), mapping("b", groups("eng"), attribute("locale", "y"))}},
		"another priority":                {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x")), mapping("b", groups("eng"), roles("y"), priority(1))}},
		"another app":                     {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x")), mapping("b", groups("eng"), roles("y"), app("wiki"))}},
		"another group":                   {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x")), mapping("b", groups("ops"), roles("y"))}},
		"a group and a user do not tie":   {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x")), mapping("b", users("eng"), roles("y"))}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, assignment.NewSnapshot(tc.mappings).Conflicts(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRivals(t *testing.T) {
	s := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{
		mapping("a", groups("eng"), roles("x")), mapping("b", groups("ops"), roles("y")), mapping("c", groups("ops"), roles("x")),
		mapping("d", users("ada@corp.test"), roles("y")), mapping("e", groups("ops"), roles("y"), priority(1)),
	})
	for name, want := range map[string][]string{"a": {"b"}, "b": {"a", "c"}, "c": {"b"}, "d": nil, "e": nil, "none": nil} {
		if diff := cmp.Diff(want, s.Rivals(name)); diff != "" {
			t.Errorf("rivals of %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestUsersOf(t *testing.T) {
	s := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{mapping("a", groups("ops", "eng"), users("Bob", "ada", "BOB"))})
	groupIDs, userNames := s.UsersOf("a")
	if diff := cmp.Diff([]string{"g-eng", "g-ops"}, groupIDs); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ada", "bob"}, userNames); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if groupIDs, userNames := s.UsersOf("none"); groupIDs != nil || userNames != nil {
		t.Errorf("a mapping that is not there has %v, %v", groupIDs, userNames)
	}
}

func TestCheckRoles(t *testing.T) {
	allowed, aliases := []string{"owner", "editor", "viewer"}, map[string]string{"Admin": "owner", "editor": "owner", "ghost": "nobody"}
	for name, tc := range map[string]struct {
		roles, allowed, known, unknown []string
	}{
		"known ones, each once":     {[]string{"viewer", "editor", "viewer"}, allowed, []string{"editor", "viewer"}, nil},
		"by the app's letter case":  {[]string{"VIEWER"}, allowed, []string{"viewer"}, nil},
		"by an alias":               {[]string{"admin", "owner"}, allowed, []string{"owner"}, nil},
		"an alias hides no role":    {[]string{"editor"}, allowed, []string{"editor"}, nil},
		"an alias of no role":       {[]string{"ghost"}, allowed, nil, []string{"ghost"}},
		"unknown ones, as given":    {[]string{"Viewr", "editor", "Boss"}, allowed, []string{"editor"}, []string{"Boss", "Viewr"}},
		"any where none are listed": {[]string{"b", "A", "b"}, nil, []string{"A", "b"}, nil},
		"none":                      {nil, allowed, nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			known, unknown := assignment.CheckRoles(tc.roles, tc.allowed, aliases)
			if diff := cmp.Diff([][]string{tc.known, tc.unknown}, [][]string{known, unknown}, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("known, unknown (-want +got):\n%s", diff)
			}
		})
	}
}

// randomDirectory is mappings of which many overlap, tie and disagree, a user, and the user's groups.
func randomDirectory(r *rand.Rand) ([]v1alpha1.ScimRoleMapping, *v1alpha1.ScimUser, []string) {
	some := func(prefix string, n int) []string {
		var out []string
		for i := range n {
			if r.IntN(3) == 0 {
				out = append(out, fmt.Sprint(prefix, i))
			}
		}
		return out
	}
	var mappings []v1alpha1.ScimRoleMapping
	for i := range 12 {
		m := mapping(fmt.Sprint("m", i), app(fmt.Sprint("app", r.IntN(3))), groups(some("", 5)...), users(some("user", 3)...), roles(some("role", 3)...), priority(int32(r.IntN(3))))
		if r.IntN(3) == 0 {
			expression(fmt.Sprintf(`user.userName.endsWith("%d")`, r.IntN(3)))(&m)
		}
		for j := range 2 {
			if r.IntN(2) == 0 {
				attribute(fmt.Sprint("a", j), fmt.Sprint(r.IntN(3)))(&m)
			}
		}
		mappings = append(mappings, m)
	}
	return mappings, user(fmt.Sprint("USER", r.IntN(3))), some("g-", 5)
}

func FuzzFor(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 2))
		mappings, ada, groupIDs := randomDirectory(r)
		want := assignment.NewSnapshot(mappings).For(ada, groupIDs)
		conflicts := assignment.NewSnapshot(mappings).Conflicts()

		// The order in which things come does not matter.
		shuffled, shuffledGroups := slices.Clone(mappings), slices.Concat(groupIDs, groupIDs)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		r.Shuffle(len(shuffledGroups), func(i, j int) { shuffledGroups[i], shuffledGroups[j] = shuffledGroups[j], shuffledGroups[i] })
		s := assignment.NewSnapshot(shuffled)
		if diff := cmp.Diff(want, s.For(ada, shuffledGroups)); diff != "" {
			t.Fatalf("another order gives (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(conflicts, s.Conflicts()); diff != "" {
			t.Fatalf("another order conflicts otherwise (-want +got):\n%s", diff)
		}

		// Taking a mapping away takes exactly those apps that it alone gave.
		gone := r.IntN(len(mappings))
		without := assignment.NewSnapshot(slices.Delete(slices.Clone(mappings), gone, gone+1)).For(ada, groupIDs)
		kept := map[string]assignment.Assignment{}
		for _, a := range without {
			kept[a.App] = a
		}
		for _, before := range want {
			after, stays := kept[before.App]
			if alone := slices.Equal(before.Mappings, []string{mappings[gone].Name}); stays == alone {
				t.Errorf("%s was given by %v; without %s the user has it: %v", before.App, before.Mappings, mappings[gone].Name, stays)
			}
			if !slices.Contains(before.Mappings, mappings[gone].Name) && !cmp.Equal(before, after) {
				t.Errorf("%s changed without %s: %s", before.App, mappings[gone].Name, cmp.Diff(before, after))
			}
		}
		if len(without) > len(want) {
			t.Error("a mapping less gives more apps")
		}
	})
}

func BenchmarkFor(b *testing.B) {
	mappings := make([]v1alpha1.ScimRoleMapping, 0, 200)
	for i := range 200 {
		mappings = append(mappings, mapping(fmt.Sprintf("m%03d", i), app(fmt.Sprint("app", i%5)), groups(fmt.Sprint("grp", i%40), fmt.Sprint("grp", i%7)),
			roles("viewer"), attribute("timezone", "Europe/Zurich"), priority(int32(i%10))))
	}
	var groupIDs []string
	for i := range 20 {
		groupIDs = append(groupIDs, fmt.Sprint("g-grp", i))
	}
	s, ada := assignment.NewSnapshot(mappings), user("Ada@corp.test")
	b.ReportAllocs()
	for b.Loop() {
		if len(s.For(ada, groupIDs)) != 5 {
			b.Fatal("apps")
		}
	}
}

func BenchmarkNewSnapshot(b *testing.B) {
	mappings := make([]v1alpha1.ScimRoleMapping, 0, 200)
	for i := range 200 {
		var names []string
		for j := range 100 {
			names = append(names, fmt.Sprintf("User%d@corp.test", i+j))
		}
		mappings = append(mappings, mapping(fmt.Sprintf("m%03d", i), groups("eng"), users(names...), roles("viewer")))
	}
	for b.Loop() {
		assignment.NewSnapshot(mappings)
	}
}
