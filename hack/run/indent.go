// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"io"
)

// indented sets what is written off from the left, line by line.
type indented struct {
	to     io.Writer
	inLine bool
}

// Write implements io.Writer.
func (w *indented) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !w.inLine {
			if _, err := io.WriteString(w.to, "         "); err != nil {
				return 0, err
			}
		}
		if _, err := w.to.Write(line); err != nil {
			return 0, err
		}
		w.inLine = !bytes.HasSuffix(line, []byte("\n"))
	}
	return len(p), nil
}
