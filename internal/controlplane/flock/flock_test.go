// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package flock_test

import (
	"path/filepath"
	"testing"

	"github.com/scim-operator/scim-operator/internal/controlplane/flock"
)

func TestTryExcludes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	first, err := flock.Try(path)
	if err != nil || first == nil {
		t.Fatalf("a lock that nobody holds: %v, %v", first, err)
	}
	if second, err := flock.Try(path); err != nil || second != nil {
		t.Errorf("a lock that is held: %v, %v, want nil, nil", second, err)
	}
	first.Release()
	again, err := flock.Try(path)
	if err != nil || again == nil {
		t.Fatalf("a lock that was given back: %v, %v", again, err)
	}
	again.Release()
}

func TestTryReportsWhatIsNoFile(t *testing.T) {
	if _, err := flock.Try(filepath.Join(t.TempDir(), "missing", "lock")); err == nil {
		t.Error("no error for a directory that does not exist")
	}
}
