// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScimRoleMapping gives users an app, with roles and attribute values.
//
// Deleting it takes the app from exactly those users who have it from no other mapping.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=smap,categories=scim
// +kubebuilder:printcolumn:name="App",type=string,JSONPath=`.spec.app`
// +kubebuilder:printcolumn:name="Roles",type=string,JSONPath=`.spec.roles`
// +kubebuilder:printcolumn:name="Priority",type=integer,JSONPath=`.spec.priority`
// +kubebuilder:printcolumn:name="Users",type=integer,JSONPath=`.status.users`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ScimRoleMapping struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is who gets what.
	// +required
	Spec ScimRoleMappingSpec `json:"spec"`

	// status is what came of it.
	// +optional
	Status ScimRoleMappingStatus `json:"status,omitempty"`
}

// ScimRoleMappingSpec is the wanted state of a ScimRoleMapping.
type ScimRoleMappingSpec struct {
	// app is the name of the ScimApp.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	App string `json:"app"`

	// subjects are who gets the app.
	// +required
	Subjects Subjects `json:"subjects"`

	// roles in the app. Absent: those of a mapping of lower precedence, or the app's default.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=128
	Roles []string `json:"roles,omitempty"`

	// attributes are values for users who have none of their own, such as a time zone for everybody of a group.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Attributes []AttributeValue `json:"attributes,omitempty"`

	// priority among mappings that give the same user the same app through a group or an expression: the lowest number wins. 100 when
	// absent. A mapping that names the user wins over all of these.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=1000000
	Priority *int32 `json:"priority,omitempty"`
}

// DefaultPriority is the priority of a mapping that names none.
const DefaultPriority int32 = 100

// Subjects select users: those of the groups, those named, and those for whom the expression is true, all together.
// +kubebuilder:validation:XValidation:rule="(has(self.groups) && size(self.groups) > 0) || (has(self.users) && size(self.users) > 0) || has(self.expression)",message="a mapping has to name at least one group or user, or to have an expression"
type Subjects struct {
	// groups by displayName. A group is followed by its id once it was found: renaming it changes nothing.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Groups []string `json:"groups,omitempty"`

	// users by userName.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Users []string `json:"users,omitempty"`

	// expression in CEL that is true for the users meant, over the variable user, the SCIM user, as in the attribute mappings of a ScimApp:
	// user.roles.exists(r, r.value == "common-room.admin"). It is not true for a user who lacks what it asks for.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	Expression string `json:"expression,omitempty"`
}

// AttributeValue is a value for an attribute of an account.
type AttributeValue struct {
	// name is the SCIM path in the app, as in the app's attribute mapping.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	// value to write.
	// +required
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value"`
}

// ScimRoleMappingStatus is the observed state of a ScimRoleMapping.
type ScimRoleMappingStatus struct {
	// conditions: Ready, SubjectsResolved, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// accepted is the spec in force: the last one that could be used. A later spec that does not compile changes nobody's access.
	// +optional
	Accepted *AcceptedMapping `json:"accepted,omitempty"`

	// previous is the spec that was in force before edits that name subjects which do not exist. Revocations that follow from these edits alone are held.
	// Absent once all subjects of accepted exist that previous does not name.
	// +optional
	Previous *AcceptedMapping `json:"previous,omitempty"`

	// groups are the subject groups of accepted and previous as they were resolved.
	// +optional
	// +listType=map
	// +listMapKey=displayName
	// +kubebuilder:validation:MaxItems=512
	Groups []ResolvedGroup `json:"groups,omitempty"`

	// users is how many users the mapping gives the app.
	// +optional
	// +kubebuilder:default=0
	Users int32 `json:"users"`

	// expressionErrors is for how many users the expression could not be evaluated. It is not true for them.
	// +optional
	ExpressionErrors int32 `json:"expressionErrors,omitempty"`
}

// AcceptedMapping is a spec of a ScimRoleMapping that was accepted.
type AcceptedMapping struct {
	// generation of the spec.
	// +required
	Generation int64 `json:"generation"`

	// spec as it was accepted.
	// +required
	// +structType=atomic
	Spec ScimRoleMappingSpec `json:"spec"`
}

// PriorityOrDefault is the priority in force.
func (m *ScimRoleMapping) PriorityOrDefault() int32 {
	if m.Spec.Priority == nil {
		return DefaultPriority
	}
	return *m.Spec.Priority
}

// ConditionList implements Conditioned.
func (m *ScimRoleMapping) ConditionList() *[]metav1.Condition { return &m.Status.Conditions }

// SetObservedGeneration implements Conditioned.
func (m *ScimRoleMapping) SetObservedGeneration(n int64) { m.Status.ObservedGeneration = n }

// ScimRoleMappingList is a list of ScimRoleMappings.
// +kubebuilder:object:root=true
type ScimRoleMappingList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScimRoleMapping `json:"items"`
}
