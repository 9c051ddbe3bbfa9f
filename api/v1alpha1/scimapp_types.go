// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScimApp is a downstream application whose accounts and groups the operator manages.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sapp,categories=scim
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.spec.profile`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Credentials",type=string,JSONPath=`.status.conditions[?(@.type=="CredentialsValid")].status`
// +kubebuilder:printcolumn:name="Accounts",type=integer,JSONPath=`.status.accounts`
// +kubebuilder:printcolumn:name="Pending",type=integer,JSONPath=`.status.pending`
// +kubebuilder:printcolumn:name="Failed",type=integer,JSONPath=`.status.failed`
// +kubebuilder:printcolumn:name="Held",type=integer,JSONPath=`.status.held`
// +kubebuilder:printcolumn:name="Revoking",type=date,JSONPath=`.status.oldestPendingRevocation`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ScimApp struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the app as a person wants it.
	// +required
	Spec ScimAppSpec `json:"spec"`

	// status is what the operator found.
	// +optional
	Status ScimAppStatus `json:"status,omitempty"`
}

// Feature is a provisioning feature by Okta's name.
// +kubebuilder:validation:Enum=PushNewUsers;PushProfileUpdates;PushUserDeactivation;ReactivateUsers;PushGroups;GroupLinking
type Feature string

const (
	// FeaturePushNewUsers creates or links an account for every user who has the app.
	FeaturePushNewUsers Feature = "PushNewUsers"
	// FeaturePushProfileUpdates writes changed attributes and roles.
	FeaturePushProfileUpdates Feature = "PushProfileUpdates"
	// FeaturePushUserDeactivation deprovisions the accounts of users who are inactive or no longer have the app (S46).
	FeaturePushUserDeactivation Feature = "PushUserDeactivation"
	// FeatureReactivateUsers reactivates the same account when the user has the app again (S49, S111).
	FeatureReactivateUsers Feature = "ReactivateUsers"
	// FeaturePushGroups pushes the groups listed in spec.groups with those members who have an account (S50, S87).
	FeaturePushGroups Feature = "PushGroups"
	// FeatureGroupLinking lets a pushed group take over a group of the same name that exists in the app ("Enhanced Group Push").
	FeatureGroupLinking Feature = "GroupLinking"
)

// ScimAppSpec is the wanted state of a ScimApp.
// +kubebuilder:validation:XValidation:rule="!has(self.groups) || size(self.groups) == 0 || (has(self.features) && self.features.exists(f, f == 'PushGroups'))",message="groups are listed but the feature PushGroups is not switched on"
type ScimAppSpec struct {
	// profile is the built-in knowledge about the vendor's API: generic, common-room or r-service.
	// +required
	// +kubebuilder:validation:Enum=generic;common-room;r-service
	Profile string `json:"profile"`

	// suspend stops every call to the app. What is due waits and is shown as planned.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// scim is how to reach the app's SCIM API.
	// +required
	SCIM SCIMConnection `json:"scim"`

	// features that are switched on. None when absent: nothing is provisioned.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	Features []Feature `json:"features,omitempty"`

	// attributes changes the profile's mapping from the user to the account: an entry replaces the profile's entry of the same name or adds
	// one.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Attributes []AttributeMapping `json:"attributes,omitempty"`

	// whenUnmapped says what happens in the app to an attribute that is taken out of the mapping. A mapped attribute without a value is always cleared.
	// Defaults to Keep.
	// +optional
	// +kubebuilder:default=Keep
	WhenUnmapped UnmappedPolicy `json:"whenUnmapped,omitempty"`

	// roles changes what the profile says about roles.
	// +optional
	Roles *AppRoles `json:"roles,omitempty"`

	// groups to push, by displayName. Independent of the groups that role mappings name.
	// +optional
	// +listType=map
	// +listMapKey=displayName
	// +kubebuilder:validation:MaxItems=256
	Groups []PushedGroup `json:"groups,omitempty"`

	// adoption says what happens when a user's account exists in the app before the operator made it. Link when absent.
	// +optional
	Adoption Adoption `json:"adoption,omitempty"`

	// deprovisioning says what happens to the account of a user who is inactive, deleted or no longer has the app. Deactivate when absent.
	// +optional
	Deprovisioning Deprovisioning `json:"deprovisioning,omitempty"`

	// deletionPolicy says what happens to the accounts when this object is deleted. Orphan when absent: they stay as they are.
	// +optional
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// protectedAccounts are userNames in the app that the operator never links nor changes, such as the account that issued the token.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=320
	ProtectedAccounts []string `json:"protectedAccounts,omitempty"`

	// guard holds mass changes for a person to approve.
	// +optional
	Guard *Guard `json:"guard,omitempty"`

	// limits of the calls to the app; the profile's when absent.
	// +optional
	Limits *AppLimits `json:"limits,omitempty"`
}

// SCIMConnection is how to reach a SCIM 2.0 API.
type SCIMConnection struct {
	// baseURL of the API. Absent: the profile's, for vendors with one address for everybody.
	// +optional
	// +kubebuilder:validation:MinLength=9
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https://`
	BaseURL string `json:"baseURL,omitempty"`

	// token is the bearer token.
	// +required
	Token SecretKeyRef `json:"token"`

	// ca is a bundle of PEM certificates to trust instead of the system's.
	// +optional
	CA *SecretKeyRef `json:"ca,omitempty"`

	// proxyURL of an HTTP proxy for the calls to this app.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	// +kubebuilder:validation:Pattern=`^https?://`
	ProxyURL string `json:"proxyURL,omitempty"`
}

