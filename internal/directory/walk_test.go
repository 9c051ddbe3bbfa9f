// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

const stepSize = 10

// walker goes through a listing to its end, as identity providers do, and gives the ids. pause is called between pages.
type walker func(t *testing.T, list func(Query) *scim.ListResponse[*scim.Resource], q Query, pause func()) []string

// withItems advances by itemsPerPage (RFC 7644 3.4.2.4).
func withItems(t *testing.T, list func(Query) *scim.ListResponse[*scim.Resource], q Query, pause func()) []string {
	t.Helper()
	return withIndex(list, q, pause, func(rows int) int { return rows })
}

// withCount advances by count, as Okta does, which adds 100 until totalResults.
func withCount(t *testing.T, list func(Query) *scim.ListResponse[*scim.Resource], q Query, pause func()) []string {
	t.Helper()
	return withIndex(list, q, pause, func(int) int { return stepSize })
}

func withIndex(list func(Query) *scim.ListResponse[*scim.Resource], q Query, pause func(), advance func(rows int) int) []string {
	var seen []string
	for start := 1; ; {
		q.Page = scim.Page{StartIndex: start, Count: stepSize}
		page := list(q)
		for _, r := range page.Resources {
			seen = append(seen, r.ID())
		}
		if start += advance(len(page.Resources)); start > page.TotalResults || len(page.Resources) == 0 {
			return seen
		}
		pause()
	}
}

func withCursor(t *testing.T, list func(Query) *scim.ListResponse[*scim.Resource], q Query, pause func()) []string {
	t.Helper()
	q.Page = scim.Page{StartIndex: 1, Count: stepSize}
	var seen []string
	for cursor := ""; ; {
		q.Cursor = ptr.To(cursor)
		page := list(q)
		for _, r := range page.Resources {
			seen = append(seen, r.ID())
		}
		if page.StartIndex != 0 {
			t.Error("a page by cursor has a startIndex")
		}
		if cursor = page.NextCursor; cursor == "" {
			return seen
		}
		pause()
	}
}

// churn deletes the victims from the first to the last, the worst there is for who counts rows, and makes newcomers all the while, until the walks are done.
func churn(ctx context.Context, t *testing.T, r *replica, victims []string) *sync.WaitGroup {
	t.Helper()
	var done sync.WaitGroup
	done.Go(func() {
		for _, id := range victims {
			if err := r.as("okta").Delete(ctx, scim.UserType, id); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if ctx.Err() != nil {
				return
			}
		}
	})
	done.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			made, err := r.as("okta").Create(ctx, user(t, fmt.Sprintf("new%d-%p@corp.test", i, victims)))
			if err == nil && i%2 == 0 {
				err = r.as("okta").Delete(ctx, scim.UserType, made.ID())
			}
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}
	})
	return &done
}

