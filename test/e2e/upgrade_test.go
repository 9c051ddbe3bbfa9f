// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/internal/server/servertest"
	"github.com/scim-operator/scim-operator/test/e2e/relay"
)

// givenSecret holds the certificate that is given after the self-made one.
const givenSecret = "endpoint-certificate"

// upgrade upgrades the release to the chart, with further values, and waits until old pods are gone.
func (w *world) upgrade(t testing.TB, chart, image string, args ...string) {
	t.Helper()
	repository, tag := repositoryAndTag(image)
	args = append([]string{
		"upgrade", release, chart, "--namespace", systemNamespace, "--reset-then-reuse-values", "--wait", "--timeout=4m",
		"--set=image.repository=" + repository, "--set=image.tag=" + tag,
	}, args...)
	w.run(t, "helm", args...)
	w.settled(t)
}

// newCertificate makes a certificate for the endpoint, puts it into the Secret, and gives its serial number. Clients trust it from now on, as well as those before.
func (w *world) newCertificate(t testing.TB) (serial string) {
	t.Helper()
	certificate, _, err := servertest.NewCertificate(release + "." + systemNamespace + ".svc")
	if err != nil {
		t.Fatal(err)
	}
	certPEM, keyPEM, err := servertest.EncodePEM(certificate)
	if err != nil {
		t.Fatal(err)
	}
	w.ca += string(certPEM)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: systemNamespace, Name: givenSecret}, Type: corev1.SecretTypeTLS,
		Data: map[string][]byte{corev1.TLSCertKey: certPEM, corev1.TLSPrivateKeyKey: keyPEM},
	}
	secrets := w.set.CoreV1().Secrets(systemNamespace)
	if _, err = secrets.Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		_, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return certificate.Leaf.SerialNumber.String()
}

// testChangedValue gives the endpoint another certificate by a value of the chart, so that every pod is replaced, and loses no request over it.
func testChangedValue(t testing.TB, w *world) {
	serial := w.newCertificate(t)
	w.underLoad(t, "value", nil, func() {
		w.upgrade(t, w.chart, w.image, "--set=tls.secretName="+givenSecret)
	})
	w.shows(t, serial)
}

// shows waits until whoever answers has the certificate.
func (w *world) shows(t testing.TB, serial string) {
	t.Helper()
	eventually(t, "every pod shows the certificate that was given", func(ctx context.Context) error {
		pods, err := w.pods(ctx)
		if err != nil {
			return err
		}
		for _, pod := range pods {
			answer, err := w.send(ctx, relay.Request{Method: http.MethodGet, URL: "https://" + net.JoinHostPort(pod.Status.PodIP, "8443") + "/"})
			if err != nil {
				return err
			}
			if answer.Serial != serial {
				return errors.New(pod.Name + " shows another one")
			}
		}
		return nil
	})
}

// testRotation replaces the given certificate, and sees that the pods take it as they are.
func testRotation(t testing.TB, w *world) {
	before, err := w.pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	serial := w.newCertificate(t)
	// The kubelet looks after the files of a pod when the pod changes, and else every minute or two.
	w.run(t, "kubectl", "annotate", "pods", "--namespace", systemNamespace, "--selector", "app.kubernetes.io/instance="+release, "e2e/rotated="+serial)
	w.shows(t, serial)
	after, err := w.pods(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := sameContainers(before, after); err != nil {
		t.Error(err)
	}
}

// sameContainers says which pod is new or was restarted.
func sameContainers(before, after []corev1.Pod) error {
	for _, pod := range after {
		known := false
		for _, old := range before {
			known = known || old.UID == pod.UID && old.Status.ContainerStatuses[0].RestartCount == pod.Status.ContainerStatuses[0].RestartCount
		}
		if !known {
			return fmt.Errorf("the pod %s is new or was restarted", pod.Name)
		}
	}
	return nil
}
