// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"net/http"
	"slices"
)

// findCycles finds the POSTs that refer to each other in a circle, or to themselves: the strongly connected components of the references (Tarjan's algorithm).
func (r *bulkRun) findCycles() {
	n := len(r.ops)
	// order counts from 1 in the order of the visits; low is the smallest order that is reached from an operation.
	order, low, onStack := make([]int, n), make([]int, n), make([]bool, n)
	var stack []int
	visits := 0
	var visit func(i int)
	visit = func(i int) {
		visits++
		order[i], low[i], onStack[i] = visits, visits, true
		stack = append(stack, i)
		itself := false
		for _, id := range r.ops[i].needs {
			j, ok := r.made[id]
			switch {
			case !ok:
			case order[j] == 0:
				visit(j)
				low[i] = min(low[i], low[j])
			case onStack[j]:
				low[i] = min(low[i], order[j])
				itself = itself || i == j
			}
		}
		if low[i] != order[i] {
			return
		}
		at := slices.Index(stack, i)
		members := slices.Clone(stack[at:])
		stack = stack[:at]
		for _, m := range members {
			onStack[m] = false
		}
		if len(members) > 1 || itself {
			r.addCycle(members)
		}
	}
	for i, op := range r.ops {
		if op.method == methodPost && order[i] == 0 {
			visit(i)
		}
	}
}

func (r *bulkRun) addCycle(members []int) {
	slices.Sort(members)
	c := &bulkCycle{members: members}
	r.cycles = append(r.cycles, c)
	for _, m := range members {
		r.cycleOf[m] = c
	}
}

// ready tells whether an operation can be done now. Those of a circle are made in the order of the request.
func (r *bulkRun) ready(i int) bool {
	if r.state[i] != bulkWaiting || slices.ContainsFunc(r.first[i], func(j int) bool { return r.state[j] != bulkSettled }) {
		return false
	}
	c := r.cycleOf[i]
	return c == nil || c.failed || !slices.ContainsFunc(c.members, func(m int) bool { return m < i && r.state[m] == bulkWaiting })
}

// joinCycle notes that a POST of a circle was made, and closes the circle with the last one.
func (r *bulkRun) joinCycle(i int, reply BulkReply, incomplete bool) {
	c := r.cycleOf[i]
	r.ids[r.ops[i].bulkID] = reply.ID
	r.state[i], r.replies[i] = bulkMade, reply
	if incomplete {
		c.incomplete = append(c.incomplete, i)
	}
	if i != c.members[len(c.members)-1] {
		return
	}
	for _, m := range c.incomplete {
		if err := r.complete(m); err != nil {
			c.culprit = r.ops[m].bulkID
			r.undo(c, "the references in the circle could not be added to bulkId \""+clip(c.culprit)+"\": "+err.Detail)
			return
		}
	}
	for _, m := range c.members {
		r.succeed(m, r.replies[m])
	}
}

// complete writes what a resource was made without.
func (r *bulkRun) complete(i int) *Error {
	op, made := r.ops[i], r.replies[i]
	body := (&resolver{ids: r.ids}).resource(op.data)
	reply := r.x.Do(BulkStep{Method: methodPut, Path: op.path + "/" + made.ID, IfMatch: made.Version, Body: appendJSON(nil, body)})
	if reply.Err == nil {
		r.replies[i].Version = reply.Version
	}
	return reply.Err
}

// undo removes what was made of a circle that is not closed, the last one first, and settles it with 409 and the reason. Where even that fails, the error says what
// is left.
func (r *bulkRun) undo(c *bulkCycle, reason string) {
	c.failed = true
	for _, m := range slices.Backward(c.members) {
		if r.state[m] != bulkMade {
			continue
		}
		op, made := r.ops[m], r.replies[m]
		err := conflict("it was made, and removed again: %s", reason)
		reply := r.x.Do(BulkStep{Method: methodDelete, Path: op.path + "/" + made.ID, IfMatch: made.Version, Undo: true})
		if reply.Err != nil && reply.Err.Status != http.StatusNotFound {
			err = conflict("it was made as %s, is not complete, and could not be removed again (%s): %s", made.Location, reply.Err.Detail, reason)
		}
		delete(r.ids, op.bulkID)
		r.settle(m, BulkResult{Status: "409", Response: err})
	}
}
