// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package session plays what an identity provider sends, as a file of steps tells it, and waits until users, groups and mappings in the API server and accounts and
// groups in the apps are what the file expects. `make run` plays it on one machine, the end-to-end tests play it in a cluster.
package session

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
)

// Step is a line of a session, a JSON object. It has exactly one of say, scim, apply and expect:
//
//	{"say": "text"}                       a heading.
//	{"scim": "GET /Users", "query": {..}, a request of the identity provider, and the status that it has to get. rows is the totalResults
//	 "body": {..}, "want": 200,           that the answer has to have. save keeps the id of the answer under a name, and ${name} stands for it
//	 "rows": 0, "save": "kim"}            in all later steps. merge in place of body is a change: the resource is read first, the change is
//	                                      merged into what came back (RFC 7396), and that is sent, as Okta does with PUT.
//	{"apply": {..}}                       an object that a person applies with kubectl.
//	{"expect": {..}}                      what has to be true soon, in the API server and in the apps; the session waits for it. See Expectation.
type Step struct {
	Say string `json:"say,omitempty"`

	SCIM  string            `json:"scim,omitempty"`
	Query map[string]string `json:"query,omitempty"`
	Body  json.RawMessage   `json:"body,omitempty"`
	Merge json.RawMessage   `json:"merge,omitempty"`
	Want  int               `json:"want,omitempty"`
	Rows  *int              `json:"rows,omitempty"`
	Save  string            `json:"save,omitempty"`

	Apply map[string]any `json:"apply,omitempty"`

	Expect *Expectation `json:"expect,omitempty"`
}

// Read reads a session, and refuses a line that is no step.
func Read(file string) ([]Step, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var steps []Step
	for i, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		s, err := parseStep(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", file, i+1, err)
		}
		steps = append(steps, s)
	}
	return steps, nil
}

func parseStep(line []byte) (Step, error) {
	var s Step
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&s); err != nil {
		return s, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return s, errors.New("there is more than one JSON object")
	}
	return s, s.check()
}

func (s Step) check() error {
	kinds := 0
	for _, is := range []bool{s.Say != "", s.SCIM != "", s.Apply != nil, s.Expect != nil} {
		if is {
			kinds++
		}
	}
	method, path, ok := strings.Cut(s.SCIM, " ")
	switch {
	case kinds != 1:
		return errors.New("a step has one of say, scim, apply and expect")
	case s.SCIM == "":
		return nil
	case !ok || method == "" || !strings.HasPrefix(path, "/"):
		return fmt.Errorf("scim is %q, not a method and a path", s.SCIM)
	case s.Want == 0:
		return errors.New("want is missing: the status that the answer has to have")
	case s.Body != nil && s.Merge != nil:
		return errors.New("body and merge exclude each other")
	default:
		return nil
	}
}

// variables are the ids that steps have saved.
type variables map[string]string

var reference = regexp.MustCompile(`\$\{([A-Za-z0-9_]+)\}`)

// fill puts ids in the place of their names. An id needs no escaping, in JSON nor in a path: letters, digits, dots and hyphens (RFC 7643 3.1
// leaves it to us).
func (v variables) fill(text string) (string, error) {
	var missing []string
	filled := reference.ReplaceAllStringFunc(text, func(match string) string {
		id, ok := v[match[2:len(match)-1]]
		if !ok {
			missing = append(missing, match)
		}
		return id
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("no earlier step saved %s", strings.Join(missing, ", "))
	}
	return filled, nil
}

// mergePatch merges a change into a JSON object (RFC 7396).
func mergePatch(target, change map[string]any) map[string]any {
	merged := map[string]any{}
	for name, value := range target {
		merged[name] = value
	}
	for name, value := range change {
		object, is := value.(map[string]any)
		switch {
		case value == nil:
			delete(merged, name)
		case is:
			below, _ := merged[name].(map[string]any)
			merged[name] = mergePatch(below, object)
		default:
			merged[name] = value
		}
	}
	return merged
}
