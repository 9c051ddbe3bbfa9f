// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestRequestsToTheAPIServer(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	var u, g *scim.Resource
	change := func(f func() (*scim.Resource, error)) func() { return func() { must[*scim.Resource](t)(f()) } }
	for _, step := range []struct {
		what   string
		reads  int32
		writes int32
		do     func()
	}{
		{"look-up of an absent userName", 1, 0, func() {
			if found := ids(t, d, scim.UserType, filter(t, scim.UserType, `userName eq "kim@corp.test"`)); len(found) != 0 {
				t.Error(found)
			}
		}},
		{"POST of a user", 0, 1, func() {
			u = must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test", `,"title":"Boss"`)))
		}},
		{"look-up of a userName", 1, 0, func() {
			if found := ids(t, d, scim.UserType, filter(t, scim.UserType, `userName eq "KIM@corp.test"`)); len(found) != 1 {
				t.Error(found)
			}
		}},
		{"GET of a user", 1, 0, change(func() (*scim.Resource, error) { return d.Get(t.Context(), scim.UserType, u.ID()) })},
		{"PUT that changes nothing", 1, 0, change(func() (*scim.Resource, error) {
			return d.Replace(t.Context(), u.ID(), user(t, "kim@corp.test", `,"title":"Boss"`))
		})},
		{"PATCH that changes nothing", 1, 0, change(func() (*scim.Resource, error) {
			return d.Patch(t.Context(), scim.UserType, u.ID(), patch(t, scim.UserType, `[{"op":"replace","path":"title","value":"Boss"}]`))
		})},
		{"PATCH of an attribute", 1, 1, change(func() (*scim.Resource, error) {
			return d.Patch(t.Context(), scim.UserType, u.ID(), patch(t, scim.UserType, `[{"op":"replace","value":{"active":false}}]`))
		})},
		{"rename: the slot and the user", 2, 2, change(func() (*scim.Resource, error) {
			return d.Replace(t.Context(), u.ID(), user(t, "kim2@corp.test"))
		})},
		{"second rename: the old slot goes, too", 4, 4, change(func() (*scim.Resource, error) {
			return d.Replace(t.Context(), u.ID(), user(t, "kim3@corp.test"))
		})},
		{"POST of a taken userName", 2, 1, func() {
			_, err := d.Create(t.Context(), user(t, "kim3@corp.test"))
			wantStatus(t, err, 409)
		}},
		{"POST of a group", 2, 3, func() { g = must[*scim.Resource](t)(d.Create(t.Context(), group(t, "eng", "u1"))) }},
		{"rename that Okta repeats", 1, 0, change(func() (*scim.Resource, error) {
			return d.Patch(t.Context(), scim.GroupType, g.ID(),
				patch(t, scim.GroupType, fmt.Sprintf(`[{"op":"replace","value":{"id":%q,"displayName":"eng"}}]`, g.ID())))
		})},
		{"adding a member who is there", 1, 0, change(func() (*scim.Resource, error) {
			return d.Patch(t.Context(), scim.GroupType, g.ID(), patch(t, scim.GroupType, `[{"op":"add","path":"members","value":[{"value":"u1"}]}]`))
		})},
		{"adding a member", 1, 1, change(func() (*scim.Resource, error) {
			return d.Patch(t.Context(), scim.GroupType, g.ID(), patch(t, scim.GroupType, `[{"op":"add","path":"members","value":[{"value":"u2"}]}]`))
		})},
		{"DELETE", 1, 1, func() {
			if err := d.Delete(t.Context(), scim.UserType, u.ID()); err != nil {
				t.Error(err)
			}
		}},
	} {
		reads, writes := r.requests(step.do)
		t.Logf("%-40s %d reads, %d writes", step.what, reads, writes)
		if reads != step.reads || writes != step.writes {
			t.Errorf("%s: want %d reads, %d writes", step.what, step.reads, step.writes)
		}
	}
}

