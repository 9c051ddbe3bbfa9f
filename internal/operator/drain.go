// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"time"
)

// drain is a context that ends a while after another one, and says meanwhile that the end is near.
//
// When Kubernetes ends a pod, it tells the pod and those who send requests to it at the same time. The latter take a moment: a pod that stops to listen at once
// refuses requests that are on their way.
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

// check is a readiness check.
func (d *drain) check(*http.Request) error {
	if d.stopping.Load() {
		return errors.New("the operator is about to end")
	}
	return nil
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
