// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// The endpoints below a client's base URL (RFC 7644 3.2). Their names are exact: all clients known send them so.
const (
	endpointRoot                  = ""
	endpointUsers                 = "Users"
	endpointGroups                = "Groups"
	endpointRoles                 = "Roles"
	endpointEntitlements          = "Entitlements"
	endpointServiceProviderConfig = "ServiceProviderConfig"
	endpointSchemas               = "Schemas"
	endpointResourceTypes         = "ResourceTypes"
	endpointMe                    = "Me"
	endpointBulk                  = "Bulk"
	endpointSearch                = ".search"
)

var endpoints = []string{
	endpointRoot, endpointUsers, endpointGroups, endpointRoles, endpointEntitlements, endpointServiceProviderConfig, endpointSchemas, endpointResourceTypes, endpointMe, endpointBulk, endpointSearch,
}

// target is what the path of a request names.
type target struct {
	namespace, client string
	// endpoint is one of the endpoints, or not.
	endpoint string
	// id is what follows: an id, a schema's URN, a resource type's name, ".search".
	id string
	// more says that the path goes on after the id, which none of ours does.
	more bool
}

// version is how a base URL names the version of the protocol (RFC 7644 3.13).
var version = regexp.MustCompile(`^v[0-9.]+$`)

// parseTarget splits /<namespace>/<client>/scim/v2[/<endpoint>[/<id>]], whose segments may be escaped. A slash at the end makes no difference, nor does it that the
// version is left out: then it is the latest (RFC 7644 3.13). ok is false for a path outside any client's base URL.
func parseTarget(escapedPath string) (t target, ok bool) {
	segments := strings.Split(strings.Trim(escapedPath, "/"), "/")
	for i, s := range segments {
		plain, err := url.PathUnescape(s)
		if err != nil {
			return target{}, false
		}
		segments[i] = plain
	}
	if len(segments) < 3 || segments[2] != "scim" {
		return target{}, false
	}
	t = target{namespace: segments[0], client: segments[1]}
	rest := segments[3:]
	if len(rest) > 0 && version.MatchString(rest[0]) {
		if rest[0] != "v2" {
			return target{}, false
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		t.endpoint = rest[0]
	}
	if len(rest) > 1 {
		t.id = rest[1]
	}
	t.more = len(rest) > 2
	return t, true
}

// path is the target as a path, for locations.
func (t target) base() string { return clients.BasePath(t.namespace, t.client) }

// resourceType is the type of the resources below the endpoint, nil for endpoints without.
func (t target) resourceType() *scim.ResourceType {
	switch t.endpoint {
	case endpointUsers:
		return scim.UserType
	case endpointGroups:
		return scim.GroupType
	case endpointRoles:
		return scim.RoleType
	case endpointEntitlements:
		return scim.EntitlementType
	}
	return nil
}

// label is the endpoint as a value of metrics and logs: nothing that a client makes up.
func (t target) label() string {
	switch {
	case !slices.Contains(endpoints, t.endpoint):
		return "unknown"
	case t.endpoint == endpointRoot:
		return "root"
	}
	return t.endpoint
}

// pattern is the route without what varies, for logs.
func (t target) pattern() string {
	p := "/{namespace}/{client}/scim/v2"
	if t.endpoint != endpointRoot {
		p += "/" + t.label()
	}
	switch {
	case t.id == endpointSearch:
		p += "/" + endpointSearch
	case t.id != "":
		p += "/{id}"
	}
	return p
}

// action answers a request of a client that is logged in.
type action func(*handler, *exchange) (*response, error)

// actions are what each method does to the target; none for a path that does not exist.
func (t target) actions() map[string]action {
	switch {
	case t.more:
		return nil
	case t.id == endpointSearch && t.resourceType() != nil, t.endpoint == endpointSearch && t.id == "":
		return map[string]action{http.MethodPost: (*handler).search}
	case t.endpoint == endpointBulk && t.id == "":
		return map[string]action{http.MethodPost: (*handler).bulk}
	case t.endpoint == endpointMe:
		all := notImplemented("/Me is not supported: a token stands for a ScimClient, not for a user; ask for /Users/<id>")
		return map[string]action{http.MethodGet: all, http.MethodPost: all, http.MethodPut: all, http.MethodPatch: all, http.MethodDelete: all}
	case t.endpoint == endpointRoot:
		return map[string]action{http.MethodGet: (*handler).list}
	case t.resourceType() != nil:
		return t.resourceActions()
	case t.endpoint == endpointServiceProviderConfig && t.id == "":
		return map[string]action{http.MethodGet: (*handler).serviceProviderConfig}
	case t.endpoint == endpointSchemas:
		return map[string]action{http.MethodGet: (*handler).schemas}
	case t.endpoint == endpointResourceTypes:
		return map[string]action{http.MethodGet: (*handler).resourceTypes}
	}
	return nil
}

// resourceActions are those on resources of a type, or on one of them.
func (t target) resourceActions() map[string]action {
	readOnly := t.resourceType().InCatalogue()
	switch {
	case readOnly && t.id == "":
		return map[string]action{http.MethodGet: (*handler).list}
	case readOnly:
		return map[string]action{http.MethodGet: (*handler).get}
	case t.id == "":
		return map[string]action{http.MethodGet: (*handler).list, http.MethodPost: (*handler).create}
	}
	return map[string]action{
		http.MethodGet: (*handler).get, http.MethodPut: (*handler).replace, http.MethodPatch: (*handler).patch, http.MethodDelete: (*handler).delete,
	}
}

// notImplemented is the action of what the standard has and this server does not (RFC 7644 3.12: 501).
func notImplemented(detail string) action {
	return func(*handler, *exchange) (*response, error) {
		return nil, scim.NewError(http.StatusNotImplemented, "%s", detail)
	}
}

// allowed lists the methods for the header Allow.
func allowed(actions map[string]action) string {
	var methods []string
	for m := range actions {
		methods = append(methods, m)
		if m == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return strings.Join(methods, ", ")
}
