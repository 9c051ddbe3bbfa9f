// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScimUser is a person's identity as the identity provider pushed it (RFC 7643 User), with the state of its account in every app.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=suser,categories=scim
// +kubebuilder:selectablefield:JSONPath=`.spec.userName`
// +kubebuilder:printcolumn:name="UserName",type=string,JSONPath=`.spec.userName`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.active`
// +kubebuilder:printcolumn:name="Accounts",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ScimUser struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the user by its SCIM attribute names. The SCIM endpoint writes it, or a person for users managed in Git.
	// +required
	Spec ScimUserSpec `json:"spec"`

	// status has the accounts of the user in the apps.
	// +optional
	Status ScimUserStatus `json:"status,omitempty"`
}

// ScimUserSpec is the wanted state of a ScimUser.
// +kubebuilder:validation:XValidation:rule="has(self.userName) || has(self.reservation)",message="userName is required"
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="id is set once and never changes"
type ScimUserSpec struct {
	// id is the random part of the SCIM id, which is <metadata.name>.<id>. Set once, by the endpoint, or by the operator when it admits a
	// user that a person made; leave it out.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// client is the ScimClient that the user belongs to. Absent for users that a person made.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Client string `json:"client,omitempty"`

	// managedBy is Git for a user that SCIM may read but not change. Client when absent.
	// +optional
	ManagedBy ManagedBy `json:"managedBy,omitempty"`

	// externalIDs are the identifiers that the clients keep for the user, one for each client.
	// +optional
	// +listType=map
	// +listMapKey=client
	// +kubebuilder:validation:MaxItems=16
	ExternalIDs []ExternalID `json:"externalIDs,omitempty"`

	// userName is unique in the namespace, whatever its letter case.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	UserName string `json:"userName,omitempty"`

	// reservation is written by the operator: the userName that this object's own name stands for is held by another object.
	// +optional
	Reservation *Reservation `json:"reservation,omitempty"`

	// active is whether the user may use anything. True when absent. An inactive user's accounts are deactivated.
	// +optional
	Active *bool `json:"active,omitempty"`

	// name is the user's real name in its parts.
	// +optional
	Name *Name `json:"name,omitempty"`

	// displayName is the name to show.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	DisplayName string `json:"displayName,omitempty"`

	// nickName is the casual way to address the user.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	NickName string `json:"nickName,omitempty"`

	// profileUrl is a page about the user.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	ProfileURL string `json:"profileUrl,omitempty"`

	// title, such as "Vice President".
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Title string `json:"title,omitempty"`

	// userType is the relation to the organization, such as "Employee" or "Contractor". R-Service reads "VIP".
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	UserType string `json:"userType,omitempty"`

	// preferredLanguage as in the Accept-Language header, such as "en-US".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	PreferredLanguage string `json:"preferredLanguage,omitempty"`

	// locale for dates, currency and numbers, such as "en-US".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Locale string `json:"locale,omitempty"`

	// timezone by its IANA name, such as "Europe/Zurich".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Timezone string `json:"timezone,omitempty"`

	// emails of the user.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Emails []MultiValue `json:"emails,omitempty"`

	// phoneNumbers of the user, exactly as they were sent.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	PhoneNumbers []MultiValue `json:"phoneNumbers,omitempty"`

	// ims are instant messaging addresses.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	IMs []MultiValue `json:"ims,omitempty"`

	// photos are links to pictures.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Photos []MultiValue `json:"photos,omitempty"`

	// addresses are postal addresses.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Addresses []Address `json:"addresses,omitempty"`

	// entitlements that the identity provider gave the user.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	Entitlements []MultiValue `json:"entitlements,omitempty"`

	// roles that the identity provider gave the user. What a user has in an app is decided by role mappings.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	Roles []MultiValue `json:"roles,omitempty"`

	// x509Certificates are base64 DER certificates.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	X509Certificates []MultiValue `json:"x509Certificates,omitempty"`

	// enterprise has the attributes of urn:ietf:params:scim:schemas:extension:enterprise:2.0:User.
	// +optional
	Enterprise *EnterpriseUser `json:"enterprise,omitempty"`

	// extensions have all other attributes.
	// +optional
	// +listType=map
	// +listMapKey=schema
	// +kubebuilder:validation:MaxItems=32
	Extensions []Extension `json:"extensions,omitempty"`
}

