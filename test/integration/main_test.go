// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests the whole way: a push over HTTPS, objects in a real API server, accounts in real app servers.
package integration

import (
	"flag"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/test/harness"
)

// atOnce is how many tests run at the same time unless -parallel says otherwise: they wait much more than they compute.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(atOnce) // a number is a good value
	}
	cptest.Main(m, controlplane.Options{ControllerManager: true})
}

func inNamespace(d *harness.Directory) client.ListOption { return client.InNamespace(d.Namespace) }
