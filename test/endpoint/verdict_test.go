// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// checkTime is how long the search for an order of one history may take. Where many outcomes are unknown, not every history is decided within it; more than maxUndecided of them
// are too many for a run to show anything.
const (
	checkTime    = time.Minute
	maxUndecided = 1
)

// verdict compares a history with the reference model.
func (h *history) verdict() []violation {
	events := h.sorted()
	var found []violation
	var mu sync.Mutex
	var running sync.WaitGroup
	slots := make(chan struct{}, 4)
	check := func(rule, what string, m porcupine.Model, part []*event) {
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			explained, text := linearizable(m, part)
			mu.Lock()
			defer mu.Unlock()
			switch explained {
			case porcupine.Illegal:
				found = append(found, violation{rule: rule, text: what + ": " + text + "\nthe creates of what it shows:\n" + excerpt(h.creates(part))})
			case porcupine.Unknown:
				h.undecided = append(h.undecided, what+": "+text)
			}
		})
	}
	users, groups := userModel(), groupModel()
	for id, part := range byResource(events) {
		if part[0].groups {
			check(ruleGroup, "group "+id, groups, part)
		} else {
			check(ruleUser, "user "+id, users, part)
		}
	}
	for _, n := range byName(events) {
		rule := ruleUserName
		if n.groups {
			rule = ruleDisplayName
		}
		check(rule, n.name, nameModel(n.name), n.events)
	}
	running.Wait()
	h.mu.Lock()
	found = append(found, h.violations...)
	h.mu.Unlock()
	found = append(found, etags(events)...)
	return append(found, listings(events)...)
}

