// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
)

func TestReport(t *testing.T) {
	var many []string
	for i := range 100 {
		many = append(many, fmt.Sprintf("group-%03d", i))
	}
	for name, tc := range map[string]struct {
		found                    findings
		ready, readyReason       string
		resolved, resolvedReason string
		stalled                  bool
		says                     []string
	}{
		"accepted": {
			found: findings{app: true}, ready: "True", readyReason: "Succeeded", resolved: "True", resolvedReason: "Succeeded",
		},
		"no app: waits, nobody has to act": {
			found: findings{}, ready: "False", readyReason: "AppNotFound", resolved: "True", resolvedReason: "Succeeded", says: []string{"ScimApp crm"},
		},
		"role unknown: a person has to act": {
			found: findings{app: true, problem: problem{v1alpha1.ReasonRoleUnknown, "ScimApp crm does not know boss."}, conflicts: []string{"z"}},
			ready: "False", readyReason: "RoleUnknown", resolved: "True", resolvedReason: "Succeeded", stalled: true, says: []string{"boss"},
		},
		"conflict: accepted all the same": {
			found: findings{app: true, conflicts: []string{"a", "z"}}, ready: "True", readyReason: "MappingConflict", resolved: "True", resolvedReason: "Succeeded",
			says: []string{"a, z", "priority 100", "lowest name wins: a"},
		},
		"conflict that this one wins": {
			found: findings{app: true, conflicts: []string{"z"}}, ready: "True", readyReason: "MappingConflict", resolved: "True", resolvedReason: "Succeeded",
			says: []string{"lowest name wins: m."},
		},
		"group not found": {
			found: findings{app: true, groups: assignment.Resolution{NotFound: []string{"Eng"}}}, ready: "True", readyReason: "Succeeded",
			resolved: "False", resolvedReason: "SubjectNotFound", says: []string{`"Eng"`},
		},
		"group name not unique": {
			found: findings{app: true, groups: assignment.Resolution{Ambiguous: []string{"Eng"}}}, ready: "True", readyReason: "Succeeded",
			resolved: "False", resolvedReason: "SubjectNotFound", says: []string{`More than one group is named "Eng"`},
		},
		"users not found, by position": {
			found: findings{app: true, missingUsers: []int{0, 2}}, ready: "True", readyReason: "Succeeded",
			resolved: "False", resolvedReason: "SubjectNotFound", says: []string{"spec.subjects.users[0], spec.subjects.users[2]"},
		},
		"group renamed: it is followed": {
			found: findings{app: true, groups: assignment.Resolution{Renamed: []string{"Eng"}}}, ready: "True", readyReason: "Succeeded",
			resolved: "True", resolvedReason: "SubjectRenamed", says: []string{`"Eng"`, "still uses it"},
		},
		"group changed, the most serious of all": {
			found: findings{app: true, groups: assignment.Resolution{Changed: []string{"Eng"}, NotFound: []string{"Ops"}, Renamed: []string{"QA"}}},
			ready: "True", readyReason: "Succeeded", resolved: "False", resolvedReason: "SubjectChanged", says: []string{`"Eng"`, `"Ops"`, `"QA"`},
		},
		"expression that does not compile: a person has to act, whatever else is wrong": {
			found: findings{refused: errors.New("1:5: undeclared reference to 'usr'"), problem: problem{v1alpha1.ReasonRoleUnknown, "boss"}},
			ready: "False", readyReason: "InvalidExpression", resolved: "True", resolvedReason: "Succeeded", stalled: true,
			says: []string{"spec.subjects.expression: 1:5: undeclared reference to 'usr'", "selects no user"},
		},
		"expression that does not compile any more: the last accepted spec is in force": {
			found: findings{app: true, refused: errors.New("1:5: undeclared reference to 'usr'"), accepted: &v1alpha1.AcceptedMapping{Generation: 6}},
			ready: "False", readyReason: "InvalidExpression", resolved: "True", resolvedReason: "Succeeded", stalled: true,
			says: []string{"The last accepted spec, of generation 6, stays in force; correct it."},
		},
		"too large": {
			found: findings{app: true, refused: &assignment.SizeError{Size: 200_000}},
			ready: "False", readyReason: "InvalidConfiguration", resolved: "True", resolvedReason: "Succeeded", stalled: true,
			says: []string{"spec has 200000 bytes", "gives nobody the app"},
		},
		"an edit with a name that does not exist": {
			found: findings{app: true, groups: assignment.Resolution{NotFound: []string{"Egn"}}, previous: &v1alpha1.AcceptedMapping{Generation: 6}},
			ready: "True", readyReason: "Succeeded", resolved: "False", resolvedReason: "SubjectNotFound", says: []string{`"Egn"`, "Revocations that follow from this edit alone are held"},
		},
		"expression that fails for some users": {
			found: findings{app: true, expression: &tally{failed: map[string]string{"u1": "too much work", "u2": "division by zero", "u3": "too much work"}}},
			ready: "True", readyReason: "Succeeded", resolved: "False", resolvedReason: "ExpressionFailed",
			says: []string{"status.expressionErrors", ": division by zero; too much work."},
		},
		"more names than a message takes": {
			found: findings{app: true, groups: assignment.Resolution{NotFound: many}}, ready: "True", readyReason: "Succeeded",
			resolved: "False", resolvedReason: "SubjectNotFound", says: []string{"and 76 more"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &v1alpha1.ScimRoleMapping{ObjectMeta: metav1.ObjectMeta{Name: "m", Generation: 7}}
			m.Spec.App, m.Spec.Subjects.Users = "crm", []string{"ada@corp.test", "bob@corp.test", "cy@corp.test"}
			tc.found.users = 3
			report(m, tc.found)
			var text strings.Builder
			for _, c := range m.Status.Conditions {
				if c.ObservedGeneration != 7 {
					t.Errorf("%s is of generation %d", c.Type, c.ObservedGeneration)
				}
				text.WriteString(c.Message + "\n")
			}
			check := func(conditionType, status, reason string) {
				c := meta.FindStatusCondition(m.Status.Conditions, conditionType)
				if c == nil || string(c.Status) != status || c.Reason != reason {
					t.Errorf("%s is %+v, want %s, %s", conditionType, c, status, reason)
				}
			}
			check(v1alpha1.ConditionReady, tc.ready, tc.readyReason)
			check(v1alpha1.ConditionSubjectsResolved, tc.resolved, tc.resolvedReason)
			if meta.IsStatusConditionTrue(m.Status.Conditions, v1alpha1.ConditionStalled) != tc.stalled {
				t.Errorf("stalled: %v", !tc.stalled)
			}
			for _, want := range tc.says {
				if !strings.Contains(text.String(), want) {
					t.Errorf("messages do not say %q:\n%s", want, text.String())
				}
			}
			if strings.Contains(text.String(), "corp.test") {
				t.Errorf("a message holds a userName:\n%s", text.String())
			}
			if m.Status.Users != 3 || m.Status.ObservedGeneration != 7 {
				t.Errorf("status %+v", m.Status)
			}
			again := m.DeepCopy()
			report(again, tc.found)
			if again.Status.Conditions[0].LastTransitionTime != m.Status.Conditions[0].LastTransitionTime {
				t.Error("reporting the same again changes the status")
			}
		})
	}
}

