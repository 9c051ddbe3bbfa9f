// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package groupslice

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/event"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

var noon = time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)

func named(names ...string) []v1alpha1.GroupSlice {
	var refs []v1alpha1.GroupSlice
	for _, name := range names {
		refs = append(refs, v1alpha1.GroupSlice{Name: name, Count: 1})
	}
	return refs
}

func TestReplacedSlicesAreRipeAfterAWhile(t *testing.T) {
	r := &Reconciler{Clock: clocktesting.NewFakePassiveClock(noon)}
	q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
	defer q.ShutDown()
	group := types.NamespacedName{Namespace: "corp", Name: "all"}
	version := func(uid types.UID, names ...string) *v1alpha1.ScimGroup {
		return &v1alpha1.ScimGroup{
			ObjectMeta: metav1.ObjectMeta{Namespace: group.Namespace, Name: group.Name, UID: uid}, Spec: v1alpha1.ScimGroupSpec{Slices: named(names...)},
		}
	}
	update := func(before, after *v1alpha1.ScimGroup) {
		r.replaced().Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, q)
	}
	update(version("1", "a", "b"), version("1", "a", "c"))
	update(version("1", "a", "c"), version("2", "d")) // another group of that name
	if ripe, next := r.dropped.ripe(group, noon.Add(-trail)); len(ripe) > 0 || next != trail {
		t.Errorf("ripe at once: %v, next in %s", ripe, next)
	}
	ripe, next := r.dropped.ripe(group, noon)
	if diff := cmp.Diff(map[string]bool{"b": true}, ripe); diff != "" || next != 0 {
		t.Errorf("next in %s\n%s", next, diff)
	}
	r.dropped.forget(group, ripe)
	if len(r.dropped.at) > 0 {
		t.Errorf("kept for ever: %v", r.dropped.at)
	}
}

// TestSweeper runs the controller on a real API server: what is named stays whatever its age, what was never named goes when it is old, what was replaced goes soon, and
// so does what has lost its group.
func TestSweeper(t *testing.T) {
	env := cptest.New(t)
	namespace := env.Namespace(t)
	scheme := runtime.NewScheme()
	must(t, v1alpha1.AddToScheme(scheme))
	skip := true
	mgr, err := ctrl.NewManager(env.Config, ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, Controller: config.Controller{SkipNameValidation: &skip},
		Cache: cache.Options{DefaultNamespaces: map[string]cache.Config{namespace: {}}},
	})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	must(t, directory.RegisterIndexes(ctx, mgr.GetFieldIndexer()))
	live, err := client.New(env.Config, client.Options{Scheme: scheme})
	must(t, err)
	cursors, err := scim.NewCursors(make([]byte, 32))
	must(t, err)
	now := &ahead{}
	store, err := directory.New(ctx, directory.Options{Client: live, Cache: mgr.GetCache(), Cursors: cursors, Clock: now, Random: rand.Reader})
	must(t, err)
	r := &Reconciler{Directory: store, Clock: now}
	must(t, kube.RegisterResync(ctx, mgr.GetFieldIndexer(), &v1alpha1.ScimGroupSlice{}))
	must(t, r.SetupWithManager(mgr, kube.Schedule{Period: time.Hour, Clock: now}))

	slice := func(name, group string) {
		must(t, live.Create(ctx, &v1alpha1.ScimGroupSlice{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
			Spec:       v1alpha1.ScimGroupSliceSpec{Group: group, Members: []v1alpha1.GroupMember{{Value: name}}},
		}))
	}
	for _, name := range []string{"kept", "replaced"} {
		slice(name, "all")
	}
	slice("left-by-a-crash", "all")
	slice("without-group", "none")
	group := &v1alpha1.ScimGroup{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "all"}}
	group.Spec = v1alpha1.ScimGroupSpec{ID: "id-of-all", DisplayName: "all", Slices: named("kept", "replaced"), MembersDigest: fmt.Sprintf("%064d", 0)}
	must(t, live.Create(ctx, group))
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() { cancel(); must(t, <-done) })
	await := func(names ...string) {
		t.Helper()
		want := map[string]bool{}
		for _, name := range names {
			want[name] = true
		}
		deadline := time.Now().Add(20 * time.Second)
		for {
			var list v1alpha1.ScimGroupSliceList
			must(t, live.List(ctx, &list, client.InNamespace(namespace)))
			have := map[string]bool{}
			for i := range list.Items {
				have[list.Items[i].Name] = true
			}
			diff := cmp.Diff(want, have)
			if diff == "" {
				return
			}
			if time.Now().After(deadline) {
				t.Fatal(diff)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	reconcileNow := func(name string) {
		t.Helper()
		_, err := r.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}})
		must(t, err)
	}
	if !mgr.GetCache().WaitForCacheSync(ctx) {
		t.Fatal("the cache does not sync")
	}
	reconcileNow("all")
	reconcileNow("none")
	await("kept", "replaced", "left-by-a-crash", "without-group")

	before := group.ResourceVersion
	now.by.Add(int64(15 * time.Minute))
	reconcileNow("all")
	reconcileNow("none")
	await("kept", "replaced", "without-group")
	must(t, live.Get(ctx, client.ObjectKeyFromObject(group), group))
	if group.ResourceVersion == before {
		t.Error("a write that was about to name the slice could still succeed")
	}

	group.Spec.Slices = named("kept")
	must(t, live.Update(ctx, group))
	noted := func() bool {
		names, _ := r.dropped.ripe(requestOf(group).NamespacedName, now.Now())
		return names["replaced"]
	}
	for deadline := time.Now().Add(20 * time.Second); !noted(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the replaced slice was not noted")
		}
	}
	now.by.Add(int64(time.Minute))
	reconcileNow("all")
	await("kept", "without-group")

	now.by.Add(int64(2 * time.Hour))
	reconcileNow("none")
	await("kept")
}

// ahead is a clock that is ahead of time.
type ahead struct {
	clock.RealClock
	by atomic.Int64
}

func (a *ahead) Now() time.Time { return time.Now().Add(time.Duration(a.by.Load())) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
}
