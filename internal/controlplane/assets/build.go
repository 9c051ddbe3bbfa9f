// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// heartbeat is how often a long step says that it is not dead.
const heartbeat = 30 * time.Second

// build compiles a program and puts it into the store, whole or not at all.
func (s *store) build(ctx context.Context, name string) error {
	pkg, args := s.recipe(name)
	work, err := os.MkdirTemp(s.dir, ".build-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }()
	out := filepath.Join(work, name)
	args = append([]string{"build", "-mod=readonly", "-buildvcs=false", "-o", out}, args...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...)
	cmd.Dir = s.source(name)
	cmd.Env = buildEnv(os.Environ())

	version := s.version
	if name == etcd {
		version = s.etcdVersion
	}
	if hint := hints[name]; hint != "" {
		s.say("building %s %s (%s the first time) ...", name, version, hint)
	}
	began := time.Now()
	if output, err := s.runSlow(cmd, name); err != nil {
		return fmt.Errorf("building %s: %w\n%s", name, err, tail(output))
	}
	if hints[name] != "" {
		s.say("built %s in %s", name, time.Since(began).Round(time.Second))
	}
	return os.Rename(out, s.path(name))
}

// hints say how long a build takes on two cores when nothing was compiled before.
var hints = map[string]string{
	etcd:              "about a minute",
	apiServer:         "about 5 minutes",
	controllerManager: "about 2 minutes",
}

// source is the module that a program is built from.
func (s *store) source(name string) string {
	if name == launch {
		return s.root
	}
	return filepath.Join(s.root, "hack", "controlplane")
}

// recipe returns the package of a program and the flags it is built with.
func (s *store) recipe(name string) (pkg string, flags []string) {
	const strip = "-s -w"
	switch name {
	case launch:
		return "./internal/controlplane/launch", []string{"-ldflags", strip}
	case etcd:
		return "go.etcd.io/etcd/server/v3", []string{"-ldflags", strip}
	default:
		// As Kubernetes' own build does: the version is stamped by the linker, and the
		// tags leave out what keeps the linker from dropping dead code.
		ld := []string{strip}
		number := strings.Split(strings.TrimPrefix(s.version, "v"), ".")
		for _, versioned := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
			ld = append(ld,
				"-X", versioned+".gitVersion="+s.version,
				"-X", versioned+".gitMajor="+number[0],
				"-X", versioned+".gitMinor="+number[1],
				"-X", versioned+".gitTreeState=clean",
				"-X", versioned+".gitCommit=")
		}
		return "k8s.io/kubernetes/cmd/" + name,
			[]string{"-tags", "notest,grpcnotrace", "-ldflags", strings.Join(ld, " ")}
	}
}

// buildEnv is the environment without the settings that would change what is
// built, among them those for the program that the caller is building.
func buildEnv(environ []string) []string {
	own := map[string]string{
		"CGO_ENABLED": "0", "GO111MODULE": "on", "GOFLAGS": "", "GOWORK": "off",
		"GOOS": "", "GOARCH": "", "GOEXPERIMENT": "",
	}
	env := slices.DeleteFunc(slices.Clone(environ), func(entry string) bool {
		name, _, _ := strings.Cut(entry, "=")
		_, found := own[name]
		return found
	})
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	return env
}

// runSlow runs a command and says now and then that it still does. It returns
// all that the command has written.
func (s *store) runSlow(cmd *exec.Cmd, name string) ([]byte, error) {
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	began := time.Now()
	ticker := time.NewTicker(heartbeat)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			return output.Bytes(), err
		case <-ticker.C:
			s.say("  still at %s after %s", name, time.Since(began).Round(time.Second))
		}
	}
}

// tail returns the last lines of some output, which hold the reason of a failure.
func tail(output []byte) string {
	const most = 20
	lines := strings.Split(strings.TrimSpace(string(output)), "\n")
	return strings.Join(lines[max(0, len(lines)-most):], "\n")
}
