// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
)

// An attribute mapping of active would bypass role mappings, features and the mass-change guard.
func TestAttributeMappingOfActiveIsRefused(t *testing.T) {
	for name, refused := range map[string]bool{
		"active": true,
		"Active": true,
		"urn:ietf:params:scim:schemas:core:2.0:User:active": true,
		"URN:ietf:params:scim:schemas:core:2.0:user:ACTIVE": true,
		"urn:example:schemas:extension:hr:2.0:User:active":  false,
		"activeSince": false,
		"urn:ietf:params:scim:schemas:core:2.0:User:nickName":  false,
		"urn:example:schemas:extension:hr:2.0:User:activeRole": false,
	} {
		app := pt.App("crm")
		app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: name, Expression: `user.userName`}}
		_, err := desired.CompileApp(app)
		if got := err != nil && strings.Contains(err.Error(), "spec.attributes"); got != refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The status of each account keeps the names of what was written.
func TestAttributeNamesHaveToFitIntoAStatus(t *testing.T) {
	for length, refused := range map[int]bool{8: false, 40: true, 200: true} {
		app := pt.App("crm")
		for i := range 64 {
			name := fmt.Sprintf("%s%02d", strings.Repeat("x", length), i)
			app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{Name: name, Expression: `user.userName`})
		}
		if _, err := desired.CompileApp(app); (err != nil) != refused {
			t.Errorf("names of %d characters: %v", length, err)
		}
	}
}

// Names of one extension share its URN.
func TestManyAttributesOfAnExtensionFitIntoAStatus(t *testing.T) {
	app := pt.App("crm")
	for i := range 64 {
		app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{
			Name: fmt.Sprintf("urn:ietf:params:scim:schemas:extension:hr:2.0:User:badge%02d", i), Expression: `user.userName`,
		})
	}
	if _, err := desired.CompileApp(app); err != nil {
		t.Error(err)
	}
}

// etcd bounds bytes, and the schema counts characters.
func TestSpecOfAnAppIsBoundedInBytes(t *testing.T) {
	for letter, refused := range map[string]bool{"x": false, "😀": true} {
		app := pt.App("crm")
		for i := range 256 {
			app.Spec.Groups = append(app.Spec.Groups, v1alpha1.PushedGroup{DisplayName: fmt.Sprintf("%03d", i) + strings.Repeat(letter, 253)})
			app.Spec.ProtectedAccounts = append(app.Spec.ProtectedAccounts, fmt.Sprintf("%03d", i)+strings.Repeat(letter, 317))
		}
		_, err := desired.CompileApp(app)
		if got := err != nil && strings.Contains(err.Error(), "bytes"); got != refused {
			t.Errorf("%s: %v", letter, err)
		}
	}
}

// What is not spelled as the role attribute would not count as roles.
func TestRoleAttributeIsMappedAsAWholeUnderItsOwnName(t *testing.T) {
	for name, refused := range map[string]bool{
		"roles": false, "Roles": true, "urn:ietf:params:scim:schemas:core:2.0:User:roles": true, "roles.value": true, `roles[type eq "x"]`: true, "rolesSince": false,
	} {
		app := pt.App("crm")
		app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: name, Expression: `user.userName`}}
		if _, err := desired.CompileApp(app); (err != nil) != refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Roles count as roles wherever they come from: here from an attribute mapping and not from role mappings.
func TestMappedRoleAttributeCountsAsRoles(t *testing.T) {
	cache := pt.NewCache()
	view := pt.NewView(cache)
	app := pt.App("crm")
	app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "roles", Expression: `user.title == "Boss" ? [{"value": "admin"}] : [{"value": "viewer"}]`}}
	cache.Put(app)
	cache.Put(pt.Mapping("crm", "crm", []string{"kim@corp.test"}))
	kim := pt.User("kim")
	kim.Spec.Title = "Boss"
	cache.Put(kim)
	inSync(t, cache, view, kim, "crm")
	if roles := kim.Status.Accounts[0].Roles; len(roles) != 1 || roles[0] != "admin" {
		t.Fatalf("the account has the roles %q", roles)
	}
	kim.Spec.Title = "Clerk"
	kim.Generation++
	cache.Put(kim)
	if step := look(t, view, "kim", "crm").Step; step.Action != v1alpha1.ActionUpdate || !step.Revocation {
		t.Errorf("the step that takes the role is %+v", step)
	}
	census, err := view.Revocations(t.Context(), pt.Key("crm"), pt.Now)
	if err != nil || len(census.Revocations) != 1 {
		t.Errorf("%v: the guard counts %+v", err, census)
	}
}
