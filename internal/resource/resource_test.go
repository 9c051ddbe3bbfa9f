// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

const enterprise = scim.EnterpriseUserSchemaID

func TestUserRoundTripIsIdentity(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	for i := range 4000 {
		attrs := arbitraryUser(random)
		spec := preset()
		if err := ApplyUser(spec, attrs, "okta"); err != nil {
			t.Fatalf("round %d: %v\n%s", i, err, show(attrs))
		}
		want := normal(attrs).(map[string]any)
		if diff := cmp.Diff(want, UserJSON(&v1alpha1.ScimUser{Spec: *stored(t, spec)}, "okta")); diff != "" {
			t.Fatalf("round %d (-sent +read):\n%s\nspec: %s", i, diff, show(spec))
		}
		checkManagedFields(t, spec)
	}
}

func TestGroupRoundTripIsIdentity(t *testing.T) {
	random := rand.New(rand.NewPCG(13, 17))
	for i := range 4000 {
		attrs := arbitraryGroup(random)
		var spec v1alpha1.ScimGroupSpec
		if err := ApplyGroup(&spec, attrs, "okta"); err != nil {
			t.Fatalf("round %d: %v\n%s", i, err, show(attrs))
		}
		want := normal(attrs).(map[string]any)
		if diff := cmp.Diff(want, GroupJSON(&v1alpha1.ScimGroup{Spec: *stored(t, &spec)}, "okta")); diff != "" {
			t.Fatalf("round %d (-sent +read):\n%s", i, diff)
		}
	}
}

func preset() *v1alpha1.ScimUserSpec {
	return &v1alpha1.ScimUserSpec{
		ID: "0123456789abc", Client: "okta", ManagedBy: v1alpha1.ManagedByClient, Title: "old",
		Reservation: &v1alpha1.Reservation{User: "u", ID: "i", ResourceVersion: "1"},
		ExternalIDs: []v1alpha1.ExternalID{{Client: "entra", ID: "e1"}, {Client: "okta", ID: "old"}},
		Extensions:  []v1alpha1.Extension{{Schema: "urn:old", Attributes: runtime.RawExtension{Raw: []byte(`{"a":1}`)}}},
	}
}

func checkManagedFields(t *testing.T, spec *v1alpha1.ScimUserSpec) {
	t.Helper()
	want := preset()
	if spec.ID != want.ID || spec.Client != want.Client || spec.ManagedBy != want.ManagedBy || *spec.Reservation != *want.Reservation {
		t.Fatalf("a field of the operator changed: %s", show(spec))
	}
	if spec.ExternalIDs[0] != want.ExternalIDs[0] {
		t.Fatalf("another client's externalId changed: %s", show(spec))
	}
}

