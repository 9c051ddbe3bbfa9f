// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/scim-operator/scim-operator/test/harness"
)

// requestLimit is how long a request may take at most, with some time for a machine that is busy.
const requestLimit = 40 * time.Second

// The API server goes and comes back: both replicas refuse meanwhile, with the time to come back, and serve again without a restart; what one writes then, the other
// lists.
func TestBothReplicasOutliveTheAPIServer(t *testing.T) {
	p := startPair(t)
	d := p.newDirectory(t)
	okta := idps[0]
	id := d.want(t, http.StatusCreated, 0, okta, "POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":"before@corp.test"}`, userSchema)).id()
	group := d.want(t, http.StatusCreated, 1, okta, "POST", "/Groups", fmt.Sprintf(`{"schemas":[%q],"displayName":"Before","members":[{"value":%q}]}`, groupSchema, id)).id()

	// Requests of every kind, from before it goes until it is back.
	back := make(chan struct{})
	refused := map[string]int{}
	var mu sync.Mutex
	var asking sync.WaitGroup
	for replica := range d.replicas {
		for i, q := range everyVerb(id, group) {
			asking.Go(func() {
				for n := 0; ; n++ {
					what := fmt.Sprintf("replica %d: %s %s", replica, q.method, q.path)
					start := time.Now()
					a, err := d.send(t.Context(), replica, okta, q)
					if err := checkRefusal(a, err, time.Since(start)); err != nil {
						t.Errorf("%s: %v", what, err)
						return
					}
					mu.Lock()
					if a.status == http.StatusServiceUnavailable {
						refused[what]++
					}
					mu.Unlock()
					select {
					case <-back:
						return
					case <-time.After(time.Duration(50+10*i) * time.Millisecond):
					}
				}
			})
		}
	}
	if err := p.env.RestartAPIServer(); err != nil {
		t.Fatal(err)
	}
	close(back)
	asking.Wait()
	for replica := range d.replicas {
		for _, q := range everyVerb(id, group) {
			if what := fmt.Sprintf("replica %d: %s %s", replica, q.method, q.path); refused[what] == 0 {
				t.Errorf("%s was never refused", what)
			}
		}
	}
	t.Logf("refused: %v", refused)
	servesAgain(t, d, id)
}

// everyVerb needs the API server for each of its answers.
func everyVerb(user, group string) []request {
	return []request{
		{method: "GET", path: "/Users/" + user},
		{method: "GET", path: "/Groups/" + group},
		{method: "GET", path: "/Users?filter=userName+eq+%22before@corp.test%22"},
		{method: "GET", path: "/Groups?filter=displayName+eq+%22Before%22"},
		{method: "POST", path: "/Users", body: fmt.Sprintf(`{"schemas":[%q],"userName":"meanwhile@corp.test"}`, userSchema)},
		{method: "PUT", path: "/Users/" + user, body: fmt.Sprintf(`{"schemas":[%q],"userName":"before@corp.test"}`, userSchema)},
		{method: "PATCH", path: "/Users/" + user, body: patchBody(`{"op":"replace","value":{"active":true}}`)},
		{method: "PATCH", path: "/Groups/" + group, body: patchBody(`{"op":"add","path":"members","value":` + memberList(user) + `}`)},
		{method: "DELETE", path: "/Users/" + user + "x"},
	}
}

// checkRefusal wants an answer that a client can do something with, in time.
func checkRefusal(a answer, err error, took time.Duration) error {
	switch {
	case err != nil:
		return err
	case took > requestLimit:
		return fmt.Errorf("answered %d after %s", a.status, took)
	case a.status >= http.StatusInternalServerError && a.status != http.StatusServiceUnavailable:
		return fmt.Errorf("status %d: %s", a.status, a.raw)
	case a.status != http.StatusServiceUnavailable:
		return nil
	}
	if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); err != nil || seconds < 1 {
		return fmt.Errorf("503 with Retry-After %q", a.header.Get("Retry-After"))
	}
	if fmt.Sprint(a.json["schemas"]) != "[urn:ietf:params:scim:api:messages:2.0:Error]" || a.json["status"] != "503" || a.json["detail"] == "" {
		return fmt.Errorf("503 without a SCIM error: %s", a.raw)
	}
	return nil
}

// servesAgain wants both replicas to do everything, and each to list what the other has written.
func servesAgain(t *testing.T, d *directory, id string) {
	t.Helper()
	okta := idps[0]
	for replica, r := range d.replicas {
		harness.Eventually(t, fmt.Sprintf("replica %d reads", replica), func() error {
			a, err := d.send(t.Context(), replica, okta, request{method: "GET", path: "/Users/" + id})
			if err == nil && a.status != http.StatusOK {
				err = fmt.Errorf("status %d: %s", a.status, a.raw)
			}
			return err
		})
		select {
		case <-r.current().ended:
			t.Errorf("replica %d has ended", replica)
		default:
		}
	}
	for replica := range d.replicas {
		name := fmt.Sprintf("after-%d@corp.test", replica)
		made := d.want(t, http.StatusCreated, replica, okta, "POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":%q,"title":"After %d"}`, userSchema, name, replica)).id()
		harness.Eventually(t, "the other replica's watch is back", func() error {
			for _, row := range d.want(t, http.StatusOK, 1-replica, okta, "GET", query(fmt.Sprintf(`title eq "After %d"`, replica)), "").rows() {
				if row["id"] == made {
					return nil
				}
			}
			return errors.New("not listed")
		})
	}
}

