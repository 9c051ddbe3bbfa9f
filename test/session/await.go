// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"context"
	"fmt"
	"time"
)

const (
	// patience is how long something may take to become true; machines that build at the same time are slow.
	patience = 2 * time.Minute
	// glance is how often it is looked at.
	glance = 100 * time.Millisecond
)

// Await waits until check gives no error. It gives up with the last one.
func Await(ctx context.Context, check func(context.Context) error) error {
	deadline := time.Now().Add(patience)
	for {
		err := check(ctx)
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", patience, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(glance):
		}
	}
}
