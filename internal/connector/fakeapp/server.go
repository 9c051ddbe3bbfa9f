// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// answer is what the app says to a request.
type answer struct {
	status   int
	header   http.Header
	body     any
	raw      string // written as it is where body is nil
	failure  bool   // a SCIM error: scimType and detail make the body
	scimType string
	detail   string
}

func scimError(status int, scimType, detail string) answer {
	return answer{status: status, failure: true, scimType: scimType, detail: detail}
}

// target is what a path leads to.
type target struct {
	groups bool
	id     string
}

// serve answers one request.
func (a *App) serve(w http.ResponseWriter, r *http.Request) {
	call := Call{Method: r.Method, Op: Other, Path: r.URL.Path, Write: r.Method != http.MethodGet, At: time.Now()}
	a.calls.begin(&call)
	// Reading the body first lets net/http notice a client that gives up while the call hangs.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		a.write(w, scimError(http.StatusRequestEntityTooLarge, "", "the body is too large or broken"))
		return
	}
	where, known := a.route(r, &call)
	fault, release := a.faults.take(call)
	if !a.delay(r, fault, release) {
		call.Lost = true
		a.calls.add(call)
		panic(http.ErrAbortHandler)
	}
	refused := a.refuse(r, known, fault, body)
	var given answer
	if refused != nil {
		given = *refused
	} else {
		a.calls.run(call, BeforeCommit)
		given = a.commit(r, where, body, &call)
	}
	call.Status, call.Lost = given.status, fault.LoseAnswer
	a.calls.add(call)
	if refused == nil {
		a.calls.run(call, AfterCommit)
	}
	if fault.LoseAnswer {
		panic(http.ErrAbortHandler)
	}
	a.write(w, given)
}

// delay waits as a fault wants; it returns false when the client or the app is gone.
func (a *App) delay(r *http.Request, fault Fault, release <-chan struct{}) bool {
	var timer <-chan time.Time
	switch {
	case fault.Hang:
	case fault.Latency > 0:
		timer, release = time.After(fault.Latency), nil
	default:
		return true
	}
	a.faults.waiting.Add(1)
	defer a.faults.waiting.Add(-1)
	select {
	case <-timer:
		return true
	case <-release:
		return true
	case <-r.Context().Done():
		return false
	case <-a.closed:
		return false
	}
}

// refuse returns the answer of everything that comes before the store, nil when the call may go on.
func (a *App) refuse(r *http.Request, known bool, fault Fault, body []byte) *answer {
	var refused answer
	now := time.Now()
	limit, wait := a.faults.overLimit(now)
	switch {
	case fault.Answer != nil:
		refused = fault.Answer.answer()
	case r.Header.Get("Authorization") != "Bearer "+a.Token():
		refused = a.flavour.badToken()
	case wait > 0:
		refused = a.flavour.limited(limit, wait, now)
	case !known:
		refused = scimError(http.StatusNotFound, "", "there is nothing at this path")
	case !a.flavour.methods[r.Method]:
		refused = scimError(http.StatusMethodNotAllowed, "", "the method is not supported")
	case len(body) > 0 && !isJSON(r.Header.Get("Content-Type")):
		refused = scimError(http.StatusUnsupportedMediaType, "", "the body has to be application/scim+json or application/json")
	default:
		return nil
	}
	return &refused
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	return err == nil && (media == "application/scim+json" || media == "application/json")
}

// route finds what a path leads to and names the call.
func (a *App) route(r *http.Request, call *Call) (target, bool) {
	rest, below := "", false
	for _, base := range a.flavour.basePaths {
		if rest, below = strings.CutPrefix(r.URL.EscapedPath(), base); below && strings.HasPrefix(rest, "/") {
			break
		}
	}
	if !below {
		return target{}, false
	}
	collection, escaped, hasID := strings.Cut(strings.TrimPrefix(rest, "/"), "/")
	id, err := url.PathUnescape(escaped)
	where := target{groups: "/"+collection == a.flavour.groupsPath, id: id}
	if err != nil || hasID && id == "" || !where.groups && "/"+collection != a.flavour.usersPath {
		return target{}, false
	}
	call.Path = "/" + collection
	if hasID {
		call.Path += "/{id}"
	}
	call.Op = operation(where, r, hasID)
	return where, call.Op != Other
}

func operation(where target, r *http.Request, hasID bool) string {
	prefix := "Users."
	if where.groups {
		prefix = "Groups."
	}
	switch {
	case r.Method == http.MethodGet && hasID:
		return prefix + "get"
	case r.Method == http.MethodGet && r.URL.Query().Get("filter") != "":
		return prefix + "find"
	case r.Method == http.MethodGet:
		return prefix + "list"
	case r.Method == http.MethodPost && !hasID:
		return prefix + "create"
	case r.Method == http.MethodPut && hasID:
		return prefix + "replace"
	case r.Method == http.MethodPatch && hasID:
		return prefix + "patch"
	case r.Method == http.MethodDelete && hasID:
		return prefix + "delete"
	default:
		return Other
	}
}

// commit does what the request asks for.
func (a *App) commit(r *http.Request, where target, body []byte, call *Call) answer {
	var sent map[string]any
	if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		if err := json.Unmarshal(body, &sent); err != nil || sent == nil {
			return scimError(http.StatusBadRequest, "invalidSyntax", "the body is not a JSON object")
		}
	}
	since := a.faults.visibleSince(time.Now())
	a.store.mu.Lock()
	defer a.store.mu.Unlock()
	c := &a.store.users
	if where.groups {
		c = &a.store.groups
	}
	var given answer
	var touched *record
	switch r.Method {
	case http.MethodPost:
		given, touched = a.store.create(c, sent)
	case http.MethodGet:
		if where.id == "" {
			return a.store.list(c, r.URL.Query(), since)
		}
		given, touched = a.store.get(c, where.id, since)
	case http.MethodPut:
		given, touched = a.store.replace(c, where.id, sent)
	case http.MethodPatch:
		given, touched = a.store.patch(c, where.id, sent)
	default:
		given, touched = a.store.delete(c, where.id)
	}
	if touched != nil {
		call.Subject, _ = touched.attributes[c.nameAttribute].(string)
	}
	if call.Write && a.store.file != "" {
		if err := a.store.save(); err != nil {
			return scimError(http.StatusInternalServerError, "", "the state cannot be kept")
		}
	}
	return given
}

// write sends the answer.
func (a *App) write(w http.ResponseWriter, given answer) {
	contentType := "application/scim+json"
	if a.flavour.errorURN == errorURNCommon {
		contentType = "application/json"
	}
	w.Header().Set("Content-Type", contentType)
	for name, values := range given.header {
		w.Header()[name] = values
	}
	body := given.body
	if given.failure {
		failure := map[string]any{"schemas": []string{a.flavour.errorURN}, "status": strconv.Itoa(given.status), "detail": given.detail}
		if given.scimType != "" {
			failure["scimType"] = given.scimType
		}
		body = failure
	}
	w.WriteHeader(given.status)
	if body == nil {
		_, _ = io.WriteString(w, given.raw) // the client may be gone
		return
	}
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}