// C21, RFC 7644 3.4.2.4, RFC 9865: who is there throughout is seen once, however a client pages, and whatever others delete and create meanwhile.
func TestWalksMissAndRepeatNobodyWhileOthersComeAndGo(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	one, two := newReplica(t, ns), newReplica(t, ns)
	const rounds, crowd = 5, 30
	var stay []string
	victims := make([][]string, rounds)
	// In each second, some stay and some will go.
	for i := range crowd {
		stay = append(stay, must[*scim.Resource](t)(one.as("okta").Create(t.Context(), user(t, fmt.Sprintf("stay%d@corp.test", i)))).ID())
		for round := range rounds {
			victims[round] = append(victims[round],
				must[*scim.Resource](t)(one.as("okta").Create(t.Context(), user(t, fmt.Sprintf("go%d-%d@corp.test", round, i)))).ID())
		}
	}
	eventually(t, "both replicas have them all", func() bool {
		page, err := two.as("okta").List(t.Context(), scim.UserType, Query{Page: scim.Page{StartIndex: 1, Count: 0}})
		return err == nil && page.TotalResults == crowd*(1+rounds)
	})
	order, err := scim.ParseSort("userName", "descending", scim.UserType)
	if err != nil {
		t.Fatal(err)
	}
	for round, test := range []struct {
		name string
		walk walker
		q    Query
		// both says that the requests go to either replica.
		both bool
	}{
		{"index, by itemsPerPage", withItems, Query{}, false},
		{"index, by count", withCount, Query{}, false},
		{"index, filtered and sorted", withCount, Query{Filter: mustFilter(t, `active eq true`), Sort: order}, false},
		{"cursor, on two replicas", withCursor, Query{}, true},
		{"cursor, filtered and in pieces", withCursor, Query{Filter: mustFilter(t, `active eq true`), MaxScan: 25}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			done := churn(ctx, t, one, victims[round])
			requests, pages := 0, 0
			list := func(q Query) *scim.ListResponse[*scim.Resource] {
				requests++
				r := one
				if test.both && requests%2 == 0 {
					r = two
				}
				// A walk of its own: other walks of the client are other queries.
				page, err := r.as("okta", func(s *Scope) { s.Projection = nil }).List(t.Context(), scim.UserType, q)
				if err != nil {
					t.Fatal(err)
				}
				return page
			}
			// A few writes happen between any two pages.
			pause := func() {
				pages++
				before := one.writes.Load()
				eventually(t, "others write", func() bool { return one.writes.Load() >= before+6 })
			}
			seen := test.walk(t, list, test.q, pause)
			stop()
			done.Wait()
			times := map[string]int{}
			for _, id := range seen {
				times[id]++
			}
			for _, id := range stay {
				if times[id] != 1 {
					t.Errorf("%s, who stays, was seen %d times", id, times[id])
				}
			}
			for id, n := range times {
				if n > 1 {
					t.Errorf("%s was seen %d times", id, n)
				}
			}
			if pages < 4 {
				t.Errorf("%d pauses", pages)
			}
			// What is left over from the round would go on being listed.
			for _, id := range victims[round] {
				if err := one.as("okta").Delete(t.Context(), scim.UserType, id); err != nil && status(err) != 404 {
					t.Error(err)
				}
			}
			eventually(t, "both replicas have seen it", func() bool {
				return slices.Equal(ids(t, one.as("x"), scim.UserType, Query{Page: scim.Page{StartIndex: 1, Count: 1000}}),
					ids(t, two.as("x"), scim.UserType, Query{Page: scim.Page{StartIndex: 1, Count: 1000}}))
			})
		})
	}
}

// Bookmarks are those of one client and one query, start afresh with the first page, and expire.
func TestBookmarks(t *testing.T) {
	clock := &handClock{now: time.Unix(1000, 0)}
	b := newBookmarks(clock)
	at := func(name string) position { return position{Name: name} }
	want := func(query string, startIndex int, name string) {
		t.Helper()
		got := b.get([]byte(query), startIndex)
		if name == "" && got != nil || name != "" && (got == nil || got.Name != name) {
			t.Errorf("%s, %d: %v, want %q", query, startIndex, got, name)
		}
	}
	b.put([]byte("q"), 101, at("a"))
	want("q", 201, "")
	want("r", 101, "")
	// A second walk does not move a row that the first one has yet to go on after.
	b.put([]byte("q"), 101, at("b"))
	want("q", 101, "a")
	want("q", 101, "a")
	// Once it was used, it may.
	b.put([]byte("q"), 101, at("c"))
	want("q", 101, "c")
	// Nor does one that nobody came back for.
	b.put([]byte("q"), 201, at("d"))
	clock.now = clock.now.Add(bookmarkHold)
	b.put([]byte("q"), 201, at("e"))
	want("q", 201, "e")
	clock.now = clock.now.Add(bookmarkLife - bookmarkHold + time.Second)
	want("q", 101, "")
	want("q", 201, "e")
	clock.now = clock.now.Add(bookmarkLife)
	want("q", 201, "")
	for i := range maxBookmarks + 10 {
		b.put([]byte("q"), i, at("x"))
	}
	if n := b.order.Len(); n != maxBookmarks || len(b.entries) != n {
		t.Errorf("%d bookmarks", n)
	}
	want("q", 9, "")
	want("q", 10, "x")
}

