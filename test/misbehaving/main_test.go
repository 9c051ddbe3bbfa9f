// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package misbehaving tests the whole operator against apps that answer as no standard allows. A server between the operator and a fake app changes requests and answers
// as users of other provisioning products have reported it.
package misbehaving

import (
	"testing"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/harness"
)

func TestMain(m *testing.M) { harness.Main(m, controlplane.Options{}) }
