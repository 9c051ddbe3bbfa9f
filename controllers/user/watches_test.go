// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
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
		"one comes":                 {after: []string{"s1", "s3"}, want: []string{"cy"}},
		"one goes":                  {after: []string{"s1", "s4"}, want: []string{"ada"}},
		"none":                      {after: []string{"s1", "s2"}},
		"a slice comes later":       {after: []string{"s1", "s3"}, missing: "s3", want: []string{"cy"}},
		"a replaced slice was lost": {after: []string{"s1", "s3"}, missing: "s2", want: []string{"ada", "bob", "cy", "dan"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := pt.NewCache()
			for _, user := range []string{"ada", "bob", "cy", "dan"} {
				cache.Put(pt.User(user))
			}
			before, slices := sliced(parts, "s1", "s2")
			after, more := sliced(parts, tc.after...)
			after.Generation++
			var comes *v1alpha1.ScimGroupSlice
			for _, slice := range append(slices, more...) {
				if slice.Name == tc.missing {
					comes = slice
				} else {
					cache.Put(slice)
				}
			}
			cache.Put(after)
			w := &watches{cache: cache, view: desired.NewView(cache)}
			q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer q.ShutDown()
			w.groups().Update(t.Context(), event.UpdateEvent{ObjectOld: before, ObjectNew: after}, q)
			if tc.missing != "" && q.Len() > 0 {
				t.Errorf("%d requests while it is not known for whom", q.Len())
			}
			if tc.missing == "s3" {
				cache.Put(comes)
			}
			got := map[string]bool{}
			want := map[string]bool{}
			for _, name := range tc.want {
				want[name] = true
				request, _ := q.Get()
				got[request.Name] = true
				q.Done(request)
			}
			if diff := cmp.Diff(want, got); diff != "" || q.Len() > 0 {
				t.Errorf("%d more\n%s", q.Len(), diff)
			}
		})
	}
}
