// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
)

const (
	messageProtected = "The account is one of the app's protected accounts and is not changed. Remove it from spec.protectedAccounts of the ScimApp to have it managed."

	messageProtectedActive = "The account should no longer be usable, but it is one of the app's protected accounts and is not changed. " +
		"Deactivate it in the app, or remove it from spec.protectedAccounts of the ScimApp."

	messageDeactivationOff = "The user should no longer have the app, but the account is still active there. " +
		"Add PushUserDeactivation to spec.features of the ScimApp, or deactivate the account in the app."

	messageNewUsersOff = "The user should have an account, but none is created. Add PushNewUsers to spec.features of the ScimApp."

	messageUpdatesOff = "The user should no longer have a role that the account still has in the app. " +
		"Add PushProfileUpdates to spec.features of the ScimApp, or remove the role in the app."

	messageReactivationOff = "The user should have the app again, but the account stays inactive. " +
		"Add ReactivateUsers to spec.features of the ScimApp, or activate the account in the app."
)

// Parts of a message are bounded, so that its advice is not cut off.
const (
	maxNames   = 4
	maxName    = 64
	maxProblem = 256
)

func identifierChangeMessage(attribute string) string {
	return fmt.Sprintf("%s changed, and the app would create another account for it. It is not written: change it in the app, or set it back.", shortened(attribute))
}

func longMatchValueMessage(attribute string) string {
	return fmt.Sprintf("%s identifies the account in the app and has more than %d bytes, which are too many to keep track of its create. Nothing is written: shorten it in the identity "+
		"provider, or map a shorter value in spec.attributes of the ScimApp.", shortened(attribute), MaxMatchValue)
}

const messageLongGroupName = "displayName is too long to keep track of the group's creation in the app. Nothing is written: shorten it in the identity provider."

func (d decision) missing() Step {
	return blocked(v1alpha1.ReasonMissingRequiredAttribute,
		fmt.Sprintf("The app requires %s, which the user does not have. Give the user a value in the identity provider, or map another attribute in "+
			"spec.attributes of the ScimApp.", listed(d.Missing)))
}

func (d decision) problems() Step {
	names := slices.Sorted(maps.Keys(d.Problems))
	first := names[0]
	if d.problem(d.RoleAttribute) {
		first = d.RoleAttribute
	}
	message := fmt.Sprintf("%s cannot be computed: %s.", shortened(first), strings.TrimSuffix(bounded.Cut(d.Problems[first], maxProblem), "."))
	if len(names) > 1 {
		message += fmt.Sprintf(" The same applies to %d more attributes.", len(names)-1)
	}
	if first == d.RoleAttribute {
		message += " Correct the roles in the ScimRoleMapping, or spec.roles of the ScimApp."
	} else {
		message += " Correct the expression in spec.attributes of the ScimApp, or the values of the user."
	}
	return blocked(v1alpha1.ReasonInvalidAttribute, message)
}

// listed names attributes in a sentence: sorted, the first few.
func listed(names []string) string {
	names = slices.Compact(slices.Sorted(slices.Values(names)))
	more := len(names) - maxNames
	if more > 0 {
		names = names[:maxNames]
	}
	short := make([]string, len(names))
	for i, name := range names {
		short[i] = shortened(name)
	}
	out := strings.Join(short, ", ")
	if more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

func shortened(name string) string { return bounded.Cut(name, maxName) }