func TestCursorsExpireAndOutliveTheirReplica(t *testing.T) {
	d := syntheticDirectory(t, 30)
	clock := &handClock{now: time.Unix(1_800_000_000, 0)}
	d.store.opts.Clock = clock
	q := Query{Page: scim.Page{Count: 10}, Cursor: ptr.To("")}
	first := must[*scim.ListResponse[*scim.Resource]](t)(d.List(t.Context(), scim.UserType, q))
	q.Cursor = ptr.To(first.NextCursor)
	clock.now = clock.now.Add(CursorLife - time.Second)
	restarted := syntheticDirectory(t, 30)
	restarted.store.opts.Clock = clock
	second := must[*scim.ListResponse[*scim.Resource]](t)(restarted.List(t.Context(), scim.UserType, q))
	if len(second.Resources) != 10 || second.TotalResults != 30 || second.Resources[0].ID() == first.Resources[0].ID() {
		t.Errorf("%d rows of %d", len(second.Resources), second.TotalResults)
	}
	clock.now = clock.now.Add(time.Second)
	_, err := restarted.List(t.Context(), scim.UserType, q)
	if wantStatus(t, err, 400); asError(err).ScimType != scim.ScimTypeExpiredCursor {
		t.Error(err)
	}
	for _, other := range []*Directory{
		d.store.For(Scope{Namespace: "default", Client: "other"}), d.store.For(Scope{Namespace: "other", Client: "okta"}),
	} {
		clock.now = time.Unix(1_800_000_000, 0)
		_, err := other.List(t.Context(), scim.UserType, q)
		if wantStatus(t, err, 400); asError(err).ScimType != scim.ScimTypeInvalidCursor {
			t.Error(err)
		}
	}
}

// A page looks at its own rows, wherever it is, and however many there are.
func TestPagesCostTheSameWhereverTheyAre(t *testing.T) {
	cost := map[string]float64{}
	for _, n := range []int{1000, 20000} {
		d := syntheticDirectory(t, n)
		for name, start := range map[string]int{"first": 1, "last": n - 9} {
			cost[fmt.Sprint(name, n)] = testing.AllocsPerRun(5, func() {
				page, err := d.List(t.Context(), scim.UserType, Query{Page: scim.Page{StartIndex: start, Count: 10}})
				if err != nil || len(page.Resources) != 10 || page.TotalResults != n {
					t.Fatal(err)
				}
			})
		}
	}
	for name, allocations := range cost {
		if least := cost["first1000"]; allocations > 1.1*least || allocations < 0.9*least {
			t.Errorf("%s: %.0f allocations, the first page of 1,000 users takes %.0f", name, allocations, least)
		}
	}
}

// What no index serves is looked at with few allocations for each user.
func TestScansAreCheap(t *testing.T) {
	const n = 2000
	d := syntheticDirectory(t, n)
	for filter, most := range map[string]float64{
		`active eq false`: 6, `userName co "99"`: 5, `department eq "d7"`: 8, `name.familyName sw "lee 9"`: 10, `emails[type eq "work" and value co "99"]`: 11,
	} {
		q := Query{Filter: mustFilter(t, filter), Page: scim.Page{StartIndex: 1, Count: 0}}
		got := testing.AllocsPerRun(3, func() {
			if _, err := d.List(t.Context(), scim.UserType, q); err != nil {
				t.Fatal(err)
			}
		}) / n
		if got > most {
			t.Errorf("%s: %.1f allocations for each user, want %.0f at most", filter, got, most)
		}
	}
}

