// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package catalogue_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/catalogue"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func app(name, profile string, roles *v1alpha1.AppRoles) v1alpha1.ScimApp {
	return v1alpha1.ScimApp{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.ScimAppSpec{Profile: profile, Roles: roles}}
}

// shown is what a client gets of the resources.
func shown(t *testing.T, resources []*scim.Resource) []string {
	t.Helper()
	var out []string
	for _, r := range resources {
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(text))
	}
	return out
}

func role(id, displayName string) string {
	return fmt.Sprintf(`{"schemas":["urn:okta:scim:schemas:core:1.0:Role"],"id":%q,"displayName":%q,"meta":{"resourceType":"Role"}}`, id, displayName)
}

func TestResources(t *testing.T) {
	going := app("going", "common-room", nil)
	going.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	apps := []v1alpha1.ScimApp{
		going,
		app("room", "common-room", nil),
		app("desk", "r-service", nil), // takes any role, and lists none
		app("crm", "generic", &v1alpha1.AppRoles{Allowed: []string{"IT Admin", "user", "User"}}),
	}
	want := []string{
		role("crm.IT~20Admin", "crm: IT Admin"), role("crm.user", "crm: user"),
		role("room.editor", "room: editor"), role("room.owner", "room: owner"), role("room.viewer", "room: viewer"),
	}
	if diff := cmp.Diff(want, shown(t, catalogue.Resources(scim.RoleType, apps))); diff != "" {
		t.Errorf("roles (-want +got):\n%s", diff)
	}
	entitlement := func(app, title string) string {
		return fmt.Sprintf(`{"schemas":["urn:okta:scim:schemas:core:1.0:Entitlement"],"id":%q,`+
			`"description":"An account in the app %s (%s)","displayName":%q,"type":"Entitlement","meta":{"resourceType":"Entitlement"}}`, app, app, title, app)
	}
	title := func(profile string) string {
		p, _ := profiles.Get(profile)
		return p.Title
	}
	want = []string{entitlement("crm", title("generic")), entitlement("desk", title("r-service")), entitlement("room", title("common-room"))}
	if diff := cmp.Diff(want, shown(t, catalogue.Resources(scim.EntitlementType, apps))); diff != "" {
		t.Errorf("entitlements (-want +got):\n%s", diff)
	}
	for _, rt := range scim.CatalogueResourceTypes() {
		if got := catalogue.Resources(rt, nil); len(got) != 0 {
			t.Errorf("without apps: %v", got)
		}
	}
}

func TestRolesOf(t *testing.T) {
	profile := profiles.Profile{Roles: profiles.Roles{
		Attribute: "roles", Form: profiles.RoleAsString, Allowed: []string{"owner"}, Aliases: map[string]string{"admin": "owner"}, Default: []string{"owner"},
	}}
	for name, tc := range map[string]struct {
		own  *v1alpha1.AppRoles
		form profiles.RoleForm
		want catalogue.Roles
	}{
		"the profile's": {nil, profiles.RoleAsString, catalogue.Roles{
			Attribute: "roles", Form: v1alpha1.RoleFormString, Allowed: []string{"owner"}, Aliases: map[string]string{"admin": "owner"}, Default: []string{"owner"},
		}},
		"the app's own, which have no other names": {
			&v1alpha1.AppRoles{Attribute: "title", Form: v1alpha1.RoleFormValues, Allowed: []string{"a", "b"}, Default: []string{"b"}}, profiles.RoleAsString,
			catalogue.Roles{Attribute: "title", Form: v1alpha1.RoleFormValues, Allowed: []string{"a", "b"}, Default: []string{"b"}},
		},
		"an app that takes none": {nil, profiles.NoRoles, catalogue.Roles{
			Form: v1alpha1.RoleFormValues, Allowed: []string{"owner"}, Aliases: map[string]string{"admin": "owner"}, Default: []string{"owner"},
		}},
	} {
		p := profile
		p.Roles.Form = tc.form
		a := app("crm", "generic", tc.own)
		if diff := cmp.Diff(tc.want, catalogue.RolesOf(&a, p)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRoleID(t *testing.T) {
	for _, tc := range [][3]string{
		{"room", "owner", "room.owner"},
		{"common-room.eu", "owner", "common-room~eu.owner"},
		{"room", "eu.owner", "room.eu.owner"},
		{"room", "Admin/EU ~1", "room.Admin~2FEU~20~7E1"},
		{"room", "Ärztin", "room.~C3~84rztin"},
	} {
		if got := catalogue.RoleID(tc[0], tc[1]); got != tc[2] {
			t.Errorf("%q of %q is %q, want %q", tc[1], tc[0], got, tc[2])
		}
	}
}

var (
	urlSafe        = regexp.MustCompile(`^[A-Za-z0-9._~-]+$`)
	kubernetesName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
)

// FuzzRoleID: two roles never have one id, and no id has to be escaped in a URL.
func FuzzRoleID(f *testing.F) {
	f.Add("room", "owner", "room.owner", "x")
	f.Add("a.b", "c", "a", "b.c")
	f.Add("a", "~20", "a", " ")
	f.Fuzz(func(t *testing.T, app1, role1, app2, role2 string) {
		if !kubernetesName.MatchString(app1) || !kubernetesName.MatchString(app2) || !utf8.ValidString(role1) || !utf8.ValidString(role2) {
			return
		}
		one, other := catalogue.RoleID(app1, role1), catalogue.RoleID(app2, role2)
		if (one == other) != (app1 == app2 && role1 == role2) {
			t.Errorf("%q of %q and %q of %q are %q and %q", role1, app1, role2, app2, one, other)
		}
		if !urlSafe.MatchString(one) || url.PathEscape(one) != one {
			t.Errorf("%q has to be escaped", one)
		}
	})
}
