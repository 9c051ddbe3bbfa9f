// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// toleranceCases show, for each tolerance, the request as it comes, what it becomes, and the error without the tolerance. A POST has body, a PATCH op.
var toleranceCases = []struct {
	name   string
	needs  Tolerance
	body   string
	before string
	op     string
	want   string
	status ScimType
	// strictly is what the request becomes without the tolerance, where it is accepted but means something else.
	strictly string
}{
	{
		name: "Entra names its schema on groups", needs: UnknownSchemas, status: ScimTypeInvalidValue,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"],"userName":"a"}`,
		want: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/User"],"userName":"a"}`,
	},
	{
		name: "data of an extension that the server does not know", needs: UnknownSchemas, status: ScimTypeInvalidValue,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:corp:x"],"userName":"a","urn:corp:x":{"y":"z"}}`,
		want: `{"userName":"a","urn:corp:x":{"y":"z"}}`,
	},
	{
		name: "path-less PATCH of such an extension merges", needs: UnknownSchemas, status: ScimTypeInvalidValue,
		before: `{"userName":"a","urn:corp:x":{"y":"z"}}`, op: `{"op":"replace","value":{"urn:corp:x":{"w":"v"}}}`,
		want: `{"userName":"a","urn:corp:x":{"y":"z","w":"v"}}`,
	},
	{
		name: "PATCH of schemas", needs: UnknownSchemas, status: ScimTypeInvalidValue,
		before: `{"userName":"a","schemas":["urn:old"]}`, op: `{"op":"replace","path":"schemas","value":["urn:ietf:params:scim:schemas:core:2.0:User","urn:new"]}`,
		want: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:new"],"userName":"a"}`,
	},
	{
		name: "no schemas", needs: MissingSchemas, status: ScimTypeInvalidSyntax,
		body: `{"userName":"a"}`, want: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a"}`,
	},
	{
		name: "an extension that schemas does not name", needs: MissingSchemas, status: ScimTypeInvalidSyntax,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","` + EnterpriseUserSchemaID + `":{"department":"x"}}`,
		want: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + EnterpriseUserSchemaID + `"],"userName":"a","` + EnterpriseUserSchemaID + `":{"department":"x"}}`,
	},
	{
		name: "an attribute that no schema defines", needs: UnknownAttributes, status: ScimTypeInvalidSyntax,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","shoeSize":44}`, want: `{"userName":"a","shoeSize":44}`,
	},
	{
		name: "a sub-attribute that no schema defines", needs: UnknownAttributes, status: ScimTypeInvalidSyntax,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","name":{"nick":"K"}}`, want: `{"userName":"a","name":{"nick":"K"}}`,
	},
	{
		name: "PATCH of an attribute that no schema defines", needs: UnknownAttributes, status: ScimTypeInvalidPath,
		before: `{"userName":"a","tags":["x"]}`, op: `{"op":"add","path":"tags","value":["x","y"]}`, want: `{"userName":"a","tags":["x","y"]}`,
	},
	{
		name: "PATCH within an extension that the server does not know", needs: UnknownAttributes, status: ScimTypeInvalidPath,
		before: `{"userName":"a","urn:corp:x:2.0":{"y":"z"}}`, op: `{"op":"replace","path":"urn:corp:x:2.0:y","value":"w"}`,
		want: `{"userName":"a","urn:corp:x:2.0":{"y":"w"}}`,
	},
	{
		name: "removal of such an extension", needs: UnknownAttributes, status: ScimTypeInvalidPath,
		before: `{"userName":"a","urn:corp:x":{"y":"z"}}`, op: `{"op":"remove","path":"urn:corp:x"}`, want: `{"userName":"a"}`,
	},
	{
		name: "Entra sends an attribute of the extension at the top", needs: UnqualifiedExtension, status: ScimTypeInvalidSyntax,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + EnterpriseUserSchemaID + `"],"userName":"a","department":"x"}`,
		want: `{"userName":"a","` + EnterpriseUserSchemaID + `":{"department":"x"}}`,
	},
	{
		name: "Entra writes manager without its URN", needs: UnqualifiedExtension, status: ScimTypeInvalidPath,
		before: `{"userName":"a"}`, op: `{"op":"add","path":"manager","value":{"value":"u2"}}`,
		want: `{"userName":"a","` + EnterpriseUserSchemaID + `":{"manager":{"value":"u2"}}}`,
	},
	{
		name: "dotted and qualified keys in a PATCH", needs: FlatKeys, status: ScimTypeInvalidSyntax,
		before: `{"userName":"a"}`, op: `{"op":"replace","value":{"name.givenName":"Kim","` + EnterpriseUserSchemaID + `:employeeNumber":"7"}}`,
		want: `{"userName":"a","name":{"givenName":"Kim"},"` + EnterpriseUserSchemaID + `":{"employeeNumber":"7"}}`,
	},
	{
		name: "dotted and qualified keys in a POST", needs: FlatKeys, status: ScimTypeInvalidSyntax,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","` + EnterpriseUserSchemaID + `"],"userName":"a","name.givenName":"Kim","` + EnterpriseUserSchemaID + `:department":"x","meta.version":"1"}`,
		want: `{"userName":"a","name":{"givenName":"Kim"},"` + EnterpriseUserSchemaID + `":{"department":"x"}}`,
	},
	{
		name: "True for true", needs: StringBooleans, status: ScimTypeInvalidValue,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"True","active":"True"}`, want: `{"userName":"True","active":true}`,
	},
	{
		name: "False in a PATCH", needs: StringBooleans, status: ScimTypeInvalidValue,
		before: `{"userName":"a","active":true}`, op: `{"op":"replace","path":"active","value":"False"}`, want: `{"userName":"a","active":false}`,
	},
	{
		name: "empty text clears", needs: EmptyStringClears, status: ScimTypeInvalidValue,
		before: `{"userName":"a","active":true}`, op: `{"op":"replace","path":"active","value":""}`, want: `{"userName":"a"}`,
	},
	{
		name: "empty text for an array", needs: EmptyStringClears, status: ScimTypeInvalidValue,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","emails":""}`, want: `{"userName":"a"}`,
	},
	{
		name: "manager as a string", needs: ComplexAsString, status: ScimTypeInvalidValue,
		before: `{"userName":"a"}`, op: `{"op":"add","path":"` + EnterpriseUserSchemaID + `:manager","value":"u2"}`,
		want: `{"userName":"a","` + EnterpriseUserSchemaID + `":{"manager":{"value":"u2"}}}`,
	},
	{
		name: "emails as strings", needs: ComplexAsString, status: ScimTypeInvalidValue,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","emails":["a@corp.test"]}`,
		want: `{"userName":"a","emails":[{"value":"a@corp.test"}]}`,
	},
	{
		name: "an object as JSON text", needs: ComplexAsJSONText, status: ScimTypeInvalidValue,
		before: `{"userName":"a"}`, op: `{"op":"replace","path":"name","value":"{\"givenName\":\"Kim\"}"}`, want: `{"userName":"a","name":{"givenName":"Kim"}}`,
	},
	{
		name: "Entra's roles", needs: ComplexAsJSONText, status: ScimTypeInvalidValue,
		before:   `{"userName":"a"}`,
		op:       `{"op":"add","path":"roles","value":[{"value":"{\"value\":\"admin\",\"display\":\"Admin\"}"}]}`,
		want:     `{"userName":"a","roles":[{"value":"admin","display":"Admin"}]}`,
		strictly: `{"userName":"a","roles":[{"value":"{\"value\":\"admin\",\"display\":\"Admin\"}"}]}`,
	},
	{
		name: "True in the filter of a path", needs: StringBooleans, status: ScimTypeInvalidPath,
		before: `{"userName":"a","roles":[{"value":"x","primary":true},{"value":"y"}]}`,
		op:     `{"op":"replace","path":"roles[primary eq \"True\"].value","value":"z"}`,
		want:   `{"userName":"a","roles":[{"value":"z","primary":true},{"value":"y"}]}`,
	},
	{
		name: "an array as JSON text", needs: ComplexAsJSONText, status: ScimTypeInvalidValue,
		before: `{"userName":"a"}`, op: `{"op":"add","path":"emails","value":"[{\"value\":\"a@corp.test\"}]"}`,
		want: `{"userName":"a","emails":[{"value":"a@corp.test"}]}`,
	},
	{
		name: "a path-less value as JSON text", needs: ComplexAsJSONText, status: ScimTypeInvalidValue,
		before: `{"userName":"a"}`, op: `{"op":"replace","value":"{\"active\":false}"}`, want: `{"userName":"a","active":false}`,
	},
	{
		name: "manager as an array of one", needs: ArrayForSingle, status: ScimTypeInvalidValue,
		before: `{"userName":"a"}`, op: `{"op":"add","path":"` + EnterpriseUserSchemaID + `:manager","value":[{"$ref":"../Users/u2","value":"u2"}]}`,
		want: `{"userName":"a","` + EnterpriseUserSchemaID + `":{"manager":{"value":"u2"}}}`,
	},
	{
		name: "two primaries", needs: MultiplePrimaries, status: ScimTypeInvalidValue,
		body: `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"a","emails":[{"value":"a@x.test","primary":true},{"value":"b@x.test","primary":true}]}`,
		want: `{"userName":"a","emails":[{"value":"a@x.test","primary":true},{"value":"b@x.test","primary":false}]}`,
	},
	{
		name: "two primaries by a PATCH", needs: MultiplePrimaries, status: ScimTypeInvalidValue,
		before: `{"userName":"a","emails":[{"value":"a@x.test","type":"work"},{"value":"b@x.test","type":"work"},{"value":"c@x.test","primary":true}]}`,
		op:     `{"op":"replace","path":"emails[type eq \"work\"].primary","value":true}`,
		want:   `{"userName":"a","emails":[{"value":"a@x.test","type":"work","primary":true},{"value":"b@x.test","type":"work","primary":false},{"value":"c@x.test","primary":false}]}`,
	},
	{
		name: "capital letters in op", needs: OperationCase, status: ScimTypeInvalidSyntax,
		before: `{"userName":"a"}`, op: `{"op":"Replace","path":"title","value":"x"}`, want: `{"userName":"a","title":"x"}`,
	},
	{
		name: "read-only attributes in a path-less PATCH", needs: ReadOnlyInPatch, status: ScimTypeMutability,
		before: `{"userName":"a"}`, op: `{"op":"replace","value":{"meta":{"version":"x"},"groups":[],"title":"x"}}`, want: `{"userName":"a","title":"x"}`,
	},
	{
		name: "replace on a value path that selects nothing", needs: ReplaceCreatesTarget, status: ScimTypeNoTarget,
		before: `{"userName":"a"}`, op: `{"op":"replace","path":"emails[type eq \"work\"].value","value":"a@corp.test"}`,
		want: `{"userName":"a","emails":[{"type":"work","value":"a@corp.test"}]}`,
	},
	{
		name: "add on a value path that selects nothing", needs: ReplaceCreatesTarget, status: ScimTypeNoTarget,
		before: `{"userName":"a","addresses":[{"type":"home","locality":"Bern"}]}`,
		op:     `{"op":"add","path":"addresses[type eq \"work\" and primary eq true]","value":{"locality":"Basel"}}`,
		want:   `{"userName":"a","addresses":[{"type":"home","locality":"Bern"},{"type":"work","primary":true,"locality":"Basel"}]}`,
	},
	{
		name: "remove with a value", needs: RemoveByValue, status: ScimTypeInvalidSyntax,
		before: `{"userName":"a","emails":[{"value":"a@x.test","type":"work"},{"value":"b@x.test"}]}`,
		op:     `{"op":"remove","path":"emails","value":[{"value":"A@x.test"},{"value":"nobody@x.test"}]}`,
		want:   `{"userName":"a","emails":[{"value":"b@x.test"}]}`,
	},
}

