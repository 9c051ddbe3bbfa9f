// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package flock locks files between processes. The kernel gives a lock back when
// the process that holds it ends, however it ends.
package flock

import (
	"errors"
	"os"
	"syscall"
)

// Lock is a lock that is held.
type Lock struct{ file *os.File }

// Try locks a file, which it creates if need be. It returns nil without an error
// when another process, or another Lock of this one, holds it. It never waits.
func Try(path string) (*Lock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	switch err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case err == nil:
		return &Lock{file: file}, nil
	case errors.Is(err, syscall.EWOULDBLOCK):
		return nil, file.Close()
	default:
		return nil, errors.Join(&os.PathError{Op: "flock", Path: path, Err: err}, file.Close())
	}
}

// Release gives the lock back. The file stays: removing it would let two
// processes lock two files of the same name.
func (l *Lock) Release() {
	// Closing the only descriptor releases; nothing was written that could fail to be.
	_ = l.file.Close()
}
