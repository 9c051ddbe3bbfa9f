// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package endpoint tests the whole endpoint under concurrency and disaster: two replicas of the operator behind a load balancer that picks one at random, on one
// API server.
//
// SCIM_MODEL_SEED repeats the operations of a run of the model tests (how they interleave is up to the machine), SCIM_MODEL_TIME sets how long each of them pushes.
package endpoint

import (
	"testing"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, controlplane.Options{}) }
