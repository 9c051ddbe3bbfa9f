// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// bulk is a request of several operations (RFC 7644 3.7).
type bulk struct {
	failOnErrors int
	operations   []*operation
	// made are the POSTs, by what refers to them.
	made map[string]*operation
	// users and groups are those that it makes and goes on to change, joiners the users that it only makes members of groups: nobody deletes
	// them.
	users, groups []pooled
	joiners       []string
	// unknown: no answer came, so nobody knows which operations were done.
	unknown bool
}

// operation is one of them.
type operation struct {
	*event
	request request
	bulkID  string
	// first are the operations that have to be done before.
	first []*operation
	// partner is the other POST of a circle, and removal what undoes this one.
	partner *operation
	removal *event
	// result is that in the answer, nil where there is none.
	result *bulkResult
}

type bulkResult struct {
	Location, Method, BulkID, Version, Status string
	Response                                  map[string]any
}

const (
	bulkSchema = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"
	// bulkRef begins what stands for the id of something that another operation makes.
	bulkRef = "bulkId:"
	// joinerPrefix begins the userNames of users that stay.
	joinerPrefix = "member-"
)

// bulkStep sends a bulk request, and looks at what it has changed. The client that takes over sends none: it would take what the others have.
func (w *workload) bulkStep(ctx context.Context, like *event, d draw, next func() draw) {
	like.client %= 2
	b := w.drawBulk(like, d, next)
	call := w.clock.now()
	a, err := w.d.send(ctx, like.replica, idps[like.client], b.request())
	ret := w.clock.now()
	for i, o := range b.operations {
		o.call, o.ret, o.bulk = call, ret, b
		o.about = fmt.Sprintf("operation %d of %d, failOnErrors %d: %s %s If-Match %s %s",
			i+1, len(b.operations), b.failOnErrors, o.request.method, o.request.path, o.request.header["If-Match"], o.request.body)
	}
	if b.unknown = err != nil || unclear(a.status); b.unknown {
		w.refusals(a, err)
		for _, o := range b.operations {
			w.add(o.event)
			if o.partner != nil {
				w.add(w.removal(o))
			}
		}
		return
	}
	if err := b.results(a); err != nil {
		w.violated(ruleBulk, "%v: %s = %d %s", err, b.request().body, a.status, a.raw)
		return
	}
	base := "https://" + w.d.replicas[like.replica].address + "/" + w.d.Namespace + "/" + idps[like.client].name + "/scim/v2"
	changed := map[string]*operation{}
	done := b.done()
	for i, o := range done {
		if err := w.took(o, base); err != nil {
			w.violated(ruleBulk, "%v: %s in %s = %s", err, o, b.request().body, a.raw)
		}
		if o.ok() {
			changed[o.id] = o
		}
		if o.endsCircle(done[:i]) {
			w.remove(o, o.partner)
		}
	}
	w.remove(done...)
	w.lookAt(ctx, changed)
}

// lookAt reads what was changed: the groups one by one, the users in a listing.
func (w *workload) lookAt(ctx context.Context, changed map[string]*operation) {
	var user *event
	for id, o := range changed {
		if !o.groups {
			user = o.event
			continue
		}
		e := &event{groups: true, verb: get, id: id, worker: o.worker, replica: (o.seq + 1) % 2, client: o.client, seq: int(w.seq.Add(1))}
		w.do(ctx, e, request{method: "GET", path: "/Groups/" + id})
	}
	if user != nil {
		w.listAfter(ctx, user)
	}
}

// drawBulk makes a bulk request.
func (w *workload) drawBulk(like *event, d draw, next func() draw) *bulk {
	b := &bulk{made: map[string]*operation{}}
	if d.spelling%3 == 0 {
		b.failOnErrors = 1 + d.spelling/3%2
	}
	for range 2 + d.value%4 {
		w.addOperations(b, like, next())
	}
	if d.target%3 == 0 {
		// References then come before what they refer to.
		slices.Reverse(b.operations)
	}
	b.wait()
	return b
}

func (w *workload) newOperation(b *bulk, like *event, groups bool, v verb) *operation {
	e := &event{groups: groups, verb: v, worker: like.worker, replica: like.replica, client: like.client, seq: int(w.seq.Add(1))}
	o := &operation{event: e, bulkID: fmt.Sprintf("b%d", e.seq)}
	b.operations = append(b.operations, o)
	if v == create {
		b.made[bulkRef+o.bulkID] = o
	}
	return o
}

