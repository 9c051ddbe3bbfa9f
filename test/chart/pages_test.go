// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/test/helm"
)

var (
	example = regexp.MustCompile("(?ms)^```yaml\n# values.yaml\n(.*?)^```")
	console = regexp.MustCompile("(?ms)^```console\n(.*?)^```")
	command = regexp.MustCompile(`(?m)^helm (?:install|upgrade) .*$`)
)

// What the pages tell people to install can be rendered, as the shell hands it to Helm.
func TestCommandsOfThePages(t *testing.T) {
	const template = `set -euo pipefail
helm() {
  local args=()
  for arg in "${@:2}"; do
    # Unknown to helm template, and without meaning for it.
    [[ $arg == --reset-then-reuse-values ]] || args+=("$arg")
  done
  "$HELM" template "${args[@]}" >/dev/null
}
`
	for _, page := range []string{"docs/install.md", "charts/scim-operator/README.md", "charts/scim-operator-crds/README.md"} {
		text, err := os.ReadFile(filepath.Join(helm.Root(t), page))
		if err != nil {
			t.Fatal(err)
		}
		commands := 0
		for _, block := range console.FindAllStringSubmatch(string(text), -1) {
			for _, line := range command.FindAllString(block[1], -1) {
				commands++
				cmd := exec.CommandContext(t.Context(), "bash", "-c", template+line)
				cmd.Dir = helm.Root(t)
				cmd.Env = append(os.Environ(), "HELM="+helm.Tool(t, "helm"), "KUBECONFIG="+os.DevNull)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %v\n%s", page, line, err, out)
				}
			}
		}
		if commands == 0 {
			t.Errorf("%s: there is no command to try", page)
		}
	}
}

// The values that the page shows are known to the chart, also where its schema lets others pass, and render.
func TestValuesOfThePage(t *testing.T) {
	defaults := yamlFile(t, filepath.Join(helm.Chart(t), "values.yaml"))
	text, err := os.ReadFile(filepath.Join(helm.Root(t), "docs", "install.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := example.FindAllStringSubmatch(string(text), -1)
	if len(examples) == 0 {
		t.Fatal("there are none")
	}
	for _, match := range examples {
		var values map[string]any
		if err := yaml.Unmarshal([]byte(match[1]), &values); err != nil {
			t.Error(err)
		}
		for key := range values {
			if _, known := defaults[key]; !known {
				t.Errorf("the chart has no value %s", key)
			}
		}
		render(t, match[1])
	}
}

func yamlFile(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var values map[string]any
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}
