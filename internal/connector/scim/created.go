// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/scim-operator/scim-operator/internal/connector"
)

// createdID is the id of what a POST has created by its Location (RFC 7644 3.3), for apps that answer without the resource; "" where it tells none. Only the last
// part of the path counts: apps name another host, which is never followed.
func (c *Connector) createdID(response connector.HTTPResponse, collection string) string {
	location, err := url.Parse(response.Header.Get("Location"))
	if err != nil || response.Status == http.StatusOK {
		return ""
	}
	parent, last := path.Split(strings.TrimRight(location.EscapedPath(), "/"))
	id, err := url.PathUnescape(last)
	// A Location that names the collection, or a page of its own, tells no id.
	if err != nil || !strings.EqualFold(path.Base(parent), path.Base(collection)) {
		return ""
	}
	return id
}

// unconfirmed is the error of a create that the app confirms without saying what it has created. failure is why a lookup does not tell, nil where it shows none yet.
func unconfirmed(op string, failure error) *connector.Error {
	e := &connector.Error{
		Op: op, Kind: connector.Unconfirmed, Sent: true, Err: failure,
		Detail: "the app confirmed the create without saying which id it gave, and a lookup does not show it yet; it will be looked up again",
	}
	if lookup := connector.AsError(failure); lookup != nil {
		e.RetryAfter = lookup.RetryAfter
		e.Detail = "the app confirmed the create without saying which id it gave, and the lookup failed (" + string(lookup.Kind) + "); it will be looked up again"
	}
	return e
}
