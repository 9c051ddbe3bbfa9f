// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Bounds of the CRD for spec.extensions and spec.externalIDs.
const (
	maxExtensions  = 32
	maxURN         = 512
	maxExternalIDs = 16
)

// extensions is what spec.extensions holds: values of the core schema that the typed fields do not, and extensions by URN.
type extensions struct {
	core   map[string]any
	others map[string]map[string]any
}

func openExtensions(list []extension, core string) extensions {
	e := extensions{others: map[string]map[string]any{}}
	for _, x := range list {
		attributes := decode(x.Attributes.Raw)
		if len(attributes) == 0 {
			continue
		}
		if x.Schema == core {
			for name := range notStored {
				delete(attributes, name)
			}
			e.core = attributes
		} else {
			e.others[x.Schema] = attributes
		}
	}
	return e
}

// decode gives nil for what is no JSON object: a person's mistake is not worth a resource that cannot be read.
func decode(raw []byte) map[string]any {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber()
	var m map[string]any
	if decoder.Decode(&m) != nil {
		return nil
	}
	m, _ = normal(m).(map[string]any)
	return m
}

// split parts the attributes of the core schema from the extensions: objects under a URN.
func split(values map[string]any, core string) (plain map[string]any, urns map[string]map[string]any) {
	plain, urns = map[string]any{}, map[string]map[string]any{}
	for name, v := range values {
		if notStored[name] {
			continue
		}
		m, isObject := v.(map[string]any)
		if isObject && name != core && strings.Contains(name, ":") && checkLength(name, name, maxURN) == nil {
			urns[name] = m
		} else {
			plain[name] = v
		}
	}
	return plain, urns
}

// packExtensions is sorted by URN, and each object by its names, so that equal attributes are equal bytes.
func packExtensions(core string, rest map[string]any, urns map[string]map[string]any) ([]extension, error) {
	if len(rest) > 0 {
		urns[core] = rest
	}
	if len(urns) > maxExtensions {
		return nil, scim.InvalidValue("the resource has attributes of more than %d schemas", maxExtensions)
	}
	var list []extension
	for _, urn := range slices.Sorted(maps.Keys(urns)) {
		raw, err := json.Marshal(urns[urn])
		if err != nil {
			return nil, fmt.Errorf("attributes of %s: %w", urn, err)
		}
		list = append(list, extension{Schema: urn, Attributes: runtime.RawExtension{Raw: raw}})
	}
	return list, nil
}

func putExternalID(out map[string]any, ids []v1alpha1.ExternalID, client string) {
	for _, id := range ids {
		if client != "" && id.Client == client {
			out["externalId"] = id.ID
		}
	}
}

// applyExternalID leaves the identifiers of other clients alone (RFC 7643 3.1: an externalId means something to the client that gave it, and to nobody else).
func applyExternalID(ids *[]v1alpha1.ExternalID, value any, client string) error {
	if client == "" {
		return nil
	}
	id, isString := value.(string)
	if value != nil && !isString {
		return scim.InvalidValue("externalId has to be a string")
	}
	if err := checkLength("externalId", id, maxExternal); err != nil {
		return err
	}
	i := slices.IndexFunc(*ids, func(x v1alpha1.ExternalID) bool { return x.Client == client })
	switch {
	case id == "" && i >= 0:
		*ids = slices.Delete(*ids, i, i+1)
	case id == "":
	case i >= 0:
		(*ids)[i].ID = id
	case len(*ids) >= maxExternalIDs:
		return scim.InvalidValue("externalId: %d other clients keep one for this resource already", maxExternalIDs)
	default:
		*ids = append(*ids, v1alpha1.ExternalID{Client: client, ID: id})
	}
	if len(*ids) == 0 {
		*ids = nil
	}
	return nil
}
