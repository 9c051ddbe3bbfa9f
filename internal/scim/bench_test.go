// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"fmt"
	"testing"
)

// typicalUser is the body of a PUT by an Okta app of the wizard family: what the service returned, merged with the profile.
const typicalUser = `{
  "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
  "id": "u-4f1c.9b1f2a7740c1d2e3",
  "externalId": "00u1a2b3c4d5e6f7g8h9",
  "userName": "kim.meyer@corp.test",
  "name": {"givenName": "Kim", "familyName": "Meyer", "formatted": "Kim Meyer", "honorificPrefix": "Dr."},
  "displayName": "Kim Meyer",
  "nickName": "Kim",
  "title": "Engineer",
  "userType": "Employee",
  "preferredLanguage": "de-CH",
  "locale": "de-CH",
  "timezone": "Europe/Zurich",
  "active": true,
  "emails": [
    {"value": "kim.meyer@corp.test", "type": "work", "primary": true},
    {"value": "kim@home.test", "type": "home"}
  ],
  "phoneNumbers": [{"value": "+41 44 555 01 23", "type": "work"}, {"value": "+41 79 555 01 23", "type": "mobile"}],
  "addresses": [{"type": "work", "streetAddress": "Hauptstrasse 1", "locality": "Zürich", "postalCode": "8001", "country": "CH"}],
  "groups": [{"value": "g-1", "display": "Engineering", "type": "direct"}],
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {
    "employeeNumber": "1234", "costCenter": "4130", "organization": "Corp", "division": "R&D", "department": "Platform", "manager": {"value": "u-77.aa"}
  },
  "password": "a-placeholder",
  "meta": {"resourceType": "User", "created": "2026-01-02T03:04:05Z", "lastModified": "2026-01-02T03:04:05Z", "location": "https://scim.corp.test/v2/Users/u-4f1c"}
}`

func BenchmarkParseUser(b *testing.B) {
	o, _ := options(b, "okta")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseResource([]byte(typicalUser), UserType, o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkMarshalUser(b *testing.B) {
	r := stored(b, UserType, typicalUser)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.MarshalJSON(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPatchUser(b *testing.B) {
	bodies := map[string]string{
		"deactivate": patchBody(`{"op":"replace","value":{"active":false}}`),
		"entra": patchBody(
			`{"op":"Replace","path":"emails[type eq \"work\"].value","value":"kim2@corp.test"}`,
			`{"op":"Replace","path":"name.familyName","value":"Muster"}`,
			`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department","value":"Sales"}`,
		),
		"nothing": patchBody(`{"op":"replace","value":{"active":true,"displayName":"Kim Meyer"}}`),
	}
	o, _ := options(b, "entra")
	r := stored(b, UserType, typicalUser)
	for name, body := range bodies {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := ParsePatch([]byte(body), UserType, o)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err = ApplyPatch(r, p, o); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkReplaceUser(b *testing.B) {
	o, _ := options(b, "okta-aiw")
	current := stored(b, UserType, typicalUser)
	b.ReportAllocs()
	for b.Loop() {
		incoming, err := ParseResource([]byte(typicalUser), UserType, o)
		if err != nil {
			b.Fatal(err)
		}
		if _, changed, err := Replace(current, incoming); err != nil || changed {
			b.Fatal(changed, err)
		}
	}
}

func BenchmarkETagUser(b *testing.B) {
	r := stored(b, UserType, typicalUser)
	b.ReportAllocs()
	for b.Loop() {
		ETag(r)
	}
}

func BenchmarkFilter(b *testing.B) {
	filters := map[string]string{
		"userName": `userName eq "kim.meyer@corp.test"`,
		"email":    `emails[type eq "work" and value co "@corp.test"]`,
		"complex":  `userType eq "Employee" and (emails co "corp.test" or emails.value co "home.test") and not (title sw "Chief") and active eq true`,
	}
	r := stored(b, UserType, typicalUser)
	for name, text := range filters {
		b.Run("parse/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseFilter(text, UserType); err != nil {
					b.Fatal(err)
				}
			}
		})
		f, err := ParseFilter(text, UserType)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("match/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if !f.Match(r) {
					b.Fatal("no match")
				}
			}
		})
	}
}

func BenchmarkPatchMember(b *testing.B) {
	o, _ := options(b, "okta")
	for _, size := range []int{10, 10_000} {
		members := make([]Member, size)
		for i := range members {
			members[i] = Member{Value: fmt.Sprintf("u-%d", i)}
		}
		group := stored(b, GroupType, `{"id":"g-1","displayName":"eng"}`)
		group.SetMembers(members)
		body := []byte(patchBody(
			`{"op":"remove","path":"members[value eq \"u-1\"]"}`,
			`{"op":"add","path":"members","value":[{"value":"u-x","display":"x@corp.test"}]}`,
		))
		b.Run(fmt.Sprintf("loaded/%d", size), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p, err := ParsePatch(body, GroupType, o)
				if err != nil {
					b.Fatal(err)
				}
				if _, changed, err := ApplyPatch(group, p, o); err != nil || !changed {
					b.Fatal(changed, err)
				}
			}
		})
	}
	b.Run("delta", func(b *testing.B) {
		body := []byte(patchBody(`{"op":"add","path":"members","value":[{"value":"u-x","display":"x@corp.test"}]}`))
		b.ReportAllocs()
		for b.Loop() {
			p, err := ParsePatch(body, GroupType, o)
			if err != nil {
				b.Fatal(err)
			}
			_, ops := SplitGroupPatch(p)
			if _, ok := NetMemberOps(ops); !ok {
				b.Fatal("no delta")
			}
		}
	})
}

func BenchmarkFold(b *testing.B) {
	for name, s := range map[string]string{"ascii": "Kim.Meyer@Corp.TEST", "lower": "kim.meyer@corp.test", "unicode": "KİM.MÜLLER@CORP.TEST"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Fold(s)
			}
		})
	}
}

// BenchmarkEncodingJSON is the standard library on the same body, for scale.
func BenchmarkEncodingJSON(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var m map[string]any
		if err := json.Unmarshal([]byte(typicalUser), &m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkResourceFromMap(b *testing.B) {
	m := stored(b, UserType, typicalUser).Map()
	b.ReportAllocs()
	for b.Loop() {
		ResourceFromMap(UserType, m)
	}
}
