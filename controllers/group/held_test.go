// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
)

// refuse makes the app refuse an operation from now on.
func (e *engine) refuse(op string, kind connector.Kind, status int) {
	e.app.Always[op] = &connector.Error{Op: op, Kind: kind, Status: status, Sent: true}
}

// A group whose removals are held waits for its retry time like any other one that failed.
func TestHeldGroupThatTheAppRefusesIsNotPolled(t *testing.T) {
	for name, tc := range map[string]struct {
		refuse func(*engine)
		// held: the removals of the batch are still wanted, as far as is known.
		held bool
	}{
		"the read, after a failover": {func(e *engine) {
			e.refuse(connector.OpGetGroup, connector.Forbidden, 403)
			e.lead()
		}, true},
		"an addition, after the members returned": {func(e *engine) {
			e.refuse(connector.OpUpdateGroup, connector.Invalid, 400)
			e.members("Sales", e.users[:21]...)
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := pushed(t, 20)
			e.members("Sales")
			e.run(time.Minute)
			batch := e.entry().HeldBatch
			if batch == "" {
				t.Fatalf("nothing is held: %+v", e.entry())
			}
			tc.refuse(e)
			e.counted(10*time.Minute, 20, 10)
			entry := e.entry()
			if (entry.HeldBatch == batch) != tc.held || entry.Attempts != 1 || entry.NextRetryTime == nil || e.ready() == v1alpha1.ReasonSucceeded {
				t.Errorf("the entry is %+v, Ready %s; held was %s", entry, e.ready(), batch)
			}
		})
	}
}
