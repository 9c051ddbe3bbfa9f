// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// limitIn is the number that the detail of an error tells.
var limitIn = regexp.MustCompile(`(?:longer|more) than (\d+) (?:characters|values)`)

// TestLimitsOfTheStoreAreNamed sends more than the custom resources take, for every attribute that /Schemas publishes, and notes the limits that the answers tell.
func TestLimitsOfTheStoreAreNamed(t *testing.T) {
	e := start(t, "strict")
	limits := map[string][]string{}
	for _, w := range e.walks() {
		if e.do("POST", w.path, "{}").status == 405 {
			continue
		}
		note := func(what string, a *answer, name string) {
			a.refused(400, "invalidValue", name)
			limits[w.resource] = append(limits[w.resource], what+" "+told(a))
		}
		e.writesNothing("values beyond the limits", func() {
			for _, leaf := range w.leaves() {
				if !leaf.writable() || !leaf.top().writable() || leaf.Type == "boolean" || leaf.path() == "members.type" {
					continue
				}
				long := strings.Repeat("Xx", 33_000)
				if leaf.Type == "binary" {
					long = base64.StdEncoding.EncodeToString([]byte(long))
				}
				note(leaf.path(), w.do("POST", w.path, w.body(leaf.top(), w.within(leaf, long))), leaf.Name)
			}
		})
		for _, attribute := range w.attributes {
			// The members of a group have no limit but that of the body.
			if !attribute.MultiValued || !attribute.writable() || attribute.Name == "members" {
				continue
			}
			var many []any
			for range 1025 {
				v, _ := w.value(attribute).(map[string]any)
				delete(v, "primary")
				many = append(many, v)
			}
			w.do("POST", w.path, w.body(attribute, many)).refused(400, "invalidValue", attribute.Name)
			if a := w.do("POST", w.path, w.body(attribute, many[:1024])); a.status != 201 {
				note("values of "+attribute.path(), a, attribute.Name)
			}
		}
	}
	for resource, list := range limits {
		t.Logf("%s: %s", resource, strings.Join(list, ", "))
	}
}

// told is the limit that an answer names.
func told(a *answer) string {
	a.t.Helper()
	found := limitIn.FindStringSubmatch(fmt.Sprint(a.body["detail"]))
	if found == nil {
		a.t.Errorf("the detail names no limit: %v", a.body["detail"])
		return ""
	}
	return found[1]
}

func TestLimitsOfOtherAttributesAreNamed(t *testing.T) {
	e := start(t, "okta")
	with := func(more string) string {
		return strings.TrimSuffix(strictUser("kim@corp.test"), "}") + ", " + more + "}"
	}
	extensions := []string{}
	for i := range 33 {
		extensions = append(extensions, fmt.Sprintf(`"urn:example:%d": {"x": 1}`, i))
	}
	for name, body := range map[string]string{
		"externalId":      with(`"externalId": "` + strings.Repeat("x", 1025) + `"`),
		"32 schemas":      with(strings.Join(extensions, ", ")),
		"512 names":       with(`"urn:example:1": {` + manyNames(513) + `}`),
		"1024 characters": strictUser(strings.Repeat("x", 1025)),
	} {
		a := e.do("POST", "/Users", body)
		if a.status != 400 {
			t.Errorf("%s: status %d", name, a.status)
			continue
		}
		a.refused(400, scimTypeOf(a), name)
	}
}

func scimTypeOf(a *answer) string {
	s, _ := a.body["scimType"].(string)
	return s
}

func manyNames(n int) string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf(`"x%d": 1`, i))
	}
	return strings.Join(names, ", ")
}

func TestWhatIsTooLargeForTheStoreIsSaidToBe(t *testing.T) {
	e := start(t, "okta")
	id := e.newUser("kim@corp.test")
	add := func(name string) *answer {
		return e.do("PATCH", "/Users/"+id+"?attributes=userName", patchHead+`[{"op": "add", "path": "urn:example:big:`+name+`", "value": "`+strings.Repeat("x", 200_000)+`"}]}`)
	}
	add("one").want(200)
	e.writesNothing("what would leave the status no room", func() { add("two").refused(413, "", "user", "262144") })
	e.do("GET", "/Users/"+id+"?attributes=userName", "").want(200)
}

func TestCommonAttributesAreWhatTheRFCSays(t *testing.T) {
	e := start(t, "strict")
	a := e.do("POST", "/Users", strings.Replace(strictUser("Kim@corp.test"), "{", `{"id": "chosen", "externalId": "Ab", "meta": {"version": "chosen", "resourceType": "Group"}, `, 1)).want(201)
	if strings.Contains(a.raw, "chosen") || a.get("meta", "resourceType") != "User" {
		t.Errorf("readOnly attributes were taken: %s", a.raw)
	}
	w := &schemaWalk{endpoint: e, path: "/Users"}
	version, _ := a.get("meta", "version").(string)
	created, _ := a.get("meta", "created").(string)
	for expression, want := range map[string]bool{
		`id eq "` + a.id() + `"`: true, `id eq "` + strings.ToUpper(a.id()) + `"`: false, `externalId eq "Ab"`: true, `externalId eq "ab"`: false,
		`meta.resourceType eq "User"`: true, `meta.resourceType eq "user"`: false, `meta.created eq "` + created + `"`: true, `meta.created gt "` + created + `"`: false,
		`meta.lastModified ge "` + strings.Replace(created, "Z", "+00:00", 1) + `"`: true, `meta.version eq ` + asJSON(t, version): true,
		`schemas eq "urn:ietf:params:scim:schemas:core:2.0:User"`: true, `schemas eq "urn:ietf:params:scim:schemas:core:2.0:Group"`: false,
	} {
		if got := w.finds(a.id(), expression); got != want {
			t.Errorf("%s finds it: %v", expression, got)
		}
	}
	e.do("GET", "/Users"+filter(`meta.location eq "x"`), "").refused(400, "invalidFilter", "meta.location")
}
