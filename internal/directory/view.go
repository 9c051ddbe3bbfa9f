// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A view is the live objects of one kind in one namespace, in the order of listings: what the watch has shown, and the writes of this replica that it has not shown
// yet, so that a listing is never behind a write that this replica has acknowledged. It holds the cache's own objects, not copies. It may be used by many goroutines at
// once.
//
// Which of two states of an object is the newer one is told by their resourceVersions, which Kubernetes lets compare within a kind.
type view struct {
	clock Clock

	mu   sync.RWMutex
	rows ordered
	// names are the users in rows by folded userName.
	names map[string]client.Object
	// own are writes of this replica that the watch has not shown, by metadata.name. Their objects are in rows.
	own map[string]ownWrite
	// passed are users that the watch has shown in a state that is over, by metadata.name: another one has taken their name since. Their rows are from before.
	passed map[string]client.Object
	// gone are the objects that this replica has deleted, until the watch shows it, by UID.
	gone map[types.UID]ownWrite
	// seen is the highest resourceVersion that the watch has shown.
	seen string
	// sweepAt is the number of entries of gone at which those are looked for that the watch will never show.
	sweepAt int
}

type ownWrite struct {
	obj client.Object
	at  time.Time
	// checked is when the API server was last asked whether the object is still there.
	checked time.Time
}

const (
	minSweep = 1000
	// oldWrite is when something is wrong with a write that the watch does not show.
	oldWrite = time.Minute
	// recheck is how long the API server's answer about a write is believed.
	recheck = time.Second
	// maxChecks is how many writes a listing asks about: should the watch have stopped, all of them are doubtful.
	maxChecks = 16
)

func newView(clock Clock) *view {
	return &view{
		clock: clock, names: map[string]client.Object{}, own: map[string]ownWrite{}, passed: map[string]client.Object{}, gone: map[types.UID]ownWrite{},
		sweepAt: minSweep,
	}
}

// newer is whether a is a later state than b. What is no resourceVersion of Kubernetes counts as old.
func newer(a, b string) bool {
	order, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && order > 0
}

func sameObject(a, b client.Object) bool { return a.GetUID() == b.GetUID() }

// window is that of the rows, as one state.
func (v *view) window(after *rowKey, skip, n int) (objects []client.Object, left int) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.rows.window(after, skip, n)
}

// shown takes what the watch shows: an object, and what it knew of that name before, or nil.
func (v *view) shown(before, obj client.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.advance(obj)
	if before != nil && !sameObject(before, obj) {
		v.hide(before)
	}
	w, own := v.own[obj.GetName()]
	if own && newer(w.obj.GetResourceVersion(), obj.GetResourceVersion()) {
		return
	}
	_, deleted := v.gone[obj.GetUID()]
	if alive(obj) && !deleted && v.outrun(obj) {
		v.passed[obj.GetName()] = obj
		return
	}
	delete(v.passed, obj.GetName())
	if own {
		v.forget(w.obj)
	}
	switch {
	case obj.GetDeletionTimestamp() != nil:
		delete(v.gone, obj.GetUID())
		v.hide(obj)
	case deleted:
	case alive(obj):
		v.put(obj)
	default:
		v.hide(obj)
	}
}

// vanished takes what the watch shows to be gone.
func (v *view) vanished(obj client.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.advance(obj)
	delete(v.gone, obj.GetUID())
	v.end(obj)
}

// end takes the object out of all that is shown.
func (v *view) end(obj client.Object) {
	if w, ok := v.own[obj.GetName()]; ok && sameObject(w.obj, obj) {
		v.forget(w.obj)
	}
	if p := v.passed[obj.GetName()]; p != nil && sameObject(p, obj) {
		delete(v.passed, obj.GetName())
	}
	v.hide(obj)
}

func (v *view) advance(obj client.Object) {
	if v.seen == "" || newer(obj.GetResourceVersion(), v.seen) {
		v.seen = obj.GetResourceVersion()
	}
}

// put shows the object as it is.
func (v *view) put(obj client.Object) {
	if shown := v.rows.get(keyOf(obj)); shown != nil {
		v.unname(shown)
	}
	v.rows.put(obj)
	if name := nameOf(obj); name != "" {
		v.names[name] = obj
	}
}

// hide takes the object out of the rows, not another one that has its metadata.name by now.
func (v *view) hide(obj client.Object) {
	if shown := v.rows.get(keyOf(obj)); shown != nil && sameObject(shown, obj) {
		v.unname(shown)
		v.rows.remove(keyOf(obj))
	}
}

