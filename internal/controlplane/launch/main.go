// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Command launch becomes another program that ends when the process that
// started it ends, however that happens.
//
//	launch PARENT PIDFILE PROGRAM ARGUMENT...
//
// PARENT is the number of the process that starts it. PIDFILE receives the
// number of the process, which stays the same when launch becomes PROGRAM.
//
// envtest offers no way to set the attributes of the processes it starts, but it
// takes any path for a program: internal/controlplane gives it this one.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"syscall"
)

func main() {
	// What dieWithParent asks for belongs to a thread, and is kept by the thread
	// that calls exec.
	runtime.LockOSThread()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "launch:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: launch PARENT PIDFILE PROGRAM ARGUMENT")
	}
	parent, err := strconv.Atoi(args[0])
	if err != nil {
		return fmt.Errorf("the parent's process number: %w", err)
	}
	if err := dieWithParent(); err != nil {
		return fmt.Errorf("asking to end with the parent: %w", err)
	}
	if os.Getppid() != parent {
		// It ended before the kernel was asked to watch it.
		return fmt.Errorf("process %d, which wanted %s, has ended", parent, args[2])
	}
	if err := os.WriteFile(args[1], []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	return syscall.Exec(args[2], args[2:], os.Environ())
}
