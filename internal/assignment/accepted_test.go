// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

// accepted is a spec of a generation with an expression.
func accepted(generation int64, expression string) *v1alpha1.AcceptedMapping {
	return &v1alpha1.AcceptedMapping{Generation: generation, Spec: v1alpha1.ScimRoleMappingSpec{App: "crm", Subjects: v1alpha1.Subjects{Expression: expression}}}
}

// edited is a mapping of generation 2 with an expression, of which a spec was accepted before.
func edited(expression string, before *v1alpha1.AcceptedMapping) *v1alpha1.ScimRoleMapping {
	m := &v1alpha1.ScimRoleMapping{Spec: accepted(0, expression).Spec}
	m.Name, m.Generation, m.Status.Accepted = "a", 2, before
	return m
}

func TestAnEditThatDoesNotCompileLeavesTheLastAcceptedSpecInForce(t *testing.T) {
	const good, better, broken = "user.active", "!user.active", `user.title == "a`
	for name, tc := range map[string]struct {
		m       *v1alpha1.ScimRoleMapping
		want    *v1alpha1.AcceptedMapping
		refused bool
	}{
		"new":                             {m: edited(good, nil), want: accepted(2, good)},
		"new, and it does not compile":    {m: edited(broken, nil), refused: true},
		"edited":                          {m: edited(better, accepted(1, good)), want: accepted(2, better)},
		"edited, and it does not compile": {m: edited(broken, accepted(1, good)), want: accepted(1, good), refused: true},
		"without an expression":           {m: edited("", accepted(1, good)), want: accepted(2, "")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := assignment.Accept(tc.m)
			if diff := cmp.Diff(tc.want, got); diff != "" || (err != nil) != tc.refused {
				t.Errorf("error %v, accepted (-want +got):\n%s", err, diff)
			}
			tc.m.Status.Accepted = got
			inForce := assignment.InForce(tc.m)
			if want := tc.want; want != nil && (inForce.Generation != want.Generation || inForce.Spec.Subjects.Expression != want.Spec.Subjects.Expression) {
				t.Errorf("in force is %+v", inForce)
			}
		})
	}
}

func TestASpecThatIsTooLargeIsNotAccepted(t *testing.T) {
	m := edited("true", accepted(1, "user.active"))
	m.Spec.Attributes = []v1alpha1.AttributeValue{{Name: "title", Value: strings.Repeat("x", assignment.MaxSpec)}}
	got, err := assignment.Accept(m)
	var tooLarge *assignment.SizeError
	if !errors.As(err, &tooLarge) || got.Generation != 1 {
		t.Errorf("accepted %+v, error %v", got, err)
	}
	m.Status.Accepted = nil
	ada := user("ada@corp.test")
	if given := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{*m}).For(ada, nil); len(given) > 0 {
		t.Errorf("it gives %+v, and was never accepted", given)
	}
}

func TestUnresolvedKeepsTheSpecBeforeTheEdit(t *testing.T) {
	spec := func(generation int64, groups ...string) *v1alpha1.AcceptedMapping {
		return &v1alpha1.AcceptedMapping{Generation: generation, Spec: v1alpha1.ScimRoleMappingSpec{Subjects: v1alpha1.Subjects{Groups: groups, Users: []string{"Ada@corp.test"}}}}
	}
	for name, tc := range map[string]struct {
		accepted, previous, next *v1alpha1.AcceptedMapping
		groups, users            []string
		want                     int64
	}{
		"a new mapping":                               {next: spec(1, "Slaes"), groups: []string{"Slaes"}},
		"an edit that adds an unknown group":          {accepted: spec(1, "Sales"), next: spec(2, "Slaes"), groups: []string{"Slaes"}, want: 1},
		"an edit that adds an unknown user":           {accepted: spec(1, "Sales"), next: spec(2, "Sales"), users: []string{"bob@corp.test"}, want: 1},
		"the name was not resolved before":            {accepted: spec(1, "Sales"), next: spec(2, "Sales"), groups: []string{"Sales"}},
		"the user was not resolved before":            {accepted: spec(1, "Sales"), next: spec(2, "Sales"), users: []string{"ADA@corp.test"}},
		"no edit: the group was deleted":              {accepted: spec(2, "Sales"), next: spec(2, "Sales"), groups: []string{"Sales"}},
		"all names exist":                             {accepted: spec(1, "Sales"), next: spec(2, "Ops")},
		"not resolved yet":                            {accepted: spec(2, "Slaes"), previous: spec(1, "Sales"), next: spec(2, "Slaes"), groups: []string{"Slaes"}, want: 1},
		"resolved since":                              {accepted: spec(2, "Slaes"), previous: spec(1, "Sales"), next: spec(2, "Slaes")},
		"a second edit with another unknown name":     {accepted: spec(2, "Slaes"), previous: spec(1, "Sales"), next: spec(3, "Salse"), groups: []string{"Salse"}, want: 1},
		"the edit is taken back":                      {accepted: spec(2, "Slaes"), previous: spec(1, "Sales"), next: spec(3, "Sales")},
		"taken back, and the group is deleted by now": {accepted: spec(2, "Slaes"), previous: spec(1, "Sales"), next: spec(3, "Sales"), groups: []string{"Sales"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha1.ScimRoleMapping{}
			m.Status.Accepted, m.Status.Previous = tc.accepted, tc.previous
			got := assignment.Unresolved(m, tc.next, tc.groups, tc.users)
			if got == nil && tc.want != 0 || got != nil && got.Generation != tc.want {
				t.Errorf("the spec before is %+v, want generation %d", got, tc.want)
			}
		})
	}
}

func TestSnapshotsOfWhatIsInForceAndOfWhatWasBefore(t *testing.T) {
	m := mapping("a", groups("eng"), roles("viewer"))
	m.Status.Accepted = &v1alpha1.AcceptedMapping{Generation: 2, Spec: v1alpha1.ScimRoleMappingSpec{App: "crm", Subjects: v1alpha1.Subjects{Groups: []string{"gne"}}}}
	m.Status.Previous = &v1alpha1.AcceptedMapping{Generation: 1, Spec: *m.Spec.DeepCopy()}
	m.Generation = 3
	ada, all := user("ada@corp.test"), []v1alpha1.ScimRoleMapping{m, mapping("b", groups("ops"))}
	if got := assignment.NewSnapshot(all).For(ada, []string{"g-eng"}); len(got) > 0 {
		t.Errorf("the spec in force gives %+v", got)
	}
	before, names := assignment.BeforeEdits(all)
	want := []assignment.Assignment{{App: "crm", Roles: []string{"viewer"}, Mappings: []string{"a"}}}
	if diff := cmp.Diff(want, assignment.NewSnapshot(before).For(ada, []string{"g-eng"}), cmpopts.EquateEmpty()); diff != "" || !names["a"] || names["b"] {
		t.Errorf("before the edits of %v (-want +got):\n%s", names, diff)
	}
	if before, names := assignment.BeforeEdits(all[1:]); before != nil || names != nil {
		t.Errorf("without such an edit: %v, %v", before, names)
	}
}
