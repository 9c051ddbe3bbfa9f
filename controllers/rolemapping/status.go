// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// report writes the status of a mapping of which this was found.
func report(m *v1alpha1.ScimRoleMapping, found findings) {
	m.Status.ObservedGeneration = m.Generation
	m.Status.Accepted, m.Status.Previous = found.accepted, found.previous
	m.Status.Groups = slices.Concat(found.groups.Groups, found.former.Groups)
	m.Status.Users = int32(min(found.users, 1<<31-1))
	m.Status.ExpressionErrors = 0
	if found.expression != nil {
		m.Status.ExpressionErrors = int32(min(len(found.expression.failed), 1<<31-1))
	}
	reportReady(m, found)
	reportSubjects(m, found)
}

// reportReady says whether the mapping is accepted. An app that does not exist yet may come; what it does not take, a person has to change. Two mappings that tie
// and disagree are both accepted, and which one wins is known: that is a reason, not a failure.
func reportReady(m *v1alpha1.ScimRoleMapping, found findings) {
	status, reason, message := metav1.ConditionTrue, v1alpha1.ReasonSucceeded, "The mapping is accepted."
	problem := found.problem
	if found.refused != nil {
		problem = refused(found)
	}
	switch {
	case found.refused != nil:
		status, reason, message = metav1.ConditionFalse, problem.reason, problem.message
	case !found.app:
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonAppNotFound
		message = fmt.Sprintf("ScimApp %s does not exist, or is being deleted. Create it, or correct spec.app; the mapping then takes effect.", assignment.InForce(m).Spec.App)
	case problem.reason != "":
		status, reason, message = metav1.ConditionFalse, problem.reason, problem.message
	case len(found.conflicts) > 0:
		reason = v1alpha1.ReasonMappingConflict
		message = conflictMessage(m, found.conflicts)
	}
	kube.SetCondition(m, v1alpha1.ConditionReady, status, reason, message)
	kube.SetWhile(m, problem.reason != "", v1alpha1.ConditionStalled, problem.reason, problem.message)
}

// refused says why the present spec is not accepted, and its consequence.
func refused(found findings) problem {
	var tooLarge *assignment.SizeError
	if errors.As(found.refused, &tooLarge) {
		consequence := "The mapping gives nobody the app"
		if found.accepted != nil {
			consequence = stays(found.accepted)
		}
		return problem{v1alpha1.ReasonInvalidConfiguration, fmt.Sprintf("%v. %s; name a group instead of its users, or make several mappings of it.", found.refused, consequence)}
	}
	consequence := "It selects no user"
	if found.accepted != nil {
		consequence = stays(found.accepted)
	}
	return problem{v1alpha1.ReasonInvalidExpression, fmt.Sprintf("spec.subjects.expression: %v. %s; correct it.", found.refused, consequence)}
}

// stays names the spec that stays in force.
func stays(accepted *v1alpha1.AcceptedMapping) string {
	return fmt.Sprintf("The last accepted spec, of generation %d, stays in force", accepted.Generation)
}

func conflictMessage(m *v1alpha1.ScimRoleMapping, conflicts []string) string {
	winner := min(m.Name, slices.Min(conflicts))
	return fmt.Sprintf("This mapping and %s give the same users different roles or values with the same priority %d. The lowest name wins: %s. Give them different priorities.",
		listed(conflicts), assignment.InForce(m).PriorityOrDefault(), winner)
}

// reportSubjects says whether the groups and users exist and the expression could be evaluated for everybody. A renamed group exists: the message asks for its new name,
// and nothing waits for it.
func reportSubjects(m *v1alpha1.ScimRoleMapping, found findings) {
	var missing, changed, failed, renamed []string
	if names := found.groups.NotFound; len(names) > 0 {
		missing = append(missing, "No group is named "+quoted(names)+".")
	}
	if names := found.groups.Ambiguous; len(names) > 0 {
		missing = append(missing, "More than one group is named "+quoted(names)+"; none of them is used. Rename all but one.")
	}
	if len(found.missingUsers) > 0 {
		missing = append(missing, "No user is found for "+positions(found.missingUsers)+".") // without the name, which is a personal value
	}
	if found.previous != nil {
		missing = append(missing, "Revocations that follow from this edit alone are held until a person approves them; correct the name if it is a typo.")
	}
	if names := found.groups.Changed; len(names) > 0 {
		changed = append(changed, fmt.Sprintf(
			"Another group is named %s now. Members of the former group keep their assignments, and members of the new one get none until the spec of this mapping changes.", quoted(names)))
	}
	if found.expression != nil && len(found.expression.failed) > 0 {
		failed = append(failed, fmt.Sprintf(
			"spec.subjects.expression failed for some users, who are not selected by it (status.expressionErrors is their number): %s.",
			strings.Join(found.expression.problems(), "; ")))
	}
	if names := found.groups.Renamed; len(names) > 0 {
		renamed = append(renamed, fmt.Sprintf("A group named %s was renamed, and the mapping still uses it. Update its name in spec.subjects.groups.", quoted(names)))
	}
	status, reason := metav1.ConditionTrue, v1alpha1.ReasonSucceeded
	message := strings.Join(slices.Concat(changed, missing, failed, renamed), " ")
	switch {
	case len(changed) > 0:
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonSubjectChanged
	case len(missing) > 0:
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonSubjectNotFound
	case len(failed) > 0:
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonExpressionFailed
	case len(renamed) > 0:
		reason = v1alpha1.ReasonSubjectRenamed
	default:
		message = "All groups and users exist."
	}
	kube.SetCondition(m, v1alpha1.ConditionSubjectsResolved, status, reason, message)
}

// maxListed bounds a list in a message.
const maxListed = 24

// listed is names in a sentence, the first ones of many.
func listed(names []string) string {
	if more := len(names) - maxListed; more > 0 {
		return strings.Join(names[:maxListed], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(names, ", ")
}

func quoted(names []string) string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = fmt.Sprintf("%q", name)
	}
	return listed(out)
}

func positions(indexes []int) string {
	out := make([]string, len(indexes))
	for i, index := range indexes {
		out[i] = fmt.Sprintf("spec.subjects.users[%d]", index)
	}
	return listed(out)
}
