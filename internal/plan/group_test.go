// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestChangesOfMembers(t *testing.T) {
	for name, tc := range map[string]struct {
		state       MemberState
		add, remove []string
	}{
		"in sync": {state: MemberState{Shown: []string{"1", "2"}, Recorded: []string{"1", "2"}, Desired: []string{"1", "2"}}},
		"nothing is recorded": {
			state: MemberState{Shown: []string{"1", "9"}, Desired: []string{"1", "2"}}, add: []string{"2"}, remove: []string{"9"},
		},
		"a leaver whom the app shows": {
			state: MemberState{Shown: []string{"1", "2"}, Recorded: []string{"1", "2"}, Desired: []string{"1"}}, remove: []string{"2"},
		},
		"a leaver whom the app does not show, beside all who stay": {
			state: MemberState{Shown: []string{"1"}, Recorded: []string{"1", "2"}, Desired: []string{"1"}},
		},
		"a leaver whom the app does not show, and one who stays neither": {
			state: MemberState{Shown: []string{"1"}, Recorded: []string{"1", "2", "3"}, Desired: []string{"1", "3"}},
			add:   []string{"3"}, remove: []string{"2"},
		},
		"the app shows nobody for the first time": {
			state: MemberState{Recorded: []string{"1", "2"}, Desired: []string{"1"}}, add: []string{"1"}, remove: []string{"2"},
		},
		"the app never shows anybody": {
			state: MemberState{Recorded: []string{"1", "2"}, Desired: []string{"1", "3"}, Hidden: true}, add: []string{"3"}, remove: []string{"2"},
		},
		"all leave an app that shows nobody": {
			state: MemberState{Recorded: []string{"1"}, Hidden: true}, remove: []string{"1"},
		},
		"an app that showed nobody shows its members": {
			state: MemberState{Shown: []string{"1", "9"}, Recorded: []string{"1", "2"}, Desired: []string{"1", "2"}, Hidden: true},
			add:   []string{"2"}, remove: []string{"9"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			add, remove := tc.state.Changes()
			if diff := cmp.Diff([][]string{tc.add, tc.remove}, [][]string{add, remove}, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}
