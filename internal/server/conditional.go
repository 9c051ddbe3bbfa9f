// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"strings"
)

// matcher reads If-Match or If-None-Match: nil without the header, else a function that tells whether it names the entity tag.
//
// Tags are compared weakly. RFC 7644 3.14 uses weak tags with If-Match throughout, although RFC 9110 has it compare strongly, by which no weak tag would ever
// match.
func matcher(header http.Header, name string) func(etag string) bool {
	values := header.Values(name)
	if len(values) == 0 {
		return nil
	}
	named := map[string]bool{}
	for _, tag := range strings.Split(strings.Join(values, ","), ",") {
		named[opaque(tag)] = true
	}
	return func(etag string) bool { return named["*"] || named[opaque(etag)] }
}

// opaque is a tag without the mark of weakness, and with the quotes that some clients leave out.
func opaque(tag string) string {
	tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
	if tag != "*" && !strings.HasPrefix(tag, `"`) {
		return `"` + tag + `"`
	}
	return tag
}
