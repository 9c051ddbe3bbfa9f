// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package profiles

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
)

func TestNames(t *testing.T) {
	if diff := cmp.Diff([]string{"common-room", "generic", "r-service"}, Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if _, ok := Get("nobody"); ok {
		t.Error("an unknown profile is found")
	}
}

func TestEveryProfileIsComplete(t *testing.T) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) {
			p, _ := Get(name)
			for what, ok := range map[string]bool{
				"name and title":            p.Name == name && p.Title != "",
				"base URL":                  p.BaseURLRequired == (p.DefaultBaseURL == ""),
				"tenant":                    p.BaseURLRequired || !p.TenantInURL, // a default URL is the same for every tenant
				"features":                  p.Supports(PushNewUsers) && p.Supports(PushUserDeactivation) && !p.Supports("SyncPassword"),
				"match attribute is mapped": mapped(p, p.MatchAttribute),
				"policies":                  p.OnIdentifierChange != "" && p.Reactivation != "" && p.GroupCreation != "" && p.SettleTime > 0,
				"limits":                    p.Limits.PerSecond > 0 && p.Limits.Burst > 0 && p.Limits.Timeout > 0 && p.Limits.Timeout <= connector.MaxTimeout,
				"roles":                     p.Roles.Form == NoRoles || p.Roles.Attribute != "",
				"a required role":           !p.Roles.Required || len(p.Roles.Default) > 0,
				"groups":                    p.Supports(PushGroups) == (p.SCIM.GroupsPath != ""),
				"paths":                     strings.HasPrefix(p.SCIM.UsersPath, "/") && p.SCIM.PageSize > 0 && p.SCIM.Quote != 0,
				"update":                    p.SCIM.UserUpdate != "" && p.SCIM.Lookup != "" && p.SCIM.ClearWith != "" && p.SCIM.ContentType != "",
			} {
				if !ok {
					t.Errorf("%s: not as it should be", what)
				}
			}
			for _, path := range p.RequiredAttributes {
				if !mapped(p, path) {
					t.Errorf("required attribute %s is not mapped", path)
				}
			}
			for alias, role := range p.Roles.Aliases {
				if !slices.Contains(p.Roles.Allowed, role) || slices.Contains(p.Roles.Allowed, alias) {
					t.Errorf("alias %s of %s", alias, role)
				}
			}
			for _, role := range p.Roles.Default {
				if len(p.Roles.Allowed) > 0 && !slices.Contains(p.Roles.Allowed, role) {
					t.Errorf("the default role %s is not allowed", role)
				}
			}
			if normalized, err := connector.NormalizeBaseURL(p.DefaultBaseURL, p.BasePath); !p.BaseURLRequired && (err != nil || normalized != p.DefaultBaseURL) {
				t.Errorf("default base URL: %q, %v", normalized, err)
			}
		})
	}
}

func mapped(p Profile, path string) bool {
	return slices.ContainsFunc(p.Attributes, func(a Attribute) bool { return a.Path == path && a.Expression != "" })
}
