// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package crash tests the operator as processes: one that is killed with SIGKILL again and again, and two that work on one API server at once.
//
// SCIM_CRASH_SEED repeats a run of the kill points, SCIM_CRASH_USERS sets how many users are pushed.
package crash

import (
	"testing"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestMain(m *testing.M) {
	harness.Main(m, controlplane.Options{})
}
