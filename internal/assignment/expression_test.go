// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

func expression(text string) change {
	return func(m *v1alpha1.ScimRoleMapping) { m.Spec.Subjects.Expression = text }
}

const (
	isAdmin = `user.roles.exists(r, r.value == "crm.admin")`
	isSales = `user["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"].department == "Sales"`
	fails   = `user.userName > 5`
	broken  = `usr.roles`
)

// grace is in Sales and has the role crm.admin.
func grace() *v1alpha1.ScimUser {
	u := user("grace@corp.test")
	u.Spec.Roles = []v1alpha1.MultiValue{{Value: "wiki.reader"}, {Value: "crm.admin", Display: "Admin of the CRM"}}
	u.Spec.Enterprise = &v1alpha1.EnterpriseUser{Department: "Sales"}
	return u
}

func TestForByExpression(t *testing.T) {
	ada := user("ada@corp.test")
	for name, tc := range map[string]struct {
		mappings []v1alpha1.ScimRoleMapping
		user     *v1alpha1.ScimUser
		groups   []string
		want     []assignment.Assignment
	}{
		"true for the user": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("owner"))}, user: grace(),
			want: []assignment.Assignment{{App: "crm", Roles: []string{"owner"}, Mappings: []string{"a"}}},
		},
		"not true for a user who lacks what it asks for": {mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin))}, user: ada},
		"an absent active is true": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression("user.active"))}, user: ada,
			want: []assignment.Assignment{{App: "crm", Mappings: []string{"a"}}},
		},
		"the id is the one that SCIM clients see": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(`user.id == "u.0123456789"`))}, user: ada,
			want: []assignment.Assignment{{App: "crm", Mappings: []string{"a"}}},
		},
		"a user that is not admitted has nothing": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression("true"))}, user: &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{UserName: "ada@corp.test"}},
		},
		"one that fails for the user is not true, and takes nothing from the others": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(fails), roles("owner")), mapping("b", expression(isSales), roles("viewer"))}, user: grace(),
			want: []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"b"}}},
		},
		"one that does not compile selects nobody; the mapping's groups count": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(broken), roles("owner")), mapping("b", expression(broken), groups("eng"), roles("viewer"))},
			user:     grace(), groups: []string{"g-eng"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"b"}}},
		},
		"groups, users and expression of one mapping are united": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), groups("eng"), users("bob@corp.test"), roles("owner"))}, user: grace(),
			groups: []string{"g-eng"},
			want:   []assignment.Assignment{{App: "crm", Roles: []string{"owner"}, Mappings: []string{"a"}}},
		},
		"a mapping that names the user wins over every priority": {
			mappings: []v1alpha1.ScimRoleMapping{
				mapping("a", expression(isAdmin), roles("owner"), priority(0)), mapping("b", users("grace@corp.test"), roles("viewer"), priority(1000)),
			},
			user: grace(),
			want: []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"a", "b"}}},
		},
		"among groups and expressions the lowest priority wins: the expression's": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("viewer")), mapping("b", expression(isAdmin), roles("owner"), priority(99))},
			user:     grace(), groups: []string{"g-eng"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"owner"}, Mappings: []string{"a", "b"}}},
		},
		"among groups and expressions the lowest priority wins: the group's": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("owner")), mapping("b", groups("eng"), roles("viewer"), priority(99))},
			user:     grace(), groups: []string{"g-eng"},
			want: []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"a", "b"}}},
		},
		"the lowest name wins among equals": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("b", expression(isSales), roles("viewer")), mapping("a", expression(isAdmin), roles("owner"))}, user: grace(),
			want: []assignment.Assignment{{App: "crm", Roles: []string{"owner"}, Mappings: []string{"a", "b"}}},
		},
		"the winner names no role: the next one's": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), priority(1)), mapping("b", expression(isSales), roles("viewer"))}, user: grace(),
			want: []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"a", "b"}}},
		},
		"values are defaults": {
			mappings: []v1alpha1.ScimRoleMapping{
				mapping("a", expression(isAdmin), attribute("title", "Admin"), attribute("timezone", "Asia/Tokyo"), priority(1)),
				mapping("b", groups("eng"), attribute("timezone", "Europe/Rome")), mapping("c", users("grace@corp.test"), attribute("locale", "ja-JP")),
			},
			user: grace(), groups: []string{"g-eng"},
			want: []assignment.Assignment{{
				App: "crm", Overrides: map[string]string{"locale": "ja-JP"}, Defaults: map[string]string{"title": "Admin", "timezone": "Asia/Tokyo"},
				Mappings: []string{"a", "b", "c"},
			}},
		},
		"one expression in mappings of several apps": {
			mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), app("wiki")), mapping("b", expression(isAdmin))}, user: grace(),
			want: []assignment.Assignment{{App: "crm", Mappings: []string{"b"}}, {App: "wiki", Mappings: []string{"a"}}},
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

