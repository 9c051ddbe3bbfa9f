// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strings"
	"testing"
	"time"
)

// good is a state that meets the expectation of goodExpectation.
func good() *state {
	s := newState()
	s.users["kim@corp.test"] = haveUser{active: true, accounts: map[string]string{"crm": "active editor"}, ids: map[string]string{"crm": "7"}}
	s.groups["Desk"] = WantGroup{Members: []string{"kim@corp.test"}}
	s.mappings["desk"] = 1
	s.apps["crm"] = appState{
		accounts: map[string]haveAccount{"kim@corp.test": {
			id: "7", state: "active editor", attributes: map[string]any{"name": map[string]any{"familyName": "Adler"}},
		}},
		groups: map[string][]string{"Desk": {"kim@corp.test"}},
	}
	return s
}

func goodExpectation() *Expectation {
	return &Expectation{
		Complete: true,
		Users: map[string]WantUser{"kim@corp.test": {
			Active: true, Accounts: map[string]string{"crm": "active editor"}, Attributes: map[string]map[string]string{"crm": {"name.familyName": "Adler"}},
		}},
		Groups:   map[string]WantGroup{"Desk": {Members: []string{"kim@corp.test"}, Apps: map[string][]string{"crm": {"kim@corp.test"}}}},
		Mappings: map[string]int{"desk": 1},
	}
}

func TestExpectationIsMet(t *testing.T) {
	if found := goodExpectation().differences(good()); len(found) > 0 {
		t.Errorf("differences: %q", found)
	}
}

func TestExpectationFindsEveryDifference(t *testing.T) {
	for name, test := range map[string]struct {
		spoil func(*state)
		want  string
	}{
		"not Ready":              {func(s *state) { s.unready = []string{"user kim is not Ready"} }, "not Ready"},
		"no such user":           {func(s *state) { delete(s.users, "kim@corp.test") }, "does not exist"},
		"inactive":               {func(s *state) { s.users["kim@corp.test"] = haveUser{} }, "active=false"},
		"another role in status": {func(s *state) { s.users["kim@corp.test"].accounts["crm"] = "active owner" }, "in its status"},
		"another app in status":  {func(s *state) { s.users["kim@corp.test"].accounts["wiki"] = "active" }, "in its status"},
		"another id in status":   {func(s *state) { s.users["kim@corp.test"].ids["crm"] = "8" }, "its status says"},
		"no account in the app":  {func(s *state) { delete(s.apps["crm"].accounts, "kim@corp.test") }, "no account in crm itself"},
		"another role in the app": {func(s *state) {
			s.apps["crm"].accounts["kim@corp.test"] = haveAccount{id: "7", state: "active owner"}
		}, "in crm itself"},
		"another attribute": {func(s *state) {
			s.apps["crm"].accounts["kim@corp.test"].attributes["name"] = map[string]any{"familyName": "Alder"}
		}, "familyName"},
		"no such group":           {func(s *state) { delete(s.groups, "Desk") }, "does not exist"},
		"other members":           {func(s *state) { s.groups["Desk"] = WantGroup{} }, "has the members"},
		"other members in an app": {func(s *state) { s.apps["crm"].groups["Desk"] = nil }, "in crm"},
		"other count":             {func(s *state) { s.mappings["desk"] = 2 }, "gives 2 users"},
		"one user more":           {func(s *state) { s.users["sam@corp.test"] = haveUser{} }, "should not exist"},
		"one group more":          {func(s *state) { s.groups["Staff"] = WantGroup{} }, "should not exist"},
		"one mapping more":        {func(s *state) { s.mappings["staff"] = 0 }, "should not exist"},
		"one account more":        {func(s *state) { s.apps["crm"].accounts["sam@corp.test"] = haveAccount{} }, "should not exist in crm"},
		"one group in crm more":   {func(s *state) { s.apps["crm"].groups["Staff"] = nil }, "should not exist in crm"},
	} {
		t.Run(name, func(t *testing.T) {
			s := good()
			test.spoil(s)
			found := strings.Join(goodExpectation().differences(s), "\n")
			if !strings.Contains(found, test.want) {
				t.Errorf("found %q, want something with %q", found, test.want)
			}
		})
	}
}

func TestStillnessStartsAnewWithEveryChange(t *testing.T) {
	var s stillness
	start := time.Unix(0, 0)
	for i, step := range []struct {
		version string
		after   time.Duration
		want    bool
	}{
		{"a", 0, false}, {"a", 900 * time.Millisecond, false}, {"a", time.Second, true}, {"b", 1100 * time.Millisecond, false}, {"b", 2 * time.Second, false},
		{"b", 2100 * time.Millisecond, true},
	} {
		if got := s.since(step.version, start.Add(step.after), time.Second); got != step.want {
			t.Errorf("look %d: %v, want %v", i, got, step.want)
		}
	}
}
