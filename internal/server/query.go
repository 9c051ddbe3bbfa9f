// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/url"
	"strings"

	"k8s.io/utils/ptr"

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

// searchRequest is the query in the query string (RFC 7644 3.4.2, RFC 9865 2).
func searchRequest(values url.Values) (*scim.SearchRequest, error) {
	if len(values["filter"]) > 1 {
		return nil, scim.InvalidFilter(0, "the parameter filter is given more than once")
	}
	for _, name := range []string{"sortBy", "sortOrder", "startIndex", "count", "cursor"} {
		if len(values[name]) > 1 {
			return nil, scim.InvalidSyntax("the parameter %s is given more than once", name)
		}
	}
	r := &scim.SearchRequest{
		Attributes: values["attributes"], ExcludedAttributes: values["excludedAttributes"],
		SortBy: values.Get("sortBy"), SortOrder: values.Get("sortOrder"), StartIndex: values.Get("startIndex"), Count: values.Get("count"),
	}
	if values.Has("filter") {
		r.Filter = ptr.To(values.Get("filter"))
	}
	if values.Has("cursor") {
		r.Cursor = ptr.To(values.Get("cursor"))
	}
	return r, nil
}

// query says what a search is about. types are those of its resources, one at least.
func (h *handler) query(r *scim.SearchRequest, types []*scim.ResourceType, o scim.Options) (directory.Query, error) {
	q := directory.Query{Types: types, Cursor: r.Cursor, MaxScan: h.limits.Scan}
	var err error
	if q.Page, err = h.page(r); err != nil {
		return q, err
	}
	if r.Filter != nil {
		if q.Filter, err = scim.ParseFilterOf(*r.Filter, types[0], o, types[1:]...); err != nil {
			return q, err
		}
	}
	if q.Sort, err = scim.ParseSort(r.SortBy, r.SortOrder, types[0], types[1:]...); err != nil {
		return q, err
	}
	if q.Sort != nil && workedOut(q.Sort.Path()) {
		return q, scim.InvalidPath(0, "sortBy: %q is worked out for each answer and cannot be sorted by", q.Sort.Path())
	}
	return q, nil
}

// workedOut is whether an attribute holds a URL that is not stored: it depends on how the client reaches the endpoint.
func workedOut(path string) bool { return path == "meta.location" || strings.HasSuffix(path, ".$ref") }

// page reads startIndex and count, or for a page by cursor count alone.
func (h *handler) page(r *scim.SearchRequest) (scim.Page, error) {
	if r.Cursor == nil {
		return scim.ParsePage(r.StartIndex, r.Count, h.limits.DefaultPage, h.limits.MaxPage)
	}
	count, err := scim.ParseCount(r.Count, h.limits.DefaultPage, h.limits.MaxPage)
	if err != nil {
		return scim.Page{}, err
	}
	// A client may send startIndex=1 with everything.
	index, err := scim.ParsePage(r.StartIndex, "", 0, 0)
	if err == nil && index.StartIndex > 1 {
		err = scim.InvalidValue("\"cursor\" and \"startIndex\" exclude each other: send one of them")
	}
	return scim.Page{StartIndex: 1, Count: count}, err
}
