// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// ScimGroup is a group as the identity provider pushed it (RFC 7643 Group), with its state in the apps that it is pushed to.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sgroup,categories=scim
// +kubebuilder:selectablefield:JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="DisplayName",type=string,JSONPath=`.spec.displayName`
// +kubebuilder:printcolumn:name="Members",type=integer,JSONPath=`.status.members`
// +kubebuilder:printcolumn:name="Apps",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ScimGroup struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the group by its SCIM attribute names. The SCIM endpoint writes it, or a person for groups managed in Git.
	// +required
	Spec ScimGroupSpec `json:"spec"`

	// status has the state of the group in the apps.
	// +optional
	Status ScimGroupStatus `json:"status,omitempty"`
}

// MaxInlineMembers is how many members a ScimGroup holds itself: with ids of the largest size it stays well below what etcd takes for one object. SCIM puts the members
// of a group into slices long before. A person who needs more nests groups.
const MaxInlineMembers = 2000

// ScimGroupSpec is the wanted state of a ScimGroup.
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.id) || (has(self.id) && self.id == oldSelf.id)",message="id is set once and never changes"
// +kubebuilder:validation:XValidation:rule="!has(self.slices) || !has(self.members)",message="members stand either in the group or in slices"
// +kubebuilder:validation:XValidation:rule="has(self.slices) == has(self.membersDigest)",message="slices come with the digest of the members in them"
type ScimGroupSpec struct {
	// id is the random part of the SCIM id, which is <metadata.name>.<id>. Set once, by the endpoint, or by the operator when it admits a
	// group that a person made; leave it out.
	// +optional
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=64
	ID string `json:"id,omitempty"`

	// client is the ScimClient that the group belongs to. Absent for groups that a person made.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Client string `json:"client,omitempty"`

	// managedBy is Git for a group that SCIM may read but not change. Client when absent.
	// +optional
	ManagedBy ManagedBy `json:"managedBy,omitempty"`

	// externalIDs are the identifiers that the clients keep for the group, one for each client.
	// +optional
	// +listType=map
	// +listMapKey=client
	// +kubebuilder:validation:MaxItems=16
	ExternalIDs []ExternalID `json:"externalIDs,omitempty"`

	// displayName of the group. Unique among the groups of one client unless the client says otherwise.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=1024
	DisplayName string `json:"displayName"`

	// members of the group, users and groups. A member whose object does not exist (yet) is kept and counts from the moment it exists.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2000
	Members []GroupMember `json:"members,omitempty"`

	// slices have the members of a group that has many, instead of members. Written by the SCIM endpoint alone.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=1000
	Slices []GroupSlice `json:"slices,omitempty"`

	// membersDigest is a hash of the members in slices, in hexadecimal, from which the ETag is made.
	// +optional
	// +kubebuilder:validation:MinLength=64
	// +kubebuilder:validation:MaxLength=64
	MembersDigest string `json:"membersDigest,omitempty"`

	// extensions have all other attributes.
	// +optional
	// +listType=map
	// +listMapKey=schema
	// +kubebuilder:validation:MaxItems=32
	Extensions []Extension `json:"extensions,omitempty"`
}

// MemberType says what a member is.
// +kubebuilder:validation:Enum=User;Group
type MemberType string

// The types of members. A member without type is a user.
const (
	MemberTypeUser  MemberType = "User"
	MemberTypeGroup MemberType = "Group"
)

// GroupMember is a member of a group.
type GroupMember struct {
	// value is the SCIM id of the member.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=320
	Value string `json:"value"`

	// type of the member. User when absent.
	// +optional
	Type MemberType `json:"type,omitempty"`
}

// GroupSlice names a ScimGroupSlice that has a part of the members.
type GroupSlice struct {
	// name is the metadata.name of the ScimGroupSlice.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// count is how many members it has.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=500
	Count int32 `json:"count"`
}

// MemberCount is how many members the group has.
func (s *ScimGroupSpec) MemberCount() int {
	n := len(s.Members)
	for i := range s.Slices {
		n += int(s.Slices[i].Count)
	}
	return n
}

