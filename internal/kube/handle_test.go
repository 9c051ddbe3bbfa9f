// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

func TestAHandlerEnqueuesTheObjectsConcernedOrRequestsASweep(t *testing.T) {
	group := func(name string) *v1alpha1.ScimGroup {
		g := &v1alpha1.ScimGroup{}
		g.Namespace, g.Name = "a", name
		return g
	}
	keys := func(names ...string) (keys []types.NamespacedName) {
		for _, name := range names {
			keys = append(keys, types.NamespacedName{Namespace: "a", Name: name})
		}
		return keys
	}
	create := func(h handler.EventHandler, s *sweeps) {
		h.Create(t.Context(), event.CreateEvent{Object: group("new")}, s.queue)
	}
	update := func(h handler.EventHandler, s *sweeps) {
		h.Update(t.Context(), event.UpdateEvent{ObjectOld: group("old"), ObjectNew: group("new")}, s.queue)
	}
	remove := func(h handler.EventHandler, s *sweeps) {
		h.Delete(t.Context(), event.DeleteEvent{Object: group("old")}, s.queue)
	}
	other := func(h handler.EventHandler, s *sweeps) {
		h.Create(t.Context(), event.CreateEvent{Object: &v1alpha1.ScimApp{}}, s.queue)
	}
	for name, tc := range map[string]struct {
		send  func(handler.EventHandler, *sweeps)
		keys  []types.NamespacedName
		err   error
		delay time.Duration
		// before and after are the versions that the function gets.
		before, after string
		want          map[string][]time.Duration
	}{
		"create":                    {send: create, keys: keys("kim"), after: "new", want: map[string][]time.Duration{"a/kim": {0}}},
		"update":                    {send: update, keys: keys("kim"), before: "old", after: "new", want: map[string][]time.Duration{"a/kim": {0}}},
		"delete":                    {send: remove, keys: keys("kim"), before: "old", want: map[string][]time.Duration{"a/kim": {0}}},
		"an object of another kind": {send: other, keys: keys("kim")},
		"the same object twice": {
			send: create, keys: keys("kim", "ada", "kim"), after: "new", want: map[string][]time.Duration{"a/ada": {0}, "a/kim": {0}},
		},
		"later": {send: create, keys: keys("kim"), delay: time.Second, after: "new", want: map[string][]time.Duration{"a/kim": {time.Second}}},
		"a failure requests a sweep": {
			send: create, err: errUnknown, after: "new", want: map[string][]time.Duration{"a/u00000": {0}, "a/u00001": {2 * time.Millisecond}},
		},
		"at once, even if objects are enqueued later": {
			send: remove, keys: keys("kim"), err: errUnknown, delay: time.Second, before: "old",
			want: map[string][]time.Duration{"a/u00000": {0}, "a/u00001": {2 * time.Millisecond}, "a/kim": {time.Second}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSweeps(t, map[string]int{"a": 2})
			var before, after string
			h := kube.HandleAfter(s.sweeper, tc.delay, func(_ context.Context, b, a *v1alpha1.ScimGroup) ([]types.NamespacedName, error) {
				if b != nil {
					before = b.Name
				}
				if a != nil {
					after = a.Name
				}
				return tc.keys, tc.err
			})
			tc.send(h, s)
			s.until(time.Minute)
			if before != tc.before || after != tc.after {
				t.Errorf("got %q and %q, want %q and %q", before, after, tc.before, tc.after)
			}
			if len(tc.want) == 0 && len(s.seen) == 0 {
				return
			}
			if diff := cmp.Diff(tc.want, s.seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}
