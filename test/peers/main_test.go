// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package peers tests the operator together with software of others that speaks SCIM: real packages, pinned, run as they are.
package peers

import (
	"testing"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, controlplane.Options{}) }