// Stalled goes when its cause does.
func TestReportRemovesStalled(t *testing.T) {
	m := &v1alpha1.ScimRoleMapping{}
	report(m, findings{app: true, problem: problem{v1alpha1.ReasonRoleUnknown, "unknown"}})
	report(m, findings{app: true})
	if meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionStalled) != nil {
		t.Errorf("conditions %+v", m.Status.Conditions)
	}
}

func TestCheck(t *testing.T) {
	attributes := func(names ...string) func(*v1alpha1.ScimRoleMapping) {
		return func(m *v1alpha1.ScimRoleMapping) {
			for _, name := range names {
				m.Spec.Attributes = append(m.Spec.Attributes, v1alpha1.AttributeValue{Name: name, Value: "x"})
			}
		}
	}
	roles := func(names ...string) func(*v1alpha1.ScimRoleMapping) {
		return func(m *v1alpha1.ScimRoleMapping) { m.Spec.Roles = names }
	}
	const costCenter = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:costCenter"
	for name, tc := range map[string]struct {
		profile string
		app     v1alpha1.ScimAppSpec
		mapping func(*v1alpha1.ScimRoleMapping)
		reason  string
		says    []string
	}{
		"the profile's roles (S28)":           {profile: "common-room", mapping: roles("owner", "Viewer")},
		"another name of a role":              {profile: "common-room", mapping: roles("Admin")},
		"a role that the profile has not":     {profile: "common-room", mapping: roles("boss", "viewer"), reason: "RoleUnknown", says: []string{"boss", "admin, editor, owner, viewer"}},
		"the app's own roles":                 {profile: "common-room", app: v1alpha1.ScimAppSpec{Roles: &v1alpha1.AppRoles{Allowed: []string{"boss"}}}, mapping: roles("boss")},
		"instead of the profile's":            {profile: "common-room", app: v1alpha1.ScimAppSpec{Roles: &v1alpha1.AppRoles{Allowed: []string{"boss"}}}, mapping: roles("admin"), reason: "RoleUnknown", says: []string{"It has boss."}},
		"any role of the generic profile":     {profile: "generic", mapping: roles("whatever")},
		"the values of S66":                   {profile: "r-service", mapping: attributes("preferredLanguage", "timezone", costCenter)},
		"a value that is not mapped":          {profile: "r-service", mapping: attributes("timezne"), reason: "InvalidConfiguration", says: []string{`"timezne"`, "timezone"}},
		"a value by half its name":            {profile: "r-service", mapping: attributes("costCenter"), reason: "InvalidConfiguration", says: []string{costCenter}},
		"a value that the app maps itself":    {profile: "r-service", app: v1alpha1.ScimAppSpec{Attributes: []v1alpha1.AttributeMapping{{Name: "urn:x:y", Expression: "null"}}}, mapping: attributes("urn:x:y")},
		"a value that the app no longer maps": {profile: "r-service", app: v1alpha1.ScimAppSpec{Attributes: []v1alpha1.AttributeMapping{{Name: "timezone"}}}, mapping: attributes("timezone"), reason: "InvalidConfiguration"},
		"roles by the back door":              {profile: "common-room", mapping: attributes("roles"), reason: "InvalidConfiguration", says: []string{"use spec.roles"}},
	} {
		t.Run(name, func(t *testing.T) {
			profile, ok := profiles.Get(tc.profile)
			if !ok {
				t.Fatal("no such profile")
			}
			m := &v1alpha1.ScimRoleMapping{}
			tc.mapping(m)
			got := rulesOf(&v1alpha1.ScimApp{ObjectMeta: metav1.ObjectMeta{Name: "crm"}, Spec: tc.app}, profile).check(m)
			if got.reason != tc.reason {
				t.Errorf("reason %q, want %q: %s", got.reason, tc.reason, got.message)
			}
			for _, want := range tc.says {
				if !strings.Contains(got.message, want) {
					t.Errorf("message %q does not say %q", got.message, want)
				}
			}
		})
	}

	none := profiles.Profile{Roles: profiles.Roles{Attribute: "roles", Form: profiles.NoRoles}}
	m := &v1alpha1.ScimRoleMapping{}
	roles("viewer")(m)
	if got := rulesOf(&v1alpha1.ScimApp{}, none).check(m); got.reason != v1alpha1.ReasonRoleUnknown {
		t.Errorf("an app without roles takes one: %+v", got)
	}
}
