// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"time"

	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/scim-operator/scim-operator/internal/kube"
)

const (
	// resyncStep is how often the resyncs of a process go on. A real one has smaller steps.
	resyncStep = time.Minute
	// resyncRest is how long a change may take to arrive once a resync has found it: the guard counts, outcomes are gathered, and late effects are waited for.
	resyncRest = 10 * time.Minute
	// resyncChanges is how many changes are made one by one at the end of a seed with lost events.
	resyncChanges = 3
)

// schedule is the one that the operator has by default.
var schedule = kube.Schedule{Period: 30 * time.Minute, Clock: clock.RealClock{}}

// deafened has the events of one kind lost in every ninth seed. Only there, and where single events are lost, is there a resync: elsewhere it would hide what does not
// arrive without it.
func (w *world) deafened() {
	if w.options.Seed%9 == 2 && w.plan.drops == 0 {
		w.plan.deaf = pickOne(w, kinds...)
	}
	w.plan.resync = w.plan.drops > 0 || w.plan.deaf != ""
}

// counted is the queue of a controller, which takes what a resync enqueues. Each look at a key that is in sync is allowed, and no call.
type counted struct {
	w     *world
	queue *queue
}

// AddLow implements what a resync needs.
func (c counted) AddLow(request reconcile.Request) {
	c.w.checks.allow(2, 0)
	c.queue.AddLow(request)
}

// resynced sets the resyncs of the controllers, in the order of the controllers.
func (p *process) resynced(of map[*controller]*kube.Resync) {
	for _, c := range p.controllers {
		of[c].Into(counted{p.w, c.queue})
		p.resyncs = append(p.resyncs, of[c])
	}
	p.resync = time.Now()
}

// resyncNow lets the resyncs go on, if it is time.
func (p *process) resyncNow() {
	if !p.w.plan.resync || time.Now().Before(p.resync) {
		return
	}
	for _, r := range p.resyncs {
		r.Step(p.ctx)
	}
	p.resync = time.Now().Add(resyncStep)
}

// resyncEvents are the changes after which everything has to arrive within one resync.
var resyncEvents = []func(*world) bool{
	(*world).changeTitle, (*world).deactivateUser, (*world).activateUser, (*world).createUser, (*world).deleteUser, (*world).addMember, (*world).removeMember,
	(*world).createMapping, (*world).deleteMapping, (*world).changeRoles, (*world).changeSubjects, (*world).deleteGroup, (*world).createGroup,
}

// withinOneResync makes single changes in seeds with lost events, each of which has to arrive within one resync.
func (w *world) withinOneResync() {
	if w.plan.deaf == "" {
		return
	}
	for range resyncChanges {
		for tries := 0; w.failed == nil && tries < 20 && !pickOne(w, resyncEvents...)(w); tries++ {
			continue
		}
		w.rest("one resync", schedule.Period+resyncRest)
		if w.failed == nil {
			w.checks.final(w)
		}
	}
}
