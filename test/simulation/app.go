// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// app is the model of one app: a SCIM server that keeps every version of each resource, so that its reads may lag behind its writes.
type app struct {
	w    *world
	name string
	// settle is how long its reads may lag at most, as its profile says.
	settle time.Duration
	// unique: it refuses a second account of the same userName. silent: it answers changes with 204 and no body.
	unique, silent bool
	// token is the one that it accepts.
	token         string
	users, groups map[string]*resource
	next          int
	// rotated is when a person last wrote a new token.
	rotated time.Time
	faults  faults
}

// resource is an account or a group with all its versions.
type resource struct {
	id       string
	versions []version
	// owner is the externalId of the create that made it, if that was ours.
	owner string
	// interfered is when the admin of the app changed it last.
	interfered time.Time
}

// version is a resource from some time on, never changed. It is nil after a deletion.
type version struct {
	at   time.Time
	body map[string]any
}

// now is the resource as it is, nil if it does not exist any more.
func (r *resource) now() map[string]any {
	if r == nil {
		return nil
	}
	return r.versions[len(r.versions)-1].body
}

// seen is the resource as it was at a time.
func (r *resource) seen(at time.Time) map[string]any {
	for i := len(r.versions) - 1; i >= 0; i-- {
		if !r.versions[i].at.After(at) {
			return r.versions[i].body
		}
	}
	return nil
}

func (a *app) of(collection string) map[string]*resource {
	if collection == "Groups" {
		return a.groups
	}
	return a.users
}

// ids are the ids of all resources of a collection that exist, sorted.
func (a *app) ids(collection string) []string {
	return slices.SortedFunc(maps.Keys(a.of(collection)), compareIDs)
}

