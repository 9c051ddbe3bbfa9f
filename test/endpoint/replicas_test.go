// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/test/harness"
)

// Two replicas, many clients, random requests: every answer is one that a single server could have given.
func TestReplicasAreOneServer(t *testing.T) {
	p := startPair(t)
	w := newWorkload(t, p)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { w.watchNames(ctx) })
	watching.Go(func() { w.repeatNothing(ctx, t) })
	w.run(t.Context(), pushTime(t, 10*time.Second))
	stop()
	watching.Wait()
	w.quiet(t)
	w.report(t, w.verdict())
}

// seed is that of the run: given, or any.
func seed(t testing.TB) uint64 {
	t.Helper()
	if given := os.Getenv("SCIM_MODEL_SEED"); given != "" {
		n, err := strconv.ParseUint(given, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return rand.Uint64()
}

// pushTime is how long a workload runs.
func pushTime(t testing.TB, usual time.Duration) time.Duration {
	t.Helper()
	given := os.Getenv("SCIM_MODEL_TIME")
	if given == "" {
		return usual
	}
	d, err := time.ParseDuration(given)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func newWorkload(t testing.TB, p *pair) *workload {
	t.Helper()
	w := &workload{d: p.newDirectory(t), seed: seed(t)}
	w.prepare(t)
	return w
}

// report fails the test for each violation, a few of each rule.
func (w *workload) report(t *testing.T, found []violation) {
	t.Helper()
	statuses := map[string]int{}
	for _, e := range w.events {
		statuses[fmt.Sprintf("%s %d", e.verb, e.status)]++
	}
	t.Logf("seed %d, %d requests: %v", w.seed, len(w.events), statuses)
	count := map[string]int{}
	for _, v := range found {
		if count[v.rule]++; count[v.rule] <= 2 {
			t.Errorf("%s: %s", v.rule, v.text)
		}
	}
	for _, text := range w.undecided {
		t.Logf("undecided: %s", text)
	}
	if len(w.undecided) > maxUndecided {
		t.Errorf("%d histories are undecided", len(w.undecided))
	}
	if len(found) > 0 {
		t.Errorf("SCIM_MODEL_SEED=%d repeats the requests; violations: %v", w.seed, count)
	}
}

// watchNames looks again and again whether two objects have one name. Each look is one moment of etcd.
func (w *workload) watchNames(ctx context.Context) {
	for ctx.Err() == nil {
		users, groups, err := w.stored(ctx)
		if err != nil {
			continue
		}
		names := map[string]string{}
		for i := range users {
			name := scim.Fold(users[i].Spec.UserName)
			if other := names[name]; other != "" {
				w.violated(ruleUnique, "%s and %s are both called %s in etcd", other, users[i].Name, name)
			}
			names[name] = users[i].Name
		}
		names = map[string]string{}
		for i := range groups {
			name := groups[i].Spec.Client + "/" + scim.Fold(groups[i].Spec.DisplayName)
			if other := names[name]; other != "" {
				w.violated(ruleUnique, "%s and %s are both called %s in etcd", other, groups[i].Name, name)
			}
			names[name] = groups[i].Name
		}
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stored are the live users and groups in etcd.
func (d *directory) stored(ctx context.Context) ([]v1alpha1.ScimUser, []v1alpha1.ScimGroup, error) {
	users, groups := &v1alpha1.ScimUserList{}, &v1alpha1.ScimGroupList{}
	if err := d.Admin.List(ctx, users, client.InNamespace(d.Namespace)); err != nil {
		return nil, nil, err
	}
	if err := d.Admin.List(ctx, groups, client.InNamespace(d.Namespace)); err != nil {
		return nil, nil, err
	}
	return slices.DeleteFunc(users.Items, func(u v1alpha1.ScimUser) bool { return !u.Admitted() || u.DeletionTimestamp != nil }),
		slices.DeleteFunc(groups.Items, func(g v1alpha1.ScimGroup) bool { return !g.Admitted() || g.DeletionTimestamp != nil }), nil
}

func (w *workload) stored(ctx context.Context) ([]v1alpha1.ScimUser, []v1alpha1.ScimGroup, error) {
	return w.d.stored(ctx)
}

// repeatNothing sends requests that have nothing to change to a user and a group that nobody else touches, while everybody else is at work.
func (w *workload) repeatNothing(ctx context.Context, t *testing.T) {
	okta := idps[0]
	userBody := fmt.Sprintf(`{"schemas":[%q],"userName":"quiet@corp.test","title":"Quiet","active":true,"externalId":"q1","name":{"familyName":"Q"},`+
		`"emails":[{"value":"quiet@corp.test","type":"work","primary":true}]}`, userSchema)
	user := w.d.want(t, http.StatusCreated, 0, okta, "POST", "/Users", userBody).id()
	groupBody := fmt.Sprintf(`{"schemas":[%q],"displayName":"Quiet","externalId":"q2","members":%s}`, groupSchema, memberList(w.members[:6]...))
	group := w.d.want(t, http.StatusCreated, 1, okta, "POST", "/Groups", groupBody).id()
	requests := []request{
		{method: "PUT", path: "/Users/" + user, body: userBody},
		{method: "PATCH", path: "/Users/" + user, body: patchBody(`{"op":"replace","value":{"active":true}}`)},
		{method: "PATCH", path: "/Users/" + user, body: patchBody(`{"op":"replace","path":"title","value":"Quiet"}`, `{"op":"remove","path":"nickName"}`)},
		{method: "PUT", path: "/Users/" + user, body: strings.Replace(userBody, "}]}", `}],"password":"Dr0wssap!"}`, 1)},
		{method: "PUT", path: "/Groups/" + group, body: groupBody},
		{method: "PATCH", path: "/Groups/" + group, body: patchBody(`{"op":"add","path":"members","value":` + memberList(w.members[2:4]...) + `}`)},
		{method: "PATCH", path: "/Groups/" + group, body: patchBody(`{"op":"remove","path":"members[value eq \"no-member\"]"}`)},
		{method: "PATCH", path: "/Groups/" + group, body: patchBody(`{"op":"replace","value":{"displayName":"Quiet"}}`)},
	}
	for _, id := range []string{user, group} {
		before := w.settledVersion(t, id)
		for i := 0; i < 3 && ctx.Err() == nil; i++ {
			for n, q := range requests {
				if !strings.HasSuffix(q.path, id) {
					continue
				}
				if a, err := w.d.send(t.Context(), (i+n)%2, okta, q); err == nil && !unclear(a.status) && a.status/100 != 2 {
					w.violated(ruleStatus, "%s %s %s: %d %s", q.method, q.path, q.body, a.status, a.raw)
				}
			}
		}
		if after := w.settledVersion(t, id); after != before {
			w.violated(ruleNoOp, "the object of %s was at %s and is at %s", id, before, after)
		}
	}
}

// settledVersion is the resourceVersion of an object once the controllers are through with it.
func (w *workload) settledVersion(t testing.TB, id string) string {
	t.Helper()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	version := ""
	harness.Eventually(t, "the controllers are through with "+id, func() error {
		var obj client.Object = &v1alpha1.ScimUser{}
		if strings.HasPrefix(name, "g-") {
			obj = &v1alpha1.ScimGroup{}
		}
		if err := w.d.Admin.Get(t.Context(), w.d.Key(name), obj); err != nil {
			return err
		}
		observed := int64(0)
		switch obj := obj.(type) {
		case *v1alpha1.ScimUser:
			observed = obj.Status.ObservedGeneration
		case *v1alpha1.ScimGroup:
			observed = obj.Status.ObservedGeneration
		}
		version = obj.GetResourceVersion()
		if observed != obj.GetGeneration() {
			return fmt.Errorf("generation %d, observed %d", obj.GetGeneration(), observed)
		}
		return nil
	})
	return version
}

// quiet checks what has to hold in the end, when nobody pushes any more: both replicas show what is stored, in pages too, and the deleted have left.
func (w *workload) quiet(t *testing.T) {
	t.Helper()
	for i := range w.d.replicas {
		for _, what := range []string{"/Users", "/Groups"} {
			if err := w.await(t, func() error { return w.caughtUp(t.Context(), func() int { return i }, what) }); err != nil {
				w.violated(ruleCatchUp, "replica %d, %s: %v", i, what, err)
			}
		}
	}
	turn := 0
	inTurns := func() int { turn++; return turn % 2 }
	if err := w.caughtUp(t.Context(), inTurns, "/Users"); err != nil {
		w.violated(ruleCatchUp, "pages of both replicas in turns: %v", err)
	}
	if err := w.await(t, func() error { return w.leftGroups(t.Context()) }); err != nil {
		w.violated(ruleLeavers, "%v", err)
	}
	w.lastLook(t)
}

// catchUpTime is how long what trails may trail in these tests.
const catchUpTime = 20 * time.Second

func (w *workload) await(t testing.TB, check func() error) error {
	t.Helper()
	var err error
	for deadline := time.Now().Add(catchUpTime); time.Now().Before(deadline); {
		if err = check(); err == nil {
			return nil
		}
		select {
		case <-t.Context().Done():
			return t.Context().Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return err
}

// caughtUp compares what replicas list, on pages of ten, with what is stored. at gives the replica for the next page.
func (w *workload) caughtUp(ctx context.Context, at func() int, what string) error {
	users, groups, err := w.stored(ctx)
	if err != nil {
		return err
	}
	want := map[string]string{}
	for i := range users {
		if what == "/Users" {
			want[users[i].SCIMID()] = users[i].Spec.UserName
		}
	}
	for i := range groups {
		if what == "/Groups" {
			want[groups[i].SCIMID()] = groups[i].Spec.DisplayName
		}
	}
	got := map[string]string{}
	for cursor, first := "", true; cursor != "" || first; first = false {
		path := fmt.Sprintf("%s?count=10&excludedAttributes=members,groups&cursor=%s", what, url.QueryEscape(cursor))
		a, err := w.d.send(ctx, at(), idps[0], request{method: "GET", path: path})
		if err != nil || a.status != http.StatusOK {
			return fmt.Errorf("status %d: %s %w", a.status, a.raw, err)
		}
		for _, row := range a.rows() {
			id, _ := row["id"].(string)
			if got[id] != "" {
				return fmt.Errorf("%s stands on two pages", id)
			}
			name, _ := row["userName"].(string)
			if what == "/Groups" {
				name, _ = row["displayName"].(string)
			}
			got[id] = name
		}
		cursor, _ = a.json["nextCursor"].(string)
	}
	for id, name := range want {
		if got[id] != name {
			return fmt.Errorf("%s is %q, and listed as %q", id, name, got[id])
		}
	}
	if len(got) != len(want) {
		return fmt.Errorf("%d are listed, %d are stored", len(got), len(want))
	}
	return nil
}

// leftGroups is nil when no group has a member that was deleted.
func (w *workload) leftGroups(ctx context.Context) error {
	for i := range w.d.replicas {
		for _, id := range w.mortalGroups {
			a, err := w.d.send(ctx, i, idps[0], request{method: "GET", path: "/Groups/" + id})
			if err != nil || a.status != http.StatusOK {
				return fmt.Errorf("status %d: %w", a.status, err)
			}
			for _, member := range seeGroup(a.json, w.isMortal).mortal {
				if deleted, _ := w.mortal.Load(member); deleted == true {
					return fmt.Errorf("%s is deleted and still a member of %s", member, id)
				}
			}
		}
	}
	return nil
}

// lastLook reads everything once more through the replicas, so that the history ends with the truth.
func (w *workload) lastLook(t *testing.T) {
	t.Helper()
	users, groups, err := w.stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	look := func(id string, groups bool, replica int) {
		e := &event{groups: groups, verb: get, id: id, replica: replica, worker: workers, seq: int(w.seq.Add(1))}
		path := "/Users/"
		if groups {
			path = "/Groups/"
		}
		w.do(t.Context(), e, request{method: "GET", path: path + id})
		for _, s := range e.seenGroups {
			if _, undone := w.undone.Load(s.mark); undone {
				w.violated(ruleBulk, "the half of a circle is left: %s", e)
			}
		}
	}
	for i := range users {
		if strings.HasPrefix(users[i].Spec.NickName, markPrefix) {
			look(users[i].SCIMID(), false, i%2)
		}
	}
	for i := range groups {
		if groups[i].Spec.DisplayName != "Quiet" {
			look(groups[i].SCIMID(), true, i%2)
		}
	}
}
