// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// A write that took effect, but whose answer etcd's time-out has replaced, is not made again: somebody else may have gone on from it.
func TestAWriteWithoutAnAnswerIsMadeOnce(t *testing.T) {
	p := startPair(t)
	d := p.newDirectory(t)
	userName := func(mark string) string { return mark + "@corp.test" }
	made := func(mark string) request {
		body := fmt.Sprintf(`{"schemas":[%q],"userName":%q,"nickName":%q}`, userSchema, userName(mark), mark)
		return request{method: "POST", path: "/Users", body: body}
	}
	patched := func(id, attribute, value string) request {
		body := patchBody(fmt.Sprintf(`{"op":"replace","path":%q,"value":%q}`, attribute, value))
		return request{method: "PATCH", path: "/Users/" + id, body: body}
	}
	for mark, c := range map[string]struct {
		// write is sent to one replica: nil for a create. meanwhile is sent to the other when it has taken effect, and not been answered yet.
		write, meanwhile func(id string) request
		// want are the users in the end: userName and title.
		want []string
	}{
		"created-renamed": {
			meanwhile: func(id string) request { return patched(id, "userName", "renamed@corp.test") },
			want:      []string{"renamed@corp.test "},
		},
		"created-deleted": {
			meanwhile: func(id string) request { return request{method: "DELETE", path: "/Users/" + id} },
		},
		"changed-changed": {
			write:     func(id string) request { return patched(id, "title", "first") },
			meanwhile: func(id string) request { return patched(id, "title", "second") },
			want:      []string{"changed-changed@corp.test second"},
		},
	} {
		t.Run(mark, func(t *testing.T) {
			// The write of the replica whose answer is lost. Its controllers write other users meanwhile.
			write, method, object := made(mark), http.MethodPost, "/"+d.Namespace+"/scimusers"
			if c.write != nil {
				id := d.want(t, http.StatusCreated, 1, idps[0], write.method, write.path, write.body).id()
				name, _, _ := v1alpha1.SplitSCIMID(id)
				write, method, object = c.write(id), http.MethodPut, object+"/"+name
			}
			lost, goOn := make(chan struct{}), make(chan struct{})
			var took atomic.Bool
			meddle := meddler(func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
				if r.Method != method || !strings.HasSuffix(r.URL.Path, object) || took.Load() {
					return next.RoundTrip(r)
				}
				// One that meets a conflict, as with the first status of a new user, is not it: the replica makes another.
				return after(next, r, func() (*http.Response, error) {
					took.Store(true)
					close(lost)
					<-goOn
					return refusal(r, http.StatusInternalServerError, "ServerTimeout", "1"), nil
				})
			})
			p.replicas[0].meddle.Store(&meddle)
			t.Cleanup(func() { p.replicas[0].meddle.Store(nil) })
			answered := make(chan answer, 1)
			go func() {
				a, err := d.send(t.Context(), 0, idps[0], write)
				if err != nil {
					t.Error(err)
				}
				answered <- a
			}()
			select {
			case <-lost:
			case a := <-answered:
				t.Fatalf("nothing was lost: %d %s", a.status, a.raw)
			}
			found := d.want(t, http.StatusOK, 1, idps[0], "GET", query(fmt.Sprintf("userName eq %q", userName(mark))), "").rows()
			if len(found) != 1 {
				close(goOn)
				t.Fatalf("%d users are found", len(found))
			}
			between, err := d.send(t.Context(), 1, idps[0], c.meanwhile(seeUser(found[0]).id))
			close(goOn)
			if err != nil || between.status/100 != 2 {
				t.Fatalf("%d %s %v", between.status, between.raw, err)
			}
			a := <-answered
			if seconds, err := strconv.Atoi(a.header.Get("Retry-After")); a.status != http.StatusServiceUnavailable || err != nil || seconds < 1 {
				t.Errorf("the answer is %d, Retry-After %q: %s", a.status, a.header.Get("Retry-After"), a.raw)
			}
			if diff := cmp.Diff(c.want, d.marked(t, mark)); diff != "" {
				t.Errorf("the users (-want +got):\n%s", diff)
			}
		})
	}
}

// marked are the users in etcd with that mark: userName and title.
func (d *directory) marked(t testing.TB, mark string) []string {
	t.Helper()
	users, _, err := d.stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, u := range users {
		if u.Spec.NickName == mark {
			found = append(found, u.Spec.UserName+" "+u.Spec.Title)
		}
	}
	return found
}
