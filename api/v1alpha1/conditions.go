// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. Ready, Reconciling and Stalled follow kstatus. All have positive polarity but Reconciling, Stalled, MassChangeHeld
// and TokenExpiring, which are present only while they are true.
const (
	// ConditionReady sums up. ScimApp: configuration, credentials, reachability. ScimRoleMapping: accepted. ScimUser, ScimGroup: right in every app.
	// ScimClient: every way to log in that its spec names can be used.
	ConditionReady = "Ready"
	// ConditionReconciling is true while work is under way that nobody has to do anything about.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is true when retrying does not help: a person has to act.
	ConditionStalled = "Stalled"
	// ConditionCredentialsValid says whether the app accepted the credentials in a test without side effects (S39).
	ConditionCredentialsValid = "CredentialsValid"
	// ConditionReachable says whether the app answers. Calls wait while it does not.
	ConditionReachable = "Reachable"
	// ConditionAccountsSynced says whether all accounts of the app are in sync. Outside Ready, so that one user without a
	// family name does not make the app unhealthy.
	ConditionAccountsSynced = "AccountsSynced"
	// ConditionAttributesSynced says whether the app takes and shows the attributes that are written. Outside Ready.
	ConditionAttributesSynced = "AttributesSynced"
	// ConditionMassChangeHeld is true while the mass-change guard holds changes of an app for a person to approve.
	ConditionMassChangeHeld = "MassChangeHeld"
	// ConditionSeatsAvailable is False while the plan of an app has no seat left for users who wait for an account. It is absent otherwise.
	ConditionSeatsAvailable = "SeatsAvailable"
	// ConditionSubjectsResolved says whether the groups and users that a mapping or an app names exist. Outside Ready: they may come later.
	ConditionSubjectsResolved = "SubjectsResolved"
	// ConditionPushesAccepted says whether the endpoint accepts the changes that a ScimClient pushes. Outside Ready: the client can log in.
	ConditionPushesAccepted = "PushesAccepted"
	// ConditionTokenExpiring is true on a ScimClient whose generated token is to expire soon, or has. Outside Ready until it has.
	ConditionTokenExpiring = "TokenExpiring"
	// ConditionIssuerReachable says whether the issuer of a ScimClient's JSON Web Tokens gives its keys. Outside Ready while keys that it gave
	// before are still good.
	ConditionIssuerReachable = "IssuerReachable"
)

// Reasons of conditions and of account entries. docs/conditions.md has the cure of each.
const (
	ReasonSucceeded   = "Succeeded"
	ReasonProgressing = "Progressing"
	ReasonSuspended   = "Suspended"
	ReasonLocked      = "Locked"
	// ReasonReconcileFailed: the operator could not finish its work on the object, so that what its status says may be out of date.
	ReasonReconcileFailed = "ReconcileFailed"

	// Configuration.
	ReasonInvalidConfiguration = "InvalidConfiguration"
	ReasonSecretNotFound       = "SecretNotFound"
	ReasonSecretNotLabelled    = "SecretNotLabelled"
	ReasonSecretKeyMissing     = "SecretKeyMissing"
	ReasonUnsupportedFeature   = "Unsupported"
	ReasonAppNotFound          = "AppNotFound"
	ReasonRoleUnknown          = "RoleUnknown"
	ReasonTenantConflict       = "TenantConflict"

	// Log-in of identity providers.
	ReasonSecretExists      = "SecretExists"
	ReasonSecretNotWritable = "SecretNotWritable"
	ReasonTokenExpiresSoon  = "TokenExpiresSoon"
	ReasonTokenExpired      = "TokenExpired"
	ReasonPushesRefused     = "PushesRefused"
	ReasonIssuerUnreachable = "IssuerUnreachable"
	ReasonIssuerInvalid     = "IssuerInvalid"

	// The app as a whole.
	ReasonCredentialsRejected     = "CredentialsRejected"
	ReasonInsufficientPermissions = "InsufficientPermissions"
	ReasonUnreachable             = "Unreachable"
	ReasonRateLimited             = "RateLimited"
	ReasonServerError             = "ServerError"
	ReasonUnexpectedAnswer        = "UnexpectedAnswer"
	ReasonNotTested               = "NotTested"

	// Users and groups.
	ReasonUserNameConflict    = "UserNameConflict"
	ReasonDisplayNameConflict = "DisplayNameConflict"
	ReasonMembersMissing      = "MembersMissing"

	// Single accounts and pushed groups.
	ReasonAccountConflict          = "AccountConflict"
	ReasonAccountProtected         = "AccountProtected"
	ReasonMissingRequiredAttribute = "MissingRequiredAttribute"
	ReasonInvalidAttribute         = "InvalidAttribute"
	ReasonIdentifierChange         = "IdentifierChange"
	ReasonFeatureOff               = "FeatureOff"
	ReasonHeld                     = "Held"
	ReasonAppNotReady              = "AppNotReady"
	ReasonQueued                   = "Queued"
	ReasonRejected                 = "Rejected"
	ReasonTargetGroupNotPredefined = "TargetGroupNotPredefined"
	ReasonMembersPending           = "MembersPending"
	ReasonMembersNotShown          = "MembersNotShown"
	ReasonMembersRefused           = "MembersRefused"
	ReasonTooManyAccounts          = "TooManyAccounts"
	ReasonNotApplied               = "NotApplied"
	ReasonUnusableAnswer           = "UnusableAnswer"
	ReasonAbsenceUnproven          = "AbsenceUnproven"
	ReasonOwnershipUnknown         = "OwnershipUnknown"
	ReasonNoSeats                  = "NoSeats"
	ReasonAdoptionUnconfirmed      = "AdoptionUnconfirmed"

	// Mappings.
	ReasonSubjectNotFound = "SubjectNotFound"
	ReasonSubjectRenamed  = "SubjectRenamed"
	ReasonSubjectChanged  = "SubjectChanged"
	ReasonMappingConflict = "MappingConflict"
	// ReasonInvalidExpression: spec.subjects.expression does not compile. ReasonExpressionFailed: it does, but not for every user.
	ReasonInvalidExpression = "InvalidExpression"
	ReasonExpressionFailed  = "ExpressionFailed"
)
