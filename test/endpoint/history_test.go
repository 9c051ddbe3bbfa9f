// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// verb of an event.
type verb string

const (
	create verb = "POST"
	get    verb = "GET"
	put    verb = "PUT"
	patch  verb = "PATCH"
	remove verb = "DELETE"
	// lookup is a query for one unique name, list any other query.
	lookup verb = "lookup"
	list   verb = "list"
)

// event is one request of the history, and what came of it.
type event struct {
	groups bool
	verb   verb
	// seq is unique. worker, replica and client are numbers.
	seq, worker, replica, client int
	call, ret                    int64
	// status is 0 where nobody knows whether the request took effect: no answer, 500, 503.
	status int
	// id of the resource, "" for a create that failed.
	id string
	// mark stands in what a create makes, and is never changed.
	mark string
	// fresh: the write is none that may have nothing to do.
	fresh bool
	// user and group are what a write asks for, or what a list selects.
	user  userChange
	group groupChange
	// name is what a lookup asks for.
	name string
	// sortBy and descending are the order that a list asks for, pageSize how many rows of it at a time: 0 for all at once.
	sortBy     string
	descending bool
	pageSize   int
	// bulk is the request that an operation was part of, and version the ETag in its result.
	bulk    *bulk
	version string
	// undo: it was made and removed again by one bulk request, whose answer does not tell its id.
	undo bool
	// number tells the event from those that are looked at together; after is the number of the operation of the same request that was done
	// before it, if any.
	number, after int
	// awaited: an event comes after this one.
	awaited bool
	// seenUsers and seenGroups are the resources in the answer.
	seenUsers  []seenUser
	seenGroups []seenGroup
	// bounded: it is not known whether it took effect, but not later than the answer.
	bounded bool
	// about is the request and the answer, for people.
	about string
}

func (e *event) write() bool {
	return e.verb == create || e.verb == put || e.verb == patch || e.verb == remove
}

// ok: it has taken effect, or there was nothing to do.
func (e *event) ok() bool { return e.status >= 200 && e.status < 300 }

// never ends: a write that nobody has seen the end of may take effect at any time.
const never = int64(1) << 62

// end is when the event has taken effect at the latest.
func (e *event) end() int64 {
	if e.write() && e.status == 0 && !e.bounded {
		return never
	}
	return e.ret
}

func (e *event) String() string {
	status := fmt.Sprint(e.status)
	if e.status == 0 {
		status = "?"
	}
	return fmt.Sprintf("%9.3f..%9.3f ms #%d worker %d replica %d %s: %s -> %s",
		float64(e.call)/1e6, float64(e.ret)/1e6, e.seq, e.worker, e.replica, idps[e.client].name, e.about, status)
}

// history is everything that was asked, by when it was asked.
type history struct {
	mu     sync.Mutex
	events []*event
	// violations seen while it was written.
	violations []violation
	// undecided histories, as their verdict says.
	undecided []string
}

func (h *history) add(e *event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, e)
}

func (h *history) violated(rule, format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.violations = append(h.violations, violation{rule: rule, text: fmt.Sprintf(format, args...)})
}

// sorted ends the history: creates that nobody knows the end of get the id of what bears their mark, or go.
func (h *history) sorted() []*event {
	h.mu.Lock()
	defer h.mu.Unlock()
	marked := map[string]string{}
	for _, e := range h.events {
		for _, s := range e.seenUsers {
			marked[s.mark] = s.id
		}
		for _, s := range e.seenGroups {
			marked[s.mark] = s.id
		}
	}
	for _, e := range h.events {
		if e.verb == create && (e.status == 0 || e.undo) {
			e.id = marked[e.mark]
			if e.id == "" && e.bulk != nil && (e.bulk.unknown || e.undo) {
				// The same request may have deleted it again, before anybody saw it.
				e.id = e.mark
			}
		}
	}
	events := inBulk(h.events)
	events = slices.DeleteFunc(events, func(e *event) bool { return e.verb == create && e.status == 0 && e.id == "" })
	slices.SortStableFunc(events, func(a, b *event) int { return cmp.Compare(a.call, b.call) })
	return events
}

// violation is a broken promise.
type violation struct {
	// rule is the name of the promise.
	rule, text string
}

// The rules.
const (
	ruleUser        = "one user is linearizable"
	ruleGroup       = "one group is linearizable"
	ruleUserName    = "a userName has one holder"
	ruleDisplayName = "a displayName of a client has one holder"
	ruleUnique      = "no read shows a name twice"
	ruleListing     = "a listing is not behind its replica"
	ruleOrder       = "a listing is in its order"
	ruleBulk        = "a bulk request does its operations one by one"
	ruleCatchUp     = "the other replica catches up"
	ruleNoOp        = "what changes nothing writes nothing"
	ruleETag        = "the ETag is that of the content"
	ruleStatus      = "answers are those of the protocol"
	ruleLeavers     = "the deleted leave their groups"
)

// excerpt gives the events around a violation as text.
func excerpt(events []*event) string {
	const most = 60
	var b strings.Builder
	for i, e := range events {
		if i == most {
			fmt.Fprintf(&b, "... and %d more\n", len(events)-most)
			break
		}
		fmt.Fprintln(&b, e)
	}
	return b.String()
}

// unclear: nobody can tell from the answer whether the request took effect.
func unclear(status int) bool {
	return status == http.StatusInternalServerError || status == http.StatusServiceUnavailable
}
