// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// asTable asks the API server to print, as kubectl does: the columns are those of the CRDs.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// kinds whose tables are shown, in the order of the way of a change.
var kinds = []string{"scimclients", "scimusers", "scimgroups", "scimapps", "scimrolemappings"}

// tables gets the tables of the demo's namespace.
type tables struct {
	http *http.Client
	host string
}

func newTables(config *rest.Config) (*tables, error) {
	client, err := rest.HTTPClientFor(config)
	return &tables{http: client, host: strings.TrimSuffix(config.Host, "/")}, err
}

// get is the table of a kind.
func (t *tables) get(ctx context.Context, kind string) (*table, error) {
	url := fmt.Sprintf("%s/apis/%s/namespaces/%s/%s", t.host, v1alpha1.GroupVersion, namespace, kind)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", asTable)
	response, err := t.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the table of %s: %s", kind, response.Status)
	}
	var printed metav1.Table
	if err := json.NewDecoder(response.Body).Decode(&printed); err != nil {
		return nil, fmt.Errorf("the table of %s: %w", kind, err)
	}
	return tableOf(&printed), nil
}

// table is something to print in columns.
type table struct {
	header []string
	rows   [][]string
	// volatile is the column that moves by itself, the age; -1 if there is none.
	volatile int
}

// tableOf is what kubectl shows of a Table without -o wide: the columns of priority 0.
func tableOf(printed *metav1.Table) *table {
	t := &table{volatile: -1}
	var shown []int
	for i, column := range printed.ColumnDefinitions {
		if column.Priority != 0 {
			continue
		}
		if column.Name == "Age" {
			t.volatile = len(shown)
		}
		shown = append(shown, i)
		t.header = append(t.header, strings.ToUpper(column.Name))
	}
	for _, row := range printed.Rows {
		var cells []string
		for _, i := range shown {
			cells = append(cells, cell(row.Cells, i))
		}
		t.rows = append(t.rows, cells)
	}
	return t
}

func cell(cells []any, i int) string {
	if i >= len(cells) || cells[i] == nil {
		return ""
	}
	return fmt.Sprint(cells[i])
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print prints the header and the rows, or those of the given numbers.
func (t *table) print(w io.Writer, only []int) {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, text := range row {
			widths[i] = max(widths[i], len([]rune(text)))
		}
	}
	printRow(w, widths, t.header)
	for i, row := range t.rows {
		if only == nil || slices.Contains(only, i) {
			printRow(w, widths, row)
		}
	}
}

func printRow(w io.Writer, widths []int, row []string) {
	var line strings.Builder
	for i, text := range row {
		fmt.Fprintf(&line, "%-*s", widths[i]+3, text)
	}
	_, _ = fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
}

// state of a row, without what moves by itself.
func (t *table) state(row int) string {
	cells := slices.Clone(t.rows[row])
	if t.volatile >= 0 && t.volatile < len(cells) {
		cells[t.volatile] = ""
	}
	return strings.Join(cells, "\x00")
}

// changed are the rows that are not in an earlier table as they are now, and the first cells of those that have gone.
func (t *table) changed(before *table) (rows []int, gone []string) {
	states, names := map[string]bool{}, map[string]bool{}
	for i := range before.rows {
		states[before.state(i)] = true
	}
	for i, row := range t.rows {
		names[row[0]] = true
		if !states[t.state(i)] {
			rows = append(rows, i)
		}
	}
	for _, row := range before.rows {
		if !names[row[0]] {
			gone = append(gone, row[0])
		}
	}
	return rows, gone
}