func compareIDs(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// serve handles one request, with the fault that the schedule has for it.
func (a *app) serve(c *call) answer {
	c.sent = true
	if storm := a.faults.storm; storm != nil {
		return storm.answer(a.w)
	}
	if c.token != a.token {
		return failure(http.StatusUnauthorized, "", "the token is not valid")
	}
	collection, id, _ := strings.Cut(strings.Trim(c.path, "/"), "/")
	id, _ = url.PathUnescape(id)
	if collection != "Users" && collection != "Groups" {
		return failure(http.StatusNotFound, "", "no such endpoint")
	}
	if wrong, ok := a.misanswer(c, collection, id); ok {
		a.w.trace("  app %s answers call %d wrongly", a.name, c.id)
		return wrong
	}
	switch {
	case c.method == http.MethodGet && id == "":
		return a.list(c, collection)
	case c.method == http.MethodGet:
		return a.read(c, collection, id)
	case c.method == http.MethodPost:
		return a.afterwards(c, a.create(c, collection))
	}
	switch c.fault {
	case faultIgnored:
		// What no answer and no read after it shows is not found: a profile update is not read back.
		if current := a.of(collection)[id].now(); current != nil && (collection != "Users" || aboutAccess(c)) {
			a.w.trace("  app %s ignores call %d", a.name, c.id)
			return a.shown(id, current)
		}
	case faultForbidden:
		return failure(http.StatusForbidden, "", "you may not do that")
	case faultNotFound:
		a.w.trace("  app %s denies call %d", a.name, c.id)
		return failure(http.StatusNotFound, "", "no such resource")
	}
	before := a.of(collection)[id].now()
	done := a.afterwards(c, a.change(c, collection, id))
	if c.fault == faultOldBody && done.status == http.StatusOK {
		return success(http.StatusOK, withID(id, before))
	}
	return done
}

// aboutAccess reports whether a change of an account deletes it or switches it on or off.
func aboutAccess(c *call) bool {
	return c.method == http.MethodDelete || bytes.Contains(c.body, []byte(`"active"`))
}

// afterwards may say that it failed after it has made the change.
func (a *app) afterwards(c *call, done answer) answer {
	if c.fault == faultAfter && done.status < 300 {
		return failure(http.StatusInternalServerError, "", "something went wrong")
	}
	if c.fault == faultNoBody && done.status < 300 {
		done.body = nil
	}
	return done
}

func (a *app) change(c *call, collection, id string) answer {
	r := a.of(collection)[id]
	before := r.now()
	if before == nil {
		return failure(http.StatusNotFound, "", "no such resource")
	}
	var after map[string]any
	switch c.method {
	case http.MethodDelete:
	case http.MethodPut:
		after = replaced(before, object(c.body))
	default:
		after = patched(before, object(c.body))
	}
	if after != nil && collection == "Users" && a.taken(text(after, "userName"), id) {
		return failure(http.StatusConflict, "uniqueness", "the userName is taken")
	}
	a.w.effect(a, c, collection, r, before, after)
	r.versions = append(r.versions, version{time.Now(), after})
	if after == nil {
		return answer{status: http.StatusNoContent}
	}
	return a.shown(id, after)
}

// shown is the answer to a change.
func (a *app) shown(id string, body map[string]any) answer {
	if a.silent {
		return answer{status: http.StatusNoContent}
	}
	return success(http.StatusOK, withID(id, body))
}

func (a *app) create(c *call, collection string) answer {
	body := object(c.body)
	delete(body, "schemas")
	if collection == "Users" && a.taken(text(body, "userName"), "") {
		return failure(http.StatusConflict, "uniqueness", "the userName is taken")
	}
	r := a.add(collection, body)
	r.owner = text(body, "externalId")
	a.w.effect(a, c, collection, r, nil, body)
	created := success(http.StatusCreated, withID(r.id, body))
	created.header = map[string]string{"Location": "https://" + a.name + ".example.com/scim/v2/" + collection + "/" + r.id}
	return created
}

// add makes a resource.
func (a *app) add(collection string, body map[string]any) *resource {
	a.next++
	r := &resource{id: fmt.Sprintf("%s-%d", a.name, a.next), versions: []version{{time.Now(), body}}}
	a.of(collection)[r.id] = r
	return r
}

func (a *app) taken(userName, except string) bool {
	if !a.unique {
		return false
	}
	for id, other := range a.users {
		if body := other.now(); id != except && body != nil && scim.Fold(text(body, "userName")) == scim.Fold(userName) {
			return true
		}
	}
	return false
}

func (a *app) read(c *call, collection, id string) answer {
	r := a.of(collection)[id]
	if r == nil || r.seen(a.horizon()) == nil {
		return failure(http.StatusNotFound, "", "no such resource")
	}
	return success(http.StatusOK, c.shows(withID(id, r.seen(a.horizon()))))
}

// horizon is the time up to which reads show what was written.
func (a *app) horizon() time.Time { return time.Now().Add(-a.faults.lag) }

// list answers a lookup, or shows the first rows of a collection.
func (a *app) list(c *call, collection string) answer {
	query, _ := url.ParseQuery(c.query)
	attribute, value, filtered := strings.Cut(query.Get("filter"), " eq ")
	value = strings.Trim(value, `"`)
	var rows []any
	for _, id := range a.ids(collection) {
		body := a.of(collection)[id].seen(a.horizon())
		if body != nil && (!filtered || scim.Fold(text(body, attribute)) == scim.Fold(value)) {
			rows = append(rows, c.shows(withID(id, body)))
		}
	}
	total := len(rows)
	if c.fault == faultShort {
		rows = nil
	}
	if !filtered && len(rows) > 1 {
		rows = rows[:1]
	}
	return success(http.StatusOK, map[string]any{
		"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": total, "startIndex": 1, "itemsPerPage": len(rows), "Resources": rows,
	})
}

func success(status int, body map[string]any) answer {
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return answer{status: status, body: data}
}

func failure(status int, scimType, detail string) answer {
	body := map[string]any{"schemas": []any{"urn:ietf:params:scim:api:messages:2.0:Error"}, "status": fmt.Sprint(status), "detail": detail}
	if scimType != "" {
		body["scimType"] = scimType
	}
	return success(status, body)
}

func object(data []byte) map[string]any {
	var body map[string]any
	if json.Unmarshal(data, &body) != nil {
		return map[string]any{}
	}
	return body
}

func withID(id string, body map[string]any) map[string]any {
	shown := maps.Clone(body)
	shown["id"] = id
	return shown
}

func text(body map[string]any, name string) string {
	value, _ := body[name].(string)
	return value
}