func TestConflictsOfExpressions(t *testing.T) {
	for name, tc := range map[string]struct {
		mappings []v1alpha1.ScimRoleMapping
		want     map[string][]string
	}{
		"other roles for one expression": {
			[]v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("x")), mapping("b", expression(isAdmin), roles("y"))},
			map[string][]string{"a": {"b"}, "b": {"a"}},
		},
		"another expression":                       {mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("x")), mapping("b", expression(isSales), roles("y"))}},
		"an expression and a user do not tie":      {mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("x")), mapping("b", users("eng"), roles("y"))}},
		"one expression with the same roles":       {mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("x")), mapping("b", expression(isAdmin), roles("x"))}},
		"one expression with other priorities":     {mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("x")), mapping("b", expression(isAdmin), roles("y"), priority(1))}},
		"one expression in mappings of two apps":   {mappings: []v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("x")), mapping("b", expression(isAdmin), roles("y"), app("wiki"))}},
		"mappings without expression do not share": {mappings: []v1alpha1.ScimRoleMapping{mapping("a", groups("eng"), roles("x")), mapping("b", groups("ops"), roles("y"))}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, assignment.NewSnapshot(tc.mappings).Conflicts(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("conflicts (-want +got):\n%s", diff)
			}
		})
	}
	s := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{
		mapping("a", expression(isAdmin), roles("x")), mapping("b", expression(isSales), roles("y")), mapping("c", groups("eng"), roles("y")),
		mapping("d", users("ada@corp.test"), roles("y")),
	})
	for name, want := range map[string][]string{"a": {"b", "c"}, "b": {"a"}, "c": {"a"}, "d": nil} {
		if diff := cmp.Diff(want, s.Rivals(name)); diff != "" {
			t.Errorf("rivals of %s (-want +got):\n%s", name, diff)
		}
	}
}

// A selection is good for every snapshot with the same expressions, whatever else of the mappings has changed.
func TestSelectionsOutliveMappings(t *testing.T) {
	before := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("x")), mapping("b", expression(isSales))})
	selected := before.Select(grace())

	changed := before.Next([]v1alpha1.ScimRoleMapping{
		mapping("z", expression(isSales), roles("y"), priority(1)), mapping("c", groups("eng")), mapping("a", expression(isAdmin), roles("z")),
	})
	if !changed.SameExpressions(before) {
		t.Fatal("the expressions are said to be others")
	}
	want := []assignment.Assignment{{App: "crm", Roles: []string{"y"}, Mappings: []string{"a", "z"}}}
	if diff := cmp.Diff(want, changed.ForSelected(grace(), nil, selected), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("assignments (-want +got):\n%s", diff)
	}
	for name, mappings := range map[string][]v1alpha1.ScimRoleMapping{
		"one less":      {mapping("a", expression(isAdmin))},
		"another one":   {mapping("a", expression(isAdmin)), mapping("b", expression("true"))},
		"none any more": {mapping("a", groups("eng"))},
	} {
		if next := before.Next(mappings); next.SameExpressions(before) {
			t.Errorf("%s: the expressions are said to be the same", name)
		}
	}
	if !before.HasExpressions() || before.Next(nil).HasExpressions() {
		t.Error("expressions are there where there are none, or the other way round")
	}
}

// More expressions than a word has bits.
func TestManyExpressions(t *testing.T) {
	var mappings []v1alpha1.ScimRoleMapping
	for i := range 130 {
		name := string(rune('a'+i/26)) + string(rune('a'+i%26))
		mappings = append(mappings, mapping(name, app("app-"+name), expression(`user.userName == "`+name+`"`)))
	}
	s := assignment.NewSnapshot(mappings)
	for _, m := range mappings {
		if got := s.For(user(m.Name), nil); len(got) != 1 || got[0].App != m.Spec.App {
			t.Errorf("%s has %v", m.Name, got)
		}
	}
}

func BenchmarkForByExpression(b *testing.B) {
	s := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{mapping("a", expression(isAdmin), roles("owner")), mapping("b", expression(isSales))})
	u := grace()
	u.Spec.Active = ptr.To(true)
	b.ReportAllocs()
	for b.Loop() {
		if len(s.For(u, nil)) != 1 {
			b.Fatal("apps")
		}
	}
}
