// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "testing"

func TestReplaceIsPut(t *testing.T) {
	current := `{"id":"u1","meta":{"version":"1"},"groups":[{"value":"g1"}],"externalId":"e","userName":"a","title":"x","name":{"givenName":"K","familyName":"M"},
	  "emails":[{"value":"a@x.test"},{"value":"b@x.test"}],"shoe":44,"active":true,"` + ent + `":{"department":"d","manager":{"value":"u2"}}}`
	for _, test := range []struct{ name, body, want string }{
		{"what is not mentioned is cleared, but active", `{"userName":"a"}`, `{"id":"u1","meta":{"version":"1"},"groups":[{"value":"g1"}],"userName":"a","active":true}`},
		{"complex attributes are replaced, not merged", `{"userName":"a","name":{"givenName":"K"},"active":false}`,
			`{"id":"u1","meta":{"version":"1"},"groups":[{"value":"g1"}],"userName":"a","name":{"givenName":"K"},"active":false}`},
		{"read-only values are ignored", `{"id":"other","groups":[],"meta":{"version":"9"},"userName":"b"}`,
			`{"id":"u1","meta":{"version":"1"},"groups":[{"value":"g1"}],"userName":"b","active":true}`},
		{"extensions are replaced", `{"userName":"a","` + ent + `":{"department":"e"}}`,
			`{"id":"u1","meta":{"version":"1"},"groups":[{"value":"g1"}],"userName":"a","active":true,"` + ent + `":{"department":"e"}}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := stored(t, UserType, current)
			result, changed, err := Replace(before, parsed(t, UserType, leniently(t), test.body))
			if err != nil || !changed {
				t.Fatal(changed, err)
			}
			sameJSON(t, result, test.want)
			sameJSON(t, before, current)
			if _, again, err := Replace(result, parsed(t, UserType, leniently(t), test.body)); again || err != nil {
				t.Errorf("the second time: changed %v, %v", again, err)
			}
		})
	}
	// The same content in another form is no change.
	same := `{"` + ent + `":{"manager":{"value":"u2"},"department":"d"},"Active":true,"shoe":44.0,"emails":[{"value":"b@x.test"},{"value":"a@x.test"}],
	  "name":{"familyName":"M","givenName":"K"},"title":"x","userName":"a","externalId":"e","addresses":[]}`
	result, changed, err := Replace(stored(t, UserType, current), parsed(t, UserType, leniently(t), same))
	if err != nil || changed {
		t.Error(changed, err)
	}
	sameJSON(t, result, current)
}

func TestReplaceComparesImmutableAttributes(t *testing.T) {
	rt := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:test:Thing", Attributes: []*Attribute{
		attribute("serial", TypeString, "", immutable, exact), attribute("note", TypeString, ""),
	}}}
	current := stored(t, rt, `{"id":"1","serial":"a"}`)
	_, _, err := Replace(current, parsed(t, rt, leniently(t), `{"serial":"b"}`))
	isError(t, asError(t, err), 400, ScimTypeMutability, "serial")
	result, changed, err := Replace(current, parsed(t, rt, leniently(t), `{"serial":"a","note":"n"}`))
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	sameJSON(t, result, `{"id":"1","serial":"a","note":"n"}`)
	if result, _, err = Replace(current, parsed(t, rt, leniently(t), `{"note":"n"}`)); err != nil {
		t.Fatal(err)
	}
	sameJSON(t, result, `{"id":"1","serial":"a","note":"n"}`)
}

func TestReplaceTreatsExtensionsByTheSameRules(t *testing.T) {
	ext := &Schema{ID: "urn:test:ext", Attributes: []*Attribute{
		attribute("badge", TypeString, "", immutable, exact), attribute("seen", TypeDateTime, "", readOnly), attribute("desk", TypeString, ""),
	}}
	rt := &ResourceType{Name: "Thing", Schema: &Schema{ID: "urn:test:Thing"}, Extensions: []SchemaExtension{{Schema: ext}}}
	current := stored(t, rt, `{"id":"1","urn:test:ext":{"badge":"a","seen":"2026-01-01T00:00:00Z","desk":"d"}}`)
	result, _, err := Replace(current, parsed(t, rt, leniently(t), `{}`))
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, result, `{"id":"1","urn:test:ext":{"badge":"a","seen":"2026-01-01T00:00:00Z"}}`)
	_, _, err = Replace(current, parsed(t, rt, leniently(t), `{"urn:test:ext":{"badge":"b"}}`))
	isError(t, asError(t, err), 400, ScimTypeMutability, "badge")
}

func TestReplaceNeedsTheRequiredAttributes(t *testing.T) {
	current := stored(t, UserType, `{"id":"1","userName":"a"}`)
	_, _, err := Replace(current, NewResource(UserType))
	isError(t, asError(t, err), 400, ScimTypeInvalidValue, "userName")
}
