// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScimGroupRecord records which members a pushed group may have in an app that does not show them. It is internal: the operator writes it beside the status of the
// ScimGroup, and removes from the group who is recorded and no longer a member. Without it, a restart of the operator would forget them.
//
// +kubebuilder:object:root=true
// +kubebuilder:printcolumn:name="Group",type=string,JSONPath=`.spec.group`
// +kubebuilder:printcolumn:name="App",type=string,JSONPath=`.spec.app`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ScimGroupRecord struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec has the recorded members.
	// +required
	Spec ScimGroupRecordSpec `json:"spec"`
}

// MaxRecordedMembers is how many members a ScimGroupRecord holds.
const MaxRecordedMembers = 100000

// ScimGroupRecordSpec has the recorded members of a group in an app.
type ScimGroupRecordSpec struct {
	// group is the metadata.name of the ScimGroup.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group"`

	// app is the name of the ScimApp.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	App string `json:"app"`

	// members are short hashes of the ids that the app gave to the members' accounts, 6 bytes each.
	// +optional
	// +kubebuilder:validation:MaxLength=800000
	Members []byte `json:"members,omitempty"`
}

// ScimGroupRecordList is a list of ScimGroupRecords.
// +kubebuilder:object:root=true
type ScimGroupRecordList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScimGroupRecord `json:"items"`
}
