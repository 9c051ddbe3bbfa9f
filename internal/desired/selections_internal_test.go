// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

func TestExpressionsAreEvaluatedOnceForEachVersionOfAUser(t *testing.T) {
	mapping := v1alpha1.ScimRoleMapping{Spec: v1alpha1.ScimRoleMappingSpec{App: "crm", Subjects: v1alpha1.Subjects{Expression: "user.active"}}}
	mappings := assignment.NewSnapshot([]v1alpha1.ScimRoleMapping{mapping})
	user := &v1alpha1.ScimUser{
		ObjectMeta: metav1.ObjectMeta{Name: "kim", UID: "1", Generation: 1}, Spec: v1alpha1.ScimUserSpec{ID: "0123456789", UserName: "kim@corp.test"},
	}
	s := newSelections()
	first := s.of(mappings, user)
	if again := s.of(mappings, user); &again[0] != &first[0] {
		t.Error("evaluated again")
	}
	user.Status.Summary = "1/1" // a status is no new version
	if again := s.of(mappings, user); &again[0] != &first[0] {
		t.Error("evaluated again for a status")
	}
	user.Generation = 2
	second := s.of(mappings, user)
	if &second[0] == &first[0] {
		t.Error("a new version was not evaluated")
	}
	user.UID = "2"
	if third := s.of(mappings, user); &third[0] == &second[0] {
		t.Error("another user of the same name was not evaluated")
	}
	s.forget("kim")
	if len(s.users) != 0 {
		t.Error("a user who is gone is remembered")
	}
	if got := s.of(assignment.NewSnapshot(nil), user); got != nil || len(s.users) != 0 {
		t.Error("something is remembered although there is nothing to evaluate")
	}
}
