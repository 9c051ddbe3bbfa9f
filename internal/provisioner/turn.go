// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import "context"

// turn is a lock that may be held during a call to an app: who waits for it stops waiting when its context ends.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// take takes the turn, or returns why the context has ended.
func (t turn) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t turn) give() { <-t }
