// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pods are the operator's, those that are on their way out left out.
func (w *world) pods(ctx context.Context) ([]corev1.Pod, error) {
	all := &corev1.PodList{}
	err := w.admin.List(ctx, all, client.InNamespace(systemNamespace), client.MatchingLabels{"app.kubernetes.io/instance": release})
	var alive []corev1.Pod
	for _, pod := range all.Items {
		if pod.DeletionTimestamp == nil {
			alive = append(alive, pod)
		}
	}
	return alive, err
}

// leader is the name of the pod that holds the Lease.
func (w *world) leader(ctx context.Context) (string, error) {
	lease := &coordinationv1.Lease{}
	if err := w.admin.Get(ctx, client.ObjectKey{Namespace: systemNamespace, Name: "scim-operator.io"}, lease); err != nil {
		return "", err
	}
	pods, err := w.pods(ctx)
	if err != nil || lease.Spec.HolderIdentity == nil {
		return "", err
	}
	for _, pod := range pods {
		if holder := *lease.Spec.HolderIdentity; len(holder) > len(pod.Name) && holder[:len(pod.Name)+1] == pod.Name+"_" {
			return pod.Name, nil
		}
	}
	return "", fmt.Errorf("no pod is %s, which holds the Lease", *lease.Spec.HolderIdentity)
}

// settled waits until the Deployment is rolled out, old pods are gone, and somebody leads.
func (w *world) settled(t testing.TB) {
	t.Helper()
	w.run(t, "kubectl", "rollout", "status", "deployment/"+release, "--namespace", systemNamespace, "--timeout=3m")
	eventually(t, "two pods, one of them the leader", func(ctx context.Context) error {
		all := &corev1.PodList{}
		if err := w.admin.List(ctx, all, client.InNamespace(systemNamespace), client.MatchingLabels{"app.kubernetes.io/instance": release}); err != nil {
			return err
		}
		if len(all.Items) != 2 {
			return fmt.Errorf("there are %d pods", len(all.Items))
		}
		name, err := w.leader(ctx)
		if err == nil && name == "" {
			err = errors.New("nobody leads")
		}
		return err
	})
}

// testPods: the pods run under the restricted level, which the namespace enforces, and none was restarted.
func testPods(t testing.TB, w *world) {
	namespace := &corev1.Namespace{}
	if err := w.admin.Get(t.Context(), client.ObjectKey{Name: systemNamespace}, namespace); err != nil {
		t.Fatal(err)
	}
	if level := namespace.Labels["pod-security.kubernetes.io/enforce"]; level != "restricted" {
		t.Errorf("the namespace enforces the Pod Security level %q", level)
	}
	w.settled(t)
	pods, err := w.pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods {
		for _, status := range pod.Status.ContainerStatuses {
			if status.RestartCount > 0 || !status.Ready {
				t.Errorf("the pod %s has ready %v and was restarted %d times", pod.Name, status.Ready, status.RestartCount)
			}
		}
	}
}
