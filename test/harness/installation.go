// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/helm"
)

// Installation is what the chart gives an operator beside its pods: a ServiceAccount in a namespace of the operator's own, and what that may do.
type Installation struct {
	// Namespace is the operator's own, where its replicas meet.
	Namespace string
	// Watched are the namespaces that it serves; all when empty.
	Watched []string
	// Config is the way to the API server as the ServiceAccount, with a token as a pod gets one.
	Config *rest.Config
}

// tokenLifetime is longer than the tests of any package run.
const tokenLifetime = 6 * time.Hour

// Install installs ServiceAccount, roles and bindings as the chart renders them for an operator that serves the watched namespaces, or all, in a namespace of its
// own. The rights count when it returns.
func Install(t testing.TB, env *cptest.Env, watched ...string) *Installation {
	t.Helper()
	return install(t, env, env.Namespace(t), "", watched)
}

// InstallInto is Install into the one namespace that the operator serves.
func InstallInto(t testing.TB, env *cptest.Env, namespace string) *Installation {
	t.Helper()
	return install(t, env, namespace, "", []string{namespace})
}

// InstallWith is Install with a value of the chart, as Helm takes it with --set.
func InstallWith(t testing.TB, env *cptest.Env, set string, watched ...string) *Installation {
	t.Helper()
	return install(t, env, env.Namespace(t), set, watched)
}

func install(t testing.TB, env *cptest.Env, own, set string, watched []string) *Installation {
	t.Helper()
	admin, err := client.New(env.Config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	in := &Installation{Namespace: own, Watched: watched}
	account := &corev1.ServiceAccount{}
	var bindings []*unstructured.Unstructured
	for _, o := range rendered(t, own, set, watched) {
		switch o.GetKind() {
		case "ServiceAccount":
			decode(t, o, account)
		case "ClusterRole", "Role":
			grant(t, in, o)
		case "ClusterRoleBinding", "RoleBinding":
			bindings = append(bindings, o)
		case "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding":
		default:
			continue
		}
		establish(t, admin, o)
	}
	for _, binding := range bindings {
		awaitBinding(t, admin, binding)
	}
	token := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To(int64(tokenLifetime.Seconds()))}}
	if err := admin.SubResource("token").Create(t.Context(), account, token); err != nil {
		t.Fatalf("a token for the ServiceAccount %q: %v", account.Name, err)
	}
	in.Config = rest.AnonymousClientConfig(env.Config)
	in.Config.BearerToken = token.Status.Token
	return in
}

// establish makes an object. What has the same name for every installation is that of the one that serves all namespaces, of which a cluster has one: here there are many,
// and each of their ServiceAccounts gets the role.
func establish(t testing.TB, admin client.Client, o *unstructured.Unstructured) {
	t.Helper()
	err := admin.Create(t.Context(), o.DeepCopy())
	switch {
	case apierrors.IsAlreadyExists(err) && o.GetKind() == "ClusterRoleBinding":
		binding := &rbacv1.ClusterRoleBinding{}
		decode(t, o, binding)
		Eventually(t, "a further subject of "+o.GetName(), func() error {
			there := &rbacv1.ClusterRoleBinding{}
			if err := admin.Get(t.Context(), client.ObjectKeyFromObject(o), there); err != nil {
				return err
			}
			there.Subjects = append(there.Subjects, binding.Subjects...)
			return admin.Update(t.Context(), there)
		})
	case err != nil && (!apierrors.IsAlreadyExists(err) || o.GetKind() != "ClusterRole"):
		t.Fatalf("%s %s: %v", o.GetKind(), o.GetName(), err)
	}
}

func decode(t testing.TB, from *unstructured.Unstructured, into any) {
	t.Helper()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(from.Object, into, true); err != nil {
		t.Fatalf("%s %s: %v", from.GetKind(), from.GetName(), err)
	}
}

// baseValues leave out what is not of use to every test: what is made in the cluster for each of many would slow it down.
const baseValues = `
fullnameOverride: %s
namespaces: [%s]
crds: {enabled: false}
metrics: {authorization: false}
rbac: {aggregate: false, namespaceDeletion: false}
`

// Placeholders of names in what is rendered.
const ownPlaceholder = "own-namespace-of-the-operator"

func watchedPlaceholder(i int) string { return fmt.Sprintf("watched-namespace-%d", i) }

// renderings are texts that Helm has rendered with placeholders, by their values: it takes a fifth of a second, and there are many tests.
var renderings struct {
	sync.Mutex
	texts map[string]string
}

// rendered gives the objects of the chart. They are named after the operator's own namespace.
func rendered(t testing.TB, own, set string, watched []string) []*unstructured.Unstructured {
	t.Helper()
	var names []string
	replace := []string{ownPlaceholder, own}
	for i, namespace := range watched {
		names = append(names, watchedPlaceholder(i))
		replace = append(replace, watchedPlaceholder(i), namespace)
	}
	values := fmt.Sprintf(baseValues, ownPlaceholder, strings.Join(names, ", "))
	renderings.Lock()
	defer renderings.Unlock()
	text := renderings.texts[values+set]
	if text == "" {
		var err error
		if text, err = helm.Run(t, ownPlaceholder, values, "template", "scim-operator", helm.Chart(t), "--set", set); err != nil {
			t.Fatal(err)
		}
		if renderings.texts == nil {
			renderings.texts = map[string]string{}
		}
		renderings.texts[values+set] = text
	}
	return helm.Objects(t, strings.NewReplacer(replace...).Replace(text))
}

// awaitBinding waits until the API server grants what a binding gives: its authorizer learns of roles and bindings by watches.
func awaitBinding(t testing.TB, admin client.Client, o *unstructured.Unstructured) {
	t.Helper()
	binding := &rbacv1.RoleBinding{}
	decode(t, o, binding)
	var role client.Object
	var rules *[]rbacv1.PolicyRule
	key := client.ObjectKey{Name: binding.RoleRef.Name}
	if binding.RoleRef.Kind == "Role" {
		namespaced := &rbacv1.Role{}
		role, rules, key.Namespace = namespaced, &namespaced.Rules, binding.Namespace
	} else {
		whole := &rbacv1.ClusterRole{}
		role, rules = whole, &whole.Rules
	}
	if err := admin.Get(t.Context(), key, role); err != nil {
		t.Fatalf("%s %s: %v", binding.Kind, binding.Name, err)
	}
	subject := binding.Subjects[0]
	rule := (*rules)[0]
	resource, subresource, _ := strings.Cut(rule.Resources[0], "/")
	review := authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   fmt.Sprintf("system:serviceaccount:%s:%s", subject.Namespace, subject.Name),
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + subject.Namespace, "system:authenticated"},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Namespace: binding.Namespace, Name: strings.Join(rule.ResourceNames[:min(len(rule.ResourceNames), 1)], ""), Verb: rule.Verbs[0], Group: rule.APIGroups[0], Resource: resource, Subresource: subresource,
		},
	}}
	Eventually(t, fmt.Sprintf("%s %s counts", binding.Kind, binding.Name), func() error {
		asked := review
		asked.ObjectMeta = metav1.ObjectMeta{}
		if err := admin.Create(t.Context(), &asked); err != nil {
			return err
		}
		if !asked.Status.Allowed {
			return errors.New("not yet")
		}
		return nil
	})
}
