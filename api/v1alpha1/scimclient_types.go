// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

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
// +kubebuilder:printcolumn:name="Last Request",type=date,JSONPath=`.status.lastRequestTime`
// +kubebuilder:printcolumn:name="Path",type=string,JSONPath=`.status.path`,priority=1
// +kubebuilder:printcolumn:name="Access",type=string,JSONPath=`.spec.access`,priority=1
// +kubebuilder:printcolumn:name="Token Expires",type=string,JSONPath=`.status.generatedToken.expirationTime`,priority=1
// +kubebuilder:printcolumn:name="Tolerances",type=string,JSONPath=`.status.tolerances`,priority=1
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

// ScimClientSpec is the wanted state of a ScimClient. There has to be a way to log in: tokens, generateToken or jwt; several may be given, and
// each is accepted.
// +kubebuilder:validation:XValidation:rule="(has(self.tokens) && size(self.tokens) > 0) || has(self.generateToken) || has(self.jwt)",message="there is no way to log in: give tokens, generateToken or jwt"
type ScimClientSpec struct {
	// dialect is the preset for the identity provider: okta (catalogue apps: PUT and PATCH), okta-aiw (apps of the App Integration
	// Wizard: PUT only), entra, entra-compliant (with the flag aadOptscim062020 in the tenant URL), onelogin, jumpcloud, ping, sailpoint, or
	// strict (no deviation from RFC 7644 is tolerated).
	// +required
	Dialect Dialect `json:"dialect"`

	// tokens are the bearer tokens that the client may present; each is read from a Secret. Several are accepted at once, so that one can
	// be replaced without a gap.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Tokens []SecretKeyRef `json:"tokens,omitempty"`

	// generateToken makes a bearer token and keeps it in a Secret, from which a person copies it into the identity provider.
	// +optional
	GenerateToken *GenerateToken `json:"generateToken,omitempty"`

	// jwt accepts JSON Web Tokens that an issuer signed: those of Microsoft Entra, or of any authorization server's OAuth 2.0 client credentials.
	// +optional
	JWT *JWTLogin `json:"jwt,omitempty"`

	// access says whether the client may write. ReadWrite when absent.
	// +optional
	Access Access `json:"access,omitempty"`

	// resources that the client may use. Users and groups when absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=2
	Resources []ClientResource `json:"resources,omitempty"`

	// rateLimit bounds the requests of the client, on each replica of the operator by itself. What is above it is answered with 429. No limit when
	// absent.
	// +optional
	RateLimit *RateLimit `json:"rateLimit,omitempty"`

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

// GenerateToken says how a token is made and kept. A new value of the annotation scim-operator.io/rotate-token asks for a new token.
// +kubebuilder:validation:XValidation:rule="!has(self.expiresAfter) || !has(self.overlap) || duration(self.overlap) <= duration(self.expiresAfter)",message="overlap is longer than expiresAfter"
type GenerateToken struct {
	// secretName is the Secret that holds the token, in its key "token". "<name of the ScimClient>-token" when absent. A Secret of that name
	// that somebody else made is left alone. Another name means another token, without overlap.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	SecretName string `json:"secretName,omitempty"`

	// expiresAfter is how long a token is accepted after it was made, such as "2160h", at least 10 minutes. For ever when absent. The
	// condition TokenExpiring warns beforehand.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('10m')",message="must be a duration of 10m at least"
	ExpiresAfter *metav1.Duration `json:"expiresAfter,omitempty"`

	// overlap is how long the former token is accepted beside the new one after a rotation. 24h when absent; "0s" ends it at once.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s') && duration(self) <= duration('2160h')",message="must be a duration between 0s and 2160h"
	Overlap *metav1.Duration `json:"overlap,omitempty"`
}

// DefaultOverlap is how long a former token is accepted when spec.generateToken.overlap is absent.
const DefaultOverlap = 24 * time.Hour

// GeneratedSecretName is the name of the Secret of spec.generateToken, and empty without it.
func (c *ScimClient) GeneratedSecretName() string {
	switch g := c.Spec.GenerateToken; {
	case g == nil:
		return ""
	case g.SecretName != "":
		return g.SecretName
	}
	return c.Name + "-token"
}

// OverlapOrDefault is how long the former token is accepted after a rotation.
func (g *GenerateToken) OverlapOrDefault() time.Duration {
	if g.Overlap == nil {
		return DefaultOverlap
	}
	return g.Overlap.Duration
}

// JWTLogin says which JSON Web Tokens are accepted: signed by a key of the issuer with RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or
// ES512, for one of the audiences, not expired, and with the claims.
type JWTLogin struct {
	// issuer is the exact value of the claim "iss", such as "https://sts.windows.net/<tenant id>/" with the slash at its end.
	// +required
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https://[^?#]+$`
	Issuer string `json:"issuer"`

	// audiences of which the claim "aud" has to hold one.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Audiences []string `json:"audiences"`

	// jwksURL is where the issuer's keys are. Found by OpenID Connect discovery (<issuer>/.well-known/openid-configuration) when absent.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https://`
	JWKSURL string `json:"jwksURL,omitempty"`

	// requiredClaims that the token has to have besides, all of them.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	RequiredClaims []RequiredClaim `json:"requiredClaims,omitempty"`

	// ca is a bundle of PEM certificates to trust instead of the system's when the issuer is asked for its keys.
	// +optional
	CA *SecretKeyRef `json:"ca,omitempty"`
}

// RequiredClaim is a claim that a token has to have.
type RequiredClaim struct {
	// name of the claim, at the top level of the token, such as "appid", "azp", "client_id" or "roles".
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	// values of which the claim has to be one; of a claim that is a list, one element has to be one of them. Compared exactly.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	Values []string `json:"values"`
}

// Access says what a client may do.
// +kubebuilder:validation:Enum=ReadWrite;ReadOnly
type Access string

const (
	// AccessReadWrite: the client may read and write.
	AccessReadWrite Access = "ReadWrite"
	// AccessReadOnly: writes are refused with 403.
	AccessReadOnly Access = "ReadOnly"
)

// ClientResource is a kind of resource that a client may use.
// +kubebuilder:validation:Enum=Users;Groups
type ClientResource string

const (
	// ClientResourceUsers are the users.
	ClientResourceUsers ClientResource = "Users"
	// ClientResourceGroups are the groups.
	ClientResourceGroups ClientResource = "Groups"
)

// RateLimit is a token bucket.
type RateLimit struct {
	// requestsPerSecond on average.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	RequestsPerSecond int32 `json:"requestsPerSecond"`

	// burst of requests at once. As many as requestsPerSecond when absent.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10000
	Burst int32 `json:"burst,omitempty"`
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
	// conditions: Ready, PushesAccepted, TokenExpiring, IssuerReachable.
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

	// lastRequestTime is when the client last sent a request with valid credentials, to within 5 minutes.
	// +optional
	LastRequestTime *metav1.Time `json:"lastRequestTime,omitempty"`

	// generatedToken is the token of spec.generateToken.
	// +optional
	GeneratedToken *GeneratedTokenStatus `json:"generatedToken,omitempty"`

	// tolerances are the deviations from the standards that this client has really needed since the object exists, in alphabetical order.
	// docs/endpoint.md says what each is.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=64
	Tolerances []string `json:"tolerances,omitempty"`
}

// GeneratedTokenStatus tells about a generated token, not the token.
type GeneratedTokenStatus struct {
	// secretName is the Secret that has it in the key "token".
	// +required
	// +kubebuilder:validation:MaxLength=253
	SecretName string `json:"secretName"`

	// createdTime is when it was made.
	// +required
	CreatedTime metav1.Time `json:"createdTime"`

	// expirationTime is when it stops being accepted. Absent when it does not expire.
	// +optional
	ExpirationTime *metav1.Time `json:"expirationTime,omitempty"`

	// formerAcceptedUntil is when the last of the former tokens stops being accepted. Absent when there is none.
	// +optional
	FormerAcceptedUntil *metav1.Time `json:"formerAcceptedUntil,omitempty"`
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