// creates are the requests, as they were answered, that had the marks which the events show.
func (h *history) creates(events []*event) []*event {
	marks := map[string]bool{}
	for _, e := range events {
		for _, s := range e.seenUsers {
			marks[s.mark] = true
		}
		for _, s := range e.seenGroups {
			marks[s.mark] = true
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	var found []*event
	for _, e := range h.events {
		if e.verb == create && marks[e.mark] {
			found = append(found, e)
		}
	}
	return found
}

// linearizable asks whether there is an order of the events that explains every answer, and says what was found if not.
func linearizable(m porcupine.Model, events []*event) (explained porcupine.CheckResult, text string) {
	operations := make([]porcupine.Operation, len(events))
	for i, e := range chained(events) {
		operations[i] = porcupine.Operation{ClientId: e.worker, Input: e, Call: e.call, Return: e.end()}
	}
	switch explained = porcupine.CheckOperationsTimeout(m, operations, checkTime); explained {
	case porcupine.Unknown:
		text = fmt.Sprintf("no order of %d requests was found within %s", len(events), checkTime)
	case porcupine.Illegal:
		text = "no order of the requests explains the answers:\n" + excerpt(shortest(m, operations))
	}
	return explained, text
}

// shortest gives the beginning of a history that cannot be explained, up to the answer that is too much.
func shortest(m porcupine.Model, operations []porcupine.Operation) []*event {
	returns := make([]int64, 0, len(operations))
	for _, o := range operations {
		returns = append(returns, o.Return)
	}
	slices.Sort(returns)
	until := func(t int64) []porcupine.Operation {
		var part []porcupine.Operation
		for _, o := range operations {
			// What was not answered by then may have happened or not: a write with an unknown end.
			if e := o.Input.(*event); o.Return <= t {
				part = append(part, o)
			} else if o.Call <= t && e.write() {
				open := *e
				open.status, open.seenUsers, open.seenGroups, open.after, open.awaited = 0, nil, nil, 0, false
				part = append(part, porcupine.Operation{Input: &open, Call: o.Call, Return: never})
			}
		}
		return part
	}
	first := len(returns) - 1
	for low, high := 0, len(returns)-1; low <= high; {
		middle := (low + high) / 2
		if porcupine.CheckOperationsTimeout(m, until(returns[middle]), checkTime/4) == porcupine.Ok {
			low = middle + 1
		} else {
			first, high = middle, middle-1
		}
	}
	var events []*event
	for _, o := range until(returns[first]) {
		events = append(events, o.Input.(*event))
	}
	// The last ones are what matters.
	slices.SortFunc(events, func(a, b *event) int { return int(b.call - a.call) })
	return events
}

// byResource are the requests for each resource.
func byResource(events []*event) map[string][]*event {
	parts := map[string][]*event{}
	for _, e := range events {
		switch e.verb {
		case list:
			// From the cache: it may be behind.
		case lookup:
			for _, s := range e.seenUsers {
				parts[s.id] = append(parts[s.id], e.showing(s.id))
			}
			for _, s := range e.seenGroups {
				parts[s.id] = append(parts[s.id], e.showing(s.id))
			}
		default:
			if e.id != "" {
				parts[e.id] = append(parts[e.id], e)
			}
		}
	}
	return parts
}

// showing is a lookup as a read of one of the resources that it showed.
func (e *event) showing(id string) *event {
	one := *e
	one.verb, one.id = get, id
	one.seenUsers = slices.DeleteFunc(slices.Clone(e.seenUsers), func(s seenUser) bool { return s.id != id })
	one.seenGroups = slices.DeleteFunc(slices.Clone(e.seenGroups), func(s seenGroup) bool { return s.id != id })
	return &one
}

// named is the history of a name.
type named struct {
	groups bool
	name   string
	events []*event
}

// byName are the requests that have to do with each name: those that ask for it, and all about resources that ever did.
func byName(events []*event) []named {
	type key struct {
		groups bool
		name   string
	}
	wanted := map[key]map[string]bool{}
	for _, e := range events {
		name := e.wants()
		if e.verb == lookup {
			name = scim.Fold(e.name)
		}
		if name == "" {
			continue
		}
		k := key{e.groups, name}
		if wanted[k] == nil {
			wanted[k] = map[string]bool{}
		}
		if e.verb != lookup {
			wanted[k][e.id] = true
		}
	}
	var all []named
	for k, ids := range wanted {
		n := named{groups: k.groups, name: k.name}
		for _, e := range events {
			switch {
			case e.groups != k.groups || e.verb == list || e.tellsNoName():
			case e.verb == lookup && scim.Fold(e.name) == k.name, e.verb == create && e.wants() == k.name, e.verb != create && e.id != "" && ids[e.id]:
				n.events = append(n.events, e)
			}
		}
		all = append(all, n)
	}
	return all
}

// tellsNoName is whether the event leaves every name where it was, and the answer says nothing of it.
func (e *event) tellsNoName() bool {
	return (e.verb == put || e.verb == patch) && e.wants() == "" && e.status != http.StatusNotFound && len(e.seenUsers)+len(e.seenGroups) == 0
}

// etags: what a client sees of a resource and its ETag go together, each way.
func etags(events []*event) []violation {
	var found []violation
	content, version := map[string]string{}, map[string]string{}
	note := func(client int, id, etag, view string) {
		if etag == "" {
			return // not asked for
		}
		byEtag, byView := fmt.Sprint(client, id, etag), fmt.Sprint(client, id, view)
		if had, ok := content[byEtag]; ok && had != view {
			found = append(found, violation{ruleETag, fmt.Sprintf("%s of %s stands for %s and for %s", etag, id, had, view)})
		}
		if had, ok := version[byView]; ok && had != etag {
			found = append(found, violation{ruleETag, fmt.Sprintf("%s has the ETags %s and %s with one content: %s", id, had, etag, view)})
		}
		content[byEtag], version[byView] = view, etag
	}
	for _, e := range events {
		for _, s := range e.seenUsers {
			note(e.client, s.id, s.etag, fmt.Sprintf("%+v", s.userView))
		}
		for _, s := range e.seenGroups {
			if s.members != unlisted && len(s.mortal) == 0 {
				note(e.client, s.id, s.etag, fmt.Sprintf("%+v", s.groupView))
			}
		}
	}
	return found
}