// TestTolerances: with its tolerance alone each request is accepted and the use is reported; without it, or in the strict preset, it is refused.
func TestTolerances(t *testing.T) {
	covered := map[Tolerance]bool{}
	for _, test := range toleranceCases {
		covered[test.needs] = true
		t.Run(string(test.needs)+"/"+test.name, func(t *testing.T) {
			var used []Tolerance
			// "value" comparisons in removals ignore case by the schema, so this needs no tolerance.
			with := Options{Dialect: NewDialect("one", test.needs), Used: func(x Tolerance) { used = append(used, x) }}
			before := test.before
			if before == "" {
				before = `{}`
			}
			current := stored(t, UserType, before)
			switch {
			case test.strictly != "":
				result, _ := patched(t, current, with, patchBody(test.op))
				sameJSON(t, result, test.want)
				result, _ = patched(t, current, Options{}, patchBody(test.op))
				sameJSON(t, result, test.strictly)
			case test.op == "":
				sameJSON(t, parsed(t, UserType, with, test.body), test.want)
				_, err := ParseResource([]byte(test.body), UserType, Options{})
				isError(t, asError(t, err), 400, test.status)
			default:
				result, changed := patched(t, current, with, patchBody(test.op))
				sameJSON(t, result, test.want)
				if !changed && test.before != test.want {
					t.Error("not changed")
				}
				isError(t, refusedPatch(t, current, Options{}, patchBody(test.op)), 400, test.status)
			}
			if !slices.Contains(used, test.needs) || slices.ContainsFunc(used, func(x Tolerance) bool { return x != test.needs }) {
				t.Errorf("reported %v, want %s", used, test.needs)
			}
			all := leniently(t)
			if test.op == "" {
				sameJSON(t, parsed(t, UserType, all, test.body), test.want)
			} else {
				result, _ := patched(t, current, all, patchBody(test.op))
				sameJSON(t, result, test.want)
			}
		})
	}
	for _, filter := range filterTolerances {
		covered[filter.needs] = true
	}
	for _, x := range Tolerances() {
		if !covered[x] {
			t.Errorf("no case for %s", x)
		}
	}
}

