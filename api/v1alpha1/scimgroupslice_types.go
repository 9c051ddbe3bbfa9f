// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScimGroupSlice is a part of the members of a large ScimGroup. It is internal: the operator makes, replaces and removes slices; a ScimGroup whose
// spec.slices names it makes it take effect. Nobody else should change or delete one. It has no owner reference: a restore gives its group a new UID, and the
// garbage collector would take the members away.
//
// +kubebuilder:object:root=true
// +kubebuilder:printcolumn:name="Group",type=string,JSONPath=`.spec.group`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ScimGroupSlice struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec has the members.
	// +required
	Spec ScimGroupSliceSpec `json:"spec"`
}

// Bounds of slices.
const (
	// MaxSliceMembers is how many members a ScimGroupSlice holds.
	MaxSliceMembers = 500
	// MaxSlices is how many slices a ScimGroup names.
	MaxSlices = 1000
	// MaxMembers is how many members a group has. Two slices that follow each other hold more than one together may, so MaxSlices always suffice.
	MaxMembers = 200000
)

// ScimGroupSliceSpec is a part of the members of a group. It never changes: a change of the membership is a new slice.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a slice never changes"
type ScimGroupSliceSpec struct {
	// group is the metadata.name of the ScimGroup.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group"`

	// members are a part of the group's members, in the order in which they came.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=500
	Members []GroupMember `json:"members"`
}

// ScimGroupSliceList is a list of ScimGroupSlices.
// +kubebuilder:object:root=true
type ScimGroupSliceList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScimGroupSlice `json:"items"`
}
