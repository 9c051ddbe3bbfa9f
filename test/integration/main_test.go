// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests the whole way: a push over HTTPS, objects in a real API server, accounts in real app servers.
package integration

import (
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{ControllerManager: true}) }

func inNamespace(d *harness.Directory) client.ListOption { return client.InNamespace(d.Namespace) }
