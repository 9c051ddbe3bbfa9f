// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"net/http"
	"strings"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// minEmptied is the size from which a pushed group is not emptied without an approval.
const minEmptied = 5

// groupsOff checks that no call changes a group while its app has PushGroups off, and has for so long that the engine knows.
func (w *world) groupsOff(c *call) {
	if c.method == http.MethodGet || !strings.HasPrefix(c.path, "/Groups") || w.scimApp(c.app.name).HasFeature(v1alpha1.FeaturePushGroups) {
		return
	}
	if on, ever := w.checks.pushedGroups[c.app.name]; !ever || time.Since(on) > decided {
		w.fail("2 groups", "call %d changes a group of %s, and PushGroups is off", c.id, c.app.name)
	}
}

// emptied is the second half of property 3: a pushed group of some size loses all of its members only by an approval.
func (w *world) emptied(a *app, r *resource, before, after map[string]any) {
	had, has := len(values(before["members"])), len(values(after["members"]))
	last := r.versions[len(r.versions)-1].at
	switch {
	case had < minEmptied || has > 0 || w.checks.approvedGroups[a.name+"/"+r.id]:
	case time.Since(last) < a.settle+decided:
		// The engine may have seen fewer members.
	default:
		w.fail("3 emptied", "%s: the group %s has lost its %d members at once", a.name, r.id, had)
	}
}

// beginPause notes an answer that asks for no calls for a while.
func (p *process) beginPause(a *app, answer answer) {
	var seconds int64
	for _, digit := range answer.header["Retry-After"] {
		seconds = seconds*10 + int64(digit-'0')
	}
	if answer.status >= http.StatusBadRequest && seconds > 0 {
		p.paused(a.name, time.Now().Add(time.Duration(seconds)*time.Second))
	}
}

// paused notes that a process must not call an app before a time. The latest one counts.
func (p *process) paused(app string, until time.Time) {
	if have := p.pauses[app]; until.After(have.until) {
		p.pauses[app] = pause{until: until, routines: p.w.begun}
	}
}

// pause is until when a process must not call an app. routines had begun before, and may still call.
type pause struct {
	until    time.Time
	routines int
}

// respects checks that no worker calls an app before the time that the app has asked for.
func (p *process) respects(r *routine, c *call) {
	if have := p.pauses[c.app.name]; r != nil && r.ofWorker() && r.number > have.routines && time.Now().Before(have.until) {
		p.w.fail("1 pause", "call %d of %s to %s: the app has asked for no calls for another %s", c.id, p.name, c.app.name, time.Until(have.until))
	}
}

// ofWorker reports whether a routine is the look of an app's worker at a key: no other routine with a key calls an app.
func (r *routine) ofWorker() bool { return r.key != "" }
