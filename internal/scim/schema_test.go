// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSchemaLookUpsIgnoreCase(t *testing.T) {
	if a := UserSchema.Attribute("USERNAME"); a == nil || a.Name != "userName" {
		t.Error("userName not found")
	}
	if a := UserSchema.Attribute("emails").Sub("VALUE"); a == nil || a.Name != "value" {
		t.Error("emails.value not found")
	}
	if UserSchema.Attribute("id") != nil || UserSchema.Attribute("u\u017ferName") != nil {
		t.Error("found what is not there")
	}
}

// TestSchemasSayWhatRFC7643Says checks the characteristics on which behaviour depends (RFC 7643 8.7.1; section 2.2 for the defaults).
func TestSchemasSayWhatRFC7643Says(t *testing.T) {
	for path, want := range map[string]string{
		"User/userName":               "string readWrite default server required",
		"User/name":                   "complex readWrite default none",
		"User/active":                 "boolean readWrite default none",
		"User/password":               "string writeOnly never none",
		"User/groups":                 "complex readOnly default none multi",
		"User/groups/value":           "string readOnly default none exact",
		"User/emails":                 "complex readWrite default none multi",
		"User/emails/primary":         "boolean readWrite default none",
		"User/profileUrl":             "reference readWrite default none exact",
		"User/photos/value":           "reference readWrite default none exact",
		"User/x509Certificates/value": "binary readWrite default none exact",
		"Group/displayName":           "string readWrite default none required",
		"Group/members":               "complex readWrite default none multi",
		// 8.7.1 has it optional; but an entry without it is refused.
		"Group/members/value":    "string immutable default none required exact",
		"EnterpriseUser/manager": "complex readWrite default none",
	} {
		a := lookUp(path)
		if a == nil {
			t.Errorf("%s is missing", path)
			continue
		}
		got := string(a.Type) + " " + string(a.Mutability) + " " + string(a.Returned) + " " + string(a.Uniqueness)
		for _, flag := range []struct {
			word string
			is   bool
		}{{" required", a.Required}, {" multi", a.MultiValued}, {" exact", a.CaseExact}} {
			if flag.is {
				got += flag.word
			}
		}
		if got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	for _, s := range PublishedSchemas() {
		checkAttributes(t, s.Name, s.Attributes)
	}
}

func lookUp(path string) *Attribute {
	parts := []string{""}
	for _, c := range path {
		if c == '/' {
			parts = append(parts, "")
		} else {
			parts[len(parts)-1] += string(c)
		}
	}
	for _, s := range PublishedSchemas() {
		if s.Name == parts[0] {
			a := s.Attribute(parts[1])
			if len(parts) > 2 {
				a = a.Sub(parts[2])
			}
			return a
		}
	}
	return nil
}

func checkAttributes(t *testing.T, where string, list []*Attribute) {
	seen := map[string]bool{}
	for _, a := range list {
		label := where + "." + a.Name
		if seen[nameKey(a.Name)] {
			t.Errorf("%s is there twice", label)
		}
		seen[nameKey(a.Name)] = true
		if badName(a.Name) >= 0 || a.Description == "" || (a.Type == TypeComplex) != (a.SubAttributes != nil) || (a.Type == TypeReference) != (a.ReferenceTypes != nil) {
			t.Errorf("%s is not well defined: %+v", label, a)
		}
		checkAttributes(t, label, a.SubAttributes)
	}
}

func TestSchemaDocument(t *testing.T) {
	var got struct {
		Schemas    []string
		ID, Name   string
		Attributes []struct {
			Name, Type, Mutability, Returned, Uniqueness string
			MultiValued, Required                        bool
			CaseExact                                    *bool
			SubAttributes                                []json.RawMessage
		}
		Meta struct{ ResourceType, Location string }
	}
	if err := json.Unmarshal(mustJSON(t, GroupSchema.Document("https://scim.corp.test/v2")), &got); err != nil {
		t.Fatal(err)
	}
	if got.ID != GroupSchemaID || got.Name != "Group" || len(got.Attributes) != 2 || len(got.Attributes[1].SubAttributes) != 3 ||
		got.Attributes[0].CaseExact == nil || *got.Attributes[0].CaseExact || !got.Attributes[0].Required || got.Attributes[1].CaseExact != nil ||
		got.Meta.ResourceType != "Schema" || got.Meta.Location != "https://scim.corp.test/v2/Schemas/urn:ietf:params:scim:schemas:core:2.0:Group" {
		t.Errorf("%+v", got)
	}
	got.Meta.Location = ""
	if err := json.Unmarshal(mustJSON(t, GroupSchema), &got); err != nil || got.Meta.Location != "" {
		t.Errorf("without base URL: %v, %+v", err, got.Meta)
	}
	if diff := cmp.Diff([]string{"urn:ietf:params:scim:schemas:core:2.0:Schema"}, got.Schemas); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(`{"name":"type","type":"string","multiValued":false,"description":"The resource type of the member.","required":false,`+
		`"canonicalValues":["User","Group"],"caseExact":false,"mutability":"immutable","returned":"default","uniqueness":"none"}`,
		string(mustJSON(t, membersAttribute.Sub("type")))); diff != "" {
		t.Error(diff)
	}
}

func TestResourceTypeDocument(t *testing.T) {
	want := `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"User","name":"User","endpoint":"/Users","description":"User Account",` +
		`"schema":"urn:ietf:params:scim:schemas:core:2.0:User","schemaExtensions":[{"schema":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","required":false}],` +
		`"meta":{"resourceType":"ResourceType","location":"https://scim.corp.test/v2/ResourceTypes/User"}}`
	if got := string(mustJSON(t, UserType.Document("https://scim.corp.test/v2"))); got != want {
		t.Error(got)
	}
	if got := string(mustJSON(t, GroupType)); got != `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],"id":"Group","name":"Group","endpoint":"/Groups",`+
		`"description":"Group","schema":"urn:ietf:params:scim:schemas:core:2.0:Group","schemaExtensions":[]}` {
		t.Error(got)
	}
}
