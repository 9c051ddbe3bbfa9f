// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func (f *fixture) expression(name, expression string, groups, userNames, roles []string) *v1alpha1.ScimRoleMapping {
	f.t.Helper()
	m := &v1alpha1.ScimRoleMapping{ObjectMeta: f.meta(name), Spec: v1alpha1.ScimRoleMappingSpec{
		App: "crm", Subjects: v1alpha1.Subjects{Groups: groups, Users: userNames, Expression: expression}, Roles: roles,
	}}
	f.create(m)
	return m
}

func pushed(values ...string) []v1alpha1.MultiValue {
	out := make([]v1alpha1.MultiValue, len(values))
	for i, value := range values {
		out[i].Value = value
	}
	return out
}

func TestMappingCountsWhomItsExpressionSelects(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	ada, bob := f.user("ada", "ada@corp.test"), f.user("bob", "bob@corp.test")
	m := f.expression("m", admins, nil, nil, []string{"editor"})
	f.await(m, "True/Succeeded, True/Succeeded 0")
	f.change(ada, func() { ada.Spec.Roles = pushed("crm.admin") })
	f.await(m, "True/Succeeded, True/Succeeded 1")
	f.change(bob, func() { bob.Spec.Roles = pushed("wiki.reader", "crm.admin") })
	f.await(m, "True/Succeeded, True/Succeeded 2")

	// Who is selected in several ways is one user.
	f.group("eng", "Eng", "ada")
	f.change(m, func() {
		m.Spec.Subjects.Groups, m.Spec.Subjects.Users = []string{"Eng"}, []string{"ada@corp.test", "bob@corp.test"}
	})
	f.await(m, "True/Succeeded, True/Succeeded 2")
	f.change(m, func() { m.Spec.Subjects.Groups, m.Spec.Subjects.Users = nil, nil })

	f.change(ada, func() { ada.Spec.Roles = nil })
	f.await(m, "True/Succeeded, True/Succeeded 1")
	f.must(f.client.Delete(t.Context(), bob))
	f.await(m, "True/Succeeded, True/Succeeded 0")
	f.change(m, func() { m.Spec.Subjects.Expression = `user.userName.startsWith("ada")` })
	f.await(m, "True/Succeeded, True/Succeeded 1")
}

func TestMappingSaysWhatIsWrongWithItsExpression(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	f.user("ada", "ada@corp.test")
	odd := f.user("bob", "bob@corp.test")
	f.change(odd, func() { odd.Spec.Title = "Boss of bob@corp.test" })
	m := f.expression("m", "user.active &&\n usr.title", nil, []string{"ada@corp.test"}, nil)
	f.await(m, "False/InvalidExpression, True/Succeeded 1")
	message := func(conditionType string) string {
		return meta.FindStatusCondition(m.Status.Conditions, conditionType).Message
	}
	if got := message(v1alpha1.ConditionReady); !strings.Contains(got, "spec.subjects.expression: 2:2: undeclared reference to 'usr'") {
		t.Errorf("message %q", got)
	}
	if !meta.IsStatusConditionTrue(m.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Error("an expression that does not compile is not Stalled")
	}

	f.change(m, func() { m.Spec.Subjects.Expression = `int(user.title) > 5` })
	f.await(m, "True/Succeeded, False/ExpressionFailed 1")
	if got := message(v1alpha1.ConditionSubjectsResolved); m.Status.ExpressionErrors != 1 || !strings.Contains(got, "a value cannot be converted") || strings.Contains(got, "corp.test") {
		t.Errorf("%d errors, message %q", m.Status.ExpressionErrors, got)
	}
	if meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionStalled) != nil {
		t.Error("what fails for one user is Stalled")
	}

	f.change(odd, func() { odd.Spec.Title = "7" })
	f.await(m, "True/Succeeded, True/Succeeded 2")
	if m.Status.ExpressionErrors != 0 {
		t.Errorf("%d errors", m.Status.ExpressionErrors)
	}
}

func TestConflictOverAUserWhomAnExpressionSelects(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	ada := f.user("ada", "ada@corp.test")
	f.group("eng", "Eng", "ada")
	a := f.mapping("a", []string{"Eng"}, nil, []string{"viewer"})
	b := f.expression("b", admins, nil, nil, []string{"editor"})
	f.await(a, "True/Succeeded, True/Succeeded 1")
	f.await(b, "True/Succeeded, True/Succeeded 0")
	f.change(ada, func() { ada.Spec.Roles = pushed("crm.admin") })
	f.await(b, "True/MappingConflict, True/Succeeded 1")
	f.await(a, "True/MappingConflict, True/Succeeded 1")
	f.change(ada, func() { ada.Spec.Roles = nil })
	f.await(b, "True/Succeeded, True/Succeeded 0")
	f.await(a, "True/Succeeded, True/Succeeded 1")

	// The same expression is the same subject.
	c := f.expression("c", admins, nil, nil, []string{"owner"})
	f.await(b, "True/MappingConflict, True/Succeeded 0")
	f.await(c, "True/MappingConflict, True/Succeeded 0")
}

func TestAMappingThatSelectsNobodyIsRejected(t *testing.T) {
	f := start(t, quick)
	for name, subjects := range map[string]v1alpha1.Subjects{"empty": {}, "empty lists": {Groups: []string{}, Users: []string{}}} {
		m := &v1alpha1.ScimRoleMapping{ObjectMeta: f.meta("m"), Spec: v1alpha1.ScimRoleMappingSpec{App: "crm", Subjects: subjects}}
		if err := f.client.Create(t.Context(), m); err == nil || !strings.Contains(err.Error(), "at least one group or user, or to have an expression") {
			t.Errorf("%s: %v", name, err)
		}
	}
	m := &v1alpha1.ScimRoleMapping{ObjectMeta: f.meta("m"), Spec: v1alpha1.ScimRoleMappingSpec{
		App: "crm", Subjects: v1alpha1.Subjects{Expression: strings.Repeat("x", 4097)},
	}}
	if err := f.client.Create(t.Context(), m); err == nil {
		t.Error("an expression of 4,097 characters is taken")
	}
}
