// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package main

import "errors"

// part is for Linux alone.
func (processes) part(...string) (together func() error, err error) {
	return nil, errors.New("processes can be given cores of their own on Linux only")
}
