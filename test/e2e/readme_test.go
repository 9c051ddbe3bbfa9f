// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// block is a marked block of commands in a page: the settings are a person's own, everything else is run.
var block = regexp.MustCompile("(?s)<!-- test-e2e: (settings|run) -->\n```sh\n(.*?)```")

// setting is a line that sets a variable.
var setting = regexp.MustCompile(`(?m)^([A-Z_]+)=`)

// commands are those of a page, in their order, with the given values in place of the settings that the page asks for.
func commands(t testing.TB, page string, values map[string]string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	script := "set -euo pipefail\n"
	given := map[string]bool{}
	for _, found := range block.FindAllStringSubmatch(string(text), -1) {
		if found[1] == "run" {
			script += found[2]
			continue
		}
		for _, line := range setting.FindAllStringSubmatch(found[2], -1) {
			value, known := values[line[1]]
			if !known {
				t.Fatalf("the setting %s of the page is unknown to the test", line[1])
			}
			given[line[1]] = true
			script += line[1] + "='" + value + "'\n"
		}
	}
	if len(given) != len(values) {
		t.Fatalf("the page asks for the settings %v, and the test has %v", given, values)
	}
	return script
}

// testReadme runs the README's section on installing, word by word.
func testReadme(t testing.TB, w *world) {
	repository, tag := repositoryAndTag(w.image)
	script := commands(t, filepath.Join(w.root, "README.md"), map[string]string{"CHART": w.chart, "IMAGE": repository, "TAG": tag})
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	t.Logf("the README's commands print:\n%s", out)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(out), `"userName":"kim@corp.test"`) {
		t.Error("curl did not print the user")
	}
	users := w.run(t, "kubectl", "get", "scimusers", "--namespace", readmeNamespace)
	if !strings.Contains(users, "kim@corp.test") || !strings.Contains(string(out), "USERNAME") {
		t.Errorf("kubectl does not show the user: %s", users)
	}
}

// repositoryAndTag are the parts of an image's name; the repository may have a port.
func repositoryAndTag(image string) (repository, tag string) {
	colon := strings.LastIndex(image, ":")
	return image[:colon], image[colon+1:]
}