// Reservation says which object holds a userName whose own slot is this object.
// docs/decisions has the protocol that keeps userNames unique.
type Reservation struct {
	// user is the name of the ScimUser that holds the userName, or is about to.
	// +required
	// +kubebuilder:validation:MaxLength=253
	User string `json:"user"`

	// id is the spec.id of that ScimUser.
	// +required
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id"`

	// resourceVersion of that ScimUser which the write that takes the name is bound to.
	// +required
	// +kubebuilder:validation:MaxLength=64
	ResourceVersion string `json:"resourceVersion"`
}

// Name is the parts of a person's name (RFC 7643 4.1.1).
type Name struct {
	// formatted is the full name.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Formatted string `json:"formatted,omitempty"`
	// familyName is the last name in most Western languages.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	FamilyName string `json:"familyName,omitempty"`
	// givenName is the first name in most Western languages.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	GivenName string `json:"givenName,omitempty"`
	// middleName or names.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	MiddleName string `json:"middleName,omitempty"`
	// honorificPrefix, such as "Dr.".
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	HonorificPrefix string `json:"honorificPrefix,omitempty"`
	// honorificSuffix, such as "III".
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	HonorificSuffix string `json:"honorificSuffix,omitempty"`
}

// MultiValue is one value of a multi-valued attribute (RFC 7643 2.4).
type MultiValue struct {
	// value itself.
	// +optional
	// +kubebuilder:validation:MaxLength=65536
	Value string `json:"value,omitempty"`
	// display is a name to show.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Display string `json:"display,omitempty"`
	// type says what the value is for, such as "work".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Type string `json:"type,omitempty"`
	// primary marks the preferred value; at most one has it.
	// +optional
	Primary *bool `json:"primary,omitempty"`
}

// Address is a postal address (RFC 7643 4.1.2).
type Address struct {
	// formatted for display or a label.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Formatted string `json:"formatted,omitempty"`
	// streetAddress with street, house number and the like.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	StreetAddress string `json:"streetAddress,omitempty"`
	// locality is the city.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Locality string `json:"locality,omitempty"`
	// region is the state or region.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Region string `json:"region,omitempty"`
	// postalCode is the zip or postal code.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	PostalCode string `json:"postalCode,omitempty"`
	// country as ISO 3166-1 alpha-2, exactly as sent.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Country string `json:"country,omitempty"`
	// type, such as "work" or "home".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Type string `json:"type,omitempty"`
	// primary marks the preferred address.
	// +optional
	Primary *bool `json:"primary,omitempty"`
}

// EnterpriseUser is the enterprise extension (RFC 7643 4.3).
type EnterpriseUser struct {
	// employeeNumber within the organization.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	EmployeeNumber string `json:"employeeNumber,omitempty"`
	// costCenter.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	CostCenter string `json:"costCenter,omitempty"`
	// organization.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Organization string `json:"organization,omitempty"`
	// division.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Division string `json:"division,omitempty"`
	// department.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Department string `json:"department,omitempty"`
	// manager of the user.
	// +optional
	Manager *Manager `json:"manager,omitempty"`
}

// Manager is a reference to the user's manager (RFC 7643 4.3).
type Manager struct {
	// value is the SCIM id of the manager, as sent.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Value string `json:"value,omitempty"`
	// displayName of the manager, as sent.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	DisplayName string `json:"displayName,omitempty"`
}

// ScimUserStatus is the observed state of a ScimUser.
type ScimUserStatus struct {
	// conditions: Ready, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// active is spec.active as it was understood: "true" or "false".
	// +optional
	// +kubebuilder:validation:MaxLength=8
	Active string `json:"active,omitempty"`

	// lastHandledReconcileAt is the value of the annotation scim-operator.io/reconcile for which every account was last read and compared.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	LastHandledReconcileAt string `json:"lastHandledReconcileAt,omitempty"`

	// summary is how many of the accounts are as they should be, such as "3/4".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Summary string `json:"summary,omitempty"`

	// accounts has an entry for each app in which the user has, should have or had an account.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Accounts []Account `json:"accounts,omitempty"`
}

