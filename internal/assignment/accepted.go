// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assignment

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/mapping"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// MaxSpec is the largest spec of a mapping in bytes of JSON. The status has it up to twice, and etcd bounds the bytes of an object.
const MaxSpec = 160 << 10

// SizeError is a spec that is too large to be accepted.
type SizeError struct{ Size int }

// Error implements error.
func (e *SizeError) Error() string {
	return fmt.Sprintf("spec has %d bytes, and at most %d are supported", e.Size, MaxSpec)
}

// checkSize returns a *SizeError for a spec that is too large.
func checkSize(spec *v1alpha1.ScimRoleMappingSpec) error {
	// Strings, numbers and lists of them always encode.
	data, _ := json.Marshal(spec)
	if len(data) > MaxSpec {
		return &SizeError{Size: len(data)}
	}
	return nil
}

// Accept returns the spec that is in force from now on, nil if none was ever accepted, and why the present one is not accepted.
func Accept(m *v1alpha1.ScimRoleMapping) (*v1alpha1.AcceptedMapping, error) {
	err := checkSize(&m.Spec)
	if expression := m.Spec.Subjects.Expression; err == nil && expression != "" {
		_, err = mapping.CompileCondition(expression)
	}
	if err != nil {
		return m.Status.Accepted.DeepCopy(), err
	}
	return &v1alpha1.AcceptedMapping{Generation: m.Generation, Spec: *m.Spec.DeepCopy()}, nil
}

// InForce returns the mapping with the spec that is in force: the accepted one, or the only one there is. It shares everything with the mapping given. A spec that is too
// large to be accepted gives nobody anything.
func InForce(m *v1alpha1.ScimRoleMapping) *v1alpha1.ScimRoleMapping {
	accepted := m.Status.Accepted
	switch {
	case accepted != nil && accepted.Generation == m.Generation:
		return m
	case accepted != nil:
		return with(m, accepted)
	case checkSize(&m.Spec) != nil:
		nobody := &v1alpha1.AcceptedMapping{Generation: m.Generation, Spec: v1alpha1.ScimRoleMappingSpec{App: m.Spec.App}}
		return with(m, nobody)
	}
	return m
}

// with returns the mapping with another spec.
func with(m *v1alpha1.ScimRoleMapping, spec *v1alpha1.AcceptedMapping) *v1alpha1.ScimRoleMapping {
	other := *m
	other.Generation, other.Spec, other.Status.Accepted = spec.Generation, spec.Spec, spec
	return &other
}

// SameInForce reports whether two versions of a mapping have the same specs in force, now and before held edits.
func SameInForce(a, b *v1alpha1.ScimRoleMapping) bool {
	return InForce(a).Generation == InForce(b).Generation && generationOf(a.Status.Previous) == generationOf(b.Status.Previous)
}

func generationOf(accepted *v1alpha1.AcceptedMapping) int64 {
	if accepted == nil {
		return 0
	}
	return accepted.Generation
}

// Versions returns the mapping with the spec in force and, if edits are held, with the one before them.
func Versions(m *v1alpha1.ScimRoleMapping) []*v1alpha1.ScimRoleMapping {
	versions := []*v1alpha1.ScimRoleMapping{InForce(m)}
	if m.Status.Previous != nil {
		versions = append(versions, with(m, m.Status.Previous))
	}
	return versions
}

// Unresolved returns the spec before the edits that name subjects which do not exist, nil if there are none. accepted is the spec that is in force from now on, groups and users
// are the names of its subjects that are not resolved. The status is the one before.
//
// A name counts if the earlier spec does not have it: a group or user that is deleted later is no edit.
func Unresolved(m *v1alpha1.ScimRoleMapping, accepted *v1alpha1.AcceptedMapping, groups, users []string) *v1alpha1.AcceptedMapping {
	before := m.Status.Previous
	if before == nil && generationOf(m.Status.Accepted) != generationOf(accepted) {
		before = m.Status.Accepted
	}
	if before == nil || !(adds(before.Spec.Subjects.Groups, groups) || adds(before.Spec.Subjects.Users, users)) {
		return nil
	}
	return before.DeepCopy()
}

// adds reports whether one of the names is not among the earlier ones.
func adds(earlier, names []string) bool {
	known := make(map[string]bool, len(earlier))
	for _, name := range earlier {
		known[scim.Fold(name)] = true
	}
	return slices.ContainsFunc(names, func(name string) bool { return !known[scim.Fold(name)] })
}

// BeforeEdits returns the mappings as they were before the edits that name subjects which do not exist, and the names of those mappings; nothing if there is no such edit.
func BeforeEdits(mappings []v1alpha1.ScimRoleMapping) (before []v1alpha1.ScimRoleMapping, edited map[string]bool) {
	for i := range mappings {
		if mappings[i].Status.Previous != nil {
			if edited == nil {
				edited = map[string]bool{}
				before = slices.Clone(mappings)
			}
			edited[mappings[i].Name] = true
			before[i] = *with(&mappings[i], mappings[i].Status.Previous)
		}
	}
	return before, edited
}
