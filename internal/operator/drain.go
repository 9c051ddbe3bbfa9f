// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"
)

// drain is a context that ends a while after another one, and has connections closed meanwhile.
//
// When Kubernetes ends a pod, it tells the pod and those who send requests to it at the same time. The latter take a moment: a pod that stops to listen at once
// refuses requests that are on their way.
//
// A replica that is about to end is as ready as before. Its endpoint is marked as terminating the moment that the pod is deleted, whatever its probes say, and Services
// use such endpoints only while there are no others: where all pods are deleted at once, requests get an answer until the new ones are ready (KEP-1669).
type drain struct {
	context.Context
	stopping atomic.Bool
}

// drainAfter gives a context that is done the delay after ctx is.
func drainAfter(ctx context.Context, delay time.Duration) *drain {
	delayed, cancel := context.WithCancel(context.WithoutCancel(ctx))
	d := &drain{Context: delayed}
	context.AfterFunc(ctx, func() {
		d.stopping.Store(true)
		time.AfterFunc(delay, cancel)
	})
	return d
}

// handler has clients close their connections when the end is near, so that they make the next one to another replica.
func (d *drain) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d.stopping.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