// AccountState is what is known of an account.
// +kubebuilder:validation:Enum=Pending;Creating;Active;Inactive;Orphaned
type AccountState string

const (
	// AccountPending: the account should exist; nothing was tried yet, the entry's reason says why.
	AccountPending AccountState = "Pending"
	// AccountCreating: a create or link was decided; the account may already exist, so it is looked up before anything else.
	AccountCreating AccountState = "Creating"
	// AccountActive: the app has the account and it may log in.
	AccountActive AccountState = "Active"
	// AccountInactive: the app has the account, deactivated by us.
	AccountInactive AccountState = "Inactive"
	// AccountOrphaned: the app has the account; it is left as it is and no longer managed.
	AccountOrphaned AccountState = "Orphaned"
)

// AccountAction is a change of an account or a pushed group.
// +kubebuilder:validation:Enum=Create;Update;Deactivate;Reactivate;Delete;Release;Observe;Check
type AccountAction string

const (
	// ActionCreate looks the account up, links it if it exists and creates it otherwise.
	ActionCreate AccountAction = "Create"
	// ActionUpdate changes attributes or roles.
	ActionUpdate AccountAction = "Update"
	// ActionDeactivate sets active to false.
	ActionDeactivate AccountAction = "Deactivate"
	// ActionReactivate sets active to true.
	ActionReactivate AccountAction = "Reactivate"
	// ActionDelete removes the account from the app.
	ActionDelete AccountAction = "Delete"
	// ActionRelease leaves the account as it is and stops managing it.
	ActionRelease AccountAction = "Release"
	// ActionObserve reads the account to learn whether an earlier change took effect.
	ActionObserve AccountAction = "Observe"
	// ActionCheck reads the account to compare it, as a person has asked, and changes nothing.
	ActionCheck AccountAction = "Check"
)

// AccountOperation is a change of an account that may have taken effect. The account then has two possible states, before and after it.
type AccountOperation struct {
	// types of the calls that may have taken effect; several if one followed another that was not settled. Any type when absent.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	Types []AccountAction `json:"types,omitempty"`

	// attributes are the names of the attributes that may have been written, the first 24 of at most 48 bytes. @ stands for the enterprise extension.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=24
	// +kubebuilder:validation:items:MaxLength=48
	Attributes []string `json:"attributes,omitempty"`

	// moreAttributes is the number of names that attributes leaves out. Any attribute may have been written then.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MoreAttributes int32 `json:"moreAttributes,omitempty"`

	// roles that may have been given, as in roles of the account.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=48
	Roles []string `json:"roles,omitempty"`

	// startTime is when the operation was announced.
	// +required
	StartTime metav1.Time `json:"startTime"`
}

