// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/directory"
)

// CausedAt returns when the cause of a revocation happened that no status shows yet, in whole seconds: the deletion of the user or group, or the change of its spec if
// observedGeneration is not that of the spec. It is now for changes of other objects, and never later.
func CausedAt(object client.Object, observedGeneration int64, now metav1.Time) metav1.Time {
	at := now.Time
	switch deleted := object.GetDeletionTimestamp(); {
	case !deleted.IsZero():
		at = deleted.Time
	case observedGeneration != object.GetGeneration():
		at = directory.Modified(object)
	}
	if at.After(now.Time) || at.IsZero() {
		at = now.Time
	}
	return metav1.NewTime(at.Truncate(time.Second))
}
