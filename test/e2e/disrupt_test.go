// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// unavailable is how the endpoint says that it cannot serve now and when to come back.
const unavailable = "503 with Retry-After"

// testLeaderDeleted deletes the leader: the other replica serves, and takes the lead.
func testLeaderDeleted(t *testing.T, w *world) {
	old, err := w.leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.underLoad(t, "leader", nil, func() {
		w.run(t, "kubectl", "delete", "pod", old, "--namespace", systemNamespace)
		w.settled(t)
	})
	if now, err := w.leader(t.Context()); err != nil || now == old {
		t.Errorf("the leader is %q, %v, and was %q", now, err, old)
	}
}

// testAllPodsDeleted deletes all replicas at once: there is a time in which nobody is there to answer, not even with 503.
func testAllPodsDeleted(t *testing.T, w *world) {
	w.underLoad(t, "all", []string{unavailable, "connection refused", "connection reset", "connection closed", "timeout", "no route"}, func() {
		w.run(t, "kubectl", "delete", "pods", "--namespace", systemNamespace, "--selector", "app.kubernetes.io/instance="+release)
		w.settled(t)
	})
}

// apiServerStarted tells one start of the API server from another.
func (w *world) apiServerStarted(ctx context.Context) (string, error) {
	if err := w.set.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); err != nil {
		return "", err
	}
	metrics, err := w.set.RESTClient().Get().AbsPath("/metrics").Do(ctx).Raw()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(metrics)) {
		if at, is := strings.CutPrefix(line, "process_start_time_seconds "); is {
			return at, nil
		}
	}
	return "", errors.New("the API server does not say when it was started")
}

// testAPIServerRestarted restarts the API server: the replicas go on answering, with 503 where they cannot serve.
func testAPIServerRestarted(t *testing.T, w *world) {
	if w.restartAPIServer == "" {
		t.Skip("E2E_RESTART_APISERVER is not set: nobody knows how to restart the API server of this cluster")
	}
	before, err := w.pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	started, err := w.apiServerStarted(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.underLoad(t, "apiserver", []string{unavailable}, func() {
		w.run(t, "bash", "-c", w.restartAPIServer)
		eventually(t, "another API server answers", func(ctx context.Context) error {
			now, err := w.apiServerStarted(ctx)
			if err == nil && now == started {
				err = errors.New("it is the one from before")
			}
			return err
		})
		w.settled(t)
	})
	after, err := w.pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sameContainers(before, after); err != nil {
		t.Error(err)
	}
}
