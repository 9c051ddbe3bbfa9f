// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Operations, as Call.Op and Fault.Op.
const (
	UsersFind     = "Users.find" // a list with a filter
	UsersList     = "Users.list"
	UsersGet      = "Users.get"
	UsersCreate   = "Users.create"
	UsersReplace  = "Users.replace"
	UsersPatch    = "Users.patch"
	UsersDelete   = "Users.delete"
	GroupsFind    = "Groups.find"
	GroupsList    = "Groups.list"
	GroupsGet     = "Groups.get"
	GroupsCreate  = "Groups.create"
	GroupsReplace = "Groups.replace"
	GroupsPatch   = "Groups.patch"
	GroupsDelete  = "Groups.delete"
	// Other is a request to a path or with a method that the app does not have.
	Other = "other"
)

// Phase of a call, for OnCall.
type Phase string

const (
	// BeforeCommit: the request is understood and allowed, nothing is changed yet.
	BeforeCommit Phase = "before"
	// AfterCommit: the change is made, no byte of the answer is sent yet.
	AfterCommit Phase = "after"
)

// Call is a request that the app got.
type Call struct {
	// Number counts from 1.
	Number int
	// Op is one of the operations above.
	Op     string
	Method string
	// Path below the base path, with {id} in place of an id.
	Path string
	// Subject is the userName or displayName of the resource concerned, where there is one.
	Subject string
	// Status is 0 in the hook before the commit.
	Status int
	// Write is true for anything but GET.
	Write bool
	// Lost: the answer was not sent.
	Lost bool
	At   time.Time
}

type calls struct {
	mu     sync.Mutex
	list   []Call
	counts map[string]int
	next   int
	hook   func(Call, Phase)
}

func (c *calls) begin(call *Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.next++
	call.Number = c.next
}

func (c *calls) add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.list = append(c.list, call)
	c.counts[call.Op]++
}

func (c *calls) run(call Call, phase Phase) {
	c.mu.Lock()
	hook := c.hook
	c.mu.Unlock()
	if hook != nil {
		hook(call, phase)
	}
}

// OnCall sets a hook that runs in the request's goroutine before and after the commit of each call that reaches the store; nil takes it away. What the app
// refuses at the door (token, rate limit, injected answer) does not reach it.
func (a *App) OnCall(hook func(Call, Phase)) {
	a.calls.mu.Lock()
	defer a.calls.mu.Unlock()
	a.calls.hook = hook
}

// Calls returns every call so far, in the order in which they were done.
func (a *App) Calls() []Call {
	a.calls.mu.Lock()
	defer a.calls.mu.Unlock()
	return slices.Clone(a.calls.list)
}

// Counts returns the number of calls by operation.
func (a *App) Counts() map[string]int {
	a.calls.mu.Lock()
	defer a.calls.mu.Unlock()
	return maps.Clone(a.calls.counts)
}

// Writes returns the number of calls other than reads.
func (a *App) Writes() int {
	a.calls.mu.Lock()
	defer a.calls.mu.Unlock()
	n := 0
	for _, call := range a.calls.list {
		if call.Write {
			n++
		}
	}
	return n
}

// ResetCalls forgets the calls so far.
func (a *App) ResetCalls() {
	a.calls.mu.Lock()
	defer a.calls.mu.Unlock()
	a.calls.list, a.calls.counts = nil, nil
}
