// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Labels, annotations and finalizers that the operator reads or writes.
const (
	// LabelCredentials marks the Secrets that the operator may read. Others are neither read, cached nor watched. Its value is free.
	LabelCredentials = "scim-operator.io/credentials"

	// LabelDisplayName is on every ScimGroup: a hash of its folded displayName, so that a look-up by name is one live, selective list.
	LabelDisplayName = "scim-operator.io/display-name"

	// LabelReservation is on ScimUsers that only reserve a userName for another one (spec.reservation without spec.userName).
	LabelReservation = "scim-operator.io/reservation"

	// AnnotationOrigin says where the last change of the spec came from: JSON with client, request and time. meta.lastModified is its time.
	AnnotationOrigin = "scim-operator.io/origin"

	// AnnotationFence is changed to invalidate the resourceVersion that an unfinished rename or create was going to use.
	AnnotationFence = "scim-operator.io/fence"

	// AnnotationApproveBatch on a ScimApp approves one batch of changes that the mass-change guard holds; its value is the digest of the batch.
	AnnotationApproveBatch = "scim-operator.io/approve-batch"

	// AnnotationAcceptBaseURL on a ScimApp says that the accounts which are recorded for its former base URL are the same under the new one; its value is the new one.
	AnnotationAcceptBaseURL = "scim-operator.io/accept-base-url"

	// AnnotationConfirmAbsence on a ScimUser or ScimGroup says that apps do not have accounts or groups although it cannot be proven (AbsenceUnproven). Its value is a list of
	// <app>/<remoteID>, separated by commas. The operator removes entries that nothing waits for.
	AnnotationConfirmAbsence = "scim-operator.io/confirm-absence"

	// AnnotationConfirmAccount on a ScimUser says that accounts which were found in apps are this user's (AdoptionUnconfirmed). Its value is a list of <app>/<remoteID>, separated
	// by commas.
	AnnotationConfirmAccount = "scim-operator.io/confirm-account"

	// AnnotationReconcile on any object asks for a fresh reconcile, whatever its new value; on a ScimApp it drops cached tokens and tests the credentials again (S23).
	AnnotationReconcile = "scim-operator.io/reconcile"

	// AnnotationLock on a ScimUser makes the user inactive for every app, whatever its spec says, for as long as the annotation is there. Its value, also an
	// empty one, is the reason. A person sets it, or the SCIM endpoint in order to keep a lock that a person set by spec.active.
	AnnotationLock = "scim-operator.io/lock"

	// AnnotationDeactivatedBy is on a ScimUser that SCIM made inactive; its value is the ScimClient. spec.active: false without it was set by a person.
	AnnotationDeactivatedBy = "scim-operator.io/deactivated-by"

	// AnnotationSuspend on a ScimApp suspends it as spec.suspend does, for as long as the annotation is there. Its value, also an empty one, is the reason.
	AnnotationSuspend = "scim-operator.io/suspend"

	// AnnotationSuspendedByFlag is on every ScimApp in the cache of an operator that runs with --suspend-apps. It is never stored.
	AnnotationSuspendedByFlag = "scim-operator.io/suspended-by-flag"

	// AnnotationRotateToken on a ScimClient with spec.generateToken asks for a new token, whatever its new value.
	AnnotationRotateToken = "scim-operator.io/rotate-token"

	// AnnotationGeneratedFor is on a Secret with a generated token: the name of its ScimClient. A Secret without it was made by somebody else
	// and is never written.
	AnnotationGeneratedFor = "scim-operator.io/generated-for"

	// AnnotationTokenCreated is on a Secret with a generated token: when the token was made, RFC 3339.
	AnnotationTokenCreated = "scim-operator.io/token-created"

	// AnnotationRotatedFor is on a Secret with a generated token: the value of scim-operator.io/rotate-token that the token was made for.
	AnnotationRotatedFor = "scim-operator.io/rotated-for"

	// FinalizerDeprovision keeps a ScimUser, ScimGroup or ScimApp until its accounts in the apps are deprovisioned by policy.
	FinalizerDeprovision = "scim-operator.io/deprovision"

	// FinalizerReservation keeps a reservation until the userName it reserves is no longer held.
	FinalizerReservation = "scim-operator.io/reservation"
)
