// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server

import (
	"net/http"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// ActivityNoter hears of each request with valid credentials, and of each change that is accepted, or refused for a reason that the client can do something about. It must not
// block.
type ActivityNoter interface {
	Request(scimClient types.NamespacedName)
	Push(scimClient types.NamespacedName, refusal clients.Refusal)
}

// active tells of a request. Bulk requests are told of operation by operation, unless they are refused as a whole.
func (h *handler) active(e *exchange, answer *response) {
	if h.activity == nil || e.identity.Client == "" {
		return
	}
	h.activity.Request(e.identity.key())
	if e.target.endpoint != endpointBulk || answer.status >= http.StatusBadRequest {
		h.pushed(e, answer)
	}
}

// pushed tells of a change. Reads, unknown ids, and trouble that passes are no refusals.
func (h *handler) pushed(e *exchange, answer *response) {
	if h.activity == nil || e.target.id == endpointSearch || e.target.endpoint == endpointSearch {
		return
	}
	switch e.request.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
	default:
		return
	}
	switch answer.status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusConflict, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusNotImplemented:
		refusal := clients.Refusal{Status: answer.status}
		if body, ok := answer.body.(*scim.Error); ok {
			refusal.Type, refusal.Field = string(body.ScimType), attributeIn(body.Detail)
		}
		h.activity.Push(e.identity.key(), refusal)
	default:
		if answer.status < http.StatusMultipleChoices {
			h.activity.Push(e.identity.key(), clients.Refusal{})
		}
	}
}

func (i Identity) key() types.NamespacedName {
	return types.NamespacedName{Namespace: i.Namespace, Name: i.Client}
}

// attributeIn returns the first attribute of the schemas that an error names, empty for none. Only names of the schemas are taken: whatever a client has sent stays out.
func attributeIn(detail string) string {
	for _, word := range strings.FieldsFunc(detail, func(r rune) bool { return !strings.ContainsRune(attributeLetters, r) }) {
		name, sub, _ := strings.Cut(word, ".")
		for _, schema := range scim.CoreSchemas() {
			attribute := schema.Attribute(name)
			if attribute == nil {
				continue
			}
			if part := attribute.Sub(sub); part != nil {
				return attribute.Name + "." + part.Name
			}
			return attribute.Name
		}
	}
	return ""
}

const attributeLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789$."
