// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import "syscall"

// dieWithParent makes the kernel send SIGKILL to this process when the thread
// that started it ends: prctl(2), PR_SET_PDEATHSIG. It outlives exec.
func dieWithParent() error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_PDEATHSIG, uintptr(syscall.SIGKILL), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
