// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// api is all that is asked of the API server. Errors are those of k8s.io/apimachinery/pkg/api/errors.
type api interface {
	Get(ctx context.Context, key client.ObjectKey, obj client.Object) error
	List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error
	Create(ctx context.Context, obj client.Object) error
	// Update is a compare-and-swap: it fails with Conflict where the object's resourceVersion is not the current one.
	Update(ctx context.Context, obj client.Object) error
	// Delete fails with Conflict where the object's UID or resourceVersion is not the current one.
	Delete(ctx context.Context, obj client.Object) error
}

// kubernetes is the real api.
type kubernetes struct{ client client.Client }

func (k kubernetes) Get(ctx context.Context, key client.ObjectKey, obj client.Object) error {
	return k.client.Get(ctx, key, obj)
}

func (k kubernetes) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return k.client.List(ctx, list, opts...)
}

func (k kubernetes) Create(ctx context.Context, obj client.Object) error {
	return k.client.Create(ctx, obj)
}

func (k kubernetes) Update(ctx context.Context, obj client.Object) error {
	return k.client.Update(ctx, obj)
}

func (k kubernetes) Delete(ctx context.Context, obj client.Object) error {
	return k.client.Delete(ctx, obj, client.Preconditions{UID: ptr.To(obj.GetUID()), ResourceVersion: ptr.To(obj.GetResourceVersion())})
}

// Clock gives the time and paces waiting. k8s.io/utils/clock.RealClock is one.
type Clock interface {
	Now() time.Time
	After(d time.Duration) <-chan time.Time
}
