// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"strings"

	"github.com/scim-operator/scim-operator/internal/scim"
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

// precondition gives what a write asks of the ETag of the resource as it is: nil for nothing. If-Match has to name it, If-None-Match must not (RFC 9110 13.1.2
// has 412 for both). Conditions on what has no ETag, such as a list or a resource that is yet to be made, are ignored.
func precondition(header http.Header) func(etag string) bool {
	match, known := matcher(header, "If-Match"), matcher(header, "If-None-Match")
	if match == nil && known == nil {
		return nil
	}
	return func(etag string) bool { return (match == nil || match(etag)) && (known == nil || !known(etag)) }
}

// unchanged gives the answer to a conditional GET or HEAD that does not show the resource (RFC 9110 13.2.2), nil where it is to be shown.
func (h *handler) unchanged(e *exchange, r *scim.Resource) (*response, error) {
	etag := r.String("meta.version")
	if match := matcher(e.request.Header, "If-Match"); match != nil && !match(etag) {
		return nil, scim.NewError(http.StatusPreconditionFailed, "the ETag of the %s is another one than If-Match names: somebody has changed it", strings.ToLower(r.Type().Name))
	}
	if known := matcher(e.request.Header, "If-None-Match"); known != nil && known(etag) {
		return &response{status: http.StatusNotModified, header: h.resourceHeader(e, r)}, nil
	}
	return nil, nil
}

// opaque is a tag without the mark of weakness, and with the quotes that some clients leave out.
func opaque(tag string) string {
	tag = strings.TrimPrefix(strings.TrimSpace(tag), "W/")
	if tag != "*" && !strings.HasPrefix(tag, `"`) {
		return `"` + tag + `"`
	}
	return tag
}
