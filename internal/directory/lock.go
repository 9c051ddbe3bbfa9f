// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// keepLock marks a deactivation as one of the client, and keeps the lock of a person who had set spec.active to false: what the client says of active is stored beside it,
// and takes effect once a person lifts the lock. before is the user without the change, after the user as it is to be written.
func keepLock(before, after *v1alpha1.ScimUser, scimClient string) {
	switch {
	case !after.ActiveInSCIM():
		if before.ActiveInSCIM() {
			annotate(after, v1alpha1.AnnotationDeactivatedBy, scimClient)
		}
		return
	case before.DeactivatedByPerson() && before.Lock() != v1alpha1.LockAnnotation:
		annotate(after, v1alpha1.AnnotationLock, "a person had set spec.active to false; "+scimClient+" has set it to true since")
	}
	delete(after.Annotations, v1alpha1.AnnotationDeactivatedBy)
}
