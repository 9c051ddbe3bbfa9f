// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build tools

// Package controlplane names the programs of a Kubernetes control plane as
// imports, so that go.mod and go.sum pin them with all that they need. It is
// never compiled: internal/controlplane/assets builds the programs by name.
package controlplane

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
)
