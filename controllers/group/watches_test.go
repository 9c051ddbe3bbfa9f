// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

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

// failingCache is a cache that cannot list anything for a time.
type failingCache struct {
	client.Client
	*pt.Cache
	fails func() bool
}

func (c *failingCache) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	return c.Cache.Get(ctx, key, into, opts...)
}

func (c *failingCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if c.fails() {
		return errors.New("no list")
	}
	return c.Cache.List(ctx, list, opts...)
}

func TestGroupsAreReconciledWithWhatConcernsThem(t *testing.T) {
	kim := pt.User("kim", v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: "1"})
	staff := pt.Group("staff", kim)
	parent := pt.Group("parent", staff)
	sliced := pt.Group("sliced")
	sliced.Spec.Slices = []v1alpha1.GroupSlice{{Name: "s1", Count: 1}}
	slice := &v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta("s1"), Spec: v1alpha1.ScimGroupSliceSpec{Group: "sliced"}}
	unnamed := &v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta("s2"), Spec: v1alpha1.ScimGroupSliceSpec{Group: "sliced"}}
	app := pt.App("crm")
	app.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: "staff", ID: staff.SCIMID()}}
	all := []string{"other", "parent", "sliced", "staff"}
	for name, tc := range map[string]struct {
		before, after client.Object
		// missing: the cache lacks the slice. heals is when objects can be listed again.
		missing bool
		heals   time.Duration
		want    []string
		at      time.Duration
	}{
		"a member's account":                               {after: kim, want: []string{"parent", "staff"}},
		"a member's account while a slice is missing":      {after: kim, missing: true, want: all},
		"a member's account while groups cannot be listed": {after: kim, heals: 3 * time.Second, want: all, at: 3 * time.Second},
		"a member group":                                   {after: staff, want: []string{"parent", "staff"}},
		"a member group while a slice is missing":          {after: staff, missing: true, want: all},
		"a group that gives up its name":                   {before: staff, heals: 3 * time.Second, want: all, at: 3 * time.Second},
		"an app":                                           {after: app, want: []string{"staff"}},
		"an app while groups cannot be listed":             {after: app, heals: 3 * time.Second, want: all, at: 3 * time.Second},
		"a slice appears":                                  {after: slice, want: []string{"sliced"}},
		"a slice vanishes":                                 {before: slice, want: []string{"sliced"}},
		"a slice that its group does not name":             {after: unnamed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begin := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
			clock := clocktesting.NewFakePassiveClock(begin)
			cache := &failingCache{Cache: pt.NewCache(), fails: func() bool { return clock.Since(begin) < tc.heals }}
			for _, object := range []client.Object{kim, staff, parent, sliced, pt.Group("other")} {
				cache.Put(object)
			}
			if !tc.missing {
				cache.Put(slice)
			}
			r := &Reconciler{Client: cache, View: pt.NewView(cache), Clock: clock}
			queue := kubetest.NewQueue(clock)
			for _, watch := range r.Watches() {
				switch {
				case tc.after != nil && reflect.TypeOf(watch.Object) == reflect.TypeOf(tc.after):
					watch.Handler.Create(t.Context(), event.CreateEvent{Object: tc.after}, queue)
				case tc.before != nil && reflect.TypeOf(watch.Object) == reflect.TypeOf(tc.before):
					watch.Handler.Delete(t.Context(), event.DeleteEvent{Object: tc.before}, queue)
				}
			}
			seen := map[string]time.Duration{}
			queue.Run(t.Context(), r.sweeps().Reconciler(reconcile.Func(func(_ context.Context, req ctrl.Request) (ctrl.Result, error) {
				seen[req.Name] = clock.Since(begin).Truncate(time.Second)
				return ctrl.Result{}, nil
			})), begin.Add(time.Minute))
			want := map[string]time.Duration{}
			for _, group := range tc.want {
				want[group] = tc.at
			}
			if diff := cmp.Diff(want, seen); diff != "" {
				t.Error(diff)
			}
		})
	}
}
