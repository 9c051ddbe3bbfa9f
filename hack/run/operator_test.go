// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/scim-operator/scim-operator/test/session"
)

// TestLogIsSetUpBeforeTheControlPlane: building the control plane may take minutes, and controller-runtime prints a stack trace after half a minute without a logger.
func TestLogIsSetUpBeforeTheControlPlane(t *testing.T) {
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	d := &demo{options: options{root: t.TempDir(), dir: t.TempDir()}, out: io.Discard, world: &session.World{Namespace: namespace}}
	if err := d.start(interrupted); err == nil {
		t.Error("the control plane has started although the demo was interrupted")
	}
	ctrl.Log.Info("written by controller-runtime")
	if err := d.stop(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(filepath.Join(d.dir, "operator.log"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "written by controller-runtime") {
		t.Errorf("the log of controller-runtime does not go to the file, which has %q", log)
	}
}
