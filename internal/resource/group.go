// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

const maxMemberValue = 320

type groupSpec = v1alpha1.ScimGroupSpec

var groupAttributes = []attribute[groupSpec]{
	text("displayName", maxName, func(s *groupSpec) *string { return &s.DisplayName }),
}

// GroupJSON gives the SCIM attributes of a group as encoding/json would decode them, members included: without schemas, id and meta, and with the externalId
// of the client only (none for "").
func GroupJSON(g *v1alpha1.ScimGroup, client string) map[string]any {
	out := GroupAttributes(g, client)
	if len(g.Spec.Members) == 0 {
		return out
	}
	members := make([]any, len(g.Spec.Members))
	for i, m := range g.Spec.Members {
		member := map[string]any{"value": m.Value}
		if m.Type != "" {
			member["type"] = string(m.Type)
		}
		members[i] = member
	}
	out["members"] = members
	return out
}

// GroupAttributes is GroupJSON without the members.
func GroupAttributes(g *v1alpha1.ScimGroup, client string) map[string]any {
	kept := openExtensions(g.Spec.Extensions, scim.GroupSchemaID)
	out := give(&g.Spec, groupAttributes, kept.core)
	for urn, attributes := range kept.others {
		out[urn] = attributes
	}
	putExternalID(out, g.Spec.ExternalIDs, client)
	return out
}

// ApplyGroup makes the SCIM attributes of a spec exactly those given, members included; see ApplyUser. Of a member, value and type are kept.
func ApplyGroup(spec *v1alpha1.ScimGroupSpec, attrs map[string]any, client string) error {
	members, err := parseMembers(attrs["members"])
	if err != nil {
		return err
	}
	if err := ApplyGroupAttributes(spec, attrs, client); err != nil {
		return err
	}
	spec.Members = members
	return nil
}

// ApplyGroupAttributes is ApplyGroup without the members, which stay as they are.
func ApplyGroupAttributes(spec *v1alpha1.ScimGroupSpec, attrs map[string]any, client string) error {
	values, _ := normal(without(attrs, "members")).(map[string]any)
	if s, _ := values["displayName"].(string); s == "" {
		return scim.InvalidValue("displayName is required")
	}
	next := *spec
	next.ExternalIDs = append([]v1alpha1.ExternalID(nil), spec.ExternalIDs...)
	if err := applyExternalID(&next.ExternalIDs, values["externalId"], client); err != nil {
		return err
	}
	plain, urns := split(values, scim.GroupSchemaID)
	rest, err := take(&next, groupAttributes, "", plain)
	if err != nil {
		return err
	}
	if next.Extensions, err = packExtensions(scim.GroupSchemaID, rest, urns); err != nil {
		return err
	}
	*spec = next
	return nil
}

func without(attrs map[string]any, name string) map[string]any {
	out := make(map[string]any, len(attrs))
	for k, v := range attrs {
		if k != name {
			out[k] = v
		}
	}
	return out
}

func parseMembers(v any) ([]v1alpha1.GroupMember, error) {
	if v == nil {
		return nil, nil
	}
	values, isArray := v.([]any)
	if !isArray {
		return nil, scim.InvalidValue("members has to be an array")
	}
	var members []v1alpha1.GroupMember
	seen := make(map[string]bool, len(values))
	for _, value := range values {
		m, _ := value.(map[string]any)
		id, _ := m["value"].(string)
		typ, _ := m["type"].(string)
		member, err := Member(scim.Member{Value: id, Type: typ})
		if err != nil {
			return nil, err
		}
		if !seen[id] {
			seen[id] = true
			members = append(members, member)
		}
	}
	return members, nil
}

// Member converts one member. 400 invalidValue if its value is empty or too long, or its type neither User nor Group in any letter case.
func Member(m scim.Member) (v1alpha1.GroupMember, error) {
	if m.Value == "" {
		return v1alpha1.GroupMember{}, scim.InvalidValue("members.value is required")
	}
	if err := checkLength("members.value", m.Value, maxMemberValue); err != nil {
		return v1alpha1.GroupMember{}, err
	}
	for _, t := range []v1alpha1.MemberType{"", v1alpha1.MemberTypeUser, v1alpha1.MemberTypeGroup} {
		if strings.EqualFold(m.Type, string(t)) {
			return v1alpha1.GroupMember{Value: m.Value, Type: t}, nil
		}
	}
	return v1alpha1.GroupMember{}, scim.InvalidValue("members.type is neither User nor Group")
}
