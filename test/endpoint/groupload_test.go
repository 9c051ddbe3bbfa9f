// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"k8s.io/utils/ptr"
)

// groupRequest makes a request about groups. The client that takes over never asks for what may be there already: whether a request changes something
// decides who owns the group then.
func (w *workload) groupRequest(e *event, d draw) (request, bool) {
	name := spelled(fmt.Sprintf("group %d", d.name%groupNames), d.spelling)
	kind := (d.kind - 62) * 3
	if w.groups.size() < 4 && kind > 30 {
		kind = 0
	}
	switch {
	case kind < 9:
		return w.createGroup(e, d, name, w.some(d)), true
	case kind < 20:
		e.verb, e.name = lookup, name
		return request{method: "GET", path: "/Groups?count=1000" + filter(fmt.Sprintf("displayName eq %q", name))}, true
	case kind < 25:
		return listGroups(e, d), true
	}
	target, ok := w.groups.pick(d, 5)
	if !ok {
		return request{}, false
	}
	e.id = target.id
	if d.whether%4 != 0 {
		e.client = target.client
	}
	switch {
	case kind < 45:
		e.verb = get
		q := request{method: "GET", path: "/Groups/" + target.id}
		if d.more[0]%4 == 0 {
			q.path += "?excludedAttributes=members"
		}
		return q, true
	case kind < 56:
		e.verb = put
	case kind < 96:
		e.verb = patch
	default:
		e.verb = remove
	}
	q := w.changeGroup(e, d, name, target, w.some(d))
	if e.verb == patch && d.more[0]%3 == 0 {
		q.path += "?attributes=displayName,members,externalId"
	}
	return q, true
}

func (w *workload) createGroup(e *event, d draw, name string, ids []string) request {
	e.verb, e.mark = create, fmt.Sprintf("%s%d", markPrefix, e.seq)
	return request{method: "POST", path: "/Groups", body: w.groupBody(e, d, name, e.mark, ids)}
}

// changeGroup makes a PUT, PATCH or DELETE, as the event says. ids are the members that it is about.
func (w *workload) changeGroup(e *event, d draw, name string, target pooled, ids []string) request {
	e.id = target.id
	q := request{method: string(e.verb), path: "/Groups/" + target.id, header: map[string]string{}}
	switch e.verb {
	case put:
		q.body = w.groupBody(e, d, name, target.mark, ids)
	case patch:
		q.body = w.groupPatch(e, d, name, target.mark, ids)
	}
	if known, ok := w.groups.recall(e.client, target.id).(seenGroup); ok && d.more[5]%5 == 0 {
		e.group.ifMatch = &known.groupView
		q.header["If-Match"] = known.etag
	}
	return q
}

func (w *workload) external(e *event, d draw) *string {
	if idps[e.client].takeOver {
		return ptr.To(fmt.Sprintf("only %d", e.seq))
	}
	if d.more[1]%3 == 0 {
		return nil
	}
	return ptr.To(fmt.Sprintf("x%d", d.more[1]%9))
}

// some are ids to add or remove.
func (w *workload) some(d draw) []string {
	n := 1 + d.more[2]%4
	ids := make([]string, 0, n)
	for i := range n {
		ids = append(ids, w.members[(d.more[3]+i*d.value%7)%len(w.members)])
	}
	return ids
}

func memberList(ids ...string) string {
	parts := make([]string, len(ids))
	for i, id := range ids {
		parts[i] = `{"value":` + text(id) + `}`
	}
	return "[" + strings.Join(parts, ",") + "]"
}

func (w *workload) groupBody(e *event, d draw, name, mark string, ids []string) string {
	e.group = groupChange{displayName: &name, external: w.external(e, d), members: []memberChange{{"replace", ids}}}
	external := ""
	if e.group.external != nil {
		external = `,"externalId":` + text(*e.group.external)
	}
	return fmt.Sprintf(`{"schemas":[%q],"displayName":%s%s,"members":%s}`, groupSchema, text(name), external, memberList(append(slices.Clone(ids), mark)...))
}