// A filter and an order see of a part of a resource what they see of the whole.
func TestPartsOfUsersAreAsGoodAsTheWhole(t *testing.T) {
	d := syntheticDirectory(t, 200)
	page := must[*scim.ListResponse[*scim.Resource]](t)(d.List(t.Context(), scim.UserType, Query{Page: scim.Page{StartIndex: 1, Count: 200}}))
	for _, text := range []string{
		`active eq false`, `not (active eq true)`, `userName ew "7@corp.test" or displayName co "lee 3"`, `id sw "u-0000" and externalId sw "00u42"`, `meta.created le "2026-01-01T00:00:01Z"`,
		`meta.lastModified pr and meta.resourceType eq "User"`, `meta.version pr`, `schemas eq "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`, `department eq "D7"`,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:employeeNumber gt "5"`, `emails[type eq "work" and primary eq true and value co "1"]`, `title pr`, `title ne "x"`, `groups pr`,
		`name.familyName gt "lee 5" and name.givenName eq "KIM"`, `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value pr`, `locale eq "en-us"`,
	} {
		f := mustFilter(t, text)
		var want []string
		for _, r := range page.Resources {
			if f.Match(r) {
				want = append(want, r.ID())
			}
		}
		if got := ids(t, d, scim.UserType, Query{Filter: f, Page: scim.Page{StartIndex: 1, Count: 200}}); !slices.Equal(got, want) {
			t.Errorf("%s: %d users, want %d", text, len(got), len(want))
		}
	}
}

func asError(err error) *scim.Error {
	var e *scim.Error
	errors.As(err, &e)
	return e
}

// Walks over both types pass from one to the other, whatever the size of the page, and give what one page of everything gives.
func TestWalksPassFromTypeToType(t *testing.T) {
	d := syntheticDirectory(t, 23)
	for i := range 14 {
		g := &v1alpha1.ScimGroup{}
		g.Namespace, g.Name, g.UID, g.ResourceVersion = "default", fmt.Sprint("g-", i*5%14), types.UID(fmt.Sprint("g", i)), fmt.Sprint(i+1)
		g.CreationTimestamp = metav1.NewTime(time.Date(2025, 12, 31, 0, 0, i/5, 0, time.UTC))
		g.Spec.ID, g.Spec.Client, g.Spec.DisplayName = "x", "okta", fmt.Sprint("Kim Lee ", i+1000)
		d.store.views.of(g, g.Namespace).shown(nil, g)
	}
	parse := func(text string) *scim.Filter {
		f, err := scim.ParseFilterOf(text, scim.UserType, scim.Options{}, scim.GroupType)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	order, err := scim.ParseSort("displayName", "descending", scim.UserType, scim.GroupType)
	if err != nil {
		t.Fatal(err)
	}
	byUserName, err := scim.ParseSort("userName", "", scim.UserType, scim.GroupType)
	if err != nil {
		t.Fatal(err)
	}
	for name, q := range map[string]Query{
		"all": {}, "filtered": {Filter: parse(`active eq true or displayName sw "kim lee 10"`)}, "sorted": {Sort: order}, "sorted by what one type has": {Sort: byUserName},
		"filtered and sorted": {Filter: parse(`displayName co "1"`), Sort: order}, "groups": {Filter: parse(`meta.resourceType eq "Group"`)},
	} {
		q.Page = scim.Page{StartIndex: 1, Count: 100}
		whole := must[*scim.ListResponse[*scim.Resource]](t)(d.List(t.Context(), nil, q))
		var want []string
		for _, r := range whole.Resources {
			want = append(want, r.Type().Name+r.ID())
		}
		if whole.TotalResults != len(want) || len(want) < 14 {
			t.Errorf("%s: %d of %d rows", name, len(want), whole.TotalResults)
		}
		for _, cursor := range []bool{false, true} {
			for count := range 12 {
				q.Cursor, q.MaxScan = nil, 0
				q.Page = scim.Page{StartIndex: 1, Count: count + 1}
				if cursor {
					q.Cursor = ptr.To("")
				}
				if cursor && name == "filtered" {
					q.MaxScan = 5
				}
				var got []string
				for {
					page := must[*scim.ListResponse[*scim.Resource]](t)(d.List(t.Context(), nil, q))
					for _, r := range page.Resources {
						got = append(got, r.Type().Name+r.ID())
					}
					if page.TotalResults != len(want) && q.MaxScan == 0 {
						t.Fatalf("%s, %d a page: totalResults is %d", name, count+1, page.TotalResults)
					}
					if cursor && page.NextCursor == "" || !cursor && len(page.Resources) == 0 {
						break
					}
					q.Page.StartIndex += len(page.Resources)
					if cursor {
						q.Cursor = ptr.To(page.NextCursor)
					}
				}
				if !slices.Equal(got, want) {
					t.Fatalf("%s, %d a page, cursor %t: %v, want %v", name, count+1, cursor, got, want)
				}
			}
		}
	}
}
