// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"context"
	"fmt"
	"time"

	"github.com/scim-operator/scim-operator/internal/controlplane/flock"
)

// lock takes the store's lock and returns the function that gives it back.
func (s *store) lock(ctx context.Context) (func(), error) {
	for waiting := false; ; {
		lock, err := flock.Try(s.path(".lock"))
		if err != nil {
			return nil, err
		}
		if lock != nil {
			return lock.Release, nil
		}
		if !waiting {
			waiting = true
			s.say("waiting for another process, which gets the control plane ...")
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("waiting for the lock of %s: %w", s.dir, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}
