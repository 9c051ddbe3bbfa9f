// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
)

// measureEngineMemory is the memory of users and accounts, as in `make bench-endpoint`.
func measureEngineMemory(ctx context.Context, w *world, o engineOptions) (results []result, err error) {
	if err := w.directory(ctx, memoryNamespace); err != nil {
		return nil, err
	}
	s, err := w.newStage(ctx, "engine-memory")
	if err != nil {
		return nil, err
	}
	if err := s.run(ctx, o); err != nil {
		return nil, err
	}
	sample, err := w.sample(ctx, s.scim, s.namespace)
	if err := errors.Join(err, s.close()); err != nil {
		return nil, err
	}
	loader, err := newBare(w.config, memoryNamespace, sample, o.workers)
	if err != nil {
		return nil, err
	}
	return measureMemory(ctx, w, loader, o.options)
}

// hostileTime is how long an app answers each call with as much as it can.
const hostileTime = 30 * time.Second

// measureHostile has apps answer every call with bodies without end, of several kinds at once, and reads the largest size of the operator's memory.
func measureHostile(ctx context.Context, w *world, o engineOptions) (results []result, err error) {
	s, err := w.newStage(ctx, "engine-hostile")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	const unlimited = 60_000
	resource := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"id":"1","userName":"a","title":"` + strings.Repeat("x", 40<<20) + `"}`
	rows := strings.Repeat(`{"id":"1","userName":"a","emails":[{"value":"a@corp.test"}]},`, 1<<20)
	list := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:ListResponse"],"totalResults":1048577,"Resources":[` + rows + `{"id":"2","userName":"b"}]}`
	deep := strings.Repeat(`{"a":[`, 10<<20)
	for name, body := range map[string]string{"resource": resource, "list": list, "deep": deep} {
		app, err := s.app(ctx, name, 0, unlimited)
		if err != nil {
			return nil, err
		}
		if err := s.mapping(ctx, name, name, "true"); err != nil {
			return nil, err
		}
		for _, op := range []string{fakeapp.UsersFind, fakeapp.UsersCreate} {
			app.Inject(fakeapp.Fault{Op: op, Answer: &fakeapp.Answer{Status: 200, Header: map[string]string{"Content-Type": "application/scim+json"}, Body: body}})
		}
	}
	if err := s.run(ctx, o); err != nil {
		return nil, err
	}
	before, err := peak(s.operator.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	if _, err := s.push(ctx, o, newPersons(max(10, o.joiners/50))); err != nil {
		return nil, err
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(hostileTime):
	}
	after, err := peak(s.operator.cmd.Process.Pid)
	if err != nil {
		return nil, err
	}
	const most = 1024
	met := after < most
	return []result{{
		figure: "peak memory under answers without end, 3 apps", value: fmt.Sprintf("%d MiB", after), wanted: fmt.Sprintf("under %d MiB", most), met: &met,
		absolute: fmt.Sprintf("%d MiB before; resident, whole process, 16 calls at once for each app", before),
	}}, nil
}

// peak is the largest resident size of a process so far, in MiB, resident the present one.
func peak(pid int) (int, error)     { return sizeOf(pid, "VmHWM") }
func resident(pid int) (int, error) { return sizeOf(pid, "VmRSS") }

func sizeOf(pid int, name string) (int, error) {
	line := lineOf(fmt.Sprintf("/proc/%d/status", pid), name)
	kib, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(line, "kB")))
	if err != nil {
		return 0, fmt.Errorf("reading the size of the operator: %w", err)
	}
	return kib >> 10, nil
}
