// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/scim"
)

const serviceProviderConfigSchema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"

// published is a schema or resource type as discovery shows it (RFC 7644 4). Discovery needs a token like everything else: the RFC allows it without, but no
// client needs that.
type published struct {
	id       string
	document func(baseURL string) json.Marshaler
}

func publishedSchemas(id Identity) []published {
	var all []published
	for _, s := range scim.PublishedSchemas() {
		if !id.mayUseSchema(s.ID) {
			continue
		}
		if s == scim.GroupSchema && id.Config.UniqueGroups() {
			s = uniqueGroups
		}
		all = append(all, published{s.ID, s.Document})
	}
	return all
}

func publishedResourceTypes(id Identity) []published {
	var all []published
	for _, rt := range scim.PublishedResourceTypes() {
		if !id.mayUse(rt) {
			continue
		}
		all = append(all, published{rt.Name, rt.Document})
	}
	return all
}

// uniqueGroups is the schema of groups for a client whose groups have unique names. RFC 7643 8.7.1 has none, which it leaves to the service.
var uniqueGroups = func() *scim.Schema {
	s := *scim.GroupSchema
	s.Attributes = slices.Clone(s.Attributes)
	for i, a := range s.Attributes {
		if a.Name == "displayName" {
			name := *a
			name.Uniqueness = scim.UniqueServer
			name.Description = "The name of the group; unique among the groups of this client, whatever its letter case."
			s.Attributes[i] = &name
		}
	}
	return &s
}()

// serviceProviderConfig says what the endpoint can do (RFC 7643 5; pagination: RFC 9865 4).
func serviceProviderConfig(limits Limits) map[string]any {
	no := map[string]any{"supported": false}
	return map[string]any{
		"schemas":        []string{serviceProviderConfigSchema},
		"patch":          map[string]any{"supported": true},
		"bulk":           map[string]any{"supported": true, "maxOperations": limits.BulkOperations, "maxPayloadSize": limits.BulkBody},
		"filter":         map[string]any{"supported": true, "maxResults": limits.MaxPage},
		"changePassword": no,
		"sort":           map[string]any{"supported": true},
		"etag":           map[string]any{"supported": true},
		"pagination": map[string]any{
			"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": limits.DefaultPage, "maxPageSize": limits.MaxPage,
			"cursorTimeout": int(directory.CursorLife.Seconds()),
		},
	}
}

// authenticationSchemes are those that the client can use (RFC 7643 5). A JSON Web Token goes the same way as others.
func authenticationSchemes(config clients.Config) []map[string]any {
	var schemes []map[string]any
	add := func(name, description, spec string) {
		schemes = append(schemes, map[string]any{
			"type": "oauthbearertoken", "name": name, "description": description, "specUri": spec, "primary": len(schemes) == 0,
		})
	}
	if config.JWT == nil || len(config.TokenHashes) > 0 {
		add("Bearer token", "A token of the ScimClient in the header Authorization: Bearer <token>.", "https://www.rfc-editor.org/info/rfc6750")
	}
	if config.JWT != nil {
		add("JSON Web Token", "An access token of the issuer that the ScimClient names (spec.jwt) in the header Authorization: Bearer <token>.",
			"https://www.rfc-editor.org/info/rfc9068")
	}
	return schemes
}

func (h *handler) serviceProviderConfig(e *exchange) (*response, error) {
	if err := refuseFilter(e); err != nil {
		return nil, err
	}
	body := serviceProviderConfig(h.limits)
	body["authenticationSchemes"] = authenticationSchemes(e.identity.Config)
	body["meta"] = map[string]any{"resourceType": endpointServiceProviderConfig, "location": h.baseURL(e) + "/" + endpointServiceProviderConfig}
	return &response{status: http.StatusOK, body: body}, nil
}

func (h *handler) schemas(e *exchange) (*response, error) {
	return h.publish(e, publishedSchemas(e.identity))
}

func (h *handler) resourceTypes(e *exchange) (*response, error) {
	return h.publish(e, publishedResourceTypes(e.identity))
}

// publish answers with one document if the path names one, else with all of them as a list.
func (h *handler) publish(e *exchange, all []published) (*response, error) {
	if err := refuseFilter(e); err != nil {
		return nil, err
	}
	list := scim.ListResponse[json.Marshaler]{TotalResults: len(all), StartIndex: 1}
	for _, p := range all {
		document := p.document(h.baseURL(e))
		// Schema URNs are compared without regard to case (RFC 7643 3).
		if strings.EqualFold(e.target.id, p.id) {
			return &response{status: http.StatusOK, body: document}, nil
		}
		list.Resources = append(list.Resources, document)
	}
	if e.target.id != "" {
		return nil, scim.NewError(http.StatusNotFound, "there is nothing of that name below /%s", e.target.endpoint)
	}
	return &response{status: http.StatusOK, body: list}, nil
}

// refuseFilter answers a filter on a discovery endpoint with 403 (RFC 7644 4): an ignored filter would look like a match.
func refuseFilter(e *exchange) error {
	values, err := parameters(e)
	if err != nil {
		return err
	}
	if values.Has("filter") {
		return scim.NewError(http.StatusForbidden, "filters are not supported on /%s", e.target.endpoint)
	}
	return nil
}
