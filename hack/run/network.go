// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"net"
	"strconv"
)

// address is a port of the loopback interface: the wanted one, or any free one if that is taken.
func address(wanted int) string {
	for _, port := range []int{wanted, 0} {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		free := listener.Addr().String()
		_ = listener.Close()
		return free
	}
	return "127.0.0.1:0"
}

// newToken is a bearer token that nobody else knows.
func newToken() string { return rand.Text() + rand.Text() }
