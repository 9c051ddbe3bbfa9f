// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package integration tests the whole way: a push over HTTPS, objects in a real API server, accounts in real app servers.
package integration

import (
	"errors"
	"flag"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/harness"
	"github.com/scim-operator/scim-operator/test/harness/rights"
)

// atOnce is how many tests run at the same time unless -parallel says otherwise: they wait much more than they compute.
const atOnce = "8"

func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(atOnce) // a number is a good value
	}
	harness.Main(m, controlplane.Options{ControllerManager: true}, everyRuleIsNeeded)
}

// everyRuleIsNeeded fails the package where the chart gives the operator a right that no test has needed. It says nothing unless all tests have run, and to the end.
func everyRuleIsNeeded(seen *rights.Seen, passed bool) error {
	if !passed || testing.Short() || flag.Lookup("test.run").Value.String()+flag.Lookup("test.skip").Value.String() != "" {
		return nil
	}
	var errs []error
	for _, unneeded := range seen.Unneeded(harness.Granted()) {
		errs = append(errs, errors.New("--- FAIL: "+unneeded))
	}
	return errors.Join(errs...)
}

func inNamespace(d *harness.Directory) client.ListOption { return client.InNamespace(d.Namespace) }
