// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/kube/kubetest"
)

func TestMappingsAreReconciledWithWhatConcernsThem(t *testing.T) {
	kim, staff := pt.User("kim"), pt.Group("staff", pt.User("kim"))
	sliced := pt.Group("sliced")
	sliced.Spec.Slices = []v1alpha1.GroupSlice{{Name: "s1", Count: 1}}
	slice := &v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta("s1"), Spec: v1alpha1.ScimGroupSliceSpec{Group: "sliced"}}
	type times = map[string][]time.Duration
	const s, delay = time.Second, defaultCountDelay
	for name, tc := range map[string]struct {
		before, after client.Object
		// missing: the cache lacks the slice. heals is when mappings can be listed again.
		missing bool
		heals   time.Duration
		want    times
	}{
		"an app": {after: pt.App("crm"), want: times{"direct": {0}, "of-staff": {0}}},
		"an app while mappings cannot be listed": {
			after: pt.App("crm"), heals: 3 * s, want: times{"direct": {3 * s}, "of-staff": {3 * s}, "of-sliced": {3 * s}},
		},
		"another mapping of the app": {before: pt.Mapping("direct", "crm", nil), want: times{"direct": {0}, "of-staff": {0}}},
		"a user who is named and in a group": {
			after: kim, want: times{"direct": {0}, "of-staff": {delay}},
		},
		"a user while a slice is missing": {
			after: kim, missing: true, want: times{"direct": {0, 0}, "of-staff": {0}, "of-sliced": {0}},
		},
		"a group":         {after: staff, want: times{"of-staff": {0, delay}}},
		"a slice appears": {after: slice, want: times{"of-sliced": {delay}}},
		"a slice vanishes": {
			before: slice, missing: true, want: times{"direct": {0}, "of-staff": {0}, "of-sliced": {0}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			clock := clocktesting.NewFakePassiveClock(begin)
			c := &countedClient{cache: pt.NewCache()}
			if err := RegisterIndexes(t.Context(), c.cache); err != nil {
				t.Fatal(err)
			}
			for _, object := range []client.Object{
				kim, staff, sliced, pt.Mapping("direct", "crm", []string{kim.Spec.UserName}), pt.GroupMapping("of-staff", "crm", staff), pt.GroupMapping("of-sliced", "wiki", sliced),
			} {
				c.cache.Put(object)
			}
			if !tc.missing {
				c.cache.Put(slice)
			}
			r := &Reconciler{Client: &healing{countedClient: c, fails: func() bool { return clock.Since(begin) < tc.heals }}, Clock: clock}
			queue := kubetest.NewQueue(clock)
			for _, watch := range r.Watches() {
				switch {
				case tc.after != nil && reflect.TypeOf(watch.Object) == reflect.TypeOf(tc.after):
					watch.Handler.Create(t.Context(), event.CreateEvent{Object: tc.after}, queue)
				case tc.before != nil && reflect.TypeOf(watch.Object) == reflect.TypeOf(tc.before):
					watch.Handler.Delete(t.Context(), event.DeleteEvent{Object: tc.before}, queue)
				}
			}
			seen := times{}
			queue.Run(t.Context(), r.sweeps().Reconciler(reconcile.Func(func(_ context.Context, req ctrl.Request) (ctrl.Result, error) {
				seen[req.Name] = append(seen[req.Name], clock.Since(begin).Truncate(s))
				return ctrl.Result{}, nil
			})), begin.Add(time.Minute))
			if diff := cmp.Diff(tc.want, seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// healing is a client that cannot list anything for a time.
type healing struct {
	*countedClient
	fails func() bool
}

func (h *healing) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if h.fails() {
		return errors.New("no list")
	}
	return h.countedClient.List(ctx, list, opts...)
}