// filterTolerances are the cases in the filter of a query.
var filterTolerances = []struct {
	needs  Tolerance
	filter string
	want   string
}{
	{UnquotedFilterValue, `externalId eq jyoung`, `externalId eq "jyoung"`},
	{UnquotedFilterValue, `externalId eq 4711 and active eq true`, `externalId eq "4711" and active eq true`},
	{UnquotedFilterValue, `(userName eq 2819c223-7f76-453a-919d-413861904646)`, `userName eq "2819c223-7f76-453a-919d-413861904646"`},
	{UnquotedFilterValue, `emails[type eq work].value eq kim@corp.test`, `emails[type eq "work" and value eq "kim@corp.test"]`},
	{StringBooleans, `active eq "False"`, `active eq false`},
	{StringBooleans, `roles[primary eq "True"]`, `roles[primary eq true]`},
}

func TestTolerancesInFilters(t *testing.T) {
	for _, test := range filterTolerances {
		var used []Tolerance
		o := Options{Dialect: NewDialect("one", test.needs), Used: func(x Tolerance) { used = append(used, x) }}
		f, err := ParseFilterOf(test.filter, UserType, o)
		if err != nil {
			t.Errorf("%s: %v", test.filter, err)
			continue
		}
		if f.String() != test.want || !slices.Contains(used, test.needs) {
			t.Errorf("%s is read as %s with %v", test.filter, f, used)
		}
		if _, err := ParseFilterOf(test.want, UserType, o); err != nil {
			t.Error(err)
		}
		_, err = ParseFilter(test.filter, UserType)
		isError(t, asError(t, err), 400, ScimTypeInvalidFilter)
	}
	// null is no text, and a number that is asked of a boolean stays an error.
	for filter, ok := range map[string]bool{`externalId eq null`: true, `active eq 1`: false, `active eq "yes"`: false, `externalId eq `: false} {
		if _, err := ParseFilterOf(filter, UserType, leniently(t)); (err == nil) != ok {
			t.Errorf("%s: %v", filter, err)
		}
	}
}

