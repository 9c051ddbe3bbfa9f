// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package load

import (
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// endpoint is as much of SCIM as the load uses. fail may answer a request in place of it; after is called when a request was done and not answered yet.
type endpoint struct {
	mu          sync.Mutex
	users       map[string]map[string]any
	fail, after func(http.ResponseWriter, *http.Request) (answered bool)
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if e.fail != nil && e.fail(w, r) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	status, body := e.do(r)
	if e.after != nil && e.after(w, r) {
		return
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func (e *endpoint) do(r *http.Request) (status int, body map[string]any) {
	var sent map[string]any
	_ = json.NewDecoder(r.Body).Decode(&sent)
	id := strings.TrimPrefix(r.URL.Path, "/Users/")
	switch {
	case strings.HasPrefix(r.URL.Path, "/Groups"):
		return map[string]int{http.MethodPost: 201, http.MethodPatch: 200}[r.Method], map[string]any{"id": "g"}
	case r.Method == http.MethodPost:
		id = fmt.Sprint("id-", len(e.users))
		sent["id"] = id
		e.users[id] = sent
		return 201, sent
	case r.Method == http.MethodPatch:
		change, _ := sent["Operations"].([]any)[0].(map[string]any)["value"].(map[string]any)
		for name, value := range change {
			e.users[id][name] = value
		}
		return 200, e.users[id]
	case r.URL.Path != "/Users":
		return 200, e.users[id]
	}
	found := []any{}
	for _, user := range e.users {
		if r.URL.Query().Get("filter") == fmt.Sprintf("userName eq %q", user["userName"]) {
			found = append(found, user)
		}
	}
	return 200, map[string]any{"totalResults": len(found), "Resources": found}
}

// once is true for the first request with that method and path.
func once(method, prefix string) func(*http.Request) bool {
	var done sync.Once
	return func(r *http.Request) (first bool) {
		if r.Method == method && strings.HasPrefix(r.URL.Path, prefix) {
			done.Do(func() { first = true })
		}
		return first
	}
}

// play runs a load until each of two clients has had three users acknowledged.
func play(t *testing.T, e *endpoint) Report {
	t.Helper()
	e.users = map[string]map[string]any{}
	server := httptest.NewUnstartedServer(e)
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	l, err := Start(Config{BaseURL: server.URL, Token: "token", CA: string(ca), Prefix: "test", Clients: 2, Pause: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); len(l.Report().Users) < 6; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the load does not get on: %v", l.Report().Failures)
		}
	}
	report := l.Stop()
	for _, user := range report.Users {
		if got := e.users[user.ID]; got["userName"] != user.UserName || !user.Unsure && got["displayName"] != user.DisplayName {
			t.Errorf("%+v was reported, and there is %v", user, got)
		}
	}
	if known := len(report.Users) + len(report.Doubtful); len(e.users) > known {
		t.Errorf("there are %d users, and %d were reported", len(e.users), known)
	}
	return report
}

func TestNothingFailsWhereEveryAnswerIsRight(t *testing.T) {
	report := play(t, &endpoint{})
	if len(report.Kinds) > 0 || report.HTTP1 == 0 || report.HTTP2 == 0 || report.Running {
		t.Errorf("the report is %+v", report)
	}
}

func TestWhatIsNotAsItShouldBeIsToldByItsKind(t *testing.T) {
	abort := func(http.ResponseWriter) { panic(http.ErrAbortHandler) }
	for name, test := range map[string]struct {
		which  func(*http.Request) bool
		answer func(http.ResponseWriter)
		// done: the request is done before the answer goes wrong.
		done bool
		want string
	}{
		"503 that says when to come back": {once(http.MethodGet, "/Users"), func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, false, "503 with Retry-After"},
		"503 that does not":       {once(http.MethodPatch, "/Users"), func(w http.ResponseWriter) { w.WriteHeader(http.StatusServiceUnavailable) }, false, "503"},
		"500":                     {once(http.MethodPost, "/Users"), func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, false, "500"},
		"somebody else's answer":  {once(http.MethodPatch, "/Users"), func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"id":"x"}`)) }, false, "wrong answer"},
		"a user that is there":    {once(http.MethodGet, "/Users"), func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"totalResults":1}`)) }, false, "wrong answer"},
		"creation without answer": {once(http.MethodPost, "/Users"), abort, true, ""},
		"change without answer":   {once(http.MethodPatch, "/Users"), abort, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := &endpoint{}
			hook := func(w http.ResponseWriter, r *http.Request) bool {
				if !test.which(r) {
					return false
				}
				test.answer(w)
				return true
			}
			if test.done {
				e.after = hook
			} else {
				e.fail = hook
			}
			report := play(t, e)
			total := 0
			for _, n := range report.Kinds {
				total += n
			}
			if total != 1 || test.want != "" && report.Kinds[test.want] != 1 {
				t.Errorf("the failures are %v, want one %s", report.Kinds, test.want)
			}
		})
	}
}
