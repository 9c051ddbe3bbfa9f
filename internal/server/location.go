// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"strings"

	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// baseURL is the client's SCIM base URL as the client knows it.
func (h *handler) baseURL(e *exchange) string {
	if h.external != "" {
		return h.external + e.target.base()
	}
	scheme := "https://"
	if e.request.TLS == nil {
		scheme = "http://"
	}
	return scheme + e.request.Host + e.target.base()
}

// targetOf reads the path of a request. A proxy in front may take the path of the external URL away, or leave it.
func (h *handler) targetOf(escapedPath string) (t target, ok bool) {
	if rest, found := strings.CutPrefix(escapedPath, h.externalPath+"/"); found {
		if t, ok := parseTarget(rest); ok {
			return t, true
		}
	}
	return parseTarget(escapedPath)
}

// location is the URL of a resource.
func (h *handler) location(e *exchange, r *scim.Resource) string {
	return h.baseURL(e) + r.Type().Endpoint + "/" + r.ID()
}

// resource is the answer that shows one resource.
func (h *handler) resource(e *exchange, status int, r *scim.Resource, shown *scim.Projection) *response {
	return &response{status: status, body: h.present(e, r, shown), header: h.resourceHeader(e, r)}
}

// resourceHeader tells about the resource that an answer shows: its ETag, and its URL. RFC 7643 3.1 wants meta.location to be the same as Content-Location;
// RFC 7644 has Location in its examples of GET, PUT and PATCH, and not with 201 alone.
func (h *handler) resourceHeader(e *exchange, r *scim.Resource) http.Header {
	at := h.location(e, r)
	header := http.Header{"Location": {at}, "Content-Location": {at}}
	if version := r.String("meta.version"); version != "" {
		header.Set("ETag", version)
	}
	return header
}

// present gives the resource as the client is to see it: with the URLs that only the endpoint knows, and without what it did not ask for.
func (h *handler) present(e *exchange, r *scim.Resource, shown *scim.Projection) *scim.Resource {
	r = r.Clone()
	h.setMetaLocation(e, r)
	if r.Type() == scim.GroupType {
		h.setMemberRefs(e, r, shown)
	} else {
		h.setGroupRefs(e, r)
		h.setManagerRef(e, r)
	}
	return scim.Project(r, shown)
}

func (h *handler) setMetaLocation(e *exchange, r *scim.Resource) {
	meta := map[string]any{"location": h.location(e, r)}
	if old, ok := r.Get("meta").(*scim.Object); ok {
		old.Range(func(name string, value any) bool {
			meta[name] = value
			return true
		})
	}
	r.Set("meta", meta)
}

// setMemberRefs writes the members' $ref. A member without type is a User.
func (h *handler) setMemberRefs(e *exchange, r *scim.Resource, shown *scim.Projection) {
	if !shown.Includes("members") {
		return
	}
	members := r.Members()
	if len(members) == 0 {
		return
	}
	base := h.baseURL(e)
	for i, m := range members {
		members[i].Ref = base + endpointOf(m.Type) + m.Value
	}
	r.SetMembers(members)
}

// setGroupRefs writes the $ref of the groups of a user.
func (h *handler) setGroupRefs(e *exchange, r *scim.Resource) {
	groups, ok := r.Get("groups").([]any)
	if !ok {
		return
	}
	base := h.baseURL(e)
	shown := make([]any, 0, len(groups))
	for _, g := range groups {
		group, ok := g.(*scim.Object)
		if !ok {
			continue
		}
		fields := fieldsOf(group)
		id, _ := group.Get("value").(string)
		fields["$ref"] = base + endpointOf("Group") + id
		shown = append(shown, fields)
	}
	r.Set("groups", shown)
}

// setManagerRef writes the $ref of the manager, if its value is an id of this service: some clients put another identifier there.
func (h *handler) setManagerRef(e *exchange, r *scim.Resource) {
	extension, _ := r.Get(scim.EnterpriseUserSchemaID).(*scim.Object)
	manager, _ := extension.Get("manager").(*scim.Object)
	id, _ := manager.Get("value").(string)
	if !directory.IsID(id) {
		return
	}
	shown := fieldsOf(extension)
	withRef := fieldsOf(manager)
	withRef["$ref"] = h.baseURL(e) + endpointOf(scim.UserType.Name) + id
	shown["manager"] = withRef
	r.Set(scim.EnterpriseUserSchemaID, shown)
}

func fieldsOf(o *scim.Object) map[string]any {
	fields := map[string]any{}
	o.Range(func(name string, value any) bool {
		fields[name] = value
		return true
	})
	return fields
}

// endpointOf is the path of the resources that a member of this type is one of.
func endpointOf(memberType string) string {
	if memberType == scim.GroupType.Name {
		return scim.GroupType.Endpoint + "/"
	}
	return scim.UserType.Endpoint + "/"
}
