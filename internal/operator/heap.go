// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import "runtime"

// heapFloor is how much memory the garbage collector takes to be in use from the start. It is never touched, so the kernel gives no memory for it.
//
// Go collects whenever the heap has doubled. An operator with few users has a heap of some 20 MiB, and its endpoint makes as much garbage many times a second. With
// the floor, that heap may grow by some 80 MiB before the next collection, which keeps within the 256 MiB that are promised for the operator without users; to one with
// 100,000 users the floor makes no difference. docs/decisions/0013-fast-reads.md has the figures.
const heapFloor = 64 << 20

// raiseHeapFloor holds the floor until the function that it gives is called.
func raiseHeapFloor() (release func()) {
	floor := make([]byte, heapFloor)
	return func() { runtime.KeepAlive(floor) }
}
