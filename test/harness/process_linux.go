// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harness

import "syscall"

// dieWithParent makes the kernel end a process when the tests end, however they do.
func dieWithParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
