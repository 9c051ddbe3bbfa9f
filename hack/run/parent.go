// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"time"
)

// parentEvery is how often the parent is looked at.
const parentEvery = 200 * time.Millisecond

// withParent is a context that ends when the process that started this one ends: whoever kills `make` does not expect its child to stay.
func withParent(ctx context.Context, parent func() int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	first := parent()
	go func() {
		ticker := time.NewTicker(parentEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if parent() != first {
					cancel()
				}
			}
		}
	}()
	return ctx, cancel
}
