// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package membership reads who is in a group, wherever the members stand: in the ScimGroup itself, or in the ScimGroupSlices that it names.
//
// Groups and slices come into a cache by two watches, either of which may be behind. A membership is then unknown, and that is an error, [ErrIncomplete]: never a
// smaller membership. docs/decisions/0009-group-slices.md says why nothing else can be mistaken for one.
package membership

import (
	"context"
	"errors"
	"fmt"
	"iter"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// ErrIncomplete says that a slice which a group names is not there: the cache has not heard of it yet, or the group is an old one and has been changed since. Read
// the group again, later where it comes from a cache.
var ErrIncomplete = errors.New("a part of the members of a group is not there yet")

// Members are the members of a group in the order in which they came, in one or more parts. They are shared with the cache: only to be read.
type Members [][]v1alpha1.GroupMember

// All gives one after the other.
func (m Members) All() iter.Seq[v1alpha1.GroupMember] {
	return func(yield func(v1alpha1.GroupMember) bool) {
		for _, part := range m {
			for _, member := range part {
				if !yield(member) {
					return
				}
			}
		}
	}
}

// Len is how many there are.
func (m Members) Len() int {
	n := 0
	for _, part := range m {
		n += len(part)
	}
	return n
}

// Of gives the members of a group. ErrIncomplete if the reader does not have all of its slices.
func Of(ctx context.Context, reader client.Reader, group *v1alpha1.ScimGroup) (Members, error) {
	if len(group.Spec.Slices) == 0 {
		return Members{group.Spec.Members}, nil
	}
	return parts(ctx, reader, group, nil)
}

// parts gives the members in those slices of a group that are not in except.
func parts(ctx context.Context, reader client.Reader, group *v1alpha1.ScimGroup, except map[string]bool) (Members, error) {
	members := make(Members, 0, len(group.Spec.Slices))
	for i := range group.Spec.Slices {
		name := group.Spec.Slices[i].Name
		if except[name] {
			continue
		}
		slice, err := get(ctx, reader, group.Namespace, name)
		if err != nil {
			return nil, err
		}
		members = append(members, slice.Spec.Members)
	}
	return members, nil
}

// Names reports whether the group of a slice, as the reader has it, names the slice.
func Names(ctx context.Context, reader client.Reader, slice *v1alpha1.ScimGroupSlice) (bool, error) {
	group := &v1alpha1.ScimGroup{}
	key := types.NamespacedName{Namespace: slice.Namespace, Name: slice.Spec.Group}
	if err := reader.Get(ctx, key, group, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return false, fmt.Errorf("reading the group of a slice: %w", err)
	}
	return names(group, slice.Name), nil
}

// get reads one slice, only to be read. ErrIncomplete if the reader does not have it.
func get(ctx context.Context, reader client.Reader, namespace, name string) (*v1alpha1.ScimGroupSlice, error) {
	slice := &v1alpha1.ScimGroupSlice{}
	err := reader.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, slice, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return nil, ErrIncomplete
	case err != nil:
		return nil, fmt.Errorf("reading a slice of a group: %w", err)
	}
	return slice, nil
}