// AttributeMapping computes one attribute of an account.
type AttributeMapping struct {
	// name is the SCIM path in the app, such as displayName, name.givenName or urn:example:1.0:User:badge.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	Name string `json:"name"`

	// expression in CEL over the variable user, the SCIM user, such as user.name.givenName. Empty: the attribute is not written.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Expression string `json:"expression,omitempty"`
}

// UnmappedPolicy says what happens to an attribute that is taken out of the mapping.
// +kubebuilder:validation:Enum=Keep;Clear
type UnmappedPolicy string

const (
	// UnmappedKeep leaves the attribute as it is in the app. Roles are revoked all the same.
	UnmappedKeep UnmappedPolicy = "Keep"
	// UnmappedClear clears the attribute of every account in which it was written.
	UnmappedClear UnmappedPolicy = "Clear"
)

// RoleForm says how roles are written in an account.
// +kubebuilder:validation:Enum=Values;String
type RoleForm string

const (
	// RoleFormValues: a list of objects with value, the first one primary.
	RoleFormValues RoleForm = "Values"
	// RoleFormString: a single string.
	RoleFormString RoleForm = "String"
)

// AppRoles is what an app's accounts have as roles.
type AppRoles struct {
	// attribute that holds the roles, "roles" when absent and the profile names none.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Attribute string `json:"attribute,omitempty"`

	// form of the attribute.
	// +optional
	Form RoleForm `json:"form,omitempty"`

	// allowed role names. A role mapping that names another one is refused. Absent: the profile's.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=128
	// +kubebuilder:validation:items:MaxLength=128
	Allowed []string `json:"allowed,omitempty"`

	// default roles for users whose role mappings name none.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:MaxLength=128
	Default []string `json:"default,omitempty"`
}

// GroupCreation says what happens when a pushed group does not exist in the app.
// +kubebuilder:validation:Enum=Create;RequirePredefined
type GroupCreation string

const (
	// GroupCreate makes it.
	GroupCreate GroupCreation = "Create"
	// GroupRequirePredefined waits until somebody makes it in the app (S51).
	GroupRequirePredefined GroupCreation = "RequirePredefined"
)

// PushedGroup is a group to push.
type PushedGroup struct {
	// displayName of the ScimGroup.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=256
	DisplayName string `json:"displayName"`

	// creation says what happens when the app has no group of this name; the profile's default when absent.
	// +optional
	Creation GroupCreation `json:"creation,omitempty"`

	// foreignMembers says what happens to members of the group in the app who are no account of a ScimUser. Defaults to Remove.
	// +optional
	// +kubebuilder:default=Remove
	ForeignMembers ForeignMembers `json:"foreignMembers,omitempty"`
}

// ForeignMembers says what happens to members of a pushed group that are no account of a ScimUser.
// +kubebuilder:validation:Enum=Remove;Keep
type ForeignMembers string

const (
	// ForeignMembersRemove removes them: the group has the members of the ScimGroup and no others. The mass-change guard counts them.
	ForeignMembersRemove ForeignMembers = "Remove"
	// ForeignMembersKeep leaves them in the group.
	ForeignMembersKeep ForeignMembers = "Keep"
)

// Adoption says what happens when an account exists already.
// +kubebuilder:validation:Enum=Link;Confirm;Never
type Adoption string

