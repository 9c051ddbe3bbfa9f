// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
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
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/kube/kubetest"
	"github.com/scim-operator/scim-operator/internal/membership"
)

// sliced is a group of these slices, and the slices.
func sliced(parts map[string][]string, names ...string) (*v1alpha1.ScimGroup, []*v1alpha1.ScimGroupSlice) {
	group := pt.Group("all")
	var made []*v1alpha1.ScimGroupSlice
	for _, name := range names {
		slice := &v1alpha1.ScimGroupSlice{ObjectMeta: pt.Meta(name), Spec: v1alpha1.ScimGroupSliceSpec{Group: group.Name}}
		for _, member := range parts[name] {
			slice.Spec.Members = append(slice.Spec.Members, v1alpha1.GroupMember{Value: pt.User(member).SCIMID()})
		}
		group.Spec.Slices = append(group.Spec.Slices, v1alpha1.GroupSlice{Name: name, Count: int32(len(slice.Spec.Members))})
		made = append(made, slice)
	}
	return group, made
}

// driven is a user controller without a manager. Its users are reconciled only as far as what they have can be worked out.
type driven struct {
	*testing.T
	begin time.Time
	clock *clocktesting.FakePassiveClock
	cache *failingCache
	queue *kubetest.Queue
	r     *Reconciler
	list  []kube.Watch
	// evaluated are the times at which a user was evaluated; incomplete counts the reconciles that failed because a slice was missing.
	evaluated  map[string][]time.Duration
	incomplete int
}

// failingCache is a cache that cannot list some kinds.
type failingCache struct {
	client.Client
	*pt.Cache
	fails func(client.ObjectList) bool
}

func (c *failingCache) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	return c.Cache.Get(ctx, key, into, opts...)
}

func (c *failingCache) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if c.fails != nil && c.fails(list) {
		return errors.New("no list")
	}
	return c.Cache.List(ctx, list, opts...)
}

func drive(t *testing.T, users ...string) *driven {
	d := &driven{T: t, begin: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), cache: &failingCache{Cache: pt.NewCache()}}
	for _, user := range users {
		d.cache.Put(pt.User(user))
	}
	d.clock = clocktesting.NewFakePassiveClock(d.begin)
	d.queue = kubetest.NewQueue(d.clock)
	d.r = &Reconciler{Client: d.cache, View: pt.NewView(d.cache), Clock: d.clock}
	d.list = d.r.Watches()
	d.evaluated = map[string][]time.Duration{}
	return d
}

// deliver gives an event to the handlers of its kind, as the informers do: before is nil for a new object, after for a deleted one.
func (d *driven) deliver(before, after client.Object) {
	kind := reflect.TypeOf(after)
	if after == nil {
		kind = reflect.TypeOf(before)
	}
	for _, watch := range d.list {
		switch {
		case reflect.TypeOf(watch.Object) != kind:
		case before == nil:
			watch.Handler.Create(d.Context(), event.CreateEvent{Object: after}, d.queue)
		case after == nil:
			watch.Handler.Delete(d.Context(), event.DeleteEvent{Object: before}, d.queue)
		default:
			watch.Handler.Update(d.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, d.queue)
		}
	}
}

// until reconciles all that is due up to a time after the beginning.
func (d *driven) until(after time.Duration) {
	next := reconcile.Func(func(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
		if _, err := d.r.View.User(ctx, req.NamespacedName); err == nil {
			d.evaluated[req.Name] = append(d.evaluated[req.Name], d.clock.Since(d.begin))
			return ctrl.Result{}, nil
		}
		result, err := d.r.Reconcile(ctx, req)
		if !errors.Is(err, membership.ErrIncomplete) && d.cache.fails == nil {
			d.Errorf("%s: got %v, want ErrIncomplete", req.Name, err)
		}
		d.incomplete++
		return result, err
	})
	d.queue.Run(d.Context(), d.r.sweeps().Reconciler(next), d.begin.Add(after))
}

func (d *driven) names() []string { return slices.Sorted(maps.Keys(d.evaluated)) }

