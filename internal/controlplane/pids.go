// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// awaitGone waits until the named programs have ended, and returns those that
// have not in due time.
func (e *Env) awaitGone(programs []string) []string {
	deadline := time.Now().Add(10 * time.Second)
	for {
		left := slices.DeleteFunc(slices.Clone(programs), func(name string) bool { return !e.running(name) })
		if len(left) == 0 || time.Now().After(deadline) {
			return left
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// running reports whether the process exists that a program's pid file names.
func (e *Env) running(program string) bool {
	content, err := os.ReadFile(filepath.Join(e.pidDir(), program))
	if err != nil {
		return false
	}
	pid, err := strconv.Atoi(string(content))
	return err == nil && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}
