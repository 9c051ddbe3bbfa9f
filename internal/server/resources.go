// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// open gives the directory for the exchange, and what the answer is to show.
func (h *handler) open(e *exchange) (Directory, *scim.Projection, error) {
	values, err := parameters(e)
	if err != nil {
		return nil, nil, err
	}
	shown, err := projection(values, e.target.resourceType())
	if err != nil {
		return nil, nil, err
	}
	return h.openShowing(e, shown), shown, nil
}

// openShowing gives the directory for an exchange whose answer is to show that.
func (h *handler) openShowing(e *exchange, shown *scim.Projection) Directory {
	id := e.identity
	return h.directory(directory.Scope{
		Namespace:  id.Namespace,
		Client:     id.Client,
		GroupNames: id.Config.GroupNames,
		TakeOver:   id.Config.TakeOver,
		Dialect:    id.Config.Dialect,
		Used:       h.metrics.tolerated(id),
		RequestID:  e.id,
		Projection: shown,
		IfMatch:    precondition(e.request.Header),
	})
}

// options are for what reads the client's data.
func (h *handler) options(e *exchange) scim.Options {
	return scim.Options{Dialect: e.identity.Config.Dialect, Used: h.metrics.tolerated(e.identity)}
}

// create is POST (RFC 7644 3.3).
func (h *handler) create(e *exchange) (*response, error) {
	dir, shown, err := h.open(e)
	if err != nil {
		return nil, err
	}
	r, err := h.readResource(e)
	if err != nil {
		return nil, err
	}
	if r, err = dir.Create(e.context(), r); err != nil {
		return nil, err
	}
	return h.resource(e, http.StatusCreated, r, shown), nil
}

// get is GET of one resource (RFC 7644 3.4.1).
func (h *handler) get(e *exchange) (*response, error) {
	dir, shown, err := h.open(e)
	if err != nil {
		return nil, err
	}
	r, err := dir.Get(e.context(), e.target.resourceType(), e.target.id)
	if err != nil {
		return nil, err
	}
	if answer, err := h.unchanged(e, r); answer != nil || err != nil {
		return answer, err
	}
	return h.resource(e, http.StatusOK, r, shown), nil
}

// replace is PUT (RFC 7644 3.5.1).
func (h *handler) replace(e *exchange) (*response, error) {
	dir, shown, err := h.open(e)
	if err != nil {
		return nil, err
	}
	r, err := h.readResource(e)
	if err != nil {
		return nil, err
	}
	if r, err = dir.Replace(e.context(), e.target.id, r); err != nil {
		return nil, err
	}
	return h.resource(e, http.StatusOK, r, shown), nil
}

// patch is PATCH (RFC 7644 3.5.2).
//
// A group is answered with 204, which Okta and Entra both expect: its members may be many. A client that asks for attributes gets 200 and a body, as the RFC has it;
// so does, for this endpoint's own choice, one that excludes some.
func (h *handler) patch(e *exchange) (*response, error) {
	dir, shown, err := h.open(e)
	if err != nil {
		return nil, err
	}
	rt := e.target.resourceType()
	quiet := rt == scim.GroupType && !e.request.URL.Query().Has("attributes") && !e.request.URL.Query().Has("excludedAttributes")
	if quiet {
		shown = withoutMembers
		dir = h.openShowing(e, shown)
	}
	body, err := h.readBody(e)
	if err != nil {
		return nil, err
	}
	p, err := scim.ParsePatch(body, rt, h.options(e))
	if err != nil {
		return nil, err
	}
	r, err := dir.Patch(e.context(), rt, e.target.id, p)
	if err != nil {
		return nil, err
	}
	answer := h.resource(e, http.StatusOK, r, shown)
	if quiet {
		answer.status, answer.body = http.StatusNoContent, nil
		answer.header.Del("Content-Location")
	}
	return answer, nil
}

// withoutMembers leaves out what may be large and is not shown.
var withoutMembers = func() *scim.Projection {
	shown, err := scim.ParseProjection(nil, []string{"members"}, scim.GroupType)
	if err != nil {
		panic(err) // It is compiled in.
	}
	return shown
}()

// delete is DELETE (RFC 7644 3.6).
func (h *handler) delete(e *exchange) (*response, error) {
	dir, _, err := h.open(e)
	if err != nil {
		return nil, err
	}
	if err := dir.Delete(e.context(), e.target.resourceType(), e.target.id); err != nil {
		return nil, err
	}
	return &response{status: http.StatusNoContent}, nil
}

// readResource reads the body of a POST or PUT.
func (h *handler) readResource(e *exchange) (*scim.Resource, error) {
	body, err := h.readBody(e)
	if err != nil {
		return nil, err
	}
	return scim.ParseResource(body, e.target.resourceType(), h.options(e))
}
