// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"errors"
	"io"
)

// errTooLarge ends the reading of an answer that is larger than its bound.
var errTooLarge = errors.New("the answer is too large")

// answerBody reads the body of an answer up to a bound and remembers why it cannot be read further.
type answerBody struct {
	reader io.Reader
	left   int64
	// err is neither nil nor io.EOF where the body could not be read to its end.
	err error
}

// Read implements io.Reader.
func (b *answerBody) Read(p []byte) (int, error) {
	if b.err != nil || len(p) == 0 {
		return 0, b.err
	}
	// One byte more than the bound tells an answer that ends there from one that goes on.
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.reader.Read(p)
	if b.left -= int64(n); b.left < 0 {
		n, err = n-1, errTooLarge
		b.left = 0
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}