// groupPatch is a PATCH in one of the forms in which they come.
func (w *workload) groupPatch(e *event, d draw, name, mark string, ids []string) string {
	var operations []string
	which := d.more[4] % 10
	if idps[e.client].takeOver {
		which = 9
		e.group.external = w.external(e, d)
		operations = append(operations, fmt.Sprintf(`{"op":"replace","path":"externalId","value":%s}`, text(*e.group.external)))
	}
	add := func() {
		e.group.members = append(e.group.members, memberChange{"add", ids})
		if d.more[5]%2 == 0 {
			operations = append(operations, `{"op":"add","path":"members","value":`+memberList(ids...)+`}`)
		} else {
			operations = append(operations, `{"op":"add","value":{"members":`+memberList(ids...)+`}}`)
		}
	}
	switch which {
	case 0, 1, 2, 3:
		add()
	case 4, 5:
		e.group.members = append(e.group.members, memberChange{"remove", ids[:1]})
		operations = append(operations, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, ids[0]))
	case 6:
		e.group.members = append(e.group.members, memberChange{"remove", ids[:1]})
		operations = append(operations, fmt.Sprintf(`{"op":"remove","path":"members[value eq \"%s\"]"}`, ids[0]))
		ids = w.some(draw{value: d.value + 1, more: d.more})
		add()
	case 7:
		e.group.members = append(e.group.members, memberChange{"replace", ids})
		operations = append(operations, `{"op":"replace","path":"members","value":`+memberList(append(slices.Clone(ids), mark)...)+`}`)
	default:
		e.group.displayName = &name
		if d.more[5]%2 == 0 {
			operations = append(operations, `{"op":"replace","value":{"id":`+text(e.id)+`,"displayName":`+text(name)+`}}`)
		} else {
			operations = append(operations, `{"op":"replace","path":"displayName","value":`+text(name)+`}`)
		}
	}
	return patchBody(operations...)
}

// mortalMark is the mark of the groups into which mortals are put.
const mortalMark = markPrefix + "mortals"

// mortalStep puts a new user into a group and deletes it, while the members of the group are changed by others: the user leaves by itself, and nobody else
// does.
func (w *workload) mortalStep(ctx context.Context, e *event, d draw) {
	group := w.mortalGroups[d.target%len(w.mortalGroups)]
	e.groups, e.client, e.id = true, 0, group
	if d.whether%2 == 0 {
		e.verb = patch
		w.do(ctx, e, request{method: "PATCH", path: "/Groups/" + group, body: w.groupPatch(e, keepName(d), "", mortalMark, w.some(d))})
		return
	}
	body := fmt.Sprintf(`{"schemas":[%q],"userName":"mortal-%d@corp.test"}`, userSchema, e.seq)
	made, err := w.d.send(ctx, e.replica, idps[0], request{method: "POST", path: "/Users", body: body})
	if err != nil || made.status != http.StatusCreated {
		return
	}
	id := made.id()
	w.mortal.Store(id, false)
	join := request{method: "PATCH", path: "/Groups/" + group, body: patchBody(`{"op":"add","path":"members","value":` + memberList(id) + `}`)}
	joined, joinErr := w.d.send(ctx, 1-e.replica, idps[0], join)
	deleted, err := w.d.send(ctx, e.replica, idps[0], request{method: "DELETE", path: "/Users/" + id})
	if err != nil || joinErr != nil || joined.status != http.StatusNoContent || deleted.status != http.StatusNoContent {
		return
	}
	w.mortal.Store(id, true)
	for i := range w.d.replicas {
		seen, err := w.d.send(ctx, i, idps[0], request{method: "GET", path: "/Users/" + id})
		if err == nil && !unclear(seen.status) && seen.status != http.StatusNotFound {
			w.violated(ruleUser, "a deleted user is read at replica %d: %d %s", i, seen.status, seen.raw)
		}
	}
}

// keepName turns a rename into an addition.
func keepName(d draw) draw {
	if d.more[4]%10 > 7 {
		d.more[4] = 0
	}
	return d
}
