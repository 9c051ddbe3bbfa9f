// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
)

// sliceNameSize is the random bytes in the name of a slice. Short names keep large groups small; should two ever be the same, the second create fails.
const sliceNameSize = 10

// places say in which slice of a group a member is.
type places map[string]int

// distinct are the slices in which they are.
func distinct(at places) map[int]bool {
	in := map[int]bool{}
	for _, i := range at {
		in[i] = true
	}
	return in
}

// loadSlice gives the members of a slice, only to be read. Slices never change, so any copy is right. errStale says that it is gone, for the group that named it is
// not the present one; errIncomplete, that it is.
func (s *Store) loadSlice(ctx context.Context, g *v1alpha1.ScimGroup, ref v1alpha1.GroupSlice) ([]v1alpha1.GroupMember, error) {
	slice, err := s.nearSlice(ctx, g, ref)
	if err != nil {
		return nil, err
	}
	if slice == nil {
		return s.farSlice(ctx, g, ref)
	}
	return slice.Spec.Members, nil
}

// nearSlice looks where no request is needed. Nil where the slice is not there.
func (s *Store) nearSlice(ctx context.Context, g *v1alpha1.ScimGroup, ref v1alpha1.GroupSlice) (*v1alpha1.ScimGroupSlice, error) {
	key := client.ObjectKey{Namespace: g.Namespace, Name: ref.Name}
	slice := &v1alpha1.ScimGroupSlice{}
	err := s.opts.Cache.Get(ctx, key, slice, client.UnsafeDisableDeepCopy)
	if err == nil {
		return slice, nil
	}
	return s.fresh.get(key), client.IgnoreNotFound(err)
}

func (s *Store) farSlice(ctx context.Context, g *v1alpha1.ScimGroup, ref v1alpha1.GroupSlice) ([]v1alpha1.GroupMember, error) {
	slice := &v1alpha1.ScimGroupSlice{}
	err := s.api.Get(ctx, client.ObjectKey{Namespace: g.Namespace, Name: ref.Name}, slice)
	if apierrors.IsNotFound(err) {
		return nil, s.whyGone(ctx, g)
	}
	if err != nil {
		return nil, err
	}
	s.fresh.put(slice)
	return slice.Spec.Members, nil
}

// whyGone tells whether a slice is gone because the group has been changed since it was read, or missing.
func (s *Store) whyGone(ctx context.Context, g *v1alpha1.ScimGroup) error {
	now := &v1alpha1.ScimGroup{}
	err := s.api.Get(ctx, client.ObjectKeyFromObject(g), now)
	switch {
	case apierrors.IsNotFound(err), err == nil && now.ResourceVersion != g.ResourceVersion:
		return errStale
	case err != nil:
		return err
	}
	return errIncomplete
}

// find says in which slices of the group the ids are, of those that are members. Slices that the cache has are found by its index; the others are gone through.
func (s *Store) find(ctx context.Context, g *v1alpha1.ScimGroup, ids []string) (places, error) {
	at := make(places, len(ids))
	wanted := make(map[string]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	named := make(map[string]int, len(g.Spec.Slices))
	for i, ref := range g.Spec.Slices {
		named[ref.Name] = i
		if s.cached.has(client.ObjectKey{Namespace: g.Namespace, Name: ref.Name}) {
			continue
		}
		members, err := s.loadSlice(ctx, g, ref)
		if err != nil {
			return nil, err
		}
		for _, m := range members {
			if wanted[m.Value] {
				at[m.Value] = i
			}
		}
	}
	// Only now: what came into the cache between two looks would be missed.
	for id := range wanted {
		var having v1alpha1.ScimGroupSliceList
		fields := client.MatchingFields{membership.IndexSliceMember: id}
		if err := s.opts.Cache.List(ctx, &having, client.InNamespace(g.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
			return nil, err
		}
		for i := range having.Items {
			if place, ok := named[having.Items[i].Name]; ok {
				at[id] = place
			}
		}
	}
	return at, nil
}

// writeSlices stores slices. They mean nothing until a group names them.
func (s *Store) writeSlices(ctx context.Context, all []*v1alpha1.ScimGroupSlice) error {
	return s.each(ctx, all, func(ctx context.Context, slice *v1alpha1.ScimGroupSlice) error {
		if err := s.api.Create(ctx, slice); err != nil {
			return err
		}
		s.fresh.put(slice)
		return nil
	})
}

// each does something with slices, several at once.
func (s *Store) each(ctx context.Context, all []*v1alpha1.ScimGroupSlice, do func(context.Context, *v1alpha1.ScimGroupSlice) error) error {
	if s.sizes.writers == 1 || len(all) == 1 {
		for _, slice := range all {
			if err := do(ctx, slice); err != nil {
				return err
			}
		}
		return nil
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(s.sizes.writers)
	for _, slice := range all {
		group.Go(func() error { return do(ctx, slice) })
	}
	return group.Wait()
}

// dropSlices removes slices that were written for a change of the group that came to nothing, because the group had changed. What it cannot remove, the sweeper
// does.
func (s *Store) dropSlices(ctx context.Context, now *v1alpha1.ScimGroup, written []*v1alpha1.ScimGroupSlice) {
	for _, slice := range written {
		if slice.UID != "" && !namesSlice(now, slice.Name) {
			_ = s.api.Delete(ctx, slice)
		}
	}
}

func namesSlice(g *v1alpha1.ScimGroup, name string) bool {
	return slices.ContainsFunc(g.Spec.Slices, func(s v1alpha1.GroupSlice) bool { return s.Name == name })
}

// freshSlices are the slices that this replica wrote or read last: its cache may not have them yet.
type freshSlices struct {
	mu     sync.Mutex
	slices map[client.ObjectKey]*v1alpha1.ScimGroupSlice
	ring   [256]client.ObjectKey
	next   int
}

func (f *freshSlices) get(key client.ObjectKey) *v1alpha1.ScimGroupSlice {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.slices[key]
}

func (f *freshSlices) put(slice *v1alpha1.ScimGroupSlice) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := client.ObjectKeyFromObject(slice)
	if f.slices == nil {
		f.slices = map[client.ObjectKey]*v1alpha1.ScimGroupSlice{}
	}
	if f.slices[key] != nil {
		return
	}
	delete(f.slices, f.ring[f.next])
	f.slices[key], f.ring[f.next] = slice, key
	f.next = (f.next + 1) % len(f.ring)
}

// cachedSlices are the names of the slices that the cache has. A name comes after the slice, so that what is named can be found by the indexes. It goes after the slice,
// too; but a slice that a group names goes only when the group has been changed, and then the decision that this one was looked up for is void.
type cachedSlices struct {
	mu    sync.RWMutex
	names map[client.ObjectKey]struct{}
}

func (c *cachedSlices) has(key client.ObjectKey) bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	_, ok := c.names[key]
	return ok
}

func (c *cachedSlices) add(slice *v1alpha1.ScimGroupSlice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.names == nil {
		c.names = map[client.ObjectKey]struct{}{}
	}
	c.names[client.ObjectKeyFromObject(slice)] = struct{}{}
}

func (c *cachedSlices) remove(slice *v1alpha1.ScimGroupSlice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.names, client.ObjectKeyFromObject(slice))
}