const (
	// AdoptionLink links the user to it. An inactive account whose externalId or employee number is not the user's waits as with Confirm: its address may have been another
	// person's.
	AdoptionLink Adoption = "Link"
	// AdoptionConfirm waits until a person confirms the account by the annotation scim-operator.io/confirm-account of the ScimUser.
	AdoptionConfirm Adoption = "Confirm"
	// AdoptionNever leaves it alone and reports AccountConflict.
	AdoptionNever Adoption = "Never"
)

// Deprovisioning says what happens to accounts that should not be there.
// +kubebuilder:validation:Enum=Deactivate;Delete;Orphan
type Deprovisioning string

const (
	// DeprovisionDeactivate sets active to false and keeps everything (S47, S48).
	DeprovisionDeactivate Deprovisioning = "Deactivate"
	// DeprovisionDelete deletes the account.
	DeprovisionDelete Deprovisioning = "Delete"
	// DeprovisionOrphan leaves the account as it is.
	DeprovisionOrphan Deprovisioning = "Orphan"
)

// DeletionPolicy says what the deletion of a ScimApp does to its accounts.
// +kubebuilder:validation:Enum=Orphan;Deprovision
type DeletionPolicy string

const (
	// DeletionOrphan leaves them as they are.
	DeletionOrphan DeletionPolicy = "Orphan"
	// DeletionDeprovision deprovisions them; the guard applies.
	DeletionDeprovision DeletionPolicy = "Deprovision"
)

// Guard is the threshold of the mass-change guard: when more users than the larger of minimum and percent of the app's active accounts would be
// deactivated, deleted, stripped of a role or removed from a pushed group within a rolling hour, the changes are held. All accounts of a small app at once, and a
// pushed group of 5 or more members that would become empty, are held whatever the threshold. The strictest guard that was written within the last hour is in force.
type Guard struct {
	// minimum number of changes that are always let through. 10 when absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	Minimum *int32 `json:"minimum,omitempty"`

	// percent of the active accounts. 20 when absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	Percent *int32 `json:"percent,omitempty"`

	// leaversPerHour is the number of users an hour, made inactive or deleted by the identity provider, who are deprovisioned while changes of another
	// cause are held. 10 when absent.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000
	LeaversPerHour *int32 `json:"leaversPerHour,omitempty"`
}

// AppLimits bound the calls to an app.
type AppLimits struct {
	// requestsPerMinute on average.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60000
	RequestsPerMinute int32 `json:"requestsPerMinute,omitempty"`

	// burst of requests above the average.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Burst int32 `json:"burst,omitempty"`

	// concurrency is how many accounts are worked on at once.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=64
	Concurrency int32 `json:"concurrency,omitempty"`

	// timeoutSeconds of one request.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=60
	TimeoutSeconds int32 `json:"timeoutSeconds,omitempty"`

	// membersPerRequest is the largest number of members of a group in one request; the profile's when absent. An app that refuses so many is asked with fewer, see
	// status.membersPerRequest.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100000
	MembersPerRequest int32 `json:"membersPerRequest,omitempty"`
}

// ScimAppStatus is the observed state of a ScimApp.
type ScimAppStatus struct {
	// conditions: Ready, CredentialsValid, Reachable, AccountsSynced, AttributesSynced, MassChangeHeld, SubjectsResolved, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// baseURL that is used.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	BaseURL string `json:"baseURL,omitempty"`

	// pausedUntil is the time before which the app asked for no calls; absent when it may be called.
	// +optional
	PausedUntil *metav1.Time `json:"pausedUntil,omitempty"`

	// accounts is how many active accounts the operator manages in the app.
	// +optional
	// +kubebuilder:default=0
	Accounts int32 `json:"accounts"`

	// pending is how many changes are to come.
	// +optional
	// +kubebuilder:default=0
	Pending int32 `json:"pending"`

	// membersPerRequest is how many members of a group the app takes in one request, after it refused more. It is forgotten when spec.limits.membersPerRequest is not
	// above it.
	// +optional
	// +kubebuilder:validation:Minimum=0
	MembersPerRequest int32 `json:"membersPerRequest,omitempty"`

	// failed is how many accounts and pushed groups failed to sync.
	// +optional
	// +kubebuilder:default=0
	Failed int32 `json:"failed"`

	// oldestPendingRevocation is since when the oldest pending revocation waits: a user has more access in the app than desired. Absent when none is pending. The time
	// for which the mass-change guard holds it counts.
	// +optional
	OldestPendingRevocation *metav1.Time `json:"oldestPendingRevocation,omitempty"`

	// held is how many changes the mass-change guard holds.
	// +optional
	// +kubebuilder:default=0
	Held int32 `json:"held"`

	// batches are the changes that the mass-change guard holds.
	// +optional
	// +listType=map
	// +listMapKey=digest
	// +kubebuilder:validation:MaxItems=16
	Batches []HeldBatch `json:"batches,omitempty"`

	// guard has the limits of the mass-change guard and the revocations that it counts.
	// +optional
	Guard *GuardStatus `json:"guard,omitempty"`

	// attributes are those that the app refuses, or does not show as they were written. The condition AttributesSynced sums up.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=64
	Attributes []AttributeFinding `json:"attributes,omitempty"`

	// groups are the pushed groups as they were resolved.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Groups []ResolvedGroup `json:"groups,omitempty"`
}

