// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"strconv"
)

// Run does the operations one after the other, in the order of the request as far as references allow: an operation that refers to what a later one makes waits
// for that one. Operations on one resource keep their order among each other.
//
// POSTs that refer to each other in a circle are made without the references to those that are not there yet, and completed with a PUT, bound to the version
// that was made, as soon as all of them are (RFC 7644 3.7.1: such references have to be tried, and may be answered with 409). They stand and fall together: if
// one fails, those that were made are removed again and answered with 409.
//
// An operation that refers to one that failed is not tried: 409, with its bulkId.
func (b *Bulk) Run(x BulkExecutor) *BulkResponse {
	r := newBulkRun(b, x)
	for !r.stopped() {
		i := r.next()
		if i < 0 {
			break
		}
		r.run(i)
	}
	for _, c := range r.cycles {
		r.undo(c, "the request ended, by failOnErrors, before what it refers to was made")
	}
	return r.response()
}

type bulkState int

const (
	bulkWaiting bulkState = iota
	// bulkMade is a POST of a circle that waits for the others.
	bulkMade
	// bulkSettled operations have a result.
	bulkSettled
)

// bulkRun is the work on one bulk request. Operations go by their index.
type bulkRun struct {
	*Bulk
	x BulkExecutor
	// first are the operations that have to be settled before each one.
	first [][]int
	// cycleOf is the circle of an operation, or nil.
	cycleOf []*bulkCycle
	cycles  []*bulkCycle

	state []bulkState
	// replies are the last ones to what makes, or completes, the resources of a circle.
	replies []BulkReply
	results []*BulkResult
	errors  int
	// ids are those of the resources that were made, by bulkId.
	ids map[string]string
}

// bulkCycle is a set of POSTs that refer to each other in a circle.
type bulkCycle struct {
	// members in ascending order.
	members []int
	// incomplete are those that were made without some reference.
	incomplete []int
	// failed says that the circle cannot be closed.
	failed bool
	// culprit is the bulkId of the one that failed.
	culprit string
}

func newBulkRun(b *Bulk, x BulkExecutor) *bulkRun {
	n := len(b.ops)
	r := &bulkRun{
		Bulk: b, x: x, first: make([][]int, n), cycleOf: make([]*bulkCycle, n), state: make([]bulkState, n), replies: make([]BulkReply, n),
		results: make([]*BulkResult, n), ids: map[string]string{},
	}
	r.findCycles()
	onResource := map[string]int{}
	for i, op := range b.ops {
		for _, id := range op.needs {
			if j, ok := b.made[id]; ok && (r.cycleOf[i] == nil || r.cycleOf[i] != r.cycleOf[j]) {
				r.first[i] = append(r.first[i], j)
			}
		}
		if op.method != methodPost {
			if j, ok := onResource[op.path]; ok {
				r.first[i] = append(r.first[i], j)
			}
			onResource[op.path] = i
		}
	}
	return r
}

func (r *bulkRun) stopped() bool { return r.failOnErrors > 0 && r.errors >= r.failOnErrors }

// next is the first operation that waits for nothing, or -1 when all are settled: POSTs refer to POSTs alone, and circles of them wait as one, so there always is one
// until then.
func (r *bulkRun) next() int {
	for i := range r.ops {
		if r.ready(i) {
			return i
		}
	}
	return -1
}

func (r *bulkRun) run(i int) {
	op, c := r.ops[i], r.cycleOf[i]
	if c != nil && c.failed {
		r.fail(i, conflict("it refers, in a circle, to bulkId %q, whose operation failed", clip(c.culprit)), "")
		return
	}
	for _, id := range op.needs {
		j, known := r.made[id]
		switch {
		case !known:
			r.fail(i, InvalidValue("it refers to bulkId %q, which no POST of this request has", clip(id)), "")
			return
		case r.state[j] == bulkSettled && r.results[j].Response != nil:
			r.fail(i, conflict("it refers to bulkId %q, whose operation failed; send both again", clip(id)), "")
			return
		}
	}
	refs := &resolver{ids: r.ids}
	body := refs.resource(op.data)
	if name := refs.required(op.path); name != "" {
		r.fail(i, conflict("attribute %q refers, in a circle, to what can only be made afterwards, and is required", name), "")
		return
	}
	reply := r.x.Do(op.step(op.resolvedPath(r.ids), op.version, body))
	switch {
	case reply.Err != nil:
		r.fail(i, reply.Err, reply.Location)
	case c != nil:
		r.joinCycle(i, reply, len(refs.leftOut) > 0)
	default:
		r.succeed(i, reply)
	}
}

func (op *bulkOp) step(path, version string, body any) BulkStep {
	s := BulkStep{Method: op.method, Path: path}
	if op.method != methodPost {
		s.IfMatch = version
	}
	if op.method != methodDelete {
		s.Body = appendJSON(nil, body)
	}
	return s
}

func (r *bulkRun) succeed(i int, reply BulkReply) {
	op := r.ops[i]
	if op.method == methodPost {
		r.ids[op.bulkID] = reply.ID
	}
	r.settle(i, BulkResult{Location: reply.Location, Version: reply.Version, Status: strconv.Itoa(reply.Status)})
}

// fail settles an operation with an error. location is that of the resource where it is known.
func (r *bulkRun) fail(i int, err *Error, location string) {
	op := r.ops[i]
	switch {
	case op.method == methodPost:
		location = ""
	case location == "" && r.resolvable(op):
		location = r.x.Location(op.resolvedPath(r.ids))
	}
	r.settle(i, BulkResult{Location: location, Status: strconv.Itoa(err.Status), Response: err})
	if c := r.cycleOf[i]; c != nil && !c.failed {
		c.failed, c.culprit = true, op.bulkID
		r.undo(c, "bulkId \""+clip(op.bulkID)+"\", to which it refers in a circle, failed")
	}
}

// resolvable tells whether the resource that an operation is about has an id.
func (r *bulkRun) resolvable(op *bulkOp) bool {
	_, id, ok := cutPathRef(op.path)
	return !ok || r.ids[id] != ""
}

func (r *bulkRun) settle(i int, result BulkResult) {
	result.Method, result.BulkID = r.ops[i].method, r.ops[i].bulkID
	r.results[i], r.state[i] = &result, bulkSettled
	if result.Response != nil {
		r.errors++
	}
}

func (r *bulkRun) response() *BulkResponse {
	answer := &BulkResponse{}
	for _, result := range r.results {
		if result != nil {
			answer.Operations = append(answer.Operations, *result)
		}
	}
	return answer
}
