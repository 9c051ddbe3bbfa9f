// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	// askTimeout is how long the index of downloads may take to answer: where there
	// is no internet, or a firewall that drops packets, building soon starts.
	askTimeout = 10 * time.Second
	// downloadTimeout is how long a download may take before building is the quicker way.
	downloadTimeout = 3 * time.Minute
)

// download gets etcd and kube-apiserver by setup-envtest. It reports whether it
// could; the reasons why it could not are of no interest, since there is another way.
func (s *store) download(ctx context.Context) bool {
	series := strings.TrimPrefix(s.version[:strings.LastIndex(s.version, ".")], "v") + ".x"
	tool, err := s.output(ctx, time.Hour, filepath.Join(s.root, "hack", "tools", "tool"), "setup-envtest")
	if err == nil {
		s.say("asking setup-envtest for Kubernetes %s ...", series)
		_, err = s.output(ctx, askTimeout, tool, "list", series)
	}
	var dir string
	if err == nil {
		dir, err = s.output(ctx, downloadTimeout, tool, "use", series, "-p", "path", "--bin-dir", filepath.Join(filepath.Dir(s.dir), "envtest"))
	}
	for _, name := range []string{etcd, apiServer} {
		if err == nil {
			err = s.link(filepath.Join(dir, name), name)
		}
	}
	if err != nil {
		s.say("setup-envtest cannot download here; building from source instead")
		return false
	}
	return true
}

// link makes the store name a file that lies elsewhere.
func (s *store) link(target, name string) error {
	if _, err := os.Stat(target); err != nil {
		return err
	}
	work := s.path(".link-" + name)
	if err := os.Remove(work); err != nil && !os.IsNotExist(err) {
		return err
	}
	if err := os.Symlink(target, work); err != nil {
		return err
	}
	return os.Rename(work, s.path(name))
}

// output runs a command for at most the given time and returns what it printed.
func (s *store) output(ctx context.Context, limit time.Duration, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	// A grandchild that keeps the pipes open must not keep us waiting.
	cmd.WaitDelay = time.Second
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	return strings.TrimSpace(out.String()), err
}
