// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

const (
	// gather is how long names are gathered before they are written: what a request needs, it mostly needs together.
	gather = 500 * time.Millisecond
	// writeTimeout is for the writes of one round, and retryRound between two rounds when one failed.
	writeTimeout = 10 * time.Second
	retryRound   = 2 * time.Second
	// maxConflicts is how often one write is decided anew because somebody else has written meanwhile.
	maxConflicts = 5
)

// Tolerances writes into the status of ScimClients which tolerances they have really needed. It is a Runnable of controller-runtime's manager, on every replica,
// for every replica serves.
//
// A name is written once: it is compared with what the cache shows, and again with what the API server has, and a write is bound to what was read. Replicas that find
// different names at the same moment lose none.
type Tolerances struct {
	live client.Client
	log  logr.Logger
	wake chan struct{}

	mu      sync.Mutex
	pending map[types.NamespacedName]map[string]bool
}

// NewTolerances makes one. live reads and writes without a cache.
func NewTolerances(live client.Client, log logr.Logger) *Tolerances {
	return &Tolerances{live: live, log: log, wake: make(chan struct{}, 1), pending: map[types.NamespacedName]map[string]bool{}}
}

// NeedLeaderElection says that it does not wait for leadership.
func (t *Tolerances) NeedLeaderElection() bool { return false }

// Note says that the ScimClient needed the tolerance. known are those that its status has, sorted. It does not block.
func (t *Tolerances) Note(scimClient types.NamespacedName, known []string, tolerance string) {
	if _, found := slices.BinarySearch(known, tolerance); found {
		return
	}
	t.mu.Lock()
	t.add(scimClient, tolerance)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *Tolerances) add(scimClient types.NamespacedName, tolerance string) {
	names := t.pending[scimClient]
	if names == nil {
		names = map[string]bool{}
		t.pending[scimClient] = names
	}
	names[tolerance] = true
}

// Start writes what is noted until the context ends.
func (t *Tolerances) Start(ctx context.Context) error {
	wait := gather
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.wake:
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
		wait = gather
		if !t.round(ctx) {
			wait = retryRound
			select {
			case t.wake <- struct{}{}:
			default:
			}
		}
	}
}

// round writes everything that is pending. It tells whether nothing is left to try again.
func (t *Tolerances) round(ctx context.Context) bool {
	t.mu.Lock()
	pending := t.pending
	t.pending = map[types.NamespacedName]map[string]bool{}
	t.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	done := true
	for key, names := range pending {
		err := t.write(ctx, key, names)
		if err == nil {
			continue
		}
		done = false
		t.log.V(1).Info("Cannot write the tolerances of a ScimClient; they are tried again", "namespace", key.Namespace, "client", key.Name, "reason", string(apierrors.ReasonForError(err)))
		t.mu.Lock()
		for name := range names {
			t.add(key, name)
		}
		t.mu.Unlock()
	}
	return done
}

// write adds the names to the status of a ScimClient. It writes nothing if they are there.
func (t *Tolerances) write(ctx context.Context, key types.NamespacedName, names map[string]bool) error {
	var err error
	for range maxConflicts {
		before := &v1alpha1.ScimClient{}
		if err := t.live.Get(ctx, key, before); err != nil {
			if apierrors.IsNotFound(err) {
				return nil
			}
			return fmt.Errorf("reading the ScimClient: %w", err)
		}
		after := before.DeepCopy()
		for name := range names {
			after.Status.Tolerances = append(after.Status.Tolerances, name)
		}
		slices.Sort(after.Status.Tolerances)
		after.Status.Tolerances = slices.Compact(after.Status.Tolerances)
		if _, err = kube.PatchStatus(ctx, t.live, before, after); !apierrors.IsConflict(err) {
			return client.IgnoreNotFound(err)
		}
	}
	return err
}
