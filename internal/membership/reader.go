// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package membership

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// A Reader finds the groups of a member in a cache that has the indexes of RegisterIndexes. It may be used by many goroutines at once.
type Reader struct {
	cache client.Reader
	// live, if there is one, has the slices that the cache has not heard of yet.
	live client.Reader

	mu sync.Mutex
	// whole are the versions of groups of which all slices were found in the cache.
	whole map[types.NamespacedName]string
	// losses counts the slices that the cache lost.
	losses atomic.Int64
}

// NewReader makes a reader. With live nil, a cache that is behind is ErrIncomplete; else what it lacks is read there.
func NewReader(cache, live client.Reader) *Reader {
	return &Reader{cache: cache, live: live, whole: map[types.NamespacedName]string{}}
}

// GroupsOf gives the groups, ordered by metadata.name, of which the SCIM id is a direct member. They are the cache's own: only to be read. Groups that are not
// admitted are among them, those that are being deleted are not.
//
// ErrIncomplete if the cache lacks a slice of any group of the namespace, for the id could be in that one.
func (r *Reader) GroupsOf(ctx context.Context, namespace, id string) ([]*v1alpha1.ScimGroup, error) {
	found := map[string]*v1alpha1.ScimGroup{}
	var list v1alpha1.ScimGroupList
	err := r.cache.List(ctx, &list, client.InNamespace(namespace), client.MatchingFields{IndexMember: id}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing the groups of a member: %w", err)
	}
	for i := range list.Items {
		if group := &list.Items[i]; group.DeletionTimestamp == nil {
			found[group.Name] = group
		}
	}
	if err := r.sliced(ctx, namespace, id, found); err != nil {
		return nil, err
	}
	groups := make([]*v1alpha1.ScimGroup, 0, len(found))
	for _, group := range found {
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b *v1alpha1.ScimGroup) int { return strings.Compare(a.Name, b.Name) })
	return groups, nil
}

// sliced finds the groups that have the id in a slice.
func (r *Reader) sliced(ctx context.Context, namespace, id string, found map[string]*v1alpha1.ScimGroup) error {
	var groups v1alpha1.ScimGroupList
	err := r.cache.List(ctx, &groups, client.InNamespace(namespace), client.MatchingFields{indexSliced: sliced}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the groups that have slices: %w", err)
	}
	// The slices of a group that goes may be gone already.
	groups.Items = slices.DeleteFunc(groups.Items, func(g v1alpha1.ScimGroup) bool { return g.DeletionTimestamp != nil })
	if len(groups.Items) == 0 {
		return nil
	}
	for i := range groups.Items {
		if group := &groups.Items[i]; !r.isWhole(group) {
			if err := r.search(ctx, group, id, found); err != nil {
				return err
			}
		}
	}
	// Only now that all slices were seen to be there: a slice that comes between two looks would be missed.
	var having v1alpha1.ScimGroupSliceList
	err = r.cache.List(ctx, &having, client.InNamespace(namespace), client.MatchingFields{IndexSliceMember: id}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return fmt.Errorf("listing the slices of a member: %w", err)
	}
	for i := range groups.Items {
		if err := r.has(ctx, &groups.Items[i], id, having.Items, found); err != nil {
			return err
		}
	}
	return nil
}

// has adds a group that names one of the slices in which the id is.
func (r *Reader) has(
	ctx context.Context, group *v1alpha1.ScimGroup, id string, having []v1alpha1.ScimGroupSlice, found map[string]*v1alpha1.ScimGroup,
) error {
	other := false
	for i := range having {
		if having[i].Spec.Group != group.Name {
			continue
		}
		if names(group, having[i].Name) {
			found[group.Name] = group
			return nil
		}
		other = true
	}
	if other && found[group.Name] == nil {
		// The id is in a slice that the group does not name any more, or not yet: the one that it does name may just have gone.
		return r.search(ctx, group, id, found)
	}
	return nil
}

func names(group *v1alpha1.ScimGroup, slice string) bool {
	return slices.ContainsFunc(group.Spec.Slices, func(s v1alpha1.GroupSlice) bool { return s.Name == slice })
}

// search makes sure that the cache has all slices of a group, or else that the id is not in those that it lacks.
func (r *Reader) search(ctx context.Context, group *v1alpha1.ScimGroup, id string, found map[string]*v1alpha1.ScimGroup) error {
	losses := r.losses.Load()
	whole := true
	for i := range group.Spec.Slices {
		name := group.Spec.Slices[i].Name
		_, err := get(ctx, r.cache, group.Namespace, name)
		if err == nil {
			continue
		}
		whole = false
		if !errors.Is(err, ErrIncomplete) || r.live == nil {
			return err
		}
		slice, err := get(ctx, r.live, group.Namespace, name)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(slice.Spec.Members, func(m v1alpha1.GroupMember) bool { return m.Value == id }) {
			found[group.Name] = group
		}
	}
	if whole {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.losses.Load() == losses {
			r.whole[client.ObjectKeyFromObject(group)] = version(group)
		}
	}
	return nil
}

func (r *Reader) isWhole(group *v1alpha1.ScimGroup) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.whole[client.ObjectKeyFromObject(group)] == version(group)
}

func version(group *v1alpha1.ScimGroup) string {
	return string(group.UID) + "@" + group.ResourceVersion
}

// Follow calls functions for each slice that an informer has got, and for each that it has lost.
func Follow(informer cache.Informer, got, lost func(*v1alpha1.ScimGroupSlice)) error {
	_, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if slice, ok := obj.(*v1alpha1.ScimGroupSlice); ok {
				got(slice)
			}
		},
		DeleteFunc: func(obj any) {
			if unknown, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = unknown.Obj
			}
			if slice, ok := obj.(*v1alpha1.ScimGroupSlice); ok {
				lost(slice)
			}
		},
	})
	if err != nil {
		return fmt.Errorf("following an informer: %w", err)
	}
	return nil
}

// Vanished has to be called when the cache loses a slice: its group is then looked at anew.
func (r *Reader) Vanished(slice *v1alpha1.ScimGroupSlice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.losses.Add(1)
	delete(r.whole, types.NamespacedName{Namespace: slice.Namespace, Name: slice.Spec.Group})
}
