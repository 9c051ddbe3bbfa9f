// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// list is GET of many resources (RFC 7644 3.4.2), of one type or, at the root, of all.
func (h *handler) list(e *exchange) (*response, error) {
	values, err := parameters(e)
	if err != nil {
		return nil, err
	}
	r, err := searchRequest(values)
	if err != nil {
		return nil, err
	}
	return h.find(e, r)
}

// search is POST to /.search (RFC 7644 3.4.3), which keeps what is asked for out of URLs, and so out of logs on the way.
func (h *handler) search(e *exchange) (*response, error) {
	body, err := h.readBody(e)
	if err != nil {
		return nil, err
	}
	r, err := scim.ParseSearchRequest(body, h.options(e))
	if err != nil {
		return nil, err
	}
	return h.find(e, r)
}

// find answers a query.
func (h *handler) find(e *exchange, r *scim.SearchRequest) (*response, error) {
	rt := e.target.resourceType()
	types := e.searched()
	shown, err := scim.ParseProjection(r.Attributes, r.ExcludedAttributes, types[0], types[1:]...)
	if err != nil {
		return nil, err
	}
	q, err := h.query(r, types, h.options(e))
	if err != nil {
		return nil, err
	}
	found, err := h.openShowing(e, shown).List(e.context(), rt, q)
	if err != nil {
		return nil, err
	}
	for i, r := range found.Resources {
		found.Resources[i] = h.present(e, r, shown)
	}
	return &response{status: http.StatusOK, body: found}, nil
}

// searched are the types that a query is about: that of the path, or at the root those that the client may use.
func (e *exchange) searched() []*scim.ResourceType {
	if rt := e.target.resourceType(); rt != nil {
		return []*scim.ResourceType{rt}
	}
	var types []*scim.ResourceType
	for _, rt := range directory.StoredTypes {
		if e.identity.mayUse(rt) {
			types = append(types, rt)
		}
	}
	return types
}
