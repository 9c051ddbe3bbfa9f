// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// waitGone waits until no process of the pid files is left, and returns the
// names of those that still are after the timeout.
func waitGone(pidDir string, timeout time.Duration) []string {
	deadline := time.Now().Add(timeout)
	for {
		left := running(pidDir)
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// running returns the names of the pid files whose process exists.
func running(pidDir string) []string {
	files, err := filepath.Glob(filepath.Join(pidDir, "*"))
	if err != nil {
		return nil
	}
	var names []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
		if err == nil && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			names = append(names, filepath.Base(file))
		}
	}
	return names
}