func TestWhatChangesNothingLeavesTheObjectAlone(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	body := `,"shoeSize":41.50,"big":12345678901234567890123,"emails":[{"value":"a@corp.test","type":"work"},{"value":"b@corp.test","verified":true}]`
	made := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test", body)))
	before := object(t, r, made.ID(), &v1alpha1.ScimUser{})
	again := must[*scim.Resource](t)(d.Replace(t.Context(), made.ID(), user(t, "kim@corp.test", body)))
	if after := object(t, r, made.ID(), &v1alpha1.ScimUser{}); after.ResourceVersion != before.ResourceVersion {
		t.Error("written")
	}
	if again.String("meta.lastModified") != made.String("meta.lastModified") || again.String("meta.version") != made.String("meta.version") {
		t.Error("meta has changed")
	}
}

func TestAcknowledgedWritesAreSeenByEveryReplica(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	one, two := newReplica(t, ns), newReplica(t, ns)
	all := Query{Page: scim.Page{StartIndex: 1, Count: 100}}
	for i := range 20 {
		name := fmt.Sprintf("u%d@corp.test", i)
		id := must[*scim.Resource](t)(one.as("okta").Create(t.Context(), user(t, name, fmt.Sprintf(`,"externalId":"x%d"`, i)))).ID()
		must[*scim.Resource](t)(two.as("okta").Get(t.Context(), scim.UserType, id))
		if found := ids(t, two.as("okta"), scim.UserType, filter(t, scim.UserType, `userName eq %q`, name)); !slices.Equal(found, []string{id}) {
			t.Fatalf("look-up on the other replica: %v", found)
		}
		if found := ids(t, one.as("okta"), scim.UserType, all); len(found) != i+1 {
			t.Fatalf("the replica that wrote %d users lists %d", i+1, len(found))
		}
		if found := ids(t, one.as("okta"), scim.UserType, filter(t, scim.UserType, `externalId eq "x%d"`, i)); !slices.Equal(found, []string{id}) {
			t.Fatalf("externalId on the replica that wrote: %v", found)
		}
		must[*scim.Resource](t)(two.as("okta").Patch(t.Context(), scim.UserType, id, patch(t, scim.UserType, `[{"op":"replace","path":"title","value":"T"}]`)))
		if found := ids(t, two.as("okta"), scim.UserType, filter(t, scim.UserType, `title eq "t" and externalId eq "x%d"`, i)); len(found) != 1 {
			t.Fatalf("the replica that wrote does not see its change")
		}
		display := fmt.Sprintf("g%d", i)
		gid := must[*scim.Resource](t)(one.as("okta").Create(t.Context(), group(t, display, id))).ID()
		if found := ids(t, two.as("okta"), scim.GroupType, filter(t, scim.GroupType, `displayName eq %q`, display)); !slices.Equal(found, []string{gid}) {
			t.Fatalf("look-up of the group on the other replica: %v", found)
		}
	}
	eventually(t, "the other replica lists all", func() bool { return len(ids(t, two.as("okta"), scim.UserType, all)) == 20 })
	eventually(t, "the writes that the watch has shown are forgotten", func() bool {
		v := one.views.of(&v1alpha1.ScimUser{}, ns)
		v.mu.RLock()
		defer v.mu.RUnlock()
		return len(v.own)+len(v.gone) == 0
	})
}

// What this replica has just written is listed and found without asking the API server, however much it is.
func TestListingsCostNoRequests(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	for i := range 30 {
		made := must[*scim.Resource](t)(d.Create(t.Context(), user(t, fmt.Sprintf("u%d@corp.test", i), fmt.Sprintf(`,"externalId":"x%d"`, i))))
		if i%3 == 0 {
			if err := d.Delete(t.Context(), scim.UserType, made.ID()); err != nil {
				t.Fatal(err)
			}
		}
		reads, writes := r.requests(func() {
			if found := ids(t, d, scim.UserType, Query{Page: scim.Page{StartIndex: 1, Count: 1000}}); len(found) != i-i/3 {
				t.Fatalf("%d users after %d writes", len(found), i+1)
			}
			for _, f := range []string{`externalId eq "x%d"`, `active eq true and externalId eq "x%d"`, `externalId sw "x%d"`} {
				if found := ids(t, d, scim.UserType, filter(t, scim.UserType, f, i)); len(found) == 0 != (i%3 == 0) {
					t.Fatalf("%s: %v after write %d", f, found, i)
				}
			}
		})
		if reads+writes > 0 {
			t.Errorf("%d reads and %d writes for listings", reads, writes)
		}
	}
}

