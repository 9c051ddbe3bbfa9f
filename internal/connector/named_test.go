// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:"

// sentPaths are the paths of a usual request.
var sentPaths = []string{
	"active", "addresses", "displayName", "emails", "externalId", "locale", "name.familyName", "name.givenName", "phoneNumbers", "preferredLanguage", "roles", "title",
	enterprise + "costCenter", enterprise + "department", "userName", "userType",
}

func detail(text string) string {
	data, _ := json.Marshal(map[string]string{"detail": text}) // a map of strings has JSON
	return string(data)
}

func TestTheRefusedAttributeIsReadFromTheWordsOfRealServers(t *testing.T) {
	tests := map[string]struct {
		body string
		want []string
	}{
		"SCIM-SDK":                 {detail("the attribute with the name 'userType' is unknown to resource type 'User'"), []string{"userType"}},
		"SCIM-SDK, URN":            {detail("Unknown attribute found: '" + enterprise + "department'"), []string{enterprise + "department"}},
		"SCIM-SDK, unknown":        {detail("the attribute with the name 'attr1' is unknown to resource type 'User'"), nil},
		"scimono":                  {detail("Attribute with name 'title' is readOnly and cannot be modified"), []string{"title"}},
		"scimono, core URN":        {detail("Attribute with name urn:ietf:params:scim:schemas:core:2.0:User:title is required and cannot not be removed"), []string{"title"}},
		"UnboundID":                {detail("Core attribute roles is undefined"), []string{"roles"}},
		"UnboundID, extended":      {detail("Extended attribute department is undefined for schema urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"), []string{enterprise + "department"}},
		"UnboundID, mutability":    {detail("Cannot replace attribute name.givenName: Attribute name.givenName is read-only"), []string{"name.givenName"}},
		"SCIMServer":               {detail("Attribute 'name.familyName' is readOnly and cannot be modified"), []string{"name.familyName"}},
		"Jam":                      {detail(`Changes to property urn:ietf:params:scim:schemas:extension:enterprise:2.0:User["department"] are not allowed`), []string{enterprise + "department"}},
		"keycloak":                 {detail("Invalid attribute path: preferredLanguage"), []string{"preferredLanguage"}},
		"SCIMMY":                   {detail("Invalid attribute path 'roles' in supplied filter of operation 3 in PatchOp request body"), []string{"roles"}},
		"SCIMMY, target":           {detail("Target 'phoneNumbers' does not exist for 'remove' op of operation 2 in PatchOp request body"), []string{"phoneNumbers"}},
		"pydantic":                 {`{"detail":[{"loc":["body","name","givenName"],"msg":"field too long","type":"value_error"}]}`, []string{"name.givenName"}},
		"a pointer":                {`{"errors":[{"pointer":"/userType","detail":"is not a choice"}]}`, []string{"userType"}},
		"4me":                      {`{"message":"Validation Failed","errors":[["title","is too long"],["user_type","is invalid"]]}`, []string{"title", "userType"}},
		"Rails":                    {`{"errors":{"title":["is too long (maximum is 20 characters)"]}}`, []string{"title"}},
		"diagnostics":              {`{"detail":"Invalid path","urn:scimserver:api:messages:2.0:Diagnostics":{"failedPath":"emails[type eq \"work\"].value"}}`, []string{"emails"}},
		"a filter in the path":     {detail(`No match for emails[type eq "work"].value`), []string{"emails"}},
		"an element":               {detail("phoneNumbers[0].value must be E.164"), []string{"phoneNumbers"}},
		"in brackets":              {detail("Attribute [title] is immutable"), []string{"title"}},
		"two in brackets":          {detail("Attributes [title, locale] are not writable"), []string{"locale", "title"}},
		"the extension":            {detail("Schema '" + strings.TrimSuffix(enterprise, ":") + "' is not supported"), []string{enterprise + "costCenter", enterprise + "department"}},
		"the parent":               {detail("The attribute 'name' is not supported"), []string{"name.familyName", "name.givenName"}},
		"prefixed":                 {detail("User.title: must not be longer than 10"), []string{"title"}},
		"a plain word":             {detail("title is too long"), []string{"title"}},
		"a word after for":         {detail("Invalid value provided for locale"), []string{"locale"}},
		"another case":             {detail("USERTYPE must be one of: Employee, Contractor"), []string{"userType"}},
		"what would be taken":      {detail("Attribute 'userType' is not supported. Supported attributes: userName, displayName, 'emails'"), []string{"userType"}},
		"text":                     {"unsupported field preferredLanguage", []string{"preferredLanguage"}},
		"a sentence":               {detail("The user has no title and the request is not active"), nil},
		"active":                   {detail("Attribute 'active' is read-only"), []string{"active"}},
		"active in a sentence":     {detail("only active users can be changed"), nil},
		"not one that was sent":    {detail("Attribute 'nickName' is not supported"), nil},
		"nothing":                  {detail("The attempted modification is not compatible with the target attribute's mutability or current state."), nil},
		"a value that is a word":   {detail("'Addresses' is not an allowed value"), nil},
		"a value in the sentence":  {detail("the userType roles and title is not known"), []string{"userType"}},
		"unique, userName":         {detail("User with userName 'jdoe' already exists"), []string{"userName"}},
		"unique, Rails":            {`{"errors":["Email has already been taken"]}`, []string{"emails"}},
		"unique, two words":        {detail("User name has already been taken"), []string{"userName"}},
		"unique, e-mail":           {detail("e-mail already in use"), []string{"emails"}},
		"unique, address":          {detail("A user with this email address already exists"), []string{"emails"}},
		"unique, value":            {detail("The userName jane@corp.test is already used"), []string{"userName"}},
		"unique, key":              {detail("Duplicate value for externalId"), []string{"externalId"}},
		"unique, without a name":   {detail("User already exists"), nil},
		"a page":                   {"<html><title>title is wrong</title></html>", nil},
		"the name of a name":       {detail("attribute name: 'foo' is unknown"), nil},
		"another script":           {detail("タイトルtitleは無効です"), nil},
		"a quoted word of English": {detail("Attribute userType cannot be changed in the app’s settings"), []string{"userType"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := namedAttributes([]byte(test.body), sentPaths, []string{"jane@corp.test", "Addresses", "roles and title", "J"})
			slices.Sort(got)
			slices.Sort(test.want)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("attributes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestARefusalNamesItsAttributesAndShowsNoValue(t *testing.T) {
	for status, named := range map[int]bool{
		http.StatusBadRequest: true, http.StatusConflict: true, http.StatusUnprocessableEntity: true, http.StatusForbidden: true, http.StatusInternalServerError: false,
	} {
		client := clientOf(t, answering(status, detail("Attribute 'title' with value 'Head of Research' is not supported")), nil)
		_, err := client.Do(t.Context(), HTTPRequest{
			Op: OpUpdateUser, Method: http.MethodPatch, Path: "/Users/1", Attributes: []string{"displayName", "title"},
			Body: map[string]any{"displayName": "Jane", "title": "Head of Research"},
		})
		e := AsError(err)
		if e == nil || slices.Equal(e.Attributes, []string{"title"}) != named {
			t.Errorf("status %d: error = %+v", status, e)
			continue
		}
		if strings.Contains(e.For(nil), "Head") {
			t.Errorf("shows %q", e.For(nil))
		}
	}
}

// FuzzNamedAttributes: whatever an app says, it names nothing that was not sent.
func FuzzNamedAttributes(f *testing.F) {
	f.Add(detail("Attribute 'title' is read-only"), "title", "Boss")
	f.Add(`{"errors":[{"field":["a"]},["b","c"],4],"detail":{"path":7}}`, "name.givenName", "x")
	f.Add("[[[(title", enterprise+"department", "(")
	f.Fuzz(func(t *testing.T, body, path, value string) {
		for _, named := range namedAttributes([]byte(body), []string{path, "userName"}, []string{value}) {
			if named != path && named != "userName" {
				t.Errorf("named %q", named)
			}
		}
	})
}
