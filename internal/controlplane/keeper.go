// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane

import "runtime"

// keeper runs functions on one operating system thread, which lives until close.
//
// The programs ask the kernel for SIGKILL when their parent ends (the command
// launch does, before it becomes the program). To the kernel, the parent is the
// thread that started them, not the process. Go ends a thread when a goroutine
// locked to it returns, and which thread a goroutine runs on is otherwise chance:
// so the programs are started on a thread that nothing else uses. When the
// process ends, by whatever means, so does the thread.
type keeper struct {
	calls chan func()
}

func newKeeper() *keeper {
	k := &keeper{calls: make(chan func())}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for call := range k.calls {
			call()
		}
	}()
	return k
}

// do runs call on the thread and returns when it has returned.
func (k *keeper) do(call func()) {
	done := make(chan struct{})
	k.calls <- func() {
		defer close(done)
		call()
	}
	<-done
}

func (k *keeper) close() { close(k.calls) }
