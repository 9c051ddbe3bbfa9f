// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// unavailable is how the endpoint says that it cannot serve now and when to come back.
const unavailable = "503 with Retry-After"

// testLeaderDeleted deletes the leader: the other replica serves, takes the lead, and cannot be evicted before there is a second one again.
func testLeaderDeleted(t testing.TB, w *world) {
	old, err := w.leader(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w.underLoad(t, "leader", nil, func() {
		w.run(t, "kubectl", "delete", "pod", old, "--namespace", systemNamespace, "--wait=false")
		w.keepsTheLast(t)
		w.settled(t)
	})
	if now, err := w.leader(t.Context()); err != nil || now == old {
		t.Errorf("the leader is %q, %v, and was %q", now, err, old)
	}
}

// keepsTheLast waits until the PodDisruptionBudget refuses to have the remaining pod evicted; the new one, which is not ready yet, may be.
func (w *world) keepsTheLast(t testing.TB) {
	t.Helper()
	eventually(t, "the remaining pod cannot be evicted", func(ctx context.Context) error {
		pods, err := w.pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			eviction := &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: pod.Name}, DeleteOptions: &metav1.DeleteOptions{DryRun: []string{metav1.DryRunAll}}}
			// Without limit, client-go would try again until it is allowed.
			err := w.set.PolicyV1().RESTClient().Post().MaxRetries(0).AbsPath("/api/v1").Namespace(systemNamespace).Resource("pods").Name(pod.Name).
				SubResource("eviction").Body(eviction).Do(ctx).Error()
			if apierrors.IsTooManyRequests(err) {
				return nil
			}
		}
		return fmt.Errorf("none of %d pods is kept", len(pods))
	})
}

// testAllPodsDeleted deletes all replicas at once: there is a time in which nobody is there to answer, not even with 503.
func testAllPodsDeleted(t testing.TB, w *world) {
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
func testAPIServerRestarted(t testing.TB, w *world) {
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