func TestListingHasAStableOrderAndPages(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	var want []string
	for i := range 25 {
		want = append(want, must[*scim.Resource](t)(d.Create(t.Context(), user(t, fmt.Sprintf("u%d@corp.test", i)))).ID())
	}
	var got []string
	for start := 1; start <= 25; start += 10 {
		page, err := d.List(t.Context(), scim.UserType, Query{Page: scim.Page{StartIndex: start, Count: 10}})
		if err != nil {
			t.Fatal(err)
		}
		if page.TotalResults != 25 {
			t.Errorf("totalResults is %d", page.TotalResults)
		}
		for _, res := range page.Resources {
			got = append(got, res.ID())
		}
	}
	if again := ids(t, d, scim.UserType, Query{Page: scim.Page{StartIndex: 1, Count: 25}}); !slices.Equal(got, again) {
		t.Error("the order depends on the page")
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(want, got) {
		t.Error("pages miss users or repeat them")
	}
}

func TestFiltersUseWhatTheyCan(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	kim := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test", `,"emails":[{"type":"work","value":"Kim@Corp.test"}],"externalId":"00u1"`))).ID()
	ann := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "ann@corp.test", `,"title":"CEO","active":false`))).ID()
	eng := must[*scim.Resource](t)(d.Create(t.Context(), group(t, "eng", kim))).ID()
	for _, test := range []struct {
		rt     *scim.ResourceType
		filter string
		want   []string
	}{
		{scim.UserType, `userName eq "KIM@corp.test"`, []string{kim}},
		{scim.UserType, `userName eq "kim@corp.test" and title pr`, nil},
		{scim.UserType, `id eq "` + kim + `"`, []string{kim}},
		{scim.UserType, `id eq "nobody"`, nil},
		{scim.UserType, `externalId eq "00u1"`, []string{kim}},
		{scim.UserType, `externalId eq "00U1"`, nil},
		{scim.UserType, `emails[type eq "work"].value eq "kim@corp.test"`, []string{kim}},
		{scim.UserType, `active eq false`, []string{ann}},
		{scim.UserType, `meta.lastModified gt "2020-01-01T00:00:00Z" and not (title pr)`, []string{kim}},
		{scim.UserType, `meta.created gt "2200-01-01T00:00:00Z"`, nil},
		{scim.UserType, `title sw "c" or userName sw "kim"`, []string{kim, ann}},
		{scim.GroupType, `displayName eq "ENG"`, []string{eng}},
		{scim.GroupType, `displayName eq "eng" and members.value eq "` + ann + `"`, nil},
		{scim.GroupType, `members.value eq "` + kim + `"`, []string{eng}},
	} {
		found := ids(t, d, test.rt, filter(t, test.rt, "%s", test.filter))
		slices.Sort(found)
		slices.Sort(test.want)
		if !slices.Equal(found, test.want) {
			t.Errorf("%s: found %v, want %v", test.filter, found, test.want)
		}
	}
	eventually(t, "the user's groups", func() bool {
		groups, _ := must[*scim.Resource](t)(d.Get(t.Context(), scim.UserType, kim)).Get("groups.value").([]any)
		return len(groups) == 1 && groups[0] == eng
	})
	if err := d.Delete(t.Context(), scim.GroupType, eng); err != nil {
		t.Fatal(err)
	}
	eventually(t, "no groups", func() bool {
		return must[*scim.Resource](t)(d.Get(t.Context(), scim.UserType, kim)).Get("groups") == nil
	})
}

func TestUnknownIDsAreNotFound(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	u := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test")))
	for _, id := range []string{"", "x", "u-1.2", u.ID() + "x", "../secrets/x.y", "A B.c", strings.Repeat("x", 5000) + ".y", "a/b.c", "ü.x"} {
		_, err := d.Get(t.Context(), scim.UserType, id)
		if status(err) != 404 {
			t.Errorf("%.20q: %v", id, err)
		}
	}
}