// addOperations adds one operation, or a user and a group that it joins.
func (w *workload) addOperations(b *bulk, like *event, d draw) {
	userName, displayName := spelled(fmt.Sprintf("u%d@corp.test", d.name%userNames), d.spelling), spelled(fmt.Sprintf("group %d", d.name%groupNames), d.spelling)
	add := func(groups bool, v verb, request func(e *event) request) pooled {
		o := w.newOperation(b, like, groups, v)
		o.request = request(o.event)
		return pooled{bulkRef + o.bulkID, o.mark, o.client}
	}
	if d.more[1]%8 == 0 {
		w.addCircle(b, like, d)
		return
	}
	v := []verb{put, patch, patch, remove}[d.more[4]%4]
	kind := d.kind % 10
	switch {
	case kind < 2:
		b.users = append(b.users, add(false, create, func(e *event) request { return w.createUser(e, d, userName) }))
	case kind < 5:
		if target, ok := w.users.pickFor(like.client, d, 12, b.users); ok {
			add(false, v, func(e *event) request { return w.changeUser(e, d, userName, target) })
		}
	case kind < 7:
		name := fmt.Sprintf("%sof-%d@corp.test", joinerPrefix, w.seq.Load())
		if d.spelling%4 == 0 {
			name = joinerPrefix + "0@corp.test" // which is taken
		}
		b.joiners = append(b.joiners, add(false, create, func(e *event) request { return w.createUser(e, d, name) }).id)
	}
	switch ids := append(w.some(d), b.joiners...); {
	case kind < 5:
	case kind < 6, kind == 7:
		b.groups = append(b.groups, add(true, create, func(e *event) request { return w.createGroup(e, d, displayName, ids) }))
	default:
		if target, ok := w.groups.pickFor(like.client, d, 5, b.groups); ok {
			add(true, v, func(e *event) request { return w.changeGroup(e, d, displayName, target, ids) })
		}
	}
}

// pickFor gives something that the client may change: more often than not its own, or something that the same request makes.
func (p *pool) pickFor(client int, d draw, among int, made []pooled) (x pooled, ok bool) {
	if len(made) > 0 && d.more[0]%2 == 0 {
		return made[d.target%len(made)], true
	}
	for range 4 {
		if x, ok = p.pick(d, among); x.client == client {
			break
		}
		d.target++
	}
	return x, ok
}

// wait finds out which operations wait for which: those that refer to something for what makes it, those on one resource for each other.
func (b *bulk) wait() {
	on := map[string]*operation{}
	for _, o := range b.operations {
		for _, ref := range o.refs() {
			o.first = append(o.first, b.made[ref])
		}
		if before := on[o.request.path]; before != nil && o.verb != create {
			o.first = append(o.first, before)
		}
		on[o.request.path] = o
		if o.partner != nil && !slices.Contains(o.first, o.partner) {
			// Those of a circle are made in the order of the request.
			o.partner.first = append(o.partner.first, o)
		}
	}
}

// refs are the references of an operation.
func (o *operation) refs() []string {
	refs := []string{o.id}
	for _, change := range o.group.members {
		refs = append(refs, change.ids...)
	}
	return slices.DeleteFunc(refs, func(id string) bool { return !strings.HasPrefix(id, bulkRef) })
}