// HeldBatch is a closed set of changes that waits for a person: approve it with
// kubectl annotate scimapp <name> scim-operator.io/approve-batch=<digest>, or fix what caused it.
type HeldBatch struct {
	// digest of what is held.
	// +required
	// +kubebuilder:validation:MaxLength=64
	Digest string `json:"digest"`

	// changes in the batch when it was closed.
	// +required
	Changes int32 `json:"changes"`

	// remaining changes that are still held.
	// +required
	Remaining int32 `json:"remaining"`

	// heldTime is when the batch was closed.
	// +optional
	HeldTime *metav1.Time `json:"heldTime,omitempty"`

	// users are the object names of the first ScimUsers concerned, and of the ScimGroups that lose members.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=253
	Users []string `json:"users,omitempty"`

	// message says how many of what, and why they are held.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// GuardStatus has the limits of the mass-change guard and the revocations that it counts. It survives a restart.
type GuardStatus struct {
	// minimum, percent and leaversPerHour in force: the strictest for which spec.guard asked within the last hour.
	// +required
	Minimum int32 `json:"minimum"`
	// +required
	Percent int32 `json:"percent"`
	// +required
	LeaversPerHour int32 `json:"leaversPerHour"`

	// looserFrom is when the next looser limits take effect.
	// +optional
	LooserFrom *metav1.Time `json:"looserFrom,omitempty"`

	// requested are the limits for which spec.guard asks, and before them stricter ones for which it asked within the last hour, the oldest first.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Requested []RequestedLimits `json:"requested,omitempty"`

	// revoked are users who lost access within the last hour and whose own status does not record it: users who were deleted since, and members that
	// were removed from pushed groups.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Revoked []RevokedUsers `json:"revoked,omitempty"`
}

// RequestedLimits are limits for which spec.guard asked.
type RequestedLimits struct {
	// minimum, percent and leaversPerHour.
	// +required
	Minimum int32 `json:"minimum"`
	// +required
	Percent int32 `json:"percent"`
	// +required
	LeaversPerHour int32 `json:"leaversPerHour"`

	// until is when spec.guard was changed; absent for the limits for which it asks now.
	// +optional
	Until *metav1.Time `json:"until,omitempty"`
}

// RevokedUsers are users who lost access within the same minute.
type RevokedUsers struct {
	// time of the minute.
	// +required
	Time metav1.Time `json:"time"`

	// users are short hashes of the users' ids, separated by spaces; "!" follows a user whom the identity provider deleted or made inactive.
	// +optional
	// +kubebuilder:validation:MaxLength=2048
	Users string `json:"users,omitempty"`

	// more is the number of users that are not listed.
	// +optional
	// +kubebuilder:validation:Minimum=0
	More int32 `json:"more,omitempty"`
}

// HasFeature is whether a feature is switched on.
func (a *ScimApp) HasFeature(f Feature) bool {
	for _, have := range a.Spec.Features {
		if have == f {
			return true
		}
	}
	return false
}

// ConditionList implements Conditioned.
func (a *ScimApp) ConditionList() *[]metav1.Condition { return &a.Status.Conditions }

// SetObservedGeneration implements Conditioned.
func (a *ScimApp) SetObservedGeneration(n int64) { a.Status.ObservedGeneration = n }

// ScimAppList is a list of ScimApps.
// +kubebuilder:object:root=true
type ScimAppList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScimApp `json:"items"`
}
