// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provision

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/kube"
)

// Outcome is what came of a call to an app for one user or group: the entry as it is to stand in the status.
type Outcome[E any] struct {
	App   string
	Entry E
	// Gone: there is nothing in the app any more, the entry is to be dropped.
	Gone bool
	// At is when it came; Event tells people of a change that was made, "" for none.
	At    time.Time
	Event string

	serial uint64
}

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

// Outcomes that are not written yet, by app.
func (o *Overlay[S, E]) Outcomes(key types.NamespacedName) map[string]Outcome[E] {
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entries[key]
	if e == nil || len(e.outcomes) == 0 {
		return nil
	}
	outcomes := make(map[string]Outcome[E], len(e.outcomes))
	for app, outcome := range e.outcomes {
		outcomes[app] = outcome
	}
	return outcomes
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

// Newest is the status that this process wrote if the cached object is older than it; nil when the cache is up to date.
func (o *Overlay[S, E]) Newest(cached client.Object) (status *S, resourceVersion string) {
	key := client.ObjectKeyFromObject(cached)
	o.mu.Lock()
	defer o.mu.Unlock()
	e := o.entries[key]
	if e == nil || e.status == nil {
		return nil, ""
	}
	if kube.OlderThan(cached, e.resourceVersion) {
		return e.status, e.resourceVersion
	}
	e.status = nil
	o.dropEmpty(key, e)
	return nil, ""
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
