// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// client-go takes part: should a new version go by something else than the header, this fails.
func TestAWriteThatMayHaveTakenEffectIsSentOnce(t *testing.T) {
	const cut = 0
	for _, c := range []struct {
		method string
		// status of the first answer; cut is none, the connection breaks.
		status    int
		sent, ask int
	}{
		{method: http.MethodPost, status: 500, sent: 1, ask: 7},
		{method: http.MethodPut, status: 503, sent: 1, ask: 7},
		{method: http.MethodPatch, status: 504, sent: 1, ask: 7},
		{method: http.MethodDelete, status: 500, sent: 1, ask: 7},
		{method: http.MethodPost, status: 429, sent: 2},
		{method: http.MethodDelete, status: 429, sent: 2},
		{method: http.MethodGet, status: 500, sent: 2},
		{method: http.MethodHead, status: 503, sent: 2},
		{method: http.MethodPost, status: cut, sent: 1},
		{method: http.MethodPut, status: cut, sent: 1},
		{method: http.MethodDelete, status: cut, sent: 1},
	} {
		t.Run(fmt.Sprint(c.method, c.status), func(t *testing.T) {
			var sent atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				again := sent.Add(1) > 1
				w.Header().Set("Content-Type", "application/json")
				switch {
				case again:
					fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Success"}`)
				case c.status == cut:
					panic(http.ErrAbortHandler)
				default:
					w.Header().Set("Retry-After", "0")
					w.WriteHeader(c.status)
					fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","code":%d,"details":{"retryAfterSeconds":7}}`, c.status)
				}
			}))
			defer server.Close()
			config := &rest.Config{Host: server.URL, APIPath: "/apis"}
			config.GroupVersion, config.NegotiatedSerializer = &v1alpha1.GroupVersion, scheme.Codecs.WithoutConversion()
			config.Wrap(kube.WritesOnce)
			client, err := rest.RESTClientFor(config)
			if err != nil {
				t.Fatal(err)
			}
			err = client.Verb(c.method).Resource("scimusers").Name("kim").Body([]byte("{}")).Do(t.Context()).Error()
			if int(sent.Load()) != c.sent || (err != nil) != (c.sent == 1) {
				t.Errorf("sent %d times, want %d: %v", sent.Load(), c.sent, err)
			}
			if seconds, _ := apierrors.SuggestsClientDelay(err); seconds != c.ask {
				t.Errorf("the error says to wait %d s, want %d", seconds, c.ask)
			}
		})
	}
}
