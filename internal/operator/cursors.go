// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package operator

// +kubebuilder:rbac:groups="",namespace=scim-operator-system,resources=secrets,verbs=create
// +kubebuilder:rbac:groups="",namespace=scim-operator-system,resources=secrets,resourceNames=scim-operator-cursors,verbs=get

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/scim"
)

const (
	// cursorSecretName is the Secret in the operator's own namespace that the cursors of all replicas are made with.
	cursorSecretName = "scim-operator-cursors"
	cursorSecretKey  = "key"
	// namespaceFile is where a pod finds its own namespace.
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// cursors gives what the cursors of pages are made with. In a cluster that is a secret that the first replica makes, so that a cursor outlives a restart, and is good
// on every replica. Outside, where there is no namespace of ours, this process has a secret of its own.
func cursors(ctx context.Context, c client.Client, namespace string) (*scim.Cursors, error) {
	secret := make([]byte, scim.CursorKeySize)
	// It never fails.
	_, _ = rand.Read(secret)
	if namespace != "" {
		var err error
		if secret, err = sharedSecret(ctx, c, namespace, secret); err != nil {
			return nil, fmt.Errorf("the secret of the cursors, %s/%s: %w", namespace, cursorSecretName, err)
		}
	}
	made, err := scim.NewCursors(secret)
	if err != nil {
		return nil, fmt.Errorf("%w; delete the Secret %s/%s and start the operator again", err, namespace, cursorSecretName)
	}
	return made, nil
}

// sharedSecret gives the secret that stands in the cluster: the proposed one if there was none.
func sharedSecret(ctx context.Context, c client.Client, namespace string, proposed []byte) ([]byte, error) {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: cursorSecretName}}
	err := c.Get(ctx, client.ObjectKeyFromObject(s), s)
	if apierrors.IsNotFound(err) {
		s.Data = map[string][]byte{cursorSecretKey: proposed}
		if err = c.Create(ctx, s); apierrors.IsAlreadyExists(err) {
			err = c.Get(ctx, client.ObjectKeyFromObject(s), s)
		}
	}
	return s.Data[cursorSecretKey], err
}

// ownNamespace is where the operator runs, or where it was told that its replicas meet; empty outside a cluster.
func ownNamespace(o Options) (string, error) {
	if o.LeaderElectionNamespace != "" {
		return o.LeaderElectionNamespace, nil
	}
	namespace, err := os.ReadFile(namespaceFile)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return strings.TrimSpace(string(namespace)), err
}