// stored is what comes back from an API server.
func stored[T any](t *testing.T, spec *T) *T {
	t.Helper()
	raw, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	out := new(T)
	if err := json.Unmarshal(raw, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func show(v any) string {
	raw, _ := json.MarshalIndent(v, "", " ")
	return string(raw)
}

func arbitraryUser(r *rand.Rand) map[string]any {
	attrs := map[string]any{}
	for _, a := range userAttributes {
		put(r, attrs, a.name)
	}
	ext := map[string]any{}
	for _, a := range enterpriseAttributes {
		put(r, ext, a.name)
	}
	put(r, ext, "unheardOf")
	if r.IntN(2) == 0 {
		attrs[enterprise] = ext
	} else {
		put(r, attrs, enterprise)
	}
	for _, name := range []string{"nope", "urn:x:1.0:User", "urn:y", scim.UserSchemaID, "Title", ""} {
		put(r, attrs, name)
	}
	attrs["userName"] = word(r)
	if r.IntN(2) == 0 {
		attrs["externalId"] = word(r)
	}
	return attrs
}

func arbitraryGroup(r *rand.Rand) map[string]any {
	attrs := map[string]any{"displayName": word(r)}
	for _, name := range []string{"nope", "urn:x", "urn:y:2.0:Group", scim.GroupSchemaID} {
		put(r, attrs, name)
	}
	var members []any
	for i := range r.IntN(4) {
		m := map[string]any{"value": fmt.Sprintf("%s%d", word(r), i)}
		if r.IntN(2) == 0 {
			m["type"] = []string{"User", "Group"}[r.IntN(2)]
		}
		members = append(members, m)
	}
	attrs["members"] = members
	return attrs
}

func put(r *rand.Rand, m map[string]any, name string) {
	if r.IntN(2) == 0 {
		m[name] = value(r, 3)
	}
}

// value is biased towards what the typed fields take, or almost take.
func value(r *rand.Rand, depth int) any {
	kinds := 5
	if depth > 0 {
		kinds = 9
	}
	switch r.IntN(kinds) {
	case 0:
		return r.IntN(2) == 0
	case 1:
		return nil
	case 2:
		return json.Number(fmt.Sprint(r.IntN(100)))
	case 3:
		return ""
	case 4:
		return word(r)
	case 5, 6:
		m := map[string]any{}
		for _, sub := range []string{"value", "type", "primary", "display", "givenName", "displayName", "$ref", "formatted"} {
			if r.IntN(3) == 0 {
				m[sub] = value(r, depth-1)
			}
		}
		return m
	default:
		var list []any
		for range r.IntN(4) {
			list = append(list, value(r, depth-1))
		}
		return list
	}
}

func word(r *rand.Rand) string {
	return []string{"kim", "Ünal", "work", "<&>", "日本", "x"}[r.IntN(6)]
}

func TestWhatFitsIsTyped(t *testing.T) {
	spec := &v1alpha1.ScimUserSpec{}
	attrs := parse(t, `{
		"userName": "kim@corp.test", "active": false, "name": {"givenName": "Kim", "pronounced": "kɪm"},
		"emails": [{"value": "kim@corp.test", "type": "work", "primary": true}, {"value": "k@corp.test", "verified": true}],
		"title": 5, "shoeSize": 41,
		"`+enterprise+`": {"department": "R&D", "manager": {"value": "u-1.2", "$ref": "../Users/u-1.2"}},
		"urn:corp:1.0:User": {"badge": "B7"}}`)
	if err := ApplyUser(spec, attrs, "okta"); err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	want := &v1alpha1.ScimUserSpec{
		UserName: "kim@corp.test", Active: &no, Name: &v1alpha1.Name{GivenName: "Kim"},
		Emails: []v1alpha1.MultiValue{{Value: "kim@corp.test", Type: "work", Primary: &yes}, {Value: "k@corp.test"}},
		Enterprise: &v1alpha1.EnterpriseUser{
			Department: "R&D", Manager: &v1alpha1.Manager{Value: "u-1.2"},
		},
		Extensions: []v1alpha1.Extension{
			{Schema: "urn:corp:1.0:User", Attributes: raw(`{"badge":"B7"}`)},
			{Schema: scim.UserSchemaID, Attributes: raw(`{"emails":[{"primary":true,"type":"work","value":"kim@corp.test"},` +
				`{"value":"k@corp.test","verified":true}],"name":{"givenName":"Kim","pronounced":"kɪm"},"shoeSize":41,"title":5}`)},
			{Schema: enterprise, Attributes: raw(`{"manager":{"$ref":"../Users/u-1.2","value":"u-1.2"}}`)},
		},
	}
	if diff := cmp.Diff(want, spec, cmp.Transformer("raw", func(r runtime.RawExtension) string { return string(r.Raw) })); diff != "" {
		t.Error(diff)
	}
}

func TestAnEditedFieldWinsOverWhatWasKept(t *testing.T) {
	spec := &v1alpha1.ScimUserSpec{}
	if err := ApplyUser(spec, parse(t, `{"userName": "kim", "name": {"givenName": "Kim", "pronounced": "kɪm"}}`), ""); err != nil {
		t.Fatal(err)
	}
	spec.Name.GivenName = "Kimberly"
	got := UserJSON(&v1alpha1.ScimUser{Spec: *spec}, "")
	if diff := cmp.Diff(parse(t, `{"userName": "kim", "name": {"givenName": "Kimberly"}}`), got); diff != "" {
		t.Error(diff)
	}
}

func TestAbsentAttributesAreCleared(t *testing.T) {
	spec := preset()
	spec.Enterprise = &v1alpha1.EnterpriseUser{Department: "R&D"}
	if err := ApplyUser(spec, parse(t, `{"userName": "kim"}`), "okta"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(parse(t, `{"userName": "kim"}`), UserJSON(&v1alpha1.ScimUser{Spec: *spec}, "okta")); diff != "" {
		t.Error(diff)
	}
	checkManagedFields(t, spec)
}

func TestExternalIDBelongsToOneClient(t *testing.T) {
	u := &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{UserName: "kim", ExternalIDs: []v1alpha1.ExternalID{{Client: "okta", ID: "00u1"}}}}
	for client, want := range map[string]any{"okta": "00u1", "entra": nil, "": nil} {
		if got := UserJSON(u, client)["externalId"]; got != want {
			t.Errorf("client %q reads %v, want %v", client, got, want)
		}
	}
}

func TestServerAttributesAndPasswordAreNotStored(t *testing.T) {
	spec := &v1alpha1.ScimUserSpec{}
	attrs := parse(t, `{"schemas": ["x"], "id": "1", "meta": {"version": "1"}, "groups": [{"value": "g"}], "password": "p", "userName": "kim"}`)
	if err := ApplyUser(spec, attrs, "okta"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&v1alpha1.ScimUserSpec{UserName: "kim"}, spec); diff != "" {
		t.Error(diff)
	}
}

func TestMembersKeepOnlyValueAndType(t *testing.T) {
	var spec v1alpha1.ScimGroupSpec
	attrs := parse(t, `{"displayName": "eng", "members": [{"value": "u1", "display": "Kim", "$ref": "x"}, {"value": "g1", "type": "group"}, {"value": "u1"}]}`)
	if err := ApplyGroup(&spec, attrs, "okta"); err != nil {
		t.Fatal(err)
	}
	want := []v1alpha1.GroupMember{{Value: "u1"}, {Value: "g1", Type: v1alpha1.MemberTypeGroup}}
	if diff := cmp.Diff(want, spec.Members); diff != "" {
		t.Error(diff)
	}
}

func TestTooLongIsInvalidValueThatNamesTheAttribute(t *testing.T) {
	long := func(n int) string { return strings.Repeat("ü", n) }
	for name, test := range map[string]struct {
		attrs map[string]any
		apply func(map[string]any) error
		names string
	}{
		"userName":       {map[string]any{"userName": long(1025)}, applyUser, "userName"},
		"sub-attribute":  {map[string]any{"userName": "k", "name": map[string]any{"givenName": long(4097)}}, applyUser, "name.givenName"},
		"list element":   {map[string]any{"userName": "k", "emails": []any{map[string]any{"type": long(257)}}}, applyUser, "emails.type"},
		"list":           {map[string]any{"userName": "k", "emails": many(65)}, applyUser, "emails"},
		"extension":      {map[string]any{"userName": "k", enterprise: map[string]any{"division": long(4097)}}, applyUser, enterprise + ":division"},
		"externalId":     {map[string]any{"userName": "k", "externalId": long(1025)}, applyUser, "externalId"},
		"no userName":    {map[string]any{}, applyUser, "userName"},
		"displayName":    {map[string]any{"displayName": long(1025)}, applyGroup, "displayName"},
		"no displayName": {map[string]any{"displayName": ""}, applyGroup, "displayName"},
		"member":         {map[string]any{"displayName": "e", "members": []any{map[string]any{"value": long(513)}}}, applyGroup, "members.value"},
		"member type":    {map[string]any{"displayName": "e", "members": []any{map[string]any{"value": "x", "type": "Printer"}}}, applyGroup, "members.type"},
	} {
		t.Run(name, func(t *testing.T) {
			err := test.apply(test.attrs)
			var e *scim.Error
			if !errors.As(err, &e) || e.Status != 400 || e.ScimType != scim.ScimTypeInvalidValue || !strings.HasPrefix(e.Detail, test.names) {
				t.Errorf("got %v, want 400 invalidValue about %s", err, test.names)
			}
		})
	}
	if err := applyUser(map[string]any{"userName": long(1024)}); err != nil {
		t.Errorf("1024 characters of two bytes: %v", err)
	}
}

func TestARefusedChangeLeavesTheSpecAlone(t *testing.T) {
	spec := preset()
	if ApplyUser(spec, map[string]any{"userName": "k", "title": strings.Repeat("x", 5000)}, "okta") == nil {
		t.Fatal("not refused")
	}
	if diff := cmp.Diff(preset(), spec); diff != "" {
		t.Error(diff)
	}
}

func applyUser(attrs map[string]any) error {
	return ApplyUser(&v1alpha1.ScimUserSpec{}, attrs, "okta")
}

func applyGroup(attrs map[string]any) error {
	return ApplyGroup(&v1alpha1.ScimGroupSpec{}, attrs, "okta")
}

func many(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = map[string]any{"value": fmt.Sprint(i)}
	}
	return list
}

func parse(t *testing.T, s string) map[string]any {
	t.Helper()
	m := decode([]byte(s))
	if m == nil {
		t.Fatalf("no JSON object: %s", s)
	}
	return m
}

func raw(s string) runtime.RawExtension { return runtime.RawExtension{Raw: []byte(s)} }

// A limit that is not the CRD's would turn a SCIM 400 into a refusal by the API server.
func TestLimitsAreThoseOfTheCRDs(t *testing.T) {
	user := schema(t, "scimusers").Properties["spec"]
	for _, a := range userAttributes {
		compare(t, a.name, user.Properties[a.name], a.check)
	}
	for _, a := range nameAttributes {
		compare(t, "name."+a.name, user.Properties["name"].Properties[a.name], a.check)
	}
	for _, a := range multiAttributes {
		compare(t, "emails."+a.name, user.Properties["emails"].Items.Schema.Properties[a.name], a.check)
	}
	for _, a := range addressAttributes {
		compare(t, "addresses."+a.name, user.Properties["addresses"].Items.Schema.Properties[a.name], a.check)
	}
	ext := user.Properties["enterprise"]
	for _, a := range enterpriseAttributes {
		compare(t, "enterprise."+a.name, ext.Properties[a.name], a.check)
	}
	for _, a := range managerAttributes {
		compare(t, "manager."+a.name, ext.Properties["manager"].Properties[a.name], a.check)
	}
	group := schema(t, "scimgroups").Properties["spec"]
	for _, a := range groupAttributes {
		compare(t, a.name, group.Properties[a.name], a.check)
	}
	for what, got := range map[string][2]int64{
		"members.value":  {*group.Properties["members"].Items.Schema.Properties["value"].MaxLength, maxMemberValue},
		"externalIDs.id": {*user.Properties["externalIDs"].Items.Schema.Properties["id"].MaxLength, maxExternal},
		"externalIDs":    {*user.Properties["externalIDs"].MaxItems, maxExternalIDs},
		"extensions":     {*user.Properties["extensions"].MaxItems, maxExtensions},
		"schema":         {*user.Properties["extensions"].Items.Schema.Properties["schema"].MaxLength, maxURN},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: the CRD says %d, the code %d", what, got[0], got[1])
		}
	}
}

func compare(t *testing.T, path string, s apiextensions.JSONSchemaProps, check func(string, any) error) {
	t.Helper()
	var fits, tooMuch any
	switch s.Type {
	case "string":
		fits, tooMuch = strings.Repeat("x", int(*s.MaxLength)), strings.Repeat("x", int(*s.MaxLength)+1)
	case "array":
		fits, tooMuch = many(int(*s.MaxItems)), many(int(*s.MaxItems)+1)
	case "boolean", "object":
		return
	default:
		t.Errorf("%s is not in the CRD", path)
		return
	}
	if err := check(path, fits); err != nil {
		t.Errorf("%s: the CRD takes it: %v", path, err)
	}
	if check(path, tooMuch) == nil {
		t.Errorf("%s: the CRD takes less than the code", path)
	}
}

func schema(t *testing.T, plural string) apiextensions.JSONSchemaProps {
	t.Helper()
	data, err := os.ReadFile("../../config/crd/bases/scim-operator.io_" + plural + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	var crd apiextensions.CustomResourceDefinition
	if err := yaml.Unmarshal(data, &crd); err != nil {
		t.Fatal(err)
	}
	return *crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}
