// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

import (
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

// Replicas that start at once, and one that starts later, read each other's cursors.
func TestReplicasShareTheSecretOfTheCursors(t *testing.T) {
	env := cptest.New(t)
	namespace := env.Namespace(t)
	c, err := client.New(env.Config, client.Options{Scheme: Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	replicas := make([]*scim.Cursors, 8)
	var done sync.WaitGroup
	for i := range replicas[1:] {
		done.Go(func() {
			var err error
			if replicas[i+1], err = cursors(t.Context(), c, namespace); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	if replicas[0], err = cursors(t.Context(), c, namespace); err != nil || t.Failed() {
		t.Fatal(err)
	}
	now := time.Now()
	for i, one := range replicas {
		for _, other := range replicas {
			if _, err := other.Open(one.Seal([]byte("q"), []byte("p"), now.Add(time.Hour)), []byte("q"), now); err != nil {
				t.Errorf("replica %d: %v", i, err)
			}
		}
	}
	secret := &corev1.Secret{}
	if err := c.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: cursorSecretName}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data[cursorSecretKey] = []byte("spoilt")
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if _, err := cursors(t.Context(), c, namespace); err == nil || strings.Contains(err.Error(), "spoilt") || !strings.Contains(err.Error(), "delete the Secret") {
		t.Error(err)
	}
}

// Outside a cluster, each process has a secret of its own.
func TestAProcessWithoutANamespaceHasASecretOfItsOwn(t *testing.T) {
	one, err := cursors(t.Context(), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	other, err := cursors(t.Context(), nil, "")
	if err != nil {
		t.Fatal(err)
	}
	cursor := one.Seal([]byte("q"), []byte("p"), time.Now().Add(time.Hour))
	if _, err := one.Open(cursor, []byte("q"), time.Now()); err != nil {
		t.Error(err)
	}
	if _, err := other.Open(cursor, []byte("q"), time.Now()); err == nil {
		t.Error("two processes have the same secret")
	}
	if namespace, err := ownNamespace(Options{LeaderElectionNamespace: "here"}); namespace != "here" || err != nil {
		t.Error(namespace, err)
	}
}
