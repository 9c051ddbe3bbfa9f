// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// syntheticDirectory has n users in its views, as a watch would have put them there.
func syntheticDirectory(tb testing.TB, n int) *Directory {
	tb.Helper()
	cursors, err := scim.NewCursors(make([]byte, scim.CursorKeySize))
	if err != nil {
		tb.Fatal(err)
	}
	s := &Store{
		opts: Options{Clock: clock.RealClock{}, Cache: empty{}, Cursors: cursors}, views: newViews(clock.RealClock{}), bookmarks: newBookmarks(clock.RealClock{}),
		memberships: membership.NewReader(empty{}, nil), sizes: defaultSizes, pace: pace{clock: clock.RealClock{}, tries: 1, polls: 1},
	}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range n {
		u := syntheticUser(i)
		u.CreationTimestamp = metav1.NewTime(start.Add(time.Duration(i/50) * time.Second))
		s.views.of(u, u.Namespace).shown(nil, u)
	}
	return s.For(Scope{Namespace: "default", Client: "okta"})
}

// syntheticUser is a user as Okta makes one.
func syntheticUser(i int) *v1alpha1.ScimUser {
	name := fmt.Sprintf("user%06d@corp.test", i)
	u := &v1alpha1.ScimUser{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: fmt.Sprintf("u-%026x", i*7919), UID: types.UID(fmt.Sprint(i)), ResourceVersion: fmt.Sprint(i + 1),
	}}
	u.Spec = v1alpha1.ScimUserSpec{
		ID: fmt.Sprintf("%013d", i), Client: "okta", UserName: name, Active: ptr.To(i%10 != 0), DisplayName: fmt.Sprintf("Kim Lee %d", i), Locale: "en-US",
		Name:        &v1alpha1.Name{GivenName: "Kim", FamilyName: fmt.Sprintf("Lee %d", i%977)},
		Emails:      []v1alpha1.MultiValue{{Value: name, Type: "work", Primary: ptr.To(true)}},
		Enterprise:  &v1alpha1.EnterpriseUser{Department: fmt.Sprintf("d%d", i%100), EmployeeNumber: fmt.Sprint(i)},
		ExternalIDs: []v1alpha1.ExternalID{{Client: "okta", ID: fmt.Sprintf("00u%d", i)}},
	}
	return u
}

func mustFilter(tb testing.TB, s string) *scim.Filter {
	tb.Helper()
	f, err := scim.ParseFilter(s, scim.UserType)
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// BenchmarkPage is a page of 100 users: the ratio of the times with 100,000 and 1,000 users is what counts.
func BenchmarkPage(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		d := syntheticDirectory(b, n)
		for name, start := range map[string]int{"first": 1, "last": n - 99} {
			b.Run(fmt.Sprintf("%s/users=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					page, err := d.List(context.Background(), scim.UserType, Query{Page: scim.Page{StartIndex: start, Count: 100}})
					if err != nil || len(page.Resources) != 100 {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// BenchmarkRows is what of a page depends on how many users there are: finding the rows.
func BenchmarkRows(b *testing.B) {
	for _, n := range []int{1000, 100000} {
		d := syntheticDirectory(b, n)
		v := d.store.views.of(&v1alpha1.ScimUser{}, "default")
		for name, skip := range map[string]int{"first": 0, "last": n - 100} {
			b.Run(fmt.Sprintf("%s/users=%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if rows, left := v.window(nil, skip, 100); len(rows) != 100 || left != n {
						b.Fatal(len(rows), left)
					}
				}
			})
		}
	}
}

// BenchmarkScan is a filter that no index serves; the metric is the time for each user.
func BenchmarkScan(b *testing.B) {
	const n = 100000
	d := syntheticDirectory(b, n)
	for name, filter := range map[string]string{
		"active": `active eq false`, "department": `department eq "d7"`, "familyName": `name.familyName sw "lee 9"`, "emails": `emails[type eq "work" and value co "9999"]`,
		"userName": `userName co "9999"`, "lastModified": `meta.lastModified gt "2027-01-01T00:00:00Z"`,
	} {
		f := mustFilter(b, filter)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.List(context.Background(), scim.UserType, Query{Filter: f, Page: scim.Page{StartIndex: 1, Count: 0}}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/user")
		})
	}
	b.Run("sorted", func(b *testing.B) {
		order, err := scim.ParseSort("name.familyName", "", scim.UserType)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := d.List(context.Background(), scim.UserType, Query{Sort: order, Page: scim.Page{StartIndex: 1, Count: 1}}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/n, "ns/user")
	})
}

// BenchmarkFeed is what an event of the watch costs.
func BenchmarkFeed(b *testing.B) {
	d := syntheticDirectory(b, 100000)
	v := d.store.views.of(&v1alpha1.ScimUser{}, "default")
	u := syntheticUser(50000)
	u.CreationTimestamp = metav1.NewTime(time.Date(2026, 1, 1, 0, 0, 1, 0, time.UTC))
	b.ReportAllocs()
	for b.Loop() {
		v.shown(nil, u)
		v.vanished(u)
	}
}
