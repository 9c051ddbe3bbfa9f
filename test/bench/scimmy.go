// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const (
	besideNamespace = "bench-beside"
	// besideUsers are in both servers when they are measured.
	besideUsers = 10_000
)

// scimmy is a server of the npm package of that name, with its resources in memory (test/peers/scimmy).
type scimmy struct {
	scim *scim
	pid  int
	stop func()
}

func (w *world) startSCIMMY(ctx context.Context, connections int) (*scimmy, error) {
	dir := filepath.Join(w.root, "test", "peers", "scimmy")
	if _, err := os.Stat(filepath.Join(dir, "node_modules", ".package-lock.json")); err != nil {
		install := exec.CommandContext(ctx, "npm", "ci", "--prefer-offline")
		install.Dir, install.Stdout, install.Stderr = dir, w.out, w.out
		if err := install.Run(); err != nil {
			return nil, fmt.Errorf("npm ci in test/peers/scimmy: %w", err)
		}
	}
	node := exec.CommandContext(ctx, "node", "server.mjs")
	node.Dir, node.Stderr = dir, os.Stderr
	node.Env = append(os.Environ(), "CERT_FILE="+w.tls.cert, "KEY_FILE="+w.tls.key, "TOKEN="+token, "NODE_ENV=production")
	input, err := node.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := node.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := node.Start(); err != nil {
		return nil, err
	}
	stop := func() {
		_ = input.Close()
		_ = node.Wait() // it ends with its input
	}
	port, err := bufio.NewReader(output).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("SCIMMY does not say its port: %w", err)
	}
	base := "https://127.0.0.1:" + strings.TrimSpace(port) + "/scim/v2"
	return &scimmy{scim: newSCIM(base, token, w.roots, connections), pid: node.Process.Pid, stop: stop}, nil
}

// measureBeside compares with SCIMMY at 10,000 users each. It needs an endpoint that serves besideNamespace.
func measureBeside(ctx context.Context, w *world, e *endpoint, loader *bare, o options) (results []result, err error) {
	n := o.ops(besideUsers)
	peer, err := w.startSCIMMY(ctx, o.workers)
	if errors.Is(err, exec.ErrNotFound) {
		w.say("beside SCIMMY: not measured, Node.js is not installed")
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer peer.stop()
	persons := newPersons(n)
	if _, err := loader.in(besideNamespace).load(ctx, persons, 2*o.workers, func(int) {}); err != nil {
		return nil, err
	}
	err = concurrently(ctx, n, o.workers, func(ctx context.Context, i int) error {
		_, err := peer.scim.post(ctx, persons[i].userName, persons[i].body())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("filling SCIMMY: %w", err)
	}
	w.say("beside SCIMMY: %d users in both", n)
	ours := newSCIM(e.base(besideNamespace), token, w.roots, o.workers)
	processes := append(w.processes(e), process{"SCIMMY", peer.pid})
	for _, f := range []struct {
		figure string
		ops    int
		op     func(*scim) func(int) (operation, error)
	}{
		{"lookups by userName beside SCIMMY, 10,000 users", 400, lookupsOf(persons)},
		{"POSTs beside SCIMMY, 10,000 users", 400, posts},
	} {
		r, err := w.compare(ctx, comparison{
			figure: f.figure, least: 1, ops: o.ops(f.ops), workers: o.workers, turns: 1,
			baseline: side{"SCIMMY", f.op(peer.scim), processes}, ours: side{"endpoint", f.op(ours), processes},
		})
		if err != nil {
			return results, err
		}
		// It is shown, and nothing is wanted.
		r.value, r.wanted, r.met, r.cpu = r.value+" times", "", nil, ""
		results = append(results, r)
	}
	return results, nil
}

func lookupsOf(persons []person) func(*scim) func(int) (operation, error) {
	return func(s *scim) func(int) (operation, error) {
		return func(int) (operation, error) {
			return func(ctx context.Context, i int) error { return s.lookup(ctx, persons[i*step%len(persons)].userName, 1) }, nil
		}
	}
}

func posts(s *scim) func(int) (operation, error) {
	return func(n int) (operation, error) {
		persons, bodies := bodies(n)
		return func(ctx context.Context, i int) error {
			_, err := s.post(ctx, persons[i].userName, bodies[i])
			return err
		}, nil
	}
}
