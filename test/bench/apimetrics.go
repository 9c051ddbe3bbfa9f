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
func (w *world) requestBytes(ctx context.Context) (sum float64, err error) {
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
		if !strings.HasPrefix(line, "apiserver_request_body_size_bytes_sum{") || !strings.Contains(line, `"scim`) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		sum, found = sum+value, true
	}
	if !found {
		return 0, fmt.Errorf("the API server's metrics do not tell the sizes of requests")
	}
	return sum, nil
}