func TestStandardRequestsNeedNoTolerance(t *testing.T) {
	o, used := options(t, "entra")
	parsed(t, UserType, o, typicalUser)
	r := stored(t, UserType, typicalUser)
	patched(t, r, o, patchBody(
		`{"op":"replace","path":"emails[type eq \"work\"].value","value":"x@corp.test"}`,
		`{"op":"add","path":"emails","value":{"value":"y@corp.test"}}`,
		`{"op":"replace","value":{"active":false,"name":{"givenName":"K"},"`+EnterpriseUserSchemaID+`":{"department":"x"}}}`,
		`{"op":"remove","path":"phoneNumbers[type eq \"mobile\"]"}`,
	))
	if len(used()) > 0 {
		t.Errorf("reported %v", used())
	}
}

// presetLists is what each preset tolerates. A change here is a change of what the endpoint accepts from everybody who uses the preset: see docs/endpoint.md.
var presetLists = map[string][]Tolerance{
	"entra": {
		ArrayForSingle, ComplexAsJSONText, ComplexAsString, EmptyStringClears, MissingSchemas, MultiplePrimaries, OperationCase, RemoveByValue, ReplaceCreatesTarget,
		StringBooleans, UnknownAttributes, UnknownSchemas, UnqualifiedExtension, UnquotedFilterValue,
	},
	"entra-compliant": {
		ArrayForSingle, ComplexAsJSONText, ComplexAsString, EmptyStringClears, FlatKeys, MissingSchemas, MultiplePrimaries, OperationCase, RemoveByValue,
		ReplaceCreatesTarget, StringBooleans, UnknownAttributes, UnknownSchemas, UnqualifiedExtension, UnquotedFilterValue,
	},
	"jumpcloud": {RemoveByValue},
	"okta":      {EmptyStringClears, MissingSchemas, ReadOnlyInPatch, UnknownAttributes, UnknownSchemas},
	"okta-aiw":  {EmptyStringClears, MissingSchemas, UnknownAttributes, UnknownSchemas},
	"onelogin":  {EmptyStringClears, MissingSchemas, RemoveByValue, StringBooleans, UnknownAttributes, UnknownSchemas},
	"ping":      {UnknownSchemas},
	"sailpoint": nil,
	"strict":    nil,
}

