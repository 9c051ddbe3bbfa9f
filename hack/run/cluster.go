// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
)

// operatorUser is who the operator is in the cluster. It has the rights of config/rbac and no others.
const operatorUser = "scim-operator"

// operatorNamespace is where the operator would run in a cluster; config/rbac/role.yaml has its rights there.
const operatorNamespace = "scim-operator-system"

// fieldOwner of what this program applies.
const fieldOwner = "make-run"

// prepareCluster makes the namespace, the Secrets that config/samples names, and the operator's rights.
func (d *demo) prepareCluster(ctx context.Context, env *controlplane.Env) error {
	d.scimToken = newToken()
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}},
		secret("okta-token", map[string]string{"token": d.scimToken}),
	}
	for _, app := range d.apps {
		objects = append(objects, secret(app.credentials(), map[string]string{"token": app.Token(), "ca.crt": string(app.CA())}))
	}
	operator := []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: operatorUser}}
	objects = append(objects, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: operatorUser},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "scim-operator"},
		Subjects:   operator,
	}, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: operatorNamespace}}, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNamespace, Name: operatorUser},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "scim-operator"},
		Subjects:   operator,
	})
	for _, object := range objects {
		if err := d.admin.Create(ctx, object); err != nil {
			return err
		}
	}
	role, err := readYAML(filepath.Join(d.root, "config", "rbac", "role.yaml"))
	if err != nil {
		return err
	}
	for _, object := range role {
		if err := d.apply(ctx, object); err != nil {
			return err
		}
	}
	d.config, err = operatorConfig(env)
	return err
}

func operatorConfig(env *controlplane.Env) (*rest.Config, error) { return env.AddUser(operatorUser) }

func secret(name string, values map[string]string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelCredentials: "true"}},
		StringData: values,
	}
}

// apply is kubectl apply --server-side.
func (d *demo) apply(ctx context.Context, object *unstructured.Unstructured) error {
	configuration := client.ApplyConfigurationFromUnstructured(object)
	if err := d.admin.Apply(ctx, configuration, client.FieldOwner(fieldOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// readYAML reads the objects of a file.
func readYAML(file string) ([]*unstructured.Unstructured, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// writeKubeconfig writes one for an administrator, with the demo's namespace as the current one.
func (d *demo) writeKubeconfig(env *controlplane.Env) error {
	data, err := env.KubeconfigFor("admin", "system:masters")
	if err != nil {
		return err
	}
	config, err := clientcmd.Load(data)
	if err != nil {
		return err
	}
	for _, context := range config.Contexts {
		context.Namespace = namespace
	}
	return clientcmd.WriteToFile(*config, d.kubeconfig())
}

func (d *demo) kubeconfig() string { return filepath.Join(d.dir, "kubeconfig") }
