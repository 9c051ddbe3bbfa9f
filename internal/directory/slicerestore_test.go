// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// bare is an object as a restore makes it: of another UID, without status.
func bare(meta *metav1.ObjectMeta, namespace string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: meta.Name, Labels: meta.Labels, Annotations: meta.Annotations, Finalizers: meta.Finalizers}
}

// TestARestoredGroupKeepsMembersAndETag, whichever comes first, group or slices. What was not referenced when the backup was made is swept in the end.
func TestARestoredGroupKeepsMembersAndETag(t *testing.T) {
	env := cptest.New(t)
	old := newReplica(t, env.Namespace(t))
	old.sizes = sizes{inline: 20, slice: 10, writers: 4}
	d := old.as("okta")
	made := must[*scim.Resource](t)(d.Create(t.Context(), group(t, "all", memberIDs(0, 55)...)))
	made = must[*scim.Resource](t)(d.Patch(t.Context(), scim.GroupType, made.ID(), removeMembers(t, memberID(3), memberID(50))))
	name, _, _ := v1alpha1.SplitSCIMID(made.ID())
	var backup v1alpha1.ScimGroupSliceList
	if err := old.client.List(t.Context(), &backup, client.InNamespace(old.namespace)); err != nil {
		t.Fatal(err)
	}
	saved := object(t, old, made.ID(), &v1alpha1.ScimGroup{})
	if len(backup.Items) <= len(saved.Spec.Slices) {
		t.Fatal("no replaced slice is in the backup")
	}
	for name2, groupFirst := range map[string]bool{"the group first": true, "the slices first": false} {
		t.Run(name2, func(t *testing.T) {
			fresh := newReplica(t, env.Namespace(t))
			fresh.sizes = old.sizes
			apply := func(obj client.Object) {
				t.Helper()
				if err := fresh.client.Create(t.Context(), obj); err != nil {
					t.Fatal(err)
				}
			}
			again := func() {
				g := &v1alpha1.ScimGroup{ObjectMeta: bare(&saved.ObjectMeta, fresh.namespace)}
				saved.Spec.DeepCopyInto(&g.Spec)
				apply(g)
			}
			if groupFirst {
				again()
				_, err := fresh.as("okta").Get(t.Context(), scim.GroupType, made.ID())
				wantStatus(t, err, 503)
			}
			for i := range backup.Items {
				s := &v1alpha1.ScimGroupSlice{ObjectMeta: bare(&backup.Items[i].ObjectMeta, fresh.namespace)}
				backup.Items[i].Spec.DeepCopyInto(&s.Spec)
				apply(s)
			}
			if !groupFirst {
				again()
			}
			d := fresh.as("okta")
			got := must[*scim.Resource](t)(d.Get(t.Context(), scim.GroupType, made.ID()))
			if diff := cmp.Diff(membersOf(made), membersOf(got)); diff != "" {
				t.Error(diff)
			}
			if got.String("meta.version") != made.String("meta.version") {
				t.Error("the ETag has changed")
			}
			got = must[*scim.Resource](t)(d.Patch(t.Context(), scim.GroupType, made.ID(), addMembers(t, memberID(3))))
			if len(membersOf(got)) != 54 {
				t.Errorf("%d members after the next push", len(membersOf(got)))
			}
			fresh.sweepAll(name)
		})
	}
}

// TestALostSliceIsNeverTakenForFewerMembers: somebody deletes one with kubectl. What needs to know who was in it fails; who says anew who is in the group mends it.
func TestALostSliceIsNeverTakenForFewerMembers(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	r.sizes = sizes{inline: 20, slice: 10, writers: 4}
	d := r.as("okta")
	for name, mend := range map[string]func(id string) error{
		"PUT": func(id string) error {
			_, err := d.Replace(t.Context(), id, group(t, "all", memberIDs(0, 40)...))
			return err
		},
		"PATCH": func(id string) error {
			_, err := d.Patch(t.Context(), scim.GroupType, id, patch(t, scim.GroupType, `[{"op":"replace","path":"members","value":[{"value":"one"}]}]`))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			id := must[*scim.Resource](t)(d.Create(t.Context(), group(t, "all", memberIDs(0, 60)...))).ID()
			g := object(t, r, id, &v1alpha1.ScimGroup{})
			lost := &v1alpha1.ScimGroupSlice{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: g.Spec.Slices[2].Name}}
			if err := r.client.Delete(t.Context(), lost); err != nil {
				t.Fatal(err)
			}
			r.fresh = freshSlices{}
			eventually(t, "the cache loses it", func() bool { return !r.cached.has(types.NamespacedName{Namespace: r.namespace, Name: lost.Name}) })
			_, err := d.Get(t.Context(), scim.GroupType, id)
			wantStatus(t, err, 503)
			for _, p := range []*scim.Patch{addMembers(t, "new"), removeMembers(t, memberID(0))} {
				_, err = d.Patch(t.Context(), scim.GroupType, id, p)
				wantStatus(t, err, 503)
			}
			must[*scim.Resource](t)(r.as("okta", withoutMembers(t)).Get(t.Context(), scim.GroupType, id))
			if err := mend(id); err != nil {
				t.Fatal(err)
			}
			got := must[*scim.Resource](t)(d.Get(t.Context(), scim.GroupType, id))
			want := map[string]int{"PUT": 40, "PATCH": 1}[name]
			if len(membersOf(got)) != want || digest(object(t, r, id, &v1alpha1.ScimGroup{})) != scim.DigestMembers(got.Members()) {
				t.Errorf("%d members", len(membersOf(got)))
			}
			if err := d.Delete(t.Context(), scim.GroupType, id); err != nil {
				t.Fatal(err)
			}
		})
	}
}
