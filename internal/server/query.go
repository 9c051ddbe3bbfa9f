// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/url"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// parameters are those of the query string. Unknown ones are ignored: Entra's feature flags arrive here.
func parameters(e *exchange) (url.Values, error) {
	values, err := url.ParseQuery(e.request.URL.RawQuery)
	if err != nil {
		return nil, scim.InvalidSyntax("the query string is malformed: percent-encode what is not a letter or digit")
	}
	return values, refuseSecrets(values)
}

// projection is what the client wants to see of the resources (RFC 7644 3.9).
func projection(values url.Values, rt *scim.ResourceType) (*scim.Projection, error) {
	return scim.ParseProjection(values["attributes"], values["excludedAttributes"], rt)
}

// query reads filter, startIndex and count (RFC 7644 3.4.2).
func (h *handler) query(values url.Values, rt *scim.ResourceType, o scim.Options) (directory.Query, error) {
	var q directory.Query
	if len(values["filter"]) > 1 {
		return q, scim.InvalidFilter(0, "the parameter filter is given more than once")
	}
	page, err := scim.ParsePage(values.Get("startIndex"), values.Get("count"), h.limits.DefaultPage, h.limits.MaxPage)
	if err != nil {
		return q, err
	}
	q.Page = page
	if values.Has("filter") {
		if q.Filter, err = scim.ParseFilterOf(values.Get("filter"), rt, o); err != nil {
			return q, err
		}
	}
	return q, nil
}