func TestDialectPresets(t *testing.T) {
	if diff := cmp.Diff(slices.Sorted(maps.Keys(presetLists)), DialectNames()); diff != "" {
		t.Error(diff)
	}
	for _, name := range DialectNames() {
		d, _ := DialectByName(name)
		if d.Name() != name {
			t.Errorf("%s is called %s", name, d.Name())
		}
		if diff := cmp.Diff(presetLists[name], d.Tolerances()); diff != "" {
			t.Errorf("%s tolerates (-want +got):\n%s", name, diff)
		}
	}
	if _, ok := DialectByName("nobody"); ok {
		t.Error("unknown preset found")
	}
}

// tableRow is a row of the table of tolerances in docs/endpoint.md: the tolerance, and a cell for each preset, "x" where it is on.
var tableRow = regexp.MustCompile("(?m)^\\| `([A-Za-z]+)` \\|((?: x? ?\\|)+)$")

func TestDocumentationListsThePresets(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "endpoint.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(text), "| tolerance |")
	header, _, _ := strings.Cut(table, "\n")
	columns := strings.Split(strings.Trim(header, " |"), " | ")
	if diff := cmp.Diff(DialectNames(), slices.Sorted(slices.Values(columns))); diff != "" {
		t.Fatalf("the columns of the table are not the presets: %s", diff)
	}
	var documented []Tolerance
	for _, row := range tableRow.FindAllStringSubmatch(table, -1) {
		x := Tolerance(row[1])
		documented = append(documented, x)
		cells := strings.Split(strings.Trim(row[2], "|"), "|")
		for i, name := range columns {
			if on := strings.TrimSpace(cells[i]) == "x"; on != presets[name].Allows(x) {
				t.Errorf("the table says %v for %s of %s", on, x, name)
			}
		}
		if !strings.Contains(string(text), "- `"+row[1]+"`: ") {
			t.Errorf("no text on %s", x)
		}
	}
	slices.Sort(documented)
	if diff := cmp.Diff(Tolerances(), documented); diff != "" {
		t.Errorf("rows of the table (-want +got):\n%s", diff)
	}
}
