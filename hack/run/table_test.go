// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func printedUsers(rows ...[]any) *table {
	printed := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Name"}, {Name: "UserName"}, {Name: "Accounts"}, {Name: "Reason", Priority: 1}, {Name: "Age"},
	}}
	for _, cells := range rows {
		printed.Rows = append(printed.Rows, metav1.TableRow{Cells: cells})
	}
	return tableOf(printed)
}

func TestTableShowsWhatKubectlShows(t *testing.T) {
	users := printedUsers([]any{"u-1", "kim@corp.test", "1/2", "Progressing", "5s"}, []any{"u-22", "lee@corp.test", nil, "", "1m"})
	var out bytes.Buffer
	users.print(&out, nil)
	want := strings.Join([]string{
		"NAME   USERNAME        ACCOUNTS   AGE",
		"u-1    kim@corp.test   1/2        5s",
		"u-22   lee@corp.test              1m",
		"",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
}

func TestChangedIgnoresTheAge(t *testing.T) {
	before := printedUsers([]any{"u-1", "kim@corp.test", "0/1", "", "5s"}, []any{"u-2", "lee@corp.test", "1/1", "", "5s"}, []any{"u-3", "sam@corp.test", "0/0", "", "5s"})
	now := printedUsers([]any{"u-1", "kim@corp.test", "1/1", "", "6s"}, []any{"u-2", "lee@corp.test", "1/1", "", "6s"}, []any{"u-4", "jo@corp.test", "0/0", "", "0s"})
	rows, gone := now.changed(before)
	if diff := cmp.Diff([]int{0, 2}, rows); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"u-3"}, gone); diff != "" {
		t.Errorf("gone (-want +got):\n%s", diff)
	}
}

// scripted gives the tables of one kind, one after the other.
type scripted struct {
	kind   string
	tables []*table
}

func (s *scripted) get(_ context.Context, kind string) (*table, error) {
	if kind != s.kind || len(s.tables) == 0 {
		return printedUsers(), nil
	}
	next := s.tables[0]
	s.tables = s.tables[1:]
	return next, nil
}

func TestWatchShowsOnlyWhatChanged(t *testing.T) {
	source := &scripted{kind: "scimusers", tables: []*table{
		printedUsers([]any{"u-1", "kim@corp.test", "0/1", "", "1s"}, []any{"u-2", "lee@corp.test", "0/1", "", "1s"}),
		printedUsers([]any{"u-1", "kim@corp.test", "0/1", "", "2s"}, []any{"u-2", "lee@corp.test", "1/1", "", "2s"}),
		printedUsers([]any{"u-1", "kim@corp.test", "0/1", "", "3s"}, []any{"u-2", "lee@corp.test", "1/1", "", "3s"}),
		printedUsers([]any{"u-1", "kim@corp.test", "0/1", "", "4s"}),
	}}
	var out bytes.Buffer
	w := newWatch(&out, source)
	for range 4 {
		if err := w.changes(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want := strings.Join([]string{
		"", "scimusers:",
		"NAME   USERNAME        ACCOUNTS   AGE",
		"u-1    kim@corp.test   0/1        1s",
		"u-2    lee@corp.test   0/1        1s",
		"", "scimusers:",
		"NAME   USERNAME        ACCOUNTS   AGE",
		"u-2    lee@corp.test   1/1        2s",
		"", "scimusers: gone: u-2", "",
	}, "\n")
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
}
