// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScimClient is an identity provider that may push users and groups into this namespace.
//
// Its SCIM base URL is https://<host>/<namespace>/<name>/scim/v2.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sclient,categories=scim
// +kubebuilder:printcolumn:name="Dialect",type=string,JSONPath=`.spec.dialect`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Path",type=string,JSONPath=`.status.path`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ScimClient struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the client as a person wants it.
	// +required
	Spec ScimClientSpec `json:"spec"`

	// status is what the operator found.
	// +optional
	Status ScimClientStatus `json:"status,omitempty"`
}

// Dialect names a preset of what a client's traffic needs tolerated.
// +kubebuilder:validation:Enum=okta;okta-aiw;entra;entra-compliant;onelogin;jumpcloud;ping;sailpoint;strict
type Dialect string

// ScimClientSpec is the wanted state of a ScimClient.
type ScimClientSpec struct {
	// dialect is the preset for the identity provider: okta (catalogue apps: PUT and PATCH), okta-aiw (apps of the App Integration
	// Wizard: PUT only), entra, entra-compliant (with the flag aadOptscim062020 in the tenant URL), onelogin, jumpcloud, ping, sailpoint, or
	// strict (no deviation from RFC 7644 is tolerated).
	// +required
	Dialect Dialect `json:"dialect"`

	// tokens are the bearer tokens that the client may present; each is read from a Secret. Several are accepted at once, so that one can
	// be replaced without a gap.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Tokens []SecretKeyRef `json:"tokens"`

	// groupNames says whether two groups of this client may have the same displayName. Unique when absent.
	// +optional
	GroupNames GroupNames `json:"groupNames,omitempty"`

	// takeOver lets this client change users and groups that another client of the namespace made; they then belong to this client.
	// Meant for the move from one identity provider to another. No when absent.
	// +optional
	TakeOver TakeOver `json:"takeOver,omitempty"`

	// suspend makes the endpoint answer this client with 403 and the reason. Nothing that it pushed before is touched.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// GroupNames says whether names of groups are unique.
// +kubebuilder:validation:Enum=Unique;Shared
type GroupNames string

const (
	// GroupNamesUnique: a second group of the same name is refused with 409.
	GroupNamesUnique GroupNames = "Unique"
	// GroupNamesShared: several groups of this client may have one name.
	GroupNamesShared GroupNames = "Shared"
)

// TakeOver says whether a client may change what another client made.
// +kubebuilder:validation:Enum=Allowed;No
type TakeOver string

const (
	// TakeOverAllowed: a write by this client makes the resource its own.
	TakeOverAllowed TakeOver = "Allowed"
	// TakeOverNo: a write to another client's resource is refused with 403.
	TakeOverNo TakeOver = "No"
)

// ScimClientStatus is the observed state of a ScimClient.
type ScimClientStatus struct {
	// conditions: Ready.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=32
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the conditions describe.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// path is the path of this client's SCIM base URL.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Path string `json:"path,omitempty"`
}

// ConditionList implements Conditioned.
func (c *ScimClient) ConditionList() *[]metav1.Condition { return &c.Status.Conditions }

// SetObservedGeneration implements Conditioned.
func (c *ScimClient) SetObservedGeneration(g int64) { c.Status.ObservedGeneration = g }

// ScimClientList is a list of ScimClients.
// +kubebuilder:object:root=true
type ScimClientList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScimClient `json:"items"`
}