func (v *view) unname(shown client.Object) {
	if holder := v.names[nameOf(shown)]; holder != nil && sameObject(holder, shown) {
		delete(v.names, nameOf(shown))
	}
}

// forget takes an own write out, and its object.
func (v *view) forget(obj client.Object) {
	delete(v.own, obj.GetName())
	v.hide(obj)
}

// wrote takes a write of this replica.
func (v *view) wrote(obj client.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.record(obj)
}

func (v *view) record(obj client.Object) {
	if _, deleted := v.gone[obj.GetUID()]; deleted || !alive(obj) {
		return
	}
	delete(v.passed, obj.GetName())
	if shown := v.rows.get(keyOf(obj)); shown != nil && sameObject(shown, obj) && !newer(obj.GetResourceVersion(), shown.GetResourceVersion()) {
		return
	}
	if w, ok := v.own[obj.GetName()]; ok {
		if newer(w.obj.GetResourceVersion(), obj.GetResourceVersion()) {
			return
		}
		v.forget(w.obj)
	}
	v.own[obj.GetName()] = ownWrite{obj: obj, at: v.clock.Now()}
	v.put(obj)
}

// removed takes a deletion by this replica.
func (v *view) removed(obj client.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.end(obj)
	v.gone[obj.GetUID()] = ownWrite{obj: obj, at: v.clock.Now()}
	if len(v.gone) >= v.sweepAt {
		v.sweep()
	}
}

// sweep forgets deletions that the watch had shown before this replica heard of them itself.
func (v *view) sweep() {
	for uid, w := range v.gone {
		if v.clock.Now().Sub(w.at) > oldWrite && newer(v.seen, w.obj.GetResourceVersion()) {
			delete(v.gone, uid)
		}
	}
	v.sweepAt = max(minSweep, 2*len(v.gone))
}

// recentWrites are the writes of this replica that the watch had not shown at some moment.
type recentWrites struct {
	own  map[string]client.Object
	gone map[types.UID]bool
}

func (v *view) recent() recentWrites {
	v.mu.RLock()
	defer v.mu.RUnlock()
	r := recentWrites{own: make(map[string]client.Object, len(v.own)), gone: make(map[types.UID]bool, len(v.gone))}
	for name, w := range v.own {
		r.own[name] = w.obj
	}
	for uid := range v.gone {
		r.gone[uid] = true
	}
	return r
}

// over lays the writes over objects that an index of the cache has found: all of them, whether the index would find them or not.
func (r recentWrites) over(found []client.Object) []client.Object {
	var objects []client.Object
	for _, obj := range r.withoutOutrun(found) {
		if r.gone[obj.GetUID()] || !alive(obj) {
			continue
		}
		if w := r.own[obj.GetName()]; w != nil {
			if newer(w.GetResourceVersion(), obj.GetResourceVersion()) {
				continue
			}
			delete(r.own, obj.GetName())
		}
		objects = append(objects, obj)
	}
	for _, obj := range r.own {
		objects = append(objects, obj)
	}
	return objects
}

// doubtful are own writes that the watch has passed, or not shown for long: another replica may have deleted the object before this one heard of its own write. That is
// rare, and each is asked about once a second at most.
func (v *view) doubtful() []client.Object {
	now := v.clock.Now()
	doubt := func(w ownWrite) bool {
		return (newer(v.seen, w.obj.GetResourceVersion()) || now.Sub(w.at) > oldWrite) && now.Sub(w.checked) >= recheck
	}
	v.mu.RLock()
	var objects []client.Object
	for _, w := range v.own {
		if doubt(w) && len(objects) < maxChecks {
			objects = append(objects, w.obj)
		}
	}
	v.mu.RUnlock()
	if len(objects) == 0 {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	var mine []client.Object
	for _, obj := range objects {
		// Another listing may have come first.
		if w, ok := v.own[obj.GetName()]; ok && w.obj == obj && doubt(w) {
			w.checked = now
			v.own[obj.GetName()] = w
			mine = append(mine, obj)
		}
	}
	return mine
}

// verify asks the API server about the doubtful writes. One that it says nothing about is shown on.
func (v *view) verify(ctx context.Context, live api) {
	for _, obj := range v.doubtful() {
		current := obj.DeepCopyObject().(client.Object)
		err := live.Get(ctx, client.ObjectKeyFromObject(obj), current)
		if apierrors.IsNotFound(err) || err == nil && (!sameObject(current, obj) || !alive(current)) {
			v.drop(obj)
		}
	}
}

// drop forgets an own write, unless there is a newer one.
func (v *view) drop(obj client.Object) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if w, ok := v.own[obj.GetName()]; ok && w.obj == obj {
		v.forget(obj)
	}
}
