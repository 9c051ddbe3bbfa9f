// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// installing lets one test at a time install packages.
var installing sync.Mutex

// nodeProject makes the Node project in dir ready to run: its packages are installed as the lock file has them, unless they are already.
// Where Node is missing the test is skipped, or fails if this is CI.
func nodeProject(t *testing.T, dir string) {
	t.Helper()
	if testing.Short() {
		t.Skip("installs npm packages and runs Node.js: not with -short")
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			missing(t, program)
		}
	}
	installing.Lock()
	defer installing.Unlock()
	if installed(t, dir) {
		return
	}
	fmt.Fprintf(os.Stderr, "Installing the npm packages of test/peers/%s\n", dir)
	npm := exec.CommandContext(t.Context(), "npm", "ci", "--prefer-offline")
	npm.Dir, npm.Stdout, npm.Stderr = dir, os.Stderr, os.Stderr
	if err := npm.Run(); err != nil {
		t.Fatalf("npm ci in test/peers/%s: %v", dir, err)
	}
}

func missing(t *testing.T, program string) {
	t.Helper()
	message := program + " is not installed; this test runs an app that is written for Node.js (18 or newer, with npm)"
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}

// installed is whether npm finished an installation after the lock file last changed. npm writes its record of it at the end.
func installed(t *testing.T, dir string) bool {
	t.Helper()
	lock, err := os.Stat(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	record, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json"))
	return err == nil && !record.ModTime().Before(lock.ModTime())
}
