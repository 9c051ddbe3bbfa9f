// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
)

// How long slices stay that no group names.
const (
	// sliceGrace is for the slices of a change that may be under way. A request takes 30 s at most.
	sliceGrace = 10 * time.Minute
	// orphanGrace is for slices without a group: a restore makes objects in any order.
	orphanGrace = time.Hour
)

// SweepSlices removes the slices of a group that it does not name: what changes have replaced, and what crashes have left behind. superseded says of a slice that a
// version of the group has named it, and a later one does not; these go at once, for no write can name one again. The others go when they are old, after writes that
// may be about to name one were made to fail. next is when to ask again, 0 for not before something changes.
func (s *Store) SweepSlices(ctx context.Context, namespace, name string, superseded func(slice string) bool) (next time.Duration, err error) {
	var list v1alpha1.ScimGroupSliceList
	fields := client.MatchingFields{membership.IndexSliceGroup: name}
	if err := s.opts.Cache.List(ctx, &list, client.InNamespace(namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return 0, fmt.Errorf("listing the slices of a group: %w", err)
	}
	if len(list.Items) == 0 {
		return 0, nil
	}
	group := &v1alpha1.ScimGroup{}
	err = s.api.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, group)
	if client.IgnoreNotFound(err) != nil {
		return 0, fmt.Errorf("reading the group of slices: %w", err)
	}
	grace := sliceGrace
	if apierrors.IsNotFound(err) {
		group, grace = nil, orphanGrace
	}
	var idle, old []*v1alpha1.ScimGroupSlice
	for i := range list.Items {
		slice := &list.Items[i]
		age := s.opts.Clock.Now().Sub(slice.CreationTimestamp.Time)
		switch {
		case group != nil && namesSlice(group, slice.Name):
		case group != nil && superseded(slice.Name):
			idle = append(idle, slice)
		case age >= grace:
			old = append(old, slice)
		case next == 0 || grace-age < next:
			next = grace - age
		}
	}
	if err := s.deleteSlices(ctx, idle); err != nil || len(old) == 0 {
		return next, err
	}
	if group != nil {
		a := s.groups(namespace, func(string) bool { return false })
		if err := a.fence(ctx, group); err != nil {
			return 0, fmt.Errorf("fencing a group: %w", err)
		}
	}
	return next, s.deleteSlices(ctx, old)
}

// RemoveSlices removes all slices of a group that goes away. Call it before the group's finalizer is removed.
func (s *Store) RemoveSlices(ctx context.Context, g *v1alpha1.ScimGroup) error {
	var list v1alpha1.ScimGroupSliceList
	fields := client.MatchingFields{membership.IndexSliceGroup: g.Name}
	if err := s.opts.Cache.List(ctx, &list, client.InNamespace(g.Namespace), fields, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the slices of a group: %w", err)
	}
	all := make([]*v1alpha1.ScimGroupSlice, len(list.Items))
	for i := range list.Items {
		all[i] = &list.Items[i]
	}
	return s.deleteSlices(ctx, all)
}

func (s *Store) deleteSlices(ctx context.Context, all []*v1alpha1.ScimGroupSlice) error {
	return s.each(ctx, all, func(ctx context.Context, slice *v1alpha1.ScimGroupSlice) error {
		if err := s.api.Delete(ctx, slice); !lost(err) {
			return err
		}
		return nil
	})
}
