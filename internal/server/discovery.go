// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/scim-operator/scim-operator/internal/scim"
)

const serviceProviderConfigSchema = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"

// discovery holds the documents of RFC 7644 4. They need a token like everything else: what the RFC allows without one, nobody here has a use for.
type discovery struct {
	config        map[string]any
	schemas       []document
	resourceTypes []document
}

// document is a published schema or resource type.
type document struct {
	id, kind, endpoint string
	content            json.RawMessage
}

func newDiscovery(limits Limits) (*discovery, error) {
	d := &discovery{config: serviceProviderConfig(limits)}
	for _, s := range scim.CoreSchemas() {
		content, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("schema %s: %w", s.ID, err)
		}
		d.schemas = append(d.schemas, document{s.ID, "Schema", endpointSchemas, content})
	}
	for _, rt := range scim.CoreResourceTypes() {
		content, err := json.Marshal(rt)
		if err != nil {
			return nil, fmt.Errorf("resource type %s: %w", rt.Name, err)
		}
		d.resourceTypes = append(d.resourceTypes, document{rt.Name, "ResourceType", endpointResourceTypes, content})
	}
	return d, nil
}

// serviceProviderConfig says what the endpoint can do (RFC 7643 5; pagination: RFC 9865 4).
func serviceProviderConfig(limits Limits) map[string]any {
	no := map[string]any{"supported": false}
	return map[string]any{
		"schemas":        []string{serviceProviderConfigSchema},
		"patch":          map[string]any{"supported": true},
		"bulk":           map[string]any{"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
		"filter":         map[string]any{"supported": true, "maxResults": limits.MaxPage},
		"changePassword": no,
		"sort":           no,
		"etag":           map[string]any{"supported": true},
		"pagination": map[string]any{
			"cursor": false, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": limits.DefaultPage, "maxPageSize": limits.MaxPage,
		},
		"authenticationSchemes": []any{map[string]any{
			"type":        "oauthbearertoken",
			"name":        "Bearer token",
			"description": "A token of the ScimClient in the header Authorization: Bearer <token>.",
			"specUri":     "https://www.rfc-editor.org/info/rfc6750",
			"primary":     true,
		}},
	}
}

func (h *handler) serviceProviderConfig(e *exchange) (*response, error) {
	if err := refuseFilter(e); err != nil {
		return nil, err
	}
	body := map[string]any{"meta": map[string]any{"resourceType": "ServiceProviderConfig", "location": h.baseURL(e) + "/" + endpointServiceProviderConfig}}
	for name, value := range h.discovery.config {
		body[name] = value
	}
	return &response{status: http.StatusOK, body: body}, nil
}

func (h *handler) schemas(e *exchange) (*response, error) { return h.publish(e, h.discovery.schemas) }

func (h *handler) resourceTypes(e *exchange) (*response, error) {
	return h.publish(e, h.discovery.resourceTypes)
}

// publish answers with one document if the path names one, else with all of them as a list.
func (h *handler) publish(e *exchange, documents []document) (*response, error) {
	if err := refuseFilter(e); err != nil {
		return nil, err
	}
	list := scim.ListResponse[json.RawMessage]{StartIndex: 1}
	for _, d := range documents {
		content, err := d.withMeta(h.baseURL(e))
		if err != nil {
			return nil, err
		}
		// Schema URNs are compared without regard to case (RFC 7643 3).
		if e.target.id != "" && strings.EqualFold(e.target.id, d.id) {
			return &response{status: http.StatusOK, body: content}, nil
		}
		list.Resources = append(list.Resources, content)
	}
	if e.target.id != "" {
		return nil, scim.NewError(http.StatusNotFound, "there is nothing of that name below /%s", e.target.endpoint)
	}
	list.TotalResults = len(list.Resources)
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

// withMeta is the document with its location, which depends on how the client came here.
func (d document) withMeta(baseURL string) (json.RawMessage, error) {
	fields := map[string]json.RawMessage{}
	if err := json.Unmarshal(d.content, &fields); err != nil {
		return nil, err
	}
	meta, err := json.Marshal(map[string]any{"resourceType": d.kind, "location": baseURL + "/" + d.endpoint + "/" + d.id})
	if err != nil {
		return nil, err
	}
	fields["meta"] = meta
	return json.Marshal(fields)
}