// ScimGroupStatus is the observed state of a ScimGroup.
type ScimGroupStatus struct {
	// conditions: Ready, Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// observedGeneration is the generation of the spec that the status describes.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// members is how many members the group has.
	// +optional
	// +kubebuilder:default=0
	Members int32 `json:"members"`

	// unresolvedMembers is how many of them stand for no existing object.
	// +optional
	UnresolvedMembers int32 `json:"unresolvedMembers,omitempty"`

	// unresolved are the first of these ids.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=320
	Unresolved []string `json:"unresolved,omitempty"`

	// summary is in how many of the apps the group is in sync, such as "1/1".
	// +optional
	// +kubebuilder:validation:MaxLength=32
	Summary string `json:"summary,omitempty"`

	// apps has an entry for each app that the group is pushed to.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Apps []PushedGroupStatus `json:"apps,omitempty"`
}

// PushedGroupState is what is known of a group in an app.
// +kubebuilder:validation:Enum=Pending;Creating;Pushed;Orphaned
type PushedGroupState string

const (
	// GroupPending: the group should be pushed; nothing was tried yet.
	GroupPending PushedGroupState = "Pending"
	// GroupCreating: a create or link was decided; the group may already exist in the app.
	GroupCreating PushedGroupState = "Creating"
	// GroupPushed: the app has the group.
	GroupPushed PushedGroupState = "Pushed"
	// GroupOrphaned: the app has the group; it is left as it is and no longer managed.
	GroupOrphaned PushedGroupState = "Orphaned"
)

// PushedGroupStatus is a group's presence in one app.
type PushedGroupStatus struct {
	// app is the name of the ScimApp.
	// +required
	// +kubebuilder:validation:MaxLength=253
	App string `json:"app"`

	// state of the group in the app.
	// +required
	State PushedGroupState `json:"state"`

	// remoteID is the app's identifier of the group.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	RemoteID string `json:"remoteID,omitempty"`

	// created is whether the operator made the group in the app; a group that was there before is never deleted.
	// +optional
	Created bool `json:"created,omitempty"`

	// members is how many members were last written: those who have an account in the app.
	// +optional
	// +kubebuilder:default=0
	Members int32 `json:"members"`

	// matchValue is the displayName in the app, as long as its create is not known to have happened: it is looked up by it, even if the group has
	// another name by now.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	MatchValue string `json:"matchValue,omitempty"`

	// provisionedTime is when the group was first created or linked.
	// +optional
	ProvisionedTime *metav1.Time `json:"provisionedTime,omitempty"`

	// updatedTime is when the operator last changed the group.
	// +optional
	UpdatedTime *metav1.Time `json:"updatedTime,omitempty"`

	// reason why the group is out of sync, or waits.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message says it in a sentence, with what to do next.
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

	// pendingRevocationTime is since when members, or the group, are to be removed from the app. Present until that is done or no longer desired.
	// +optional
	PendingRevocationTime *metav1.Time `json:"pendingRevocationTime,omitempty"`

	// heldBatch is the digest of the batch in which the mass-change guard holds the removal of members. Other changes of the group are made.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	HeldBatch string `json:"heldBatch,omitempty"`

	// held is the number of members whose removal is held.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Held int32 `json:"held,omitempty"`

	// heldMembers is a short hash of the members whose removal is held.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	HeldMembers string `json:"heldMembers,omitempty"`

	// membersHidden is whether the app does not show the members of the group, or cannot show the group. A ScimGroupRecord then says who may be in it.
	// +optional
	MembersHidden bool `json:"membersHidden,omitempty"`

	// applied are short hashes of the name and the members that were last written; empty while a change may have taken effect and is not settled.
	// +optional
	// +kubebuilder:validation:MaxLength=256
	Applied string `json:"applied,omitempty"`
}

// SCIMID is the group's SCIM id, empty while the group is not admitted.
func (g *ScimGroup) SCIMID() string { return scimID(g.Name, g.Spec.ID) }

// Admitted is whether the group has an id and takes effect.
func (g *ScimGroup) Admitted() bool { return g.Spec.ID != "" }

// ConditionList implements Conditioned.
func (g *ScimGroup) ConditionList() *[]metav1.Condition { return &g.Status.Conditions }

// SetObservedGeneration implements Conditioned.
func (g *ScimGroup) SetObservedGeneration(n int64) { g.Status.ObservedGeneration = n }

// App is the entry of an app, nil if there is none.
func (s *ScimGroupStatus) App(app string) *PushedGroupStatus {
	for i := range s.Apps {
		if s.Apps[i].App == app {
			return &s.Apps[i]
		}
	}
	return nil
}

// ScimGroupList is a list of ScimGroups.
// +kubebuilder:object:root=true
type ScimGroupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []ScimGroup `json:"items"`
}
