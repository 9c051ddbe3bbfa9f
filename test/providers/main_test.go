// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package providers plays the traffic of identity providers as it comes on the wire against the whole operator: its endpoint over TLS, a real API server
// behind it. Each test shows the requests as text and checks the answer and the object that is stored.
//
// Tests are named after the provider (facts of its documentation), or TestCnn after a failure that users of other SCIM services reported; docs/complaints.md
// lists those.
package providers

import (
	"flag"
	"testing"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/harness"
)

// atOnce is how many tests run at the same time unless -parallel says otherwise: they wait more than they compute.
const atOnce = "6"

func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		_ = parallel.Value.Set(atOnce) // a number is a good value
	}
	harness.Main(m, controlplane.Options{})
}
