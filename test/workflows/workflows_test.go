// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workflows checks the workflows of GitHub Actions and the Dockerfile, which run elsewhere, as far as that can be done here.
package workflows

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// A workflow is what the tests need of one.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		Uses           string
		TimeoutMinutes int `yaml:"timeout-minutes"`
		Steps          []struct{ Uses, Run string }
	}
}

var (
	root = filepath.Join("..", "..")
	// pinned is an action of a commit, with the version that it is, by which it can be updated.
	pinned = regexp.MustCompile(`^\s*(?:- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+(?:\.\d+)*$`)
	target = regexp.MustCompile(`\bmake ([a-z0-9-]+)`)
	script = regexp.MustCompile(`(?:^|[\s"(])((?:\.ci|hack)/[\w./-]+)`)
)

func TestWorkflows(t *testing.T) {
	makefile := read(t, filepath.Join(root, "Makefile"))
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text := read(t, file)
			var w workflow
			if err := yaml.Unmarshal([]byte(text), &w); err != nil {
				t.Fatal(err)
			}
			if len(w.Jobs) == 0 || len(w.Permissions) != 1 || w.Permissions["contents"] != "read" {
				t.Errorf("%d jobs with the permissions %v: a job asks for what it needs beyond reading the sources", len(w.Jobs), w.Permissions)
			}
			for line := range strings.Lines(text) {
				line = strings.TrimRight(line, "\n")
				if strings.Contains(line, "uses: ") && !strings.Contains(line, "uses: ./") && !pinned.MatchString(line) {
					t.Errorf("it is not pinned by a commit, with its version as a comment: %s", line)
				}
			}
			for name, job := range w.Jobs {
				if job.Uses != "" {
					exists(t, job.Uses)
					continue
				}
				if job.TimeoutMinutes == 0 {
					t.Errorf("job %s may take for ever", name)
				}
				for _, step := range job.Steps {
					for _, match := range target.FindAllStringSubmatch(step.Run, -1) {
						if !strings.Contains(makefile, "\n"+match[1]+":") {
							t.Errorf("there is no target %s", match[1])
						}
					}
					for _, match := range script.FindAllStringSubmatch(step.Run, -1) {
						exists(t, match[1])
					}
				}
			}
		})
	}
}

func exists(t *testing.T, path string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(root, path)); err != nil {
		t.Error(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
