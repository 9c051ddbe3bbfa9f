// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"context"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// errDead is what a process gets that was killed: nothing that it does has an effect any more.
var errDead = errors.New("the process is dead")

// apiClient is the way of one process to the API server. It reads from the cache of the process, or live.
type apiClient struct {
	client.Client

	w    *world
	p    *process
	live bool
}

func labelsOf(obj client.Object) labels.Set { return labels.Set(obj.GetLabels()) }

// Scheme implements client.Client.
func (c *apiClient) Scheme() *runtime.Scheme { return c.w.scheme }

// Get implements client.Reader.
func (c *apiClient) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	c.w.enter(ctx)
	meta, ok := into.(*metav1.PartialObjectMetadata)
	switch {
	case c.p.dead:
		return errDead
	case !c.live && (ok || kindOf(into) != record):
		return c.p.cache.Get(ctx, key, into, opts...)
	case ok:
		return c.metadata(key, meta)
	}
	k := kindOf(into)
	have := c.w.api.get(k, key)
	if have == nil {
		return apierrors.NewNotFound(resourceOf(k), key.Name)
	}
	assign(into, have, false)
	return nil
}

// metadata reads what only its metadata is wanted of. The one namespace is there and stays.
func (c *apiClient) metadata(key client.ObjectKey, into *metav1.PartialObjectMetadata) error {
	if into.Kind == "Namespace" {
		into.Name = key.Name
		return nil
	}
	have := c.w.api.get(kind(into.Kind), key)
	if have == nil {
		return apierrors.NewNotFound(resourceOf(kind(into.Kind)), key.Name)
	}
	into.Namespace, into.Name, into.Labels, into.UID = have.GetNamespace(), have.GetName(), have.GetLabels(), have.GetUID()
	return nil
}

// List implements client.Reader.
func (c *apiClient) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	c.w.enter(ctx)
	switch {
	case c.p.dead:
		return errDead
	case !c.live:
		return c.p.cache.List(ctx, list, opts...)
	}
	return fillList(list, c.w.api.stores[listed(list)].objects, (&client.ListOptions{}).ApplyOptions(opts), false)
}

// Create implements client.Writer.
func (c *apiClient) Create(ctx context.Context, obj client.Object, _ ...client.CreateOption) error {
	return c.write(ctx, "create", obj, func() (client.Object, error) { return c.w.api.create(obj) })
}

// Update implements client.Writer.
func (c *apiClient) Update(ctx context.Context, obj client.Object, _ ...client.UpdateOption) error {
	return c.write(ctx, "update", obj, func() (client.Object, error) { return c.w.api.update(obj) })
}

// Delete implements client.Writer.
func (c *apiClient) Delete(ctx context.Context, obj client.Object, opts ...client.DeleteOption) error {
	options := (&client.DeleteOptions{}).ApplyOptions(opts)
	return c.write(ctx, "delete", obj, func() (client.Object, error) {
		return obj, c.w.api.remove(kindOf(obj), client.ObjectKeyFromObject(obj), options.Preconditions)
	})
}

// Patch implements client.Writer.
func (c *apiClient) Patch(ctx context.Context, obj client.Object, patch client.Patch, _ ...client.PatchOption) error {
	return c.patch(ctx, "patch", obj, patch, false)
}

// Status implements client.Client.
func (c *apiClient) Status() client.SubResourceWriter { return &statusClient{c: c} }

type statusClient struct {
	client.SubResourceWriter

	c *apiClient
}

// Patch implements client.SubResourceWriter.
func (s *statusClient) Patch(ctx context.Context, obj client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	return s.c.patch(ctx, "status", obj, patch, true)
}

func (c *apiClient) patch(ctx context.Context, verb string, obj client.Object, patch client.Patch, status bool) error {
	data, err := patch.Data(obj)
	if err != nil {
		return err
	}
	return c.write(ctx, verb, obj, func() (client.Object, error) {
		return c.w.api.patch(obj, data, status)
	})
}

// write makes a write take effect, mostly at once. Now and then it is on its way for a while: other things happen before it takes effect, and before its answer comes
// back; or the answer is lost.
func (c *apiClient) write(ctx context.Context, verb string, obj client.Object, apply func() (client.Object, error)) error {
	r := c.w.enter(ctx)
	if c.p.dead {
		return errDead
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	name := fmt.Sprintf("%s %s/%s", verb, kindOf(obj), c.w.short(obj.GetName()))
	var stored client.Object
	var failed error
	effect := func() {
		stored, failed = apply()
		switch {
		case failed != nil:
			c.w.trace("  %s %s: %v", c.p.name, name, reasonOf(failed))
		default:
			c.w.wrote(c.p, r, verb, stored)
		}
	}
	if r == nil || c.w.current != r || !c.w.chance(c.w.plan.slowWrites) {
		effect()
	} else {
		at := &wait{name: name, ctx: ctx, effect: effect}
		c.w.trace("  %s %s is on its way", c.p.name, name)
		r.park(at)
		if at.err != nil {
			return at.err
		}
	}
	if failed != nil {
		return failed
	}
	if verb != "delete" {
		assign(obj, stored, false)
	}
	return nil
}

func reasonOf(err error) string { return string(apierrors.ReasonForError(err)) }
