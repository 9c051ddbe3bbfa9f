// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"maps"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

const (
	// maxEndSteps bounds the end of a run.
	maxEndSteps = 60_000
	// endTime is how long the end lasts: a retry that is due after an hour happens several times.
	endTime = 4 * time.Hour
)

// calm ends everything that is wrong.
func (w *world) calm() {
	w.trace("the end: nothing is wrong any more")
	w.plan.slowWrites, w.plan.drops = 0, 0
	for _, name := range w.appNames {
		w.endFaults(w.apps[name])
		w.apps[name].faults.losses = 0
		if !w.repair(name) && w.chance(.5) {
			w.rotate(name)
		}
		if w.scimApp(name).Spec.Suspend && w.chance(.8) {
			w.editApp(name, "suspend false", func(a *v1alpha1.ScimApp) { a.Spec.Suspend = false })
		}
	}
	for _, p := range slices.Clone(w.processes) {
		if p.steps >= 0 {
			w.kill(p, true)
		}
	}
}

// rest lets the engine work until it has been at rest for long.
func (w *world) rest(why string, d time.Duration) {
	end, steps := time.Now().Add(d), 0
	for w.failed == nil {
		actions := w.prepare()
		if len(actions) > 0 {
			w.steps++
			if steps++; steps > maxEndSteps {
				w.fail("1 rest", "the engine does not come to rest (%s)", why)
			}
			w.choose(actions)
			continue
		}
		at := w.next()
		if at.After(end) {
			break
		}
		w.sleepUntil(at)
	}
	w.sleepUntil(end)
	w.trace("at rest (%s)", why)
}

// approveAll approves one batch of each app that has any.
func (w *world) approveAll() bool {
	any := false
	for _, name := range slices.Sorted(maps.Keys(w.apps)) {
		object := w.scimApp(name)
		if len(object.Status.Batches) > 0 && !object.Spec.Suspend {
			w.approve(object, object.Status.Batches[0].Digest)
			any = true
		}
	}
	return any
}

func (w *world) scimApp(name string) *v1alpha1.ScimApp {
	return w.api.get("ScimApp", key(name)).(*v1alpha1.ScimApp)
}
