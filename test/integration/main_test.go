// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests the whole way: a push over HTTPS, objects in a real API server, accounts in real app servers.
package integration

import (
	"testing"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{ControllerManager: true}) }
