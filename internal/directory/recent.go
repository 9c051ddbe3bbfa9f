// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"reflect"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// recents are the writes of this replica that its cache may not show yet. They are laid over what the cache lists, so that a listing is never behind a write that
// this replica has acknowledged.
type recents struct {
	clock Clock

	mu      sync.Mutex
	entries map[recentKey]recentWrite
	// sweepAt is the number of entries at which those that the cache shows are looked for, should nobody list.
	sweepAt int
}

type recentKey struct {
	kind      reflect.Type
	namespace string
	name      string
}

type recentWrite struct {
	// obj is what was written, or what was deleted.
	obj     client.Object
	deleted bool
	at      time.Time
}

const (
	minSweep = 1000
	// oldWrite is when a write that the cache does not show is taken to have been undone by another replica.
	oldWrite = time.Minute
)

func newRecents(clock Clock) *recents {
	return &recents{clock: clock, entries: map[recentKey]recentWrite{}, sweepAt: minSweep}
}

func (r *recents) wrote(ctx context.Context, cache client.Reader, obj client.Object) {
	r.put(ctx, cache, recentWrite{obj: obj})
}

func (r *recents) removed(ctx context.Context, cache client.Reader, obj client.Object) {
	r.put(ctx, cache, recentWrite{obj: obj, deleted: true})
}

func (r *recents) put(ctx context.Context, cache client.Reader, w recentWrite) {
	w.at = r.clock.Now()
	r.mu.Lock()
	r.entries[keyOf(w.obj)] = w
	full := len(r.entries) >= r.sweepAt
	if full {
		// Only one sweeps.
		r.sweepAt = 2 * len(r.entries)
	}
	r.mu.Unlock()
	if full {
		r.sweep(ctx, cache)
	}
}

func keyOf(obj client.Object) recentKey {
	return recentKey{kind: reflect.TypeOf(obj), namespace: obj.GetNamespace(), name: obj.GetName()}
}

func (r *recents) sweep(ctx context.Context, cache client.Reader) {
	for key, w := range r.snapshot(func(recentKey) bool { return true }) {
		found, shown, err := w.shown(ctx, cache)
		if err == nil && (shown || !found && r.clock.Now().Sub(w.at) > oldWrite) {
			r.drop(key, w)
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sweepAt = max(minSweep, 2*len(r.entries))
}

// over gives the writes to one kind and namespace that the cache does not show, by metadata.name: what was written, nil for what was deleted.
func (r *recents) over(ctx context.Context, cache client.Reader, live api, like client.Object, namespace string) (map[string]client.Object, error) {
	over := map[string]client.Object{}
	mine := func(k recentKey) bool { return k.kind == reflect.TypeOf(like) && k.namespace == namespace }
	for key, w := range r.snapshot(mine) {
		found, shown, err := w.shown(ctx, cache)
		switch {
		case err != nil:
			return nil, err
		case shown:
			r.drop(key, w)
			continue
		case !found:
			// Either the cache has not heard of it yet, or another replica has removed it since.
			err := live.Get(ctx, client.ObjectKeyFromObject(w.obj), like.DeepCopyObject().(client.Object))
			if apierrors.IsNotFound(err) {
				r.drop(key, w)
				continue
			}
			if err != nil {
				return nil, err
			}
		}
		over[key.name] = w.obj
		if w.deleted {
			over[key.name] = nil
		}
	}
	return over, nil
}

// shown reports whether the cache has the object, and whether it is past the write.
func (w recentWrite) shown(ctx context.Context, cache client.Reader) (found, shown bool, err error) {
	cached := w.obj.DeepCopyObject().(client.Object)
	err = cache.Get(ctx, client.ObjectKeyFromObject(w.obj), cached)
	if apierrors.IsNotFound(err) {
		return false, w.deleted, nil
	}
	if err != nil {
		return false, false, err
	}
	if w.deleted {
		return true, cached.GetUID() != w.obj.GetUID() || cached.GetDeletionTimestamp() != nil, nil
	}
	order, err := resourceversion.CompareResourceVersion(cached.GetResourceVersion(), w.obj.GetResourceVersion())
	return true, order >= 0, err
}

func (r *recents) snapshot(which func(recentKey) bool) map[recentKey]recentWrite {
	r.mu.Lock()
	defer r.mu.Unlock()
	some := map[recentKey]recentWrite{}
	for key, w := range r.entries {
		if which(key) {
			some[key] = w
		}
	}
	return some
}

// drop forgets a write, unless there is a newer one.
func (r *recents) drop(key recentKey, w recentWrite) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.entries[key] == w {
		delete(r.entries, key)
	}
}