// Account is one user's presence in one app.
type Account struct {
	// app is the name of the ScimApp.
	// +required
	// +kubebuilder:validation:MaxLength=253
	App string `json:"app"`

	// state of the account.
	// +required
	State AccountState `json:"state"`

	// roles that the account has in the app. A name of more than 48 bytes is shortened and ends with "~" and a hash of it. Of more than 32 roles, those that are to be
	// revoked come first, and "..." stands for the others; then each change of the roles counts as a revocation for the mass-change guard.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=48
	Roles []string `json:"roles,omitempty"`

	// remoteID is the app's identifier of the account.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RemoteID string `json:"remoteID,omitempty"`

	// provisionedTime is when the account was first created or linked.
	// +optional
	ProvisionedTime *metav1.Time `json:"provisionedTime,omitempty"`

	// updatedTime is when the operator last changed the account.
	// +optional
	UpdatedTime *metav1.Time `json:"updatedTime,omitempty"`

	// revokedTime is when the operator last deactivated the account or revoked a role. The mass-change guard counts the user for an hour;
	// changes that a person approved do not count.
	// +optional
	RevokedTime *metav1.Time `json:"revokedTime,omitempty"`

	// matchValue is what identifies the account in the app, as long as its create is not known to have happened: it is looked up by it, even
	// if the user has another name by now.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	MatchValue string `json:"matchValue,omitempty"`

	// planned is the change that is to come.
	// +optional
	Planned AccountAction `json:"planned,omitempty"`

	// plannedAttributes are the names of the attributes that the planned change writes, the first 16 of at most 48 bytes. @ stands for the enterprise extension.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=48
	PlannedAttributes []string `json:"plannedAttributes,omitempty"`

	// rejectedAttributes are the names of the attributes that the app refuses and that are left out, the first 8 of at most 48 bytes. @ stands for the enterprise
	// extension. They are written again when their value or the mapping changes, or when a person asks with the annotation scim-operator.io/reconcile.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=48
	RejectedAttributes []string `json:"rejectedAttributes,omitempty"`

	// checkedTime is when the account was last read because a person asked with the annotation scim-operator.io/reconcile.
	// +optional
	CheckedTime *metav1.Time `json:"checkedTime,omitempty"`

	// checkedFor is a hash of the annotation's value.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	CheckedFor string `json:"checkedFor,omitempty"`

	// differences are the names of the attributes that the app showed otherwise, the first 8 of at most 48 bytes: active, and mapped ones. @ stands for the enterprise
	// extension. They are reported, not corrected.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=48
	Differences []string `json:"differences,omitempty"`

	// operation is the change that may have taken effect in the app and is not settled: present from the moment before its first call until an
	// answer or an observation has shown what the app has.
	// +optional
	Operation *AccountOperation `json:"operation,omitempty"`

	// pendingRevocationTime is since when a revocation is pending: the account has, or may have, more access than it should. Present until the revocation is made or no
	// longer desired, whatever it waits for.
	// +optional
	PendingRevocationTime *metav1.Time `json:"pendingRevocationTime,omitempty"`

	// heldBatch is the digest of the batch in which the mass-change guard holds the planned change.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	HeldBatch string `json:"heldBatch,omitempty"`

	// reason why the account is out of sync, or waits.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says it in a sentence, with what to do next. It holds no personal value.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Message string `json:"message,omitempty"`

	// attempts that failed since the last success.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Attempts int32 `json:"attempts,omitempty"`

	// nextRetryTime is when the next attempt is made, if one is.
	// +optional
	NextRetryTime *metav1.Time `json:"nextRetryTime,omitempty"`

	// applied are short hashes of what the operator last wrote to the app, one for each attribute: "v3 @department=k3Jd9aXq userName=... +urn:example:1.0:User badge=...",
	// where @ stands for the enterprise extension, and the names after + are of that extension. A hash after "!" is of a value that the app refused, one after "~" of
	// roles that it does not show. Empty: not known.
	// What differs from it is what has to be written.
	// +optional
	// +kubebuilder:validation:MaxLength=3072
	Applied string `json:"applied,omitempty"`
}

// IsActive is whether the user may use anything: an absent active is true.
func (u *ScimUser) IsActive() bool { return u.Spec.Active == nil || *u.Spec.Active }

// SCIMID is the user's SCIM id, empty while the user is not admitted.
func (u *ScimUser) SCIMID() string { return scimID(u.Name, u.Spec.ID) }

// Admitted is whether the object is a user: it has a userName and an id, and is not a mere reservation.
func (u *ScimUser) Admitted() bool { return u.Spec.ID != "" && u.Spec.UserName != "" }

// ConditionList implements Conditioned.
func (u *ScimUser) ConditionList() *[]metav1.Condition { return &u.Status.Conditions }

// SetObservedGeneration implements Conditioned.
func (u *ScimUser) SetObservedGeneration(g int64) { u.Status.ObservedGeneration = g }

// Account is the entry of an app, nil if there is none.
func (s *ScimUserStatus) Account(app string) *Account {
	for i := range s.Accounts {
		if s.Accounts[i].App == app {
			return &s.Accounts[i]
		}
	}
	return nil
}

// ScimUserList is a list of ScimUsers.
// +kubebuilder:object:root=true
type ScimUserList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScimUser `json:"items"`
}
