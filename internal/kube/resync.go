// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
)

const (
	// indexPortion finds the objects of a portion of a resync.
	indexPortion = "resync.portion"
	// portions of a resync period.
	portions = 256
	// minStep is the least time between two steps of a resync.
	minStep = 100 * time.Millisecond
)

// RegisterResync adds the index by which a Resync finds the objects of the kinds, portion by portion.
func RegisterResync(ctx context.Context, indexer client.FieldIndexer, kinds ...client.Object) error {
	var errs []error
	for _, kind := range kinds {
		errs = append(errs, indexer.IndexField(ctx, kind, indexPortion, func(object client.Object) []string {
			return []string{strconv.Itoa(portionOf(client.ObjectKeyFromObject(object)))}
		}))
	}
	return errors.Join(errs...)
}

// portionOf is when in each period an object is enqueued. It is the same in every process, so that a failover does not make an object wait longer.
func portionOf(key types.NamespacedName) int {
	hash := fnv.New32a()
	// It never fails.
	_, _ = hash.Write([]byte(key.String()))
	return int(hash.Sum32() % portions)
}

// Schedule is how often objects are enqueued by a Resync: every one within Period.
type Schedule struct {
	Period time.Duration
	Clock  Clock
}

// Clock is the part of a clock that a Resync needs.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

// First is the schedule of kinds on which others depend: what a resync finds of them makes the operator write, and where the events of these writes are lost as well, the
// dependent objects are found within the rest of the period (Last).
func (s Schedule) First() Schedule { return Schedule{Period: s.Period / 4, Clock: s.Clock} }

// Last is the schedule of users, who depend on all other kinds.
func (s Schedule) Last() Schedule { return Schedule{Period: s.Period - s.Period/4, Clock: s.Clock} }

// Resync enqueues every object of a kind once in each period, at the lowest priority: a change whose event was lost is found by it. The hash of its name says when in
// the period an object is enqueued, so that the load is spread evenly. It reads the cache in small portions, and keeps neither a timer nor a key for an object.
//
// Controllers run one while they lead (Build). docs/decisions/0026-periodic-resync.md has the reasons.
type Resync struct {
	// Cache has the index of RegisterResync for the kind.
	Cache client.Reader
	Schedule
	// Kind is an empty list of the objects.
	Kind client.ObjectList
	// Key gives the key to enqueue for an object; nil is the object's own.
	Key func(client.Object) types.NamespacedName
	// Known gives further keys once in a period: objects of which this process remembers something, and that may not exist any more. May be nil.
	Known func() []types.NamespacedName
	// Before is called for each key before it is enqueued. May be nil.
	Before func(types.NamespacedName)

	queue interface{ AddLow(reconcile.Request) }
	// begun is when the first period began; visited is how many portions were enqueued since.
	begun   time.Time
	visited int64
}

// Into sets the queue. It has to be called before Start.
func (r *Resync) Into(queue interface{ AddLow(reconcile.Request) }) { r.queue = queue }

// Start implements manager.Runnable.
func (r *Resync) Start(ctx context.Context) error {
	for {
		wait := r.Step(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-r.Clock.After(wait):
		}
	}
}

// Step enqueues the portions whose time has come, and returns the time until the next step. The first period begins with the first step.
func (r *Resync) Step(ctx context.Context) time.Duration {
	now := r.Clock.Now()
	if r.begun.IsZero() {
		r.begun = now
	}
	due := int64(float64(now.Sub(r.begun)) / float64(r.Period) * portions)
	// Each object once, however late this step is.
	for r.visited = max(r.visited, due-portions); r.visited < due; r.visited++ {
		if err := r.visit(ctx, int(r.visited%portions)); err != nil {
			log.FromContext(ctx).Error(err, "failed to resync a portion of the objects; it is read again")
			return max(minStep, r.Period/portions)
		}
	}
	next := r.begun.Add(time.Duration(float64(r.visited+1) / portions * float64(r.Period)))
	return max(minStep, next.Sub(now))
}

// visit enqueues the objects of one portion.
func (r *Resync) visit(ctx context.Context, portion int) error {
	list := r.Kind.DeepCopyObject().(client.ObjectList)
	if err := r.Cache.List(ctx, list, client.MatchingFields{indexPortion: strconv.Itoa(portion)}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the objects of a portion: %w", err)
	}
	var keys []types.NamespacedName
	if portion == 0 && r.Known != nil {
		keys = r.Known()
	}
	err := meta.EachListItem(list, func(item runtime.Object) error {
		if object, ok := item.(client.Object); ok {
			keys = append(keys, r.keyOf(object))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, key := range inOrder(keys) {
		if r.Before != nil {
			r.Before(key)
		}
		r.queue.AddLow(reconcile.Request{NamespacedName: key})
	}
	return nil
}

func (r *Resync) keyOf(object client.Object) types.NamespacedName {
	if r.Key != nil {
		return r.Key(object)
	}
	return client.ObjectKeyFromObject(object)
}
