// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// part gives the named processes the first half of the cores, the others the rest. together undoes it.
func (all processes) part(first ...string) (together func() error, err error) {
	cores := runtime.NumCPU()
	if cores < 2 {
		return nil, errors.New("one core cannot be parted")
	}
	together = func() error {
		var errs []error
		for _, p := range all {
			errs = append(errs, p.run(0, cores))
		}
		return errors.Join(errs...)
	}
	for _, p := range all {
		from, to := cores/2, cores
		if slices.Contains(first, p.name) {
			from, to = 0, cores/2
		}
		if err := p.run(from, to); err != nil {
			return nil, errors.Join(err, together())
		}
	}
	return together, nil
}

// run lets the process run on some cores only. A thread that it starts meanwhile may come from one that was not told yet: the second round finds it.
func (p process) run(from, to int) error {
	var cores unix.CPUSet
	for i := from; i < to; i++ {
		cores.Set(i)
	}
	for range 2 {
		threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", p.pid))
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		for _, thread := range threads {
			id, err := strconv.Atoi(thread.Name())
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			if err := unix.SchedSetaffinity(id, &cores); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("%s: choosing its cores: %w", p.name, err)
			}
		}
	}
	return nil
}
