// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
)

func TestParseStepRefusesWhatIsNoStep(t *testing.T) {
	for name, test := range map[string]struct{ line, want string }{
		"nothing":            {`{}`, "one of"},
		"two at once":        {`{"say": "x", "scim": "GET /Users", "want": 200}`, "one of"},
		"unknown field":      {`{"scims": "GET /Users"}`, "unknown field"},
		"no method":          {`{"scim": "/Users", "want": 200}`, "not a method"},
		"no path":            {`{"scim": "GET Users", "want": 200}`, "not a method"},
		"no status":          {`{"scim": "GET /Users"}`, "want is missing"},
		"body and merge":     {`{"scim": "PUT /Users/1", "want": 200, "body": {}, "merge": {}}`, "exclude"},
		"two on one line":    {`{"say": "x"} {"say": "y"}`, "more than one"},
		"not JSON":           {`say: x`, "invalid character"},
		"expects a new kind": {`{"expect": {"people": {}}}`, "unknown field"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := parseStep([]byte(test.line))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

// No sample is left out of the Kustomization, by which people apply them, and `make run` does.
func TestEverySampleIsApplied(t *testing.T) {
	root, err := assets.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "config", "samples")
	applied, err := samples(dir)
	if err != nil {
		t.Fatal(err)
	}
	there, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, file := range there {
		if name := filepath.Base(file); name != "kustomization.yaml" {
			want = append(want, name)
		}
	}
	slices.Sort(applied)
	if diff := cmp.Diff(want, applied); diff != "" {
		t.Errorf("in config/samples (-) and in its kustomization.yaml (+):\n%s", diff)
	}
}

// The session is what the README promises: enough people, and each kind of change.
func TestSampleSession(t *testing.T) {
	root, err := assets.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	steps, err := Read(filepath.Join(root, "config", "samples", "okta-session.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, s := range steps {
		method, path, _ := strings.Cut(s.SCIM, " ")
		resource, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if s.SCIM != "" {
			kinds[method+" "+resource]++
		}
		if s.Apply != nil {
			kinds["apply"]++
		}
	}
	for kind, least := range map[string]int{
		"GET Users": 12, "POST Users": 12, "PUT Users": 1, "PATCH Users": 2, "GET Groups": 3, "POST Groups": 3, "PATCH Groups": 3, "apply": 1,
	} {
		if kinds[kind] < least {
			t.Errorf("%d steps %s, want at least %d", kinds[kind], kind, least)
		}
	}
	last := steps[len(steps)-1].Expect
	if last == nil || !last.Complete {
		t.Error("the last step does not say how everything has to end")
	}
}

func TestFillPutsIDsInPlace(t *testing.T) {
	ids := variables{"kim": "u-1.a", "desk": "g-2.b"}
	got, err := ids.fill(`/Groups/${desk} {"path": "members[value eq \"${kim}\"]", "cost": "$5"}`)
	if err != nil {
		t.Fatal(err)
	}
	if want := `/Groups/g-2.b {"path": "members[value eq \"u-1.a\"]", "cost": "$5"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if _, err := ids.fill("/Users/${sam}"); err == nil || !strings.Contains(err.Error(), "${sam}") {
		t.Errorf("an unknown name: %v", err)
	}
}

func TestMergePatchIsThatOfRFC7396(t *testing.T) {
	have := map[string]any{"a": "b", "c": map[string]any{"d": "e", "f": "g"}, "list": []any{"x"}}
	got := mergePatch(have, map[string]any{"a": "z", "c": map[string]any{"f": nil, "h": "i"}, "list": []any{}, "new": map[string]any{"x": nil, "y": 1.0}})
	want := map[string]any{"a": "z", "c": map[string]any{"d": "e", "h": "i"}, "list": []any{}, "new": map[string]any{"y": 1.0}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("merged (-want +got):\n%s", diff)
	}
	if _, changed := have["new"]; changed || have["a"] != "b" {
		t.Errorf("the target was changed: %v", have)
	}
}