// TestAMemberOfALargeGroupIsReconciledAlone: and everybody, should it not be possible to find out who came or went.
func TestAMemberOfALargeGroupIsReconciledAlone(t *testing.T) {
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("user-%d", i))
	}
	parts := map[string][]string{"s1": many, "s2": {"ada", "bob"}, "s3": {"ada", "bob", "cy"}, "s4": {"bob"}}
	for name, tc := range map[string]struct {
		after   []string
		missing string
		want    []string
	}{
		"one comes": {after: []string{"s1", "s3"}, want: []string{"cy"}},
		"one goes":  {after: []string{"s1", "s4"}, want: []string{"ada"}},
		"none":      {after: []string{"s1", "s2"}},
		// Those of the replaced slice at once, those of the new one when it appears.
		"a slice comes later":       {after: []string{"s1", "s3"}, missing: "s3", want: []string{"ada", "bob", "cy"}},
		"a replaced slice was lost": {after: []string{"s1", "s3"}, missing: "s2", want: []string{"ada", "bob", "cy", "dan"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := drive(t, "ada", "bob", "cy", "dan")
			before, made := sliced(parts, "s1", "s2")
			after, more := sliced(parts, tc.after...)
			after.Generation++
			for _, slice := range append(made, more...) {
				if slice.Name != tc.missing {
					d.cache.Put(slice)
				}
			}
			d.cache.Put(after)
			d.deliver(before, after)
			d.until(time.Second / 2)
			if tc.missing == "s3" {
				if d.incomplete != 2 || len(d.evaluated) != 0 {
					t.Errorf("%d users failed while the slice is missing, want 2; %v were evaluated, want nobody", d.incomplete, d.names())
				}
				slice := more[1]
				d.cache.Put(slice)
				d.deliver(nil, slice)
				d.until(time.Second / 2)
			}
			if diff := cmp.Diff(tc.want, d.names()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestMembersAreEvaluatedAfterAMappingWasDeletedWhileASliceWasMissing: however late the slice is, and even if nobody is told that it has appeared.
func TestMembersAreEvaluatedAfterAMappingWasDeletedWhileASliceWasMissing(t *testing.T) {
	const s = time.Second
	parts := map[string][]string{"s1": {"ada", "bob"}, "s2": {"cy"}}
	for name, tc := range map[string]struct {
		appears time.Duration
		// unseen: the event of the slice is lost.
		unseen bool
		// latest is when the last user was evaluated first.
		latest map[string]time.Duration
	}{
		"after 10 ms":                        {appears: s / 100, latest: map[string]time.Duration{"ada": s, "bob": s, "cy": 0, "dan": s}},
		"after 4 s":                          {appears: 4 * s, latest: map[string]time.Duration{"ada": 7 * s, "bob": 7 * s, "cy": 4 * s, "dan": 7 * s}},
		"after 4 s, without an event":        {appears: 4 * s, unseen: true, latest: map[string]time.Duration{"ada": 7 * s, "bob": 7 * s, "cy": 7 * s, "dan": 7 * s}},
		"after two minutes":                  {appears: 120 * s, latest: map[string]time.Duration{"ada": 127 * s, "bob": 127 * s, "cy": 120 * s, "dan": 127 * s}},
		"after two minutes without an event": {appears: 120 * s, unseen: true, latest: map[string]time.Duration{"ada": 127 * s, "bob": 127 * s, "cy": 127 * s, "dan": 127 * s}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := drive(t, "ada", "bob", "cy", "dan")
			d.cache.Put(pt.App("crm"))
			group, made := sliced(parts, "s1", "s2")
			d.cache.Put(group)
			d.cache.Put(made[0])
			d.deliver(pt.GroupMapping("all", "crm", group), nil)
			d.until(tc.appears)
			if len(d.evaluated) != 0 || d.incomplete < 4 {
				t.Errorf("%v were evaluated while a slice is missing, %d reconciles failed", d.names(), d.incomplete)
			}
			d.cache.Put(made[1])
			if !tc.unseen {
				d.deliver(nil, made[1])
			}
			d.until(time.Hour)
			got := map[string]time.Duration{}
			for user, times := range d.evaluated {
				got[user] = times[0].Truncate(s)
			}
			if diff := cmp.Diff(tc.latest, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestASliceEnqueuesItsMembersOnlyWhileItsGroupNamesIt(t *testing.T) {
	parts := map[string][]string{"s1": {"ada", "bob"}, "s2": {"cy"}}
	all, made := sliced(parts, "s1", "s2")
	one, _ := sliced(parts, "s1")
	nested := pt.Group("nested", pt.User("dan"))
	withGroup := made[1].DeepCopy()
	withGroup.Spec.Members = []v1alpha1.GroupMember{{Value: nested.SCIMID(), Type: v1alpha1.MemberTypeGroup}}
	for name, tc := range map[string]struct {
		group         *v1alpha1.ScimGroup
		before, after *v1alpha1.ScimGroupSlice
		want          []string
		incomplete    int
	}{
		"it appears":                     {group: all, after: made[1], want: []string{"cy"}},
		"it appears with a member group": {group: all, after: withGroup, want: []string{"dan"}},
		"it vanishes":                    {group: all, before: made[1], incomplete: 1},
		"it appears before the group that names it": {group: one, after: made[1]},
		"it appears before its group":               {after: made[1]},
		"it vanishes after it was replaced":         {group: one, before: made[1]},
		"its status changes":                        {group: all, before: made[1], after: made[1]},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := drive(t, "ada", "bob", "cy", "dan")
			d.cache.Put(nested)
			if tc.group != nil {
				d.cache.Put(tc.group)
			}
			d.cache.Put(made[0])
			d.cache.Put(made[1])
			if _, err := d.r.View.GroupsOf(t.Context(), pt.Namespace, "anybody"); err != nil {
				t.Fatal(err)
			}
			switch {
			case tc.after == nil:
				d.cache.Remove(tc.before)
				d.deliver(tc.before, nil)
			case tc.before == nil:
				d.cache.Put(tc.after)
				d.deliver(nil, tc.after)
			default:
				d.deliver(tc.before, tc.after)
			}
			d.until(time.Second / 2)
			if diff := cmp.Diff(tc.want, d.names()); diff != "" || d.incomplete != tc.incomplete {
				t.Errorf("%d reconciles failed, want %d\n%s", d.incomplete, tc.incomplete, diff)
			}
		})
	}
}

// TestAllUsersAreEvaluatedWhenThoseConcernedCannotBeFound: whichever handler fails, the namespace is swept once the users can be listed.
func TestAllUsersAreEvaluatedWhenThoseConcernedCannotBeFound(t *testing.T) {
	expression := pt.Mapping("admins", "crm", nil)
	expression.Spec.Subjects.Expression = `user.userName.startsWith("nobody")`
	changed := expression.DeepCopy()
	changed.Generation++
	renamed := pt.User("ada")
	renamed.Spec.UserName = "other@corp.test"
	lost, _ := sliced(map[string][]string{"s1": {"ada"}}, "s1")
	for name, tc := range map[string]struct {
		before, after client.Object
		// heals is when users can be listed again.
		heals time.Duration
		want  time.Duration
	}{
		"a mapping of users comes":          {after: pt.Mapping("m", "crm", []string{"kim@corp.test"}), heals: 3 * time.Second, want: 3 * time.Second},
		"a mapping of users goes":           {before: pt.Mapping("m", "crm", []string{"kim@corp.test"}), heals: 3 * time.Second, want: 3 * time.Second},
		"an expression comes":               {after: expression, heals: 3 * time.Second, want: 3 * time.Second},
		"an expression goes":                {before: expression, heals: 3 * time.Second, want: 3 * time.Second},
		"a mapping with expression changes": {before: expression, after: changed, heals: 3 * time.Second, want: 3 * time.Second},
		"an app comes":                      {after: pt.App("crm"), heals: 3 * time.Second, want: 3 * time.Second},
		"a userName is given up":            {before: pt.User("ada"), after: renamed, heals: 3 * time.Second, want: 3 * time.Second},
		"a group goes with its slices":      {before: lost},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := drive(t, "ada", "bob", "cy")
			heals := d.begin.Add(tc.heals)
			d.cache.fails = func(list client.ObjectList) bool {
				_, users := list.(*v1alpha1.ScimUserList)
				return users && d.clock.Now().Before(heals)
			}
			d.deliver(tc.before, tc.after)
			d.until(time.Minute)
			want := map[string][]time.Duration{"ada": {tc.want}, "bob": {tc.want}, "cy": {tc.want}}
			got := map[string][]time.Duration{}
			for user := range want {
				if times := d.evaluated[user]; len(times) > 0 {
					got[user] = []time.Duration{times[len(times)-1].Truncate(time.Second)}
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
