// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/scim-operator/scim-operator/internal/controlplane/flock"
)

const (
	tempPattern = "scim-operator-controlplane-"
	lockName    = "lock"
)

// openDir makes and locks the data directory, and what belongs into it.
func (e *Env) openDir(ctx context.Context) error {
	var err error
	if e.opts.DataDir == "" {
		sweep()
		e.Dir, err = os.MkdirTemp("", tempPattern)
	} else if e.Dir, err = filepath.Abs(e.opts.DataDir); err == nil {
		// Whoever reads it has the keys of the cluster.
		err = os.MkdirAll(e.Dir, 0o700)
	}
	if err != nil {
		return err
	}
	if e.lock, err = lockDir(ctx, e.Dir); err != nil {
		return err
	}
	// Certificates are valid for a week and for one start: envtest makes new ones.
	for _, name := range []string{"certs", "bin", "pids"} {
		if err := os.RemoveAll(filepath.Join(e.Dir, name)); err != nil {
			return err
		}
	}
	for _, name := range []string{"certs", "bin", "pids", "logs", "etcd"} {
		if err := os.MkdirAll(filepath.Join(e.Dir, name), 0o700); err != nil {
			return err
		}
	}
	return nil
}

// lockDir locks a data directory. It waits a moment: the lock of a process that
// is just ending is about to be free.
func lockDir(ctx context.Context, dir string) (*flock.Lock, error) {
	for tries := 10; ; tries-- {
		lock, err := flock.Try(filepath.Join(dir, lockName))
		if err != nil || lock != nil {
			return lock, err
		}
		if tries == 0 {
			return nil, fmt.Errorf("another control plane runs in %s", dir)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sweep removes temporary directories whose process has ended without Stop. They
// hold etcd's preallocated files: 64 MB and more each.
func sweep() {
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), tempPattern+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		// A young one may be about to be locked by who made it.
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := flock.Try(filepath.Join(dir, lockName))
		if err != nil || lock == nil {
			continue
		}
		// What cannot be removed now is removed by the next start, or by the system.
		_ = os.RemoveAll(dir)
		lock.Release()
	}
}

// logTails returns the last lines of every log, for an error that must explain itself.
func (e *Env) logTails() string {
	const most = 8
	var text strings.Builder
	logs, _ := filepath.Glob(filepath.Join(e.logDir(), "*.log"))
	for _, log := range logs {
		content, err := os.ReadFile(log)
		if err != nil || len(content) == 0 {
			continue
		}
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		fmt.Fprintf(&text, "\n%s ends with:\n%s", filepath.Base(log), strings.Join(lines[max(0, len(lines)-most):], "\n"))
	}
	return text.String()
}
