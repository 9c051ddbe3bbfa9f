// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// views are the view of each kind in each namespace, fed by the informers of the cache.
type views struct {
	clock  Clock
	synced []toolscache.DoneChecker

	mu  sync.RWMutex
	all map[viewKey]*view
}

type viewKey struct {
	kind      reflect.Type
	namespace string
}

func newViews(clock Clock) *views { return &views{clock: clock, all: map[viewKey]*view{}} }

// follow makes the informers feed the views, from all that they have.
func (s *views) follow(ctx context.Context, informers Cache) error {
	for _, kind := range []client.Object{&v1alpha1.ScimUser{}, &v1alpha1.ScimGroup{}} {
		informer, err := informers.GetInformer(ctx, kind, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
		registration, err := informer.AddEventHandler(s.handler())
		if err != nil {
			return fmt.Errorf("watching %T: %w", kind, err)
		}
		s.synced = append(s.synced, registration.HasSyncedChecker())
	}
	return nil
}

func (s *views) handler() toolscache.ResourceEventHandler {
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc: func(obj any) {
			if o, ok := obj.(client.Object); ok {
				s.of(o, o.GetNamespace()).shown(nil, o)
			}
		},
		UpdateFunc: func(before, obj any) {
			b, _ := before.(client.Object)
			if o, ok := obj.(client.Object); ok {
				s.of(o, o.GetNamespace()).shown(b, o)
			}
		},
		DeleteFunc: func(obj any) {
			if last, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
				obj = last.Obj
			}
			if o, ok := obj.(client.Object); ok {
				s.of(o, o.GetNamespace()).vanished(o)
			}
		},
	}
}

// wait returns when the views have all that the cache had when it was filled.
func (s *views) wait(ctx context.Context) error {
	for _, synced := range s.synced {
		select {
		case <-synced.Done():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// of gives the view of the kind that the object is of.
func (s *views) of(like client.Object, namespace string) *view {
	key := viewKey{reflect.TypeOf(like), namespace}
	s.mu.RLock()
	v := s.all[key]
	s.mu.RUnlock()
	if v != nil {
		return v
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[key] == nil {
		s.all[key] = newView(s.clock)
	}
	return s.all[key]
}

// wrote takes a write of this replica.
func (s *views) wrote(obj client.Object) {
	s.of(obj, obj.GetNamespace()).wrote(obj)
}

// removed takes a deletion by this replica.
func (s *views) removed(obj client.Object) {
	s.of(obj, obj.GetNamespace()).removed(obj)
}

// alive is whether SCIM shows the object.
func alive(obj client.Object) bool {
	if obj.GetDeletionTimestamp() != nil {
		return false
	}
	if g, ok := obj.(*v1alpha1.ScimGroup); ok {
		return groupKind{}.id(g) != ""
	}
	return userKind{}.id(obj) != ""
}
