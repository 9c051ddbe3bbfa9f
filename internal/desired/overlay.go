// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"maps"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/kube"
)

// Outcome is what came of a call to an app for one user or group: the entry as it is to stand in the status.
type Outcome[E any] struct {
	App string
	// UID of the object that it is about: another one may have the name by now.
	UID   types.UID
	Entry E
	// Gone: there is nothing in the app any more, the entry is to be dropped.
	Gone bool
	// At is when it came; Event tells people of a change that was made, "" for none.
	At    time.Time
	Event string

	serial uint64
}

// EventVanished: what was in the app is not there any more. All other events are what was done, such as Created.
const EventVanished = "Vanished"

// Overlay holds what the cache does not show yet: outcomes that are not written, and statuses that this process wrote but the watch has
// not brought back. Decisions are made on the cache with the overlay laid over it; otherwise a call would be made twice in the moment
// between a write and its event.
type Overlay[S, E any] struct {
	mu      sync.Mutex
	serial  uint64
	entries map[types.NamespacedName]*overlaid[S, E]
}

type overlaid[S, E any] struct {
	resourceVersion string
	status          *S
	outcomes        map[string]Outcome[E]
}

// NewOverlay makes an empty one.
func NewOverlay[S, E any]() *Overlay[S, E] {
	return &Overlay[S, E]{entries: map[types.NamespacedName]*overlaid[S, E]{}}
}

// Put keeps an outcome until a write that holds it is told with Written. A newer outcome of the same app replaces an older one.
func (o *Overlay[S, E]) Put(key types.NamespacedName, outcome Outcome[E]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.serial++
	outcome.serial = o.serial
	e := o.entry(key)
	e.outcomes[outcome.App] = outcome
}

// Pending is whether there is an outcome that is not written yet.
func (o *Overlay[S, E]) Pending(key types.NamespacedName) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entries[key]
	return e != nil && len(e.outcomes) > 0
}

// Complete is whether these are the outcomes of the object that are not written yet, and no other has come since they were looked at.
func (o *Overlay[S, E]) Complete(key types.NamespacedName, uid types.UID, outcomes map[string]Outcome[E]) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entries[key]
	if e == nil {
		return true
	}
	for app, outcome := range e.outcomes {
		if seen, ok := outcomes[app]; outcome.UID == uid && (!ok || seen.serial != outcome.serial) {
			return false
		}
	}
	return true
}

// Seen is what an overlay had for an object at one moment.
type Seen[S, E any] struct {
	resourceVersion string
	status          *S
	outcomes        map[string]Outcome[E]
}

// Look has to come before the object is read from the cache: what is written and forgotten in between is then in the cache. The other way
// round, a status could be missed both in the cache and in the overlay, and a change be made twice.
func (o *Overlay[S, E]) Look(key types.NamespacedName) Seen[S, E] {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entries[key]
	if e == nil {
		return Seen[S, E]{}
	}
	return Seen[S, E]{resourceVersion: e.resourceVersion, status: e.status, outcomes: maps.Clone(e.outcomes)}
}

// Nothing is whether there is nothing to lay over the object.
func (s Seen[S, E]) Nothing() bool { return s.status == nil && len(s.outcomes) == 0 }

// Newest is the status that this process wrote if the cached object is older than it; nil when the cache is up to date.
func (s Seen[S, E]) Newest(cached client.Object) *S {
	if s.status == nil || !kube.OlderThan(cached, s.resourceVersion) {
		return nil
	}
	return s.status
}

// Outcomes that are not written yet, by app, of this very object.
func (s Seen[S, E]) Outcomes(uid types.UID) map[string]Outcome[E] {
	maps.DeleteFunc(s.outcomes, func(_ string, outcome Outcome[E]) bool { return outcome.UID != uid })
	return s.outcomes
}

// Written says that a status which holds these outcomes was written, and with which resourceVersion.
func (o *Overlay[S, E]) Written(key types.NamespacedName, resourceVersion string, status *S, outcomes map[string]Outcome[E]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entry(key)
	e.resourceVersion, e.status = resourceVersion, status
	e.settle(outcomes)
}

// Settled says that outcomes changed nothing that needs a write.
func (o *Overlay[S, E]) Settled(key types.NamespacedName, outcomes map[string]Outcome[E]) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.entries[key]; e != nil {
		e.settle(outcomes)
		o.dropEmpty(key, e)
	}
}

// CaughtUp tells of an object in the cache. A status that the cache shows is not kept any longer.
func (o *Overlay[S, E]) CaughtUp(cached client.Object) {
	key := client.ObjectKeyFromObject(cached)
	o.mu.Lock()
	defer o.mu.Unlock()
	if e := o.entries[key]; e != nil && e.status != nil && !kube.OlderThan(cached, e.resourceVersion) {
		e.status = nil
		o.dropEmpty(key, e)
	}
}

// Forget drops everything about an object that is gone.
func (o *Overlay[S, E]) Forget(key types.NamespacedName) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.entries, key)
}

func (o *Overlay[S, E]) entry(key types.NamespacedName) *overlaid[S, E] {
	e := o.entries[key]
	if e == nil {
		e = &overlaid[S, E]{outcomes: map[string]Outcome[E]{}}
		o.entries[key] = e
	}
	return e
}

func (o *Overlay[S, E]) dropEmpty(key types.NamespacedName, e *overlaid[S, E]) {
	if e.status == nil && len(e.outcomes) == 0 {
		delete(o.entries, key)
	}
}

// settle drops outcomes unless a newer one of the same app came meanwhile.
func (e *overlaid[S, E]) settle(outcomes map[string]Outcome[E]) {
	for app, outcome := range outcomes {
		if e.outcomes[app].serial == outcome.serial {
			delete(e.outcomes, app)
		}
	}
}
