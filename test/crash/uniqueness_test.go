// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/scim"
	"github.com/scim-operator/scim-operator/test/harness"
)

// pair is two operators on one API server, and an app.
type pair struct {
	*harness.Directory
	sites [2]*harness.Site
	app   *fakeapp.App
	watch *nameWatch
}

// startPair starts two operators, one of which leads.
func startPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{Directory: harness.NewDirectory(t)}
	p.app = p.App(t, crm, fakeapp.Generic, unguarded)
	p.Mapping(t, crm, crm, v1alpha1.Subjects{Groups: []string{sales}})
	p.watch = watchNames(t, p.Directory)
	through := newProxy(t, p.Directory, func(*apiCall, phase) bool { return false })
	for i := range p.sites {
		p.sites[i] = p.NewSite(t, through.server.URL)
		p.sites[i].LeaderElection = true
		process, err := p.sites[i].Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := process.Stop(); err != nil {
				t.Errorf("operator %d did not end in an orderly way: %v", i, err)
			}
			if process.Raced() || t.Failed() {
				t.Logf("operator %d:\n%s", i, process.Log(60))
			}
		})
	}
	for _, site := range p.sites {
		if err := site.AwaitServing(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// request of a race.
type request struct {
	method, path, body string
}

// race makes all requests at once, in turns through one operator and the other, and gives their answers.
func (p *pair) race(t *testing.T, requests ...request) []harness.Answer {
	t.Helper()
	answers := make([]harness.Answer, len(requests))
	errs := make([]error, len(requests))
	start := make(chan struct{})
	var wait sync.WaitGroup
	for i, r := range requests {
		wait.Go(func() {
			<-start
			answers[i], errs[i] = p.sites[i%2].Send(t.Context(), r.method, r.path, r.body)
		})
	}
	close(start)
	wait.Wait()
	for i, err := range errs {
		if err != nil {
			t.Fatalf("%s %s: %v", requests[i].method, requests[i].path, err)
		}
	}
	p.unique(t)
	return answers
}

// statuses counts answers by status, and wants every 409 to say uniqueness.
func statuses(t *testing.T, answers []harness.Answer) map[int]int {
	t.Helper()
	counts := map[int]int{}
	for _, answer := range answers {
		counts[answer.Status]++
		if answer.Status == http.StatusConflict && answer.JSON["scimType"] != "uniqueness" {
			t.Errorf("409 without scimType uniqueness: %s", answer.Body)
		}
		if answer.Status >= http.StatusInternalServerError {
			t.Errorf("status %d: %s", answer.Status, answer.Body)
		}
	}
	return counts
}

// unique asks the API server whether two users have one name.
func (p *pair) unique(t *testing.T) {
	t.Helper()
	var users v1alpha1.ScimUserList
	if err := p.Admin.List(t.Context(), &users, client.InNamespace(p.Namespace)); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for i := range users.Items {
		u := &users.Items[i]
		if !u.Admitted() || !u.DeletionTimestamp.IsZero() {
			continue
		}
		name := scim.Fold(u.Spec.UserName)
		if other := names[name]; other != "" {
			t.Errorf("%s and %s both have the userName %s", other, u.Name, name)
		}
		names[name] = u.Name
	}
}

func post(userName string) request {
	return request{http.MethodPost, "/Users", harness.UserBody(userName, "Given", "Family")}
}

func rename(id, userName string) request {
	body := harness.PatchBody(fmt.Sprintf(`{"op":"replace","value":{"userName":%q}}`, userName))
	return request{http.MethodPatch, "/Users/" + id, body}
}

// spelled is a name in the n-th mixture of upper and lower case.
func spelled(name string, n int) string {
	var b strings.Builder
	for i, r := range name {
		if n>>(i%6)&1 == 1 {
			b.WriteString(strings.ToUpper(string(r)))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// holderOf looks a userName up through a site: the id, "" if nobody has it.
func holderOf(t *testing.T, site *harness.Site, userName string) string {
	t.Helper()
	query := url.Values{"filter": {fmt.Sprintf("userName eq %q", userName)}}
	answer := site.Want(t, http.StatusOK, http.MethodGet, "/Users?"+query.Encode(), "")
	resources, _ := answer.JSON["Resources"].([]any)
	if len(resources) > 1 {
		t.Errorf("%d users are called %s", len(resources), userName)
	}
	for _, resource := range resources {
		found, _ := resource.(map[string]any)
		id, _ := found["id"].(string)
		return id
	}
	return ""
}

// Two operators serve one directory. Whatever they are asked at once, no two users ever have one userName.
func TestUniquenessAcrossTwoProcesses(t *testing.T) {
	p := startPair(t)
	p.AwaitReady(t, crm)
	t.Run("64 creates of one name", p.creates)
	t.Run("renames to one name", p.renames)
	t.Run("renames against creates", p.renamesAgainstCreates)
	t.Run("swaps", p.swaps)
	t.Run("delete, then create at once", p.deleteThenCreate)
	t.Run("create while the finalizer waits for an app", p.createWhileFinalizerWaits)
	t.Run("members of one group", p.members)
	t.Run("read what another wrote", p.readYourWrites)
	p.watch.verdict(t)
}

func (p *pair) creates(t *testing.T) {
	for round := range 3 {
		name := fmt.Sprintf("many-%d@corp.test", round)
		requests := make([]request, 64)
		for i := range requests {
			requests[i] = post(spelled(name, i))
		}
		counts := statuses(t, p.race(t, requests...))
		if counts[http.StatusCreated] != 1 || counts[http.StatusConflict] != 63 {
			t.Errorf("answers are %v, want one 201 and 63 times 409", counts)
		}
	}
}

func (p *pair) renames(t *testing.T) {
	for round := range 5 {
		requests := make([]request, 8)
		ids := make([]string, len(requests))
		target := fmt.Sprintf("renamed-%d@corp.test", round)
		for i := range requests {
			ids[i] = p.sites[i%2].CreateUser(t, fmt.Sprintf("before-%d-%d@corp.test", round, i))
			requests[i] = rename(ids[i], spelled(target, i))
		}
		answers := p.race(t, requests...)
		counts := statuses(t, answers)
		if counts[http.StatusOK]+counts[http.StatusNoContent] != 1 || counts[http.StatusConflict] != len(requests)-1 {
			t.Errorf("answers are %v, want one success", counts)
		}
		for i, answer := range answers {
			former, now := fmt.Sprintf("before-%d-%d@corp.test", round, i), holderOf(t, p.sites[(i+1)%2], target)
			if won := answer.Status < http.StatusMultipleChoices; won != (now == ids[i]) || won == (holderOf(t, p.sites[i%2], former) == ids[i]) {
				t.Errorf("%s was answered %d; now %s has the name", ids[i], answer.Status, now)
			}
		}
	}
}

func (p *pair) renamesAgainstCreates(t *testing.T) {
	for round := range 5 {
		target := fmt.Sprintf("wanted-%d@corp.test", round)
		var requests []request
		for i := range 6 {
			id := p.sites[i%2].CreateUser(t, fmt.Sprintf("mover-%d-%d@corp.test", round, i))
			// Through either operator, as many renames as creates.
			requests = append(requests, rename(id, spelled(target, i)))
		}
		for i := range 6 {
			requests = append(requests, post(spelled(target, 6+i)))
		}
		counts := statuses(t, p.race(t, requests...))
		if won := counts[http.StatusCreated] + counts[http.StatusOK] + counts[http.StatusNoContent]; won != 1 || counts[http.StatusConflict] != len(requests)-1 {
			t.Errorf("answers are %v, want one success", counts)
		}
	}
}

// swaps: A to B and B to A at once. Each name is taken until the other one has left it: at most one can come first, and never do both have one.
func (p *pair) swaps(t *testing.T) {
	for round := range 5 {
		a, b := fmt.Sprintf("a-%d@corp.test", round), fmt.Sprintf("b-%d@corp.test", round)
		first, second := p.sites[0].CreateUser(t, a), p.sites[1].CreateUser(t, b)
		for range 4 {
			counts := statuses(t, p.race(t, rename(first, b), rename(second, a)))
			if counts[http.StatusConflict] == 0 {
				t.Logf("a swap went through: %v", counts)
			}
		}
		// One after the other, by way of a third name, it works, and the names are free at once.
		third := fmt.Sprintf("c-%d@corp.test", round)
		for i, step := range []request{rename(first, third), rename(second, a), rename(first, b)} {
			answer := p.sites[i%2].Do(t, step.method, step.path, step.body)
			if answer.Status >= http.StatusMultipleChoices {
				t.Errorf("step %d of a swap: status %d: %s", i, answer.Status, answer.Body)
			}
		}
		if one, other := holderOf(t, p.sites[0], b), holderOf(t, p.sites[1], a); one != first || other != second {
			t.Errorf("after the swap %s and %s have the names, want %s and %s", one, other, first, second)
		}
		p.unique(t)
	}
}

func (p *pair) deleteThenCreate(t *testing.T) {
	name := "again@corp.test"
	id := p.sites[0].CreateUser(t, name)
	for i := range 20 {
		p.sites[i%2].Want(t, http.StatusNoContent, http.MethodDelete, "/Users/"+id, "")
		next := p.sites[(i+1)%2].CreateUser(t, name)
		if next == id {
			t.Errorf("the id %s was given again", id)
		}
		p.sites[i%2].Want(t, http.StatusNotFound, http.MethodGet, "/Users/"+id, "")
		id = next
		p.unique(t)
	}
}

// createWhileFinalizerWaits: the deleted user's account cannot be deactivated, because the app hangs. Its name is free all the same.
func (p *pair) createWhileFinalizerWaits(t *testing.T) {
	group := p.sites[0].CreateGroup(t, sales)
	name := "hung@corp.test"
	id := p.sites[0].CreateUser(t, name)
	p.sites[1].Want(t, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, harness.PatchBody(harness.AddMembers(id)))
	p.AwaitAccount(t, id, crm, v1alpha1.AccountActive)
	p.app.Inject(fakeapp.Fault{Hang: true})
	p.sites[0].Want(t, http.StatusNoContent, http.MethodDelete, "/Users/"+id, "")
	requests := make([]request, 16)
	for i := range requests {
		requests[i] = post(spelled(name, i))
	}
	answers := p.race(t, requests...)
	if counts := statuses(t, answers); counts[http.StatusCreated] != 1 || counts[http.StatusConflict] != len(requests)-1 {
		t.Errorf("answers are %v, want one 201", counts)
	}
	if old, err := p.GetUser(t.Context(), id); err != nil || old.DeletionTimestamp.IsZero() {
		t.Errorf("the old object was not waiting for the app: %v", err)
	}
	p.app.ClearFaults()
	harness.Eventually(t, "the old object is gone", func() error {
		old, err := p.GetUser(t.Context(), id)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err == nil && old.SCIMID() == id && old.Spec.Reservation == nil {
			return fmt.Errorf("it has %v", old.Finalizers)
		}
		return nil
	})
	// The old object may stay to stand for the name of its successor, so the account is what tells.
	harness.Eventually(t, "the account of the deleted user is deactivated", func() error {
		if account, ok := p.app.User(name); !ok || account.Active {
			return fmt.Errorf("it is %+v", account)
		}
		return nil
	})
}

// members: PATCHes that each add another member to one group, through both operators.
func (p *pair) members(t *testing.T) {
	group := p.sites[0].CreateGroup(t, "Everybody")
	want := map[string]bool{}
	var requests []request
	for i := range 40 {
		id := p.sites[i%2].CreateUser(t, fmt.Sprintf("member-%d@corp.test", i))
		want[id] = true
		requests = append(requests, request{http.MethodPatch, "/Groups/" + group, harness.PatchBody(harness.AddMembers(id))})
	}
	counts := statuses(t, p.race(t, requests...))
	if counts[http.StatusNoContent]+counts[http.StatusOK] != len(requests) {
		t.Errorf("answers are %v", counts)
	}
	for i, site := range p.sites {
		answer := site.Want(t, http.StatusOK, http.MethodGet, "/Groups/"+group, "")
		members, _ := answer.JSON["members"].([]any)
		have := map[string]bool{}
		for _, member := range members {
			value, _ := member.(map[string]any)
			id, _ := value["value"].(string)
			have[id] = true
		}
		for id := range want {
			if !have[id] {
				t.Errorf("operator %d: the member %s is lost", i, id)
			}
		}
		if len(have) != len(want) {
			t.Errorf("operator %d: the group has %d members, want %d", i, len(have), len(want))
		}
	}
}

// readYourWrites: what one operator has acknowledged, the other shows at once.
func (p *pair) readYourWrites(t *testing.T) {
	for i := range 30 {
		one, other := p.sites[i%2], p.sites[(i+1)%2]
		name := fmt.Sprintf("seen-%d@corp.test", i)
		id := one.CreateUser(t, name)
		other.Want(t, http.StatusOK, http.MethodGet, "/Users/"+id, "")
		if holder := holderOf(t, other, name); holder != id {
			t.Errorf("the other operator shows %q for %s, want %s", holder, name, id)
		}
		renamed := "now-" + name
		step := rename(id, renamed)
		other.Do(t, step.method, step.path, step.body)
		if former, now := holderOf(t, one, name), holderOf(t, one, renamed); former != "" || now != id {
			t.Errorf("after the rename %q has the former name and %q the new one", former, now)
		}
		one.Want(t, http.StatusNoContent, http.MethodDelete, "/Users/"+id, "")
		other.Want(t, http.StatusNotFound, http.MethodGet, "/Users/"+id, "")
		if holder := holderOf(t, other, renamed); holder != "" {
			t.Errorf("the other operator shows %q although it is deleted", holder)
		}
	}
}
