// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
	"github.com/scim-operator/scim-operator/internal/operator"
)

const (
	// identity is who the operator is in the cluster, and the bare client, too: both have the rights of config/rbac and no others.
	identity = "scim-operator"
	// system is the namespace of the Lease of the leader election.
	system = "bench-system"
	// scimClient is the ScimClient of each directory, with this token.
	scimClient = "okta"
	token      = "bench-token-0123456789abcdef"
)

// world is the API server with all that stands around it.
type world struct {
	// arguments are further ones of the operators that are started.
	arguments []string
	root, dir string
	out       io.Writer
	env       *controlplane.Env
	admin     client.Client
	// config is the operator's access to the API server.
	config *rest.Config
	// manager is the operator's program.
	manager string
	tls     certificateFiles
	roots   *x509.CertPool
}

// newWorld starts an API server whose etcd waits for the disk, as it does in a cluster, and builds the operator as `make build` does.
func newWorld(ctx context.Context, out io.Writer) (*world, error) {
	w := &world{out: out}
	if err := w.start(ctx, w.build); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

// another starts one more API server with nothing in it. It serves the same operator; w has to outlive it.
func (w *world) another(ctx context.Context) (*world, error) {
	other := &world{root: w.root, out: w.out, manager: w.manager, tls: w.tls, roots: w.roots}
	if err := other.start(ctx, func(context.Context) error { return nil }); err != nil {
		return nil, errors.Join(err, other.close())
	}
	return other, nil
}

func (w *world) start(ctx context.Context, build func(context.Context) error) (err error) {
	if w.dir, err = os.MkdirTemp("", "scim-operator-bench-"); err != nil {
		return err
	}
	if err := build(ctx); err != nil {
		return err
	}
	w.env, err = controlplane.Start(ctx, controlplane.Options{CRDs: []string{filepath.Join(w.root, "config", "crd", "bases")}, Progress: w.out})
	if err != nil {
		return err
	}
	return w.prepare(ctx)
}

// build makes the operator's program and its certificates.
func (w *world) build(ctx context.Context) (err error) {
	if w.root, err = assets.ModuleRoot(); err != nil {
		return err
	}
	if w.tls, w.roots, err = writeCertificates(w.dir); err != nil {
		return err
	}
	w.say("building the operator ...")
	w.manager = filepath.Join(w.dir, "manager")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", w.manager, "./cmd")
	build.Dir, build.Env = w.root, append(os.Environ(), "CGO_ENABLED=0")
	if output, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building the operator: %w\n%s", err, output)
	}
	return nil
}

func (w *world) close() error {
	var errs []error
	if w.env != nil {
		errs = append(errs, w.env.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

func (w *world) say(format string, args ...any) {
	_, _ = fmt.Fprintf(w.out, "%s "+format+"\n", append([]any{time.Now().UTC().Format("15:04:05")}, args...)...)
}

// prepare makes the operator's rights, and the Lease that keeps the controllers off.
func (w *world) prepare(ctx context.Context) (err error) {
	if w.config, err = w.env.AddUser(identity); err != nil {
		return err
	}
	if w.admin, err = client.New(w.env.Config, client.Options{Scheme: operator.Scheme()}); err != nil {
		return err
	}
	role, err := os.ReadFile(filepath.Join(w.root, "config", "rbac", "role.yaml"))
	if err != nil {
		return err
	}
	rights := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict(role, rights); err != nil {
		return fmt.Errorf("config/rbac/role.yaml: %w", err)
	}
	return w.create(ctx,
		rights,
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: identity},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: rights.Name},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: identity}},
		},
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system}},
		&coordinationv1.Lease{
			ObjectMeta: metav1.ObjectMeta{Namespace: system, Name: "scim-operator.io"},
			Spec: coordinationv1.LeaseSpec{
				HolderIdentity: ptr.To("bench"), LeaseDurationSeconds: ptr.To(int32(7 * 24 * 3600)),
				AcquireTime: ptr.To(metav1.NowMicro()), RenewTime: ptr.To(metav1.NowMicro()),
			},
		})
}

func (w *world) create(ctx context.Context, objects ...client.Object) error {
	for _, object := range objects {
		if err := w.admin.Create(ctx, object); err != nil {
			return err
		}
	}
	return nil
}

// directory makes a namespace with a ScimClient of the okta dialect.
func (w *world) directory(ctx context.Context, namespace string) error {
	return w.create(ctx,
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		secret(namespace, "okta-token", map[string]string{"token": token}),
		&v1alpha1.ScimClient{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: scimClient},
			Spec:       v1alpha1.ScimClientSpec{Dialect: "okta", Tokens: []v1alpha1.SecretKeyRef{{Name: "okta-token"}}},
		})
}

func secret(namespace, name string, values map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelCredentials: "true"}},
		StringData: values,
	}
}

// clear removes all users of a namespace, in etcd itself: users have finalizers, and would take two writes each. One at a time, for a watch that is interrupted goes on after
// the last revision that it has seen.
func (w *world) clear(ctx context.Context, namespace string) error {
	prefix := []byte("/registry/" + v1alpha1.GroupVersion.Group + "/scimusers/" + namespace + "/")
	after := append(bytes.Clone(prefix[:len(prefix)-1]), '/'+1)
	var found struct {
		KVs []struct {
			Key []byte `json:"key"`
		} `json:"kvs"`
	}
	if err := w.etcd(ctx, "range", map[string]any{"key": prefix, "range_end": after, "keys_only": true}, &found); err != nil {
		return err
	}
	const removers = 16
	return concurrently(ctx, len(found.KVs), removers, func(ctx context.Context, i int) error {
		return w.etcd(ctx, "deleterange", map[string]any{"key": found.KVs[i].Key}, &struct{}{})
	})
}

// etcd asks etcd's JSON gateway.
func (w *world) etcd(ctx context.Context, method string, question map[string]any, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.env.EtcdURL()+"/v3/kv/"+method, bytes.NewReader(body))
	if err != nil {
		return err
	}
	reply, err := probes.Do(request)
	if err != nil {
		return fmt.Errorf("asking etcd: %w", err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd answers %s", reply.Status)
	}
	return json.NewDecoder(reply.Body).Decode(answer)
}
