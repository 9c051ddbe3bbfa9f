// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Finding is what the answers of an app say about an attribute that was written.
// +kubebuilder:validation:Enum=Refused;ValueRefused;NotApplied;Differs;Normalized;NotShown
type Finding string

const (
	// FindingRefused: the app does not take the attribute. It is left out for every account.
	FindingRefused Finding = "Refused"
	// FindingValueRefused: the app does not take the value of an account. The attribute is left out for that account.
	FindingValueRefused Finding = "ValueRefused"
	// FindingNotApplied: the app confirms the write and does not have the roles afterwards.
	FindingNotApplied Finding = "NotApplied"
	// FindingDiffers: the app confirms the write and shows another value.
	FindingDiffers Finding = "Differs"
	// FindingNormalized: the app shows the value in another letter case, format or order.
	FindingNormalized Finding = "Normalized"
	// FindingNotShown: the app confirms the write and does not show the attribute.
	FindingNotShown Finding = "NotShown"
)

// AttributeFinding is what the answers of an app say about an attribute. It is found once, for all accounts.
type AttributeFinding struct {
	// name is the path of the attribute, or active.
	// +required
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	// finding is Refused if the app does not take the attribute, ValueRefused if it does not take the value of some accounts, NotApplied if it does not have the
	// roles that it confirmed, Differs if it shows another value, Normalized if it shows the value in another letter case, format or order, and NotShown if it does not
	// show the attribute.
	// +required
	Finding Finding `json:"finding"`

	// since is when it was found.
	// +required
	Since metav1.Time `json:"since"`

	// calls are those in which the app refused the attribute. Only they leave it out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=4
	Calls []AccountAction `json:"calls,omitempty"`

	// mapping is a hash of how the attribute was computed. The finding is forgotten when that changes.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Mapping string `json:"mapping,omitempty"`

	// message says what happened and what to do. It holds no value of a user.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Message string `json:"message,omitempty"`
}
