// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
)

var (
	row    = regexp.MustCompile(`(?m)^\| (watched|own) \| (.+) \| (.+) \| (.+) \|$`)
	quoted = regexp.MustCompile("`([^`]+)`")
	places = map[string]Place{"watched": Watched, "own": Own}
)

// TestDocsSayWhatEachRuleIsFor: the table of docs/rbac.md has each right of config/rbac/role.yaml once, and no other.
func TestDocsSayWhatEachRuleIsFor(t *testing.T) {
	root, err := assets.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	read := func(path ...string) string {
		data, err := os.ReadFile(filepath.Join(append([]string{root}, path...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var given, explained []string
	for doc := range strings.SplitSeq(read("config", "rbac", "role.yaml"), "---\n") {
		role := &rbacv1.Role{}
		if err := yaml.Unmarshal([]byte(doc), role); err != nil {
			t.Fatal(err)
		}
		for _, right := range Of(map[string]Place{"ClusterRole": Watched, "Role": Own}[role.Kind], role.Rules) {
			given = append(given, right.String())
		}
	}
	for _, cells := range row.FindAllStringSubmatch(read("docs", "rbac.md"), -1) {
		resources, name, _ := strings.Cut(cells[2], " named ")
		for _, resource := range quoted.FindAllStringSubmatch(resources, -1) {
			plural, group, _ := strings.Cut(resource[1], ".")
			for verb := range strings.SplitSeq(cells[3], ", ") {
				right := Right{Place: places[cells[1]], Verb: verb, Group: group, Resource: plural, Name: strings.Trim(name, "`")}
				explained = append(explained, right.String())
			}
		}
	}
	slices.Sort(given)
	slices.Sort(explained)
	if diff := cmp.Diff(given, explained); diff != "" || len(given) == 0 {
		t.Errorf("docs/rbac.md (+) is not config/rbac/role.yaml (-):\n%s", diff)
	}
}