// Whoever is deleted is gone at both replicas at once, from the lists of the one that deleted it, and soon from those of the other and from its groups.
func TestTheDeletedAreGoneAtBothReplicas(t *testing.T) {
	p := startPair(t)
	d := p.newDirectory(t)
	okta := idps[0]
	for n := range 6 {
		at := n % 2
		name := fmt.Sprintf("leaver-%d@corp.test", n)
		id := d.want(t, http.StatusCreated, 1-at, okta, "POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":%q,"externalId":"x-%d"}`, userSchema, name, n)).id()
		body := fmt.Sprintf(`{"schemas":[%q],"displayName":"Group %d","members":[{"value":%q},{"value":"somebody-else"}]}`, groupSchema, n, id)
		group := d.want(t, http.StatusCreated, at, okta, "POST", "/Groups", body).id()
		d.want(t, http.StatusNoContent, at, okta, "DELETE", "/Users/"+id, "")
		for replica := range d.replicas {
			d.want(t, http.StatusNotFound, replica, okta, "GET", "/Users/"+id, "")
			d.want(t, http.StatusNotFound, replica, okta, "PATCH", "/Users/"+id, patchBody(`{"op":"replace","value":{"active":false}}`))
			d.want(t, http.StatusNotFound, replica, okta, "DELETE", "/Users/"+id, "")
			for _, filter := range []string{fmt.Sprintf("userName eq %q", name), fmt.Sprintf("id eq %q", id)} {
				if rows := d.want(t, http.StatusOK, replica, okta, "GET", query(filter), "").rows(); len(rows) != 0 {
					t.Errorf("replica %d finds it by %s", replica, filter)
				}
			}
		}
		byExternalID := query(fmt.Sprintf(`externalId eq "x-%d"`, n))
		for _, path := range []string{byExternalID, "/Users"} {
			for _, row := range d.want(t, http.StatusOK, at, okta, "GET", path, "").rows() {
				if row["id"] == id {
					t.Errorf("the replica that deleted it lists it: GET %s", path)
				}
			}
		}
		harness.Eventually(t, "it is out of its group and of the other replica's lists", func() error {
			members, _ := d.want(t, http.StatusOK, 1-at, okta, "GET", "/Groups/"+group, "").json["members"].([]any)
			if rows := d.want(t, http.StatusOK, 1-at, okta, "GET", byExternalID, "").rows(); len(members) != 1 || len(rows) != 0 {
				return fmt.Errorf("%d members, %d rows", len(members), len(rows))
			}
			return nil
		})
	}
}

// longOutage is longer than a leader stays one without the API server.
const longOutage = 15 * time.Second

// An outage that costs the leader its leadership costs nobody the endpoint.
func TestBothReplicasOutliveALongOutage(t *testing.T) {
	t.Parallel()
	p := startPair(t)
	d := p.newDirectory(t)
	okta := idps[0]
	id := d.want(t, http.StatusCreated, 0, okta, "POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":"before@corp.test"}`, userSchema)).id()
	away := meddler(func(http.RoundTripper, *http.Request) (*http.Response, error) { return nil, errLost })
	for _, r := range p.replicas {
		r.meddle.Store(&away)
	}
	refused := 0
	for start := time.Now(); time.Since(start) < longOutage; refused++ {
		for replica := range d.replicas {
			begun := time.Now()
			a, err := d.send(t.Context(), replica, okta, request{method: "GET", path: "/Users/" + id})
			if err := checkRefusal(a, err, time.Since(begun)); err != nil {
				t.Fatalf("replica %d, after %s: %v", replica, time.Since(start), err)
			}
			if a.status != http.StatusServiceUnavailable {
				t.Fatalf("replica %d: status %d", replica, a.status)
			}
		}
		time.Sleep(100 * time.Millisecond)
	}
	for _, r := range p.replicas {
		r.meddle.Store(nil)
	}
	servesAgain(t, d, id)
	d.want(t, http.StatusNoContent, 0, okta, "DELETE", "/Users/"+id, "")
	harness.Eventually(t, "one of them leads, and lets a deleted user go", func() error {
		if _, err := d.GetUser(t.Context(), id); !apierrors.IsNotFound(err) {
			return fmt.Errorf("not gone: %w", err)
		}
		return nil
	})
}
