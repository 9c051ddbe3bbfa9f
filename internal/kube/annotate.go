// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// SetAnnotation writes an annotation of an object, or removes it where the value is empty. It returns whether it was another one.
func SetAnnotation(ctx context.Context, c client.Client, object client.Object, name, value string) (changed bool, err error) {
	before := object.GetAnnotations()[name]
	if before == value {
		return false, nil
	}
	after := object.DeepCopyObject().(client.Object)
	annotations := after.GetAnnotations()
	if value == "" {
		delete(annotations, name)
	} else {
		annotations[name] = value
	}
	patch := client.MergeFromWithOptions(object, client.MergeFromWithOptimisticLock{})
	return true, client.IgnoreNotFound(c.Patch(ctx, after, patch, client.FieldOwner(FieldOwner)))
}