func TestConcurrentPatchesLoseNoMember(t *testing.T) {
	ns := cptest.New(t).Namespace(t)
	replicas := []*replica{newReplica(t, ns), newReplica(t, ns)}
	id := must[*scim.Resource](t)(replicas[0].as("okta").Create(t.Context(), group(t, "eng", "stays", "goes"))).ID()
	const n = 32
	got := together(n, func(i int) error {
		_, err := replicas[i%2].as("okta").Patch(t.Context(), scim.GroupType, id, patch(t, scim.GroupType, fmt.Sprintf(
			`[{"op":"remove","path":"members[value eq \"goes\"]"},{"op":"add","path":"members","value":[{"value":"m%d"}]}]`, i)))
		return err
	})
	if got[200] != n {
		t.Fatalf("%v", got)
	}
	members := must[*scim.Resource](t)(replicas[0].as("okta").Get(t.Context(), scim.GroupType, id)).Members()
	if len(members) != n+1 || members[0].Value != "stays" {
		t.Errorf("%d members", len(members))
	}
}

func TestETagFollowsTheContent(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	made := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test")))
	version := made.String("meta.version")
	u := object(t, r, made.ID(), &v1alpha1.ScimUser{})
	u.Status.Summary = "1/1"
	if err := r.client.Status().Update(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if got := must[*scim.Resource](t)(d.Get(t.Context(), scim.UserType, made.ID())).String("meta.version"); got != version {
		t.Errorf("a status write changed the ETag")
	}
	only := func(etag string) func(*Scope) {
		return func(s *Scope) { s.IfMatch = func(current string) bool { return current == etag } }
	}
	changed := must[*scim.Resource](t)(r.as("okta", only(version)).Replace(t.Context(), made.ID(), user(t, "kim@corp.test", `,"title":"x"`)))
	if changed.String("meta.version") == version {
		t.Error("another content, the same ETag")
	}
	_, err := r.as("okta", only(version)).Replace(t.Context(), made.ID(), user(t, "kim@corp.test"))
	wantStatus(t, err, 412)
	wantStatus(t, r.as("okta", only(version)).Delete(t.Context(), scim.UserType, made.ID()), 412)

	g := must[*scim.Resource](t)(d.Create(t.Context(), group(t, "eng", "a", "b")))
	if got := scim.ETag(g); got != g.String("meta.version") {
		t.Errorf("the ETag of a group is %s, its version %s", got, g.String("meta.version"))
	}
}

func TestMetaSaysWhenAndByWhom(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta")
	made := must[*scim.Resource](t)(d.Create(t.Context(), user(t, "kim@corp.test")))
	u := object(t, r, made.ID(), &v1alpha1.ScimUser{})
	o, ok := OriginOf(u)
	if !ok || o.Client != "okta" || o.Request != "req-1" || o.Time != made.String("meta.lastModified") {
		t.Errorf("origin %+v, lastModified %s", o, made.String("meta.lastModified"))
	}
	if made.String("meta.resourceType") != "User" || made.String("meta.created") != u.CreationTimestamp.UTC().Format(timeFormat) {
		t.Errorf("meta is %v", made.Get("meta"))
	}
	if !slices.Contains(u.Finalizers, v1alpha1.FinalizerDeprovision) {
		t.Error("no finalizer")
	}
}

func TestOwners(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	okta, entra := r.as("okta"), r.as("entra")
	made := must[*scim.Resource](t)(okta.Create(t.Context(), user(t, "kim@corp.test", `,"externalId":"00u1","title":"A"`)))
	id := made.ID()

	seen := must[*scim.Resource](t)(entra.Get(t.Context(), scim.UserType, id))
	if seen.Get("externalId") != nil {
		t.Error("another client's externalId is shown")
	}
	same := user(t, "kim@corp.test", `,"title":"A"`)
	must[*scim.Resource](t)(entra.Replace(t.Context(), id, same))
	_, err := entra.Replace(t.Context(), id, user(t, "kim@corp.test", `,"title":"B"`))
	wantStatus(t, err, 403)
	if !strings.Contains(err.Error(), "belongs to the ScimClient okta") {
		t.Errorf("no reason: %v", err)
	}
	wantStatus(t, entra.Delete(t.Context(), scim.UserType, id), 403)

	mover := r.as("entra", takingOver)
	must[*scim.Resource](t)(mover.Replace(t.Context(), id, same))
	if u := object(t, r, id, &v1alpha1.ScimUser{}); u.Spec.Client != "okta" {
		t.Error("a request that changes nothing took the user over")
	}
	must[*scim.Resource](t)(mover.Replace(t.Context(), id, user(t, "kim@corp.test", `,"title":"B","externalId":"e1"`)))
	u := object(t, r, id, &v1alpha1.ScimUser{})
	want := []v1alpha1.ExternalID{{Client: "okta", ID: "00u1"}, {Client: "entra", ID: "e1"}}
	if diff := cmp.Diff(want, u.Spec.ExternalIDs); diff != "" || u.Spec.Client != "entra" {
		t.Errorf("owner %s, externalIDs %s", u.Spec.Client, diff)
	}
	_, err = okta.Replace(t.Context(), id, user(t, "kim@corp.test", `,"title":"C"`))
	wantStatus(t, err, 403)

	g := must[*scim.Resource](t)(okta.Create(t.Context(), group(t, "eng"))).ID()
	must[*scim.Resource](t)(entra.Create(t.Context(), group(t, "eng")))
	_, err = mover.Patch(t.Context(), scim.GroupType, g, patch(t, scim.GroupType, `[{"op":"add","path":"members","value":[{"value":"u"}]}]`))
	wantStatus(t, err, 409) // The new owner has a group of that name.
}

func TestManagedByGitIsReadOnlyToSCIM(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	d := r.as("okta", takingOver)
	u := &v1alpha1.ScimUser{}
	u.Namespace, u.Name = r.namespace, "root"
	u.Spec = v1alpha1.ScimUserSpec{UserName: "root@corp.test", ManagedBy: v1alpha1.ManagedByGit}
	if err := r.client.Create(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	if err := r.Admit(t.Context(), u); err != nil {
		t.Fatal(err)
	}
	must[*scim.Resource](t)(d.Replace(t.Context(), u.SCIMID(), user(t, "root@corp.test")))
	_, err := d.Replace(t.Context(), u.SCIMID(), user(t, "root@corp.test", `,"title":"x"`))
	wantStatus(t, err, 403)
	if !strings.Contains(err.Error(), "managed in Git") {
		t.Errorf("no reason: %v", err)
	}
	wantStatus(t, d.Delete(t.Context(), scim.UserType, u.SCIMID()), 403)
}

func TestAnAPIServerThatIsAwayIsA503(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	id := must[*scim.Resource](t)(r.as("okta").Create(t.Context(), user(t, "kim@corp.test"))).ID()
	away, err := client.New(&rest.Config{Host: "https://127.0.0.1:1"}, client.Options{Scheme: testScheme(t), Mapper: r.client.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	store := must[*Store](t)(New(t.Context(), Options{Client: away, Cache: r.opts.Cache, Cursors: r.opts.Cursors, Clock: clock.RealClock{}, Random: r.opts.Random}))
	d := store.For(Scope{Namespace: r.namespace, Client: "okta"})
	for what, f := range map[string]func() error{
		"POST":   func() error { _, err := d.Create(t.Context(), user(t, "ann@corp.test")); return err },
		"GET":    func() error { _, err := d.Get(t.Context(), scim.UserType, id); return err },
		"PUT":    func() error { _, err := d.Replace(t.Context(), id, user(t, "x@corp.test")); return err },
		"DELETE": func() error { return d.Delete(t.Context(), scim.UserType, id) },
		"LIST": func() error {
			_, err := d.List(t.Context(), scim.UserType, filter(t, scim.UserType, `userName eq "x"`))
			return err
		},
	} {
		var e *UnavailableError
		if err := f(); !errors.As(err, &e) || status(err) != 503 || e.RetryAfter < time.Second {
			t.Errorf("%s: %v", what, err)
		}
	}
}
