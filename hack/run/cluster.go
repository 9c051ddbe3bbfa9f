// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/test/session"
)

// operatorUser is who the operator is in the cluster. It has the rights of config/rbac and no others.
const operatorUser = "scim-operator"

// operatorNamespace is where the operator would run in a cluster; config/rbac/role.yaml has its rights there.
const operatorNamespace = "scim-operator-system"

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
		if err := d.world.Admin.Create(ctx, object); err != nil {
			return err
		}
	}
	role, err := session.ReadYAML(filepath.Join(d.root, "config", "rbac", "role.yaml"))
	if err != nil {
		return err
	}
	for _, object := range role {
		if err := d.world.Apply(ctx, object); err != nil {
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
