// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"errors"
	"testing"

	"github.com/scim-operator/scim-operator/internal/connector"
)

func TestTurnIsNotWaitedForAfterTheEndOfTheContext(t *testing.T) {
	held := newTurn()
	if err := held.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := held.take(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	held.give()
	if err := held.take(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestWriteWhoseAnswerShowsAllWaitsForNoReadOfAnotherAccount(t *testing.T) {
	w := newWorld(t, nil)
	w.promoted("kim")
	if err := w.worker.reading.take(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := w.work("kim")
	w.wantCalls(connector.OpUpdateUser)
	if got == nil || got.Event == "" {
		t.Errorf("the outcome is %+v", got)
	}
}
