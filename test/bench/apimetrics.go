// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/client-go/kubernetes"
)

// requestBytes is how many bytes the API server was sent so far to be written to objects of the operator.
func (w *world) requestBytes(ctx context.Context) (float64, error) {
	return w.sumOf(ctx, "apiserver_request_body_size_bytes_sum{", func(string) bool { return true })
}

// objectWrites is how many writes of objects of the operator the API server was sent so far.
func (w *world) objectWrites(ctx context.Context) (float64, error) {
	return w.sumOf(ctx, "apiserver_request_total{", func(line string) bool {
		return !strings.Contains(line, `verb="GET"`) && !strings.Contains(line, `verb="LIST"`) && !strings.Contains(line, `verb="WATCH"`)
	})
}

// sumOf is the sum of a metric of the API server over the operator's objects, of the lines that count.
func (w *world) sumOf(ctx context.Context, metric string, counts func(line string) bool) (sum float64, err error) {
	client, err := kubernetes.NewForConfig(w.env.Config)
	if err != nil {
		return 0, err
	}
	data, err := client.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the API server's metrics: %w", err)
	}
	found := false
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, metric) || !strings.Contains(line, `"scim`) || !counts(line) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+value, true
	}
	if !found {
		return 0, fmt.Errorf("the API server does not have the metric %s}", metric)
	}
	return sum, nil
}
