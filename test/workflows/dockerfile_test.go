// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package workflows

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	copied    = regexp.MustCompile(`(?m)^COPY ([^-].*) \./?\S*$`)
	allowed   = regexp.MustCompile(`(?m)^!(.+)$`)
	goImage   = regexp.MustCompile(`(?m)^FROM .*golang:(\d+\.\d+)`)
	goVersion = regexp.MustCompile(`(?m)^go (\d+\.\d+)`)
)

// The image is built from what the operator is made of and from nothing else, so that a change of anything else builds the same image.
func TestTheDockerfileTakesWhatTheOperatorNeeds(t *testing.T) {
	dockerfile, gomod := read(t, filepath.Join(root, "Dockerfile")), read(t, filepath.Join(root, "go.mod"))
	var got, lets []string
	for _, match := range copied.FindAllStringSubmatch(dockerfile, -1) {
		got = append(got, strings.Fields(match[1])...)
	}
	for _, match := range allowed.FindAllStringSubmatch(read(t, filepath.Join(root, ".dockerignore")), -1) {
		lets = append(lets, match[1])
	}
	want := append(packages(t), "Makefile", "go.mod", "go.sum")
	for _, names := range []*[]string{&got, &lets, &want} {
		slices.Sort(*names)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("needed (-) and copied by the Dockerfile (+): %s", diff)
	}
	if diff := cmp.Diff(want, lets); diff != "" {
		t.Errorf("needed (-) and let through by .dockerignore (+): %s", diff)
	}
	image, module := goImage.FindStringSubmatch(dockerfile), goVersion.FindStringSubmatch(gomod)
	if image == nil || module == nil || image[1] != module[1] {
		t.Errorf("the Dockerfile has Go %v, go.mod %v", image, module)
	}
}

// packages are the folders at the top that hold packages of the operator.
func packages(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}", "./cmd")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for path := range strings.FieldsSeq(string(out)) {
		seen[strings.Split(strings.TrimPrefix(path, "github.com/scim-operator/scim-operator/"), "/")[0]] = true
	}
	var names []string
	for name := range seen {
		names = append(names, name)
	}
	return names
}