func (b *bulk) request() request {
	operations := make([]map[string]any, 0, len(b.operations))
	for _, o := range b.operations {
		in := map[string]any{"method": o.request.method, "path": o.request.path, "bulkId": o.bulkID}
		if o.request.body != "" {
			in["data"] = json.RawMessage(o.request.body)
		}
		if version := o.request.header["If-Match"]; version != "" {
			in["version"] = version
		}
		operations = append(operations, in)
	}
	body := map[string]any{"schemas": []string{bulkSchema}, "Operations": operations}
	if b.failOnErrors > 0 {
		body["failOnErrors"] = b.failOnErrors
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return request{method: http.MethodPost, path: "/Bulk", body: string(raw)}
}

// results gives the operations their results. They are in the order of the request, and missing only where failOnErrors has ended it.
func (b *bulk) results(a answer) error {
	if a.status != http.StatusOK {
		return fmt.Errorf("status %d", a.status)
	}
	var body struct{ Operations []*bulkResult }
	if err := json.Unmarshal([]byte(a.raw), &body); err != nil {
		return err
	}
	left := body.Operations
	for _, o := range b.operations {
		if len(left) > 0 && left[0].BulkID == o.bulkID && left[0].Method == o.request.method {
			o.result, left = left[0], left[1:]
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("the result of %q is out of order", left[0].BulkID)
	}
	done := b.done()
	for _, o := range b.operations {
		if begun := slices.Contains(done, o); begun != (o.result != nil) {
			return fmt.Errorf("%s: it has to be begun: %t, it has a result: %t", o.bulkID, begun, o.result != nil)
		}
	}
	return nil
}

// done are the operations that the answer tells to be begun, in their order: that of the request, but that some wait for others.
func (b *bulk) done() []*operation {
	var done []*operation
	errors := 0
	for b.failOnErrors == 0 || errors < b.failOnErrors {
		i := slices.IndexFunc(b.operations, func(o *operation) bool {
			return !slices.Contains(done, o) && !slices.ContainsFunc(o.first, func(f *operation) bool { return !slices.Contains(done, f) })
		})
		if i < 0 {
			break
		}
		o := b.operations[i]
		done = append(done, o)
		if o.failed() && !o.undone() {
			errors++
		}
		if o.endsCircle(done) {
			errors += o.undoneHere()
		}
	}
	return done
}

func (o *operation) failed() bool { return o.result != nil && o.result.Response != nil }

// took puts the result into the operation's event and the event into the history, and says what is wrong with the result for itself.
func (w *workload) took(o *operation, base string) error {
	r := o.result
	raw, _ := json.Marshal(r) // what was unmarshalled can be marshalled
	o.about += " = " + string(raw)
	a := answer{json: r.Response}
	var err error
	if a.status, err = strconv.Atoi(r.Status); err != nil {
		return err
	}
	if o.partner != nil && !o.alone() {
		return w.tookHalf(o)
	}
	for _, ref := range o.refs() {
		if o.bulk.made[ref].failed() {
			// It was not tried.
			if detail := fmt.Sprint(r.Response["detail"]); a.status != http.StatusConflict || !strings.Contains(detail, strings.TrimPrefix(ref, bulkRef)) {
				return fmt.Errorf("what it refers to has failed")
			}
			return nil
		}
	}
	o.resolve()
	if o.status = a.status; unclear(a.status) {
		o.status = 0
	}
	w.protocol(o.event, a)
	location := base + o.request.path
	switch {
	case o.verb == create && o.ok():
		o.id = strings.TrimPrefix(r.Location, location+"/")
		location += "/" + o.id
	case o.verb == create:
		location = ""
	default:
		location = base + map[bool]string{true: "/Groups/", false: "/Users/"}[o.groups] + o.id
	}
	if o.version = r.Version; (o.version != "") != (o.ok() && o.verb != remove) {
		err = fmt.Errorf("version %q", r.Version)
	}
	if r.Location != location || o.ok() != (r.Response == nil) {
		err = fmt.Errorf("the location is not %s, or there is an error in a success", location)
	}
	w.pool(o.event)
	w.add(o.event)
	return err
}

// pool tells the pools what an operation has made or deleted.
func (w *workload) pool(e *event) {
	p := &w.users
	if e.groups {
		p = &w.groups
	}
	switch {
	case !e.ok() || e.wants() != "" && strings.HasPrefix(e.wants(), joinerPrefix):
	case e.verb == create:
		p.add(e.id, e.mark, e.client)
	case e.verb == remove:
		p.died(e.id)
	}
}

// resolve puts the ids of what was made in the place of references.
func (e *event) resolve() {
	id := func(ref string) string {
		if o := e.bulk.made[ref]; o != nil {
			return o.id
		}
		return ref
	}
	e.id = id(e.id)
	members := make([]memberChange, 0, len(e.group.members))
	for _, change := range e.group.members {
		ids := make([]string, 0, len(change.ids))
		for _, member := range change.ids {
			ids = append(ids, id(member))
		}
		members = append(members, memberChange{change.op, ids})
	}
	e.group.members = members
}

// inBulk gives the operations of bulk requests what could not be known at once: the ids that references stand for where no answer came, and
// what the version in a result shows, from answers with the same ETag.
func inBulk(events []*event) []*event {
	users, groups := map[string]seenUser{}, map[string]seenGroup{}
	key := func(client int, id, etag string) string { return fmt.Sprint(client, id, etag) }
	for _, e := range events {
		for _, s := range e.seenUsers {
			users[key(e.client, s.id, s.etag)] = s
		}
		for _, s := range e.seenGroups {
			if s.members != unlisted && len(s.mortal) == 0 {
				groups[key(e.client, s.id, s.etag)] = s
			}
		}
	}
	all := make([]*event, 0, len(events))
	for _, e := range events {
		if e.bulk != nil {
			one := *e
			if e.bulk.unknown || e.undo {
				one.resolve()
			}
			if s, ok := users[key(e.client, e.id, e.version)]; ok && e.version != "" {
				one.seenUsers = []seenUser{s}
			}
			if s, ok := groups[key(e.client, e.id, e.version)]; ok && e.version != "" {
				one.seenGroups = []seenGroup{s}
			}
			e = &one
		}
		all = append(all, e)
	}
	return all
}

// chained gives operations of one bulk request the order in which they were done, which is that of the events. One that nobody knows the end
// of may end later than others.
func chained(events []*event) []*event {
	last := map[*bulk]*event{}
	all := make([]*event, 0, len(events))
	for i, e := range events {
		if e.bulk != nil && (e.status != 0 || e.bounded) {
			one := *e
			one.number, one.after, one.awaited = i+1, 0, false
			if before := last[e.bulk]; before != nil {
				one.after, before.awaited = before.number, true
			}
			last[e.bulk], e = &one, &one
		}
		all = append(all, e)
	}
	return all
}
