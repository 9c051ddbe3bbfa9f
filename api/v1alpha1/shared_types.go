// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// SecretKeyRef names a key of a Secret in the same namespace. The Secret must carry the label scim-operator.io/credentials.
type SecretKeyRef struct {
	// name of the Secret.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// key within the Secret. "token" when absent.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
}

// DefaultSecretKey is the key of a Secret that is read when a reference names none.
const DefaultSecretKey = "token"

// KeyOrDefault is the key to read.
func (r SecretKeyRef) KeyOrDefault() string {
	if r.Key == "" {
		return DefaultSecretKey
	}
	return r.Key
}

// ManagedBy says who may change a user or group.
// +kubebuilder:validation:Enum=Client;Git
type ManagedBy string

const (
	// ManagedByClient: the ScimClient that owns the object. The default.
	ManagedByClient ManagedBy = "Client"
	// ManagedByGit: Git or a person with kubectl; read-only to SCIM.
	ManagedByGit ManagedBy = "Git"
)

// ExternalID is the identifier that one client keeps for a resource (RFC 7643 3.1: externalId is scoped to the client).
type ExternalID struct {
	// client is the name of the ScimClient.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Client string `json:"client"`

	// id is the client's identifier, exactly as it was sent.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	ID string `json:"id"`
}

// Extension has attributes by their SCIM names: those of a schema extension, or, under the core schema's own URN, those that
// RFC 7643 does not know or that do not fit the typed fields. They are kept as they were sent.
type Extension struct {
	// schema is the URN of the extension, or the core schema's for attributes outside the standard.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Schema string `json:"schema"`

	// attributes as sent, a JSON object.
	// +required
	// +kubebuilder:pruning:PreserveUnknownFields
	Attributes runtime.RawExtension `json:"attributes"`
}

// ResolvedGroup is a group name from a spec and the group that it stood for when it was first found. The id is followed from then on,
// so renaming the group in the identity provider changes nothing for anybody.
type ResolvedGroup struct {
	// displayName as the spec has it.
	// +required
	// +kubebuilder:validation:MaxLength=256
	DisplayName string `json:"displayName"`

	// id is the SCIM id of the group.
	// +required
	// +kubebuilder:validation:MaxLength=320
	ID string `json:"id"`

	// generation of the spec in which the name was resolved.
	// +optional
	Generation int64 `json:"generation,omitempty"`
}

// scimID joins the two parts of a SCIM id: the object's name finds the object, the random part makes the id one life of it.
func scimID(name, random string) string {
	if random == "" {
		return ""
	}
	return name + "." + random
}

// SplitSCIMID is the object name and the random part of a SCIM id; ok is false when it is none of ours.
func SplitSCIMID(id string) (name, random string, ok bool) {
	i := strings.LastIndexByte(id, '.')
	if i <= 0 || i == len(id)-1 {
		return "", "", false
	}
	return id[:i], id[i+1:], true
}

// Conditioned is an object with conditions.
// +kubebuilder:object:generate=false
type Conditioned interface {
	metav1.Object
	runtime.Object
	// ConditionList is where the conditions stand.
	ConditionList() *[]metav1.Condition
	// SetObservedGeneration says which generation of the spec the status describes.
	SetObservedGeneration(int64)
}
