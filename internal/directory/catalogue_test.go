// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// offer makes a ScimApp with roles of its own, or changes it, and waits until the replicas' caches have it.
func offer(t *testing.T, r *replica, name string, roles []string, others ...*replica) {
	t.Helper()
	app := &v1alpha1.ScimApp{ObjectMeta: metav1.ObjectMeta{Namespace: r.namespace, Name: name}, Spec: v1alpha1.ScimAppSpec{
		Profile: "generic", Roles: &v1alpha1.AppRoles{Allowed: roles},
		SCIM: v1alpha1.SCIMConnection{BaseURL: "https://app.corp.test/scim/v2", Token: v1alpha1.SecretKeyRef{Name: "token"}},
	}}
	err := r.client.Create(t.Context(), app)
	if client.IgnoreAlreadyExists(err) == nil && err != nil {
		before := &v1alpha1.ScimApp{}
		if err = r.client.Get(t.Context(), client.ObjectKeyFromObject(app), before); err == nil {
			app.ResourceVersion = before.ResourceVersion
			err = r.client.Update(t.Context(), app)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, replica := range append(others, r) {
		for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			cached := &v1alpha1.ScimApp{}
			err := replica.opts.Cache.Get(t.Context(), client.ObjectKeyFromObject(app), cached)
			if err == nil && cached.ResourceVersion == app.ResourceVersion {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the cache does not have the app: %v", err)
			}
		}
	}
}

// byCursor reads all pages by cursor.
func byCursor(t *testing.T, d *Directory, q Query) []string {
	t.Helper()
	var ids []string
	cursor := ""
	for {
		q.Cursor = &cursor
		page, err := d.List(t.Context(), scim.RoleType, q)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Resources) > q.Page.Count || page.StartIndex != 0 {
			t.Errorf("a page of %d rows, startIndex %d", len(page.Resources), page.StartIndex)
		}
		for _, r := range page.Resources {
			ids = append(ids, r.ID())
		}
		if cursor = page.NextCursor; cursor == "" {
			return ids
		}
	}
}

func sortBy(t *testing.T, by, order string) *scim.Sort {
	t.Helper()
	return must[*scim.Sort](t)(scim.ParseSort(by, order, scim.RoleType))
}

func TestRolesAreSortedAndPaged(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	offer(t, r, "crm", []string{"b", "C", "a"})
	offer(t, r, "wiki", []string{"reader", "author"})
	d := r.as("okta")
	all := []string{"crm.C", "crm.a", "crm.b", "wiki.author", "wiki.reader"}
	byName := []string{"crm.a", "crm.b", "crm.C", "wiki.author", "wiki.reader"}
	backwards := slices.Clone(byName)
	slices.Reverse(backwards)
	for name, tc := range map[string]struct {
		q    Query
		want []string
	}{
		"as they are":         {Query{}, all},
		"by name":             {Query{Sort: sortBy(t, "displayName", "")}, byName},
		"by name, descending": {Query{Sort: sortBy(t, "displayName", "descending")}, backwards},
		"filtered":            {Query{Filter: must[*scim.Filter](t)(scim.ParseFilter(`displayName sw "wiki"`, scim.RoleType)), Sort: sortBy(t, "id", "descending")}, []string{"wiki.reader", "wiki.author"}},
	} {
		for size := 1; size <= 6; size++ {
			tc.q.Page = scim.Page{StartIndex: 1, Count: size}
			if diff := cmp.Diff(tc.want, byCursor(t, d, tc.q)); diff != "" {
				t.Errorf("%s, by cursor, %d rows a page (-want +got):\n%s", name, size, diff)
			}
			var ids []string
			for start := 1; start <= len(tc.want); start += size {
				q := tc.q
				q.Page.StartIndex = start
				page, err := d.List(t.Context(), scim.RoleType, q)
				if err != nil || page.TotalResults != len(tc.want) || page.StartIndex != start {
					t.Fatalf("%+v: %v", page, err)
				}
				for _, row := range page.Resources {
					ids = append(ids, row.ID())
				}
			}
			if diff := cmp.Diff(tc.want, ids); diff != "" {
				t.Errorf("%s, by index, %d rows a page (-want +got):\n%s", name, size, diff)
			}
		}
	}
}

// No role that is there throughout is lost or doubled, whatever comes and goes between two pages, and whichever replica answers.
func TestCursorsOfRolesLoseNothing(t *testing.T) {
	namespace := cptest.New(t).Namespace(t)
	one, other := newReplica(t, namespace), newReplica(t, namespace)
	var stay []string
	for i := range 20 {
		stay = append(stay, fmt.Sprintf("stay%02d", i))
	}
	offer(t, one, "crm", append([]string{"goes00", "stay04x"}, stay...), other)
	round := 0
	turns := []*replica{one, other}
	var got []string
	cursor := ""
	for {
		q := Query{Page: scim.Page{Count: 3}, Cursor: &cursor, Sort: sortBy(t, "displayName", "")}
		page, err := turns[round%2].as("okta").List(t.Context(), scim.RoleType, q)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range page.Resources {
			got = append(got, r.ID())
		}
		if cursor = page.NextCursor; cursor == "" {
			break
		}
		round++
		// What the last page ended with may be gone, and others come before and after it.
		offer(t, one, "crm", append([]string{fmt.Sprintf("come%02d", round), fmt.Sprintf("stay%02dx", round*3)}, stay...), other)
	}
	for _, role := range stay {
		id := "crm." + role
		if n := len(slices.DeleteFunc(slices.Clone(got), func(g string) bool { return g != id })); n != 1 {
			t.Errorf("%s was read %d times: %v", id, n, got)
		}
	}
}

func TestCursorsOfRolesAreOfOneQuery(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	offer(t, r, "crm", []string{"a", "b"})
	empty := ""
	page, err := r.as("okta").List(t.Context(), scim.RoleType, Query{Page: scim.Page{Count: 1}, Cursor: &empty})
	if err != nil || page.NextCursor == "" {
		t.Fatalf("%+v: %v", page, err)
	}
	for name, try := range map[string]func(q Query) error{
		"another client": func(q Query) error { _, err := r.as("entra").List(t.Context(), scim.RoleType, q); return err },
		"another type":   func(q Query) error { _, err := r.as("okta").List(t.Context(), scim.EntitlementType, q); return err },
		"another order": func(q Query) error {
			q.Sort = sortBy(t, "displayName", "")
			_, err := r.as("okta").List(t.Context(), scim.RoleType, q)
			return err
		},
	} {
		err := try(Query{Page: scim.Page{Count: 1}, Cursor: &page.NextCursor})
		var e *scim.Error
		if !errors.As(err, &e) || e.ScimType != scim.ScimTypeInvalidCursor {
			t.Errorf("%s: %v", name, err)
		}
	}
}
