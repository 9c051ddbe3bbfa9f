// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"bufio"
	"io"
	"net/http"
	"slices"
	"strings"
)

// TrimWatches takes managedFields off what watches send, for rest.Config.Wrap. They are half of an object, no cache of the operator keeps them, and client-go goes over
// an event several times before it has decoded it. docs/decisions/0013-fast-reads.md has the figures.
func TrimWatches(next http.RoundTripper) http.RoundTripper { return trimWatches{next} }

type trimWatches struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t trimWatches) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := t.next.RoundTrip(r)
	if err == nil && answer.StatusCode == http.StatusOK && watches(r) && strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
		answer.Body = &trimmed{ReadCloser: answer.Body, lines: bufio.NewReader(answer.Body)}
	}
	return answer, err
}

// watches is whether the request is a watch. client-go sends the parameter as it stands here.
func watches(r *http.Request) bool {
	return r.Method == http.MethodGet && slices.Contains(strings.Split(r.URL.RawQuery, "&"), "watch=true")
}

// trimmed reads events, each of which is a line.
type trimmed struct {
	io.ReadCloser
	lines *bufio.Reader
	// left is what of the last line was not read yet, err what comes after it.
	left []byte
	err  error
}

// Read implements io.Reader.
func (t *trimmed) Read(p []byte) (int, error) {
	for len(t.left) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		var line []byte
		line, t.err = t.lines.ReadBytes('\n')
		t.left = withoutManagedFields(line, "object", "metadata")
	}
	n := copy(p, t.left)
	t.left = t.left[n:]
	return n, nil
}

// withoutManagedFields takes managedFields out of the JSON of an object, in place. path is where its parent is. JSON that is not as the API server sends it, or that has
// none, stays as it is.
func withoutManagedFields(object []byte, path ...string) []byte {
	parent, at := object, 0
	for _, name := range path {
		f, ok := find(parent, name)
		if !ok {
			return object
		}
		parent, at = parent[f.value:f.end], at+f.value
	}
	f, ok := find(parent, "managedFields")
	if !ok {
		return object
	}
	from, to := at+f.name, at+f.end
	switch {
	case to < len(object) && object[to] == ',':
		to++
	case object[from-1] == ',':
		from--
	}
	return slices.Delete(object, from, to)
}
