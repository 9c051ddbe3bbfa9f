// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package kube has the parts that all controllers share: status patches, conditions, the order of resourceVersions, event handlers, sweeps of a namespace, fair queues, back-off.
package kube

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
)

// FieldOwner names the operator in managedFields. One name and one style of writing (merge patch) keep that list short.
const FieldOwner = "scim-operator"

// Limits of messages, in bytes of JSON; what is longer is cut.
const (
	// MaxMessage is for a condition.
	MaxMessage = 1024
	// MaxEntryMessage is for the status of an account or a pushed group: an object has up to 64 of them.
	MaxEntryMessage = 512
)

// PatchStatus writes the difference between the status of before and after, bound to before's resourceVersion, and nothing when there is
// none. It tells whether it wrote; after then has the new resourceVersion. A conflict comes back as it is: read again and decide again.
func PatchStatus(ctx context.Context, c client.Client, before, after client.Object) (bool, error) {
	if equality.Semantic.DeepEqual(statusOf(before), statusOf(after)) {
		return false, nil
	}
	patch := client.MergeFromWithOptions(statusOnly(before), client.MergeFromWithOptimisticLock{})
	data, err := patch.Data(statusOnly(after))
	if err != nil {
		return false, fmt.Errorf("computing the status patch: %w", err)
	}
	return true, c.Status().Patch(ctx, after, client.RawPatch(patch.Type(), data), client.FieldOwner(FieldOwner))
}

// statusOnly is an object with the identity and the status of obj, and nothing else: a patch that is computed from it costs no encoding of the
// spec and of the managed fields.
func statusOnly(obj client.Object) client.Object {
	meta := metav1.ObjectMeta{Namespace: obj.GetNamespace(), Name: obj.GetName(), ResourceVersion: obj.GetResourceVersion()}
	switch o := obj.(type) {
	case *v1alpha1.ScimUser:
		return &v1alpha1.ScimUser{ObjectMeta: meta, Status: o.Status}
	case *v1alpha1.ScimGroup:
		return &v1alpha1.ScimGroup{ObjectMeta: meta, Status: o.Status}
	case *v1alpha1.ScimApp:
		return &v1alpha1.ScimApp{ObjectMeta: meta, Status: o.Status}
	case *v1alpha1.ScimClient:
		return &v1alpha1.ScimClient{ObjectMeta: meta, Status: o.Status}
	case *v1alpha1.ScimRoleMapping:
		return &v1alpha1.ScimRoleMapping{ObjectMeta: meta, Status: o.Status}
	default:
		return obj
	}
}

func statusOf(obj client.Object) any {
	switch o := obj.(type) {
	case *v1alpha1.ScimUser:
		return o.Status
	case *v1alpha1.ScimGroup:
		return o.Status
	case *v1alpha1.ScimApp:
		return o.Status
	case *v1alpha1.ScimClient:
		return o.Status
	case *v1alpha1.ScimRoleMapping:
		return o.Status
	default:
		return obj
	}
}

// SetCondition sets a condition for the generation that the object has now. A message that is too long is cut.
func SetCondition(obj v1alpha1.Conditioned, conditionType string, status metav1.ConditionStatus, reason, message string) {
	meta.SetStatusCondition(obj.ConditionList(), metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: bounded.Cut(message, MaxMessage), ObservedGeneration: obj.GetGeneration(),
	})
}

// RemoveCondition removes a condition that is present only while it is true.
func RemoveCondition(obj v1alpha1.Conditioned, conditionType string) {
	meta.RemoveStatusCondition(obj.ConditionList(), conditionType)
}

// SetWhile sets a condition that is present only while it holds, and removes it otherwise.
func SetWhile(obj v1alpha1.Conditioned, holds bool, conditionType, reason, message string) {
	if holds {
		SetCondition(obj, conditionType, metav1.ConditionTrue, reason, message)
		return
	}
	RemoveCondition(obj, conditionType)
}

// EntryMessage cuts the message of an account status or a pushed group's.
func EntryMessage(message string) string { return bounded.Cut(message, MaxEntryMessage) }

// NextAttempt says in a message when a failed change is tried again; it says nothing if that is not known.
func NextAttempt(at *metav1.Time) string {
	if at == nil {
		return ""
	}
	return "; the next attempt is at " + at.UTC().Format(time.RFC3339)
}

// OlderThan is whether the object that a cache shows is older than a resourceVersion that was written. resourceVersions of one kind are
// ordered (KEP-5504). One that cannot be compared counts as not older, so that nothing waits for ever.
func OlderThan(obj client.Object, resourceVersion string) bool {
	order, err := resourceversion.CompareResourceVersion(obj.GetResourceVersion(), resourceVersion)
	return err == nil && order < 0
}
