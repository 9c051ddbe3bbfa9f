// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"slices"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// permit refuses what the ScimClient says that the client may not do (RFC 7644 3.12: 403). Operations of a bulk request come here one by one, too.
func (e *exchange) permit() error {
	if rt := e.target.resourceType(); rt != nil && !e.identity.mayUse(rt) {
		return scim.NewError(http.StatusForbidden, "this client may not use /%s: spec.resources of the ScimClient %s does not list it", e.target.endpoint, e.identity.label())
	}
	if e.writes() && e.identity.Config.ReadOnly {
		return scim.NewError(http.StatusForbidden, "this client may only read: spec.access of the ScimClient %s is ReadOnly", e.identity.label())
	}
	return nil
}

// writes tells whether the request is to change something. A query by POST is not (RFC 7644 3.4.3).
func (e *exchange) writes() bool {
	switch e.request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	case http.MethodPost:
		return e.target.endpoint != endpointSearch && e.target.id != endpointSearch
	}
	return true
}

// mayUse tells whether the client may use resources of the type. What is neither users nor groups may be read by everybody.
func (i Identity) mayUse(rt *scim.ResourceType) bool {
	switch rt {
	case scim.UserType:
		return !i.Config.WithoutUsers
	case scim.GroupType:
		return !i.Config.WithoutGroups
	}
	return true
}

// mayUseSchema tells whether one of the resource types that the client may use has the schema, or none of those that it may not.
func (i Identity) mayUseSchema(id string) bool {
	refused := false
	for _, rt := range scim.CoreResourceTypes() {
		if rt.Schema.ID != id && !slices.ContainsFunc(rt.Extensions, func(e scim.SchemaExtension) bool { return e.Schema.ID == id }) {
			continue
		}
		if i.mayUse(rt) {
			return true
		}
		refused = true
	}
	return !refused
}
