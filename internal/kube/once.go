// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import "net/http"

// WritesOnce keeps client-go from sending a write again that may have taken effect. docs/decisions/0019-writes-are-sent-once.md says why.
//
// client-go does so, up to ten times, after every 5xx with a Retry-After (k8s.io/client-go/rest/with_retry.go, checkWait), as when etcd did
// not answer the API server in time. Without that header it gives the error back, in which the Status of the body still says how long to
// wait. Where the connection breaks it sends nothing but a GET again, and net/http a write only if no server has begun with it. A 429 keeps
// the header: it is a refusal before anything was done.
func WritesOnce(next http.RoundTripper) http.RoundTripper { return &writesOnce{next} }

type writesOnce struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (w *writesOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err == nil && resp.StatusCode >= http.StatusInternalServerError && !reads(r.Method) {
		resp.Header.Del("Retry-After")
	}
	return resp, err
}

func reads(method string) bool {
	return method == http.MethodGet || method == http.MethodHead || method == http.MethodOptions
}
