// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/kube"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

// start runs the reconciler for a namespace of its own, with a cache of labelled Secrets as the operator has it.
func start(t *testing.T) (client.Client, string) {
	t.Helper()
	namespace := cptest.New(t).Namespace(t)
	admin, _ := run(t, namespace, clock.RealClock{}, nil)
	return admin, namespace
}

// run runs the reconciler for the namespace until stop is called, or the test ends. change, if given, changes the reconciler before it starts.
func run(t *testing.T, namespace string, now clock.PassiveClock, change func(*Reconciler)) (admin client.Client, stop func()) {
	t.Helper()
	return runAs(t, cptest.New(t).Config, namespace, now, change)
}

// runAs is run with other rights than those of an administrator.
func runAs(
	t *testing.T, config *rest.Config, namespace string, now clock.PassiveClock, change func(*Reconciler),
) (admin client.Client, stop func()) {
	t.Helper()
	env := cptest.New(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	labelled, err := labels.Parse(v1alpha1.LabelCredentials)
	if err != nil {
		t.Fatal(err)
	}
	skip := true
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: metricsserver.Options{BindAddress: "0"},
		// Each test has a manager of its own, and controllers a name of their own.
		Controller: ctrlconfig.Controller{SkipNameValidation: &skip},
		Cache: cache.Options{
			DefaultNamespaces: map[string]cache.Config{namespace: {}},
			ByObject:          map[client.Object]cache.ByObject{&corev1.Secret{}: {Label: labelled}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := &Reconciler{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Issuers: clients.NewIssuers(now.Now, egress.New(egress.Loopback(), nil)), Clock: now,
	}
	if change != nil {
		change(r)
	}
	if err := errors.Join(kube.RegisterResync(t.Context(), mgr.GetFieldIndexer(), &v1alpha1.ScimClient{}), r.SetupWithManager(mgr, kube.Schedule{
		Period: time.Hour, Clock: clock.RealClock{},
	})); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	if admin, err = client.New(env.Config, client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	return admin, stop
}

func newSecret(namespace, name string, labelled bool, token string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: map[string]string{"token": token}}
	if labelled {
		s.Labels = map[string]string{v1alpha1.LabelCredentials: ""}
	}
	return s
}

func newScimClient(namespace, name string, refs ...v1alpha1.SecretKeyRef) *v1alpha1.ScimClient {
	return &v1alpha1.ScimClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.ScimClientSpec{Dialect: "okta", Tokens: refs},
	}
}

func create(t *testing.T, c client.Client, objects ...client.Object) {
	t.Helper()
	for _, o := range objects {
		if err := c.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
}

// awaitReady waits until the condition Ready of the object's generation has the reason, and gives it.
func awaitReady(t *testing.T, c client.Client, sc *v1alpha1.ScimClient, reason string) metav1.Condition {
	t.Helper()
	var last *metav1.Condition
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if err := c.Get(t.Context(), client.ObjectKeyFromObject(sc), sc); err != nil {
			t.Fatal(err)
		}
		last = meta.FindStatusCondition(sc.Status.Conditions, v1alpha1.ConditionReady)
		if last != nil && last.Reason == reason && sc.Status.ObservedGeneration == sc.Generation {
			return *last
		}
	}
	t.Fatalf("Ready never got the reason %s: %+v", reason, last)
	return metav1.Condition{}
}

func TestReadyFollowsTheSecret(t *testing.T) {
	c, namespace := start(t)
	sc := newScimClient(namespace, "okta", v1alpha1.SecretKeyRef{Name: "okta-token"})
	create(t, c, sc)
	if cond := awaitReady(t, c, sc, v1alpha1.ReasonSecretNotFound); cond.Status != metav1.ConditionFalse {
		t.Errorf("Ready is %s", cond.Status)
	}
	if want := "/" + namespace + "/okta/scim/v2"; sc.Status.Path != want {
		t.Errorf("status.path is %q, want %q", sc.Status.Path, want)
	}

	secret := newSecret(namespace, "okta-token", true, "a-token-that-is-long\n")
	create(t, c, secret)
	if cond := awaitReady(t, c, sc, v1alpha1.ReasonSucceeded); cond.Status != metav1.ConditionTrue {
		t.Errorf("Ready is %s", cond.Status)
	}

	secret.Labels = nil
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, c, sc, v1alpha1.ReasonSecretNotLabelled)

	secret.Labels = map[string]string{v1alpha1.LabelCredentials: "yes"}
	secret.Data = map[string][]byte{"other": []byte("a-token-that-is-long")}
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, c, sc, v1alpha1.ReasonSecretKeyMissing)

	secret.Data = map[string][]byte{"token": []byte("tooshort")}
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	if cond := awaitReady(t, c, sc, v1alpha1.ReasonInvalidConfiguration); strings.Contains(cond.Message, "tooshort") {
		t.Errorf("the condition tells the token: %s", cond.Message)
	}
}

func TestUnlabelledSecretIsToldFromNone(t *testing.T) {
	c, namespace := start(t)
	sc := newScimClient(namespace, "okta", v1alpha1.SecretKeyRef{Name: "plain"})
	create(t, c, newSecret(namespace, "plain", false, "a-token-that-is-long"), sc)
	awaitReady(t, c, sc, v1alpha1.ReasonSecretNotLabelled)
}

func TestOneBadTokenAmongGoodOnesIsNamed(t *testing.T) {
	c, namespace := start(t)
	sc := newScimClient(namespace, "okta", v1alpha1.SecretKeyRef{Name: "new"}, v1alpha1.SecretKeyRef{Name: "old"})
	create(t, c, newSecret(namespace, "new", true, "a-token-that-is-long"), sc)
	cond := awaitReady(t, c, sc, v1alpha1.ReasonSecretNotFound)
	for _, part := range []string{"1 of 2 tokens can be used", `"old"`} {
		if !strings.Contains(cond.Message, part) {
			t.Errorf("the message %q does not say %q", cond.Message, part)
		}
	}
}

func TestSuspendedClientIsNotReady(t *testing.T) {
	c, namespace := start(t)
	sc := newScimClient(namespace, "okta", v1alpha1.SecretKeyRef{Name: "okta-token"})
	create(t, c, newSecret(namespace, "okta-token", true, "a-token-that-is-long"), sc)
	awaitReady(t, c, sc, v1alpha1.ReasonSucceeded)
	sc.Spec.Suspend = true
	if err := c.Update(t.Context(), sc); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, c, sc, v1alpha1.ReasonSuspended)
}

func TestNothingNewWritesNothing(t *testing.T) {
	c, namespace := start(t)
	sc := newScimClient(namespace, "okta", v1alpha1.SecretKeyRef{Name: "okta-token"})
	secret := newSecret(namespace, "okta-token", true, "a-token-that-is-long")
	probe := newScimClient(namespace, "probe", v1alpha1.SecretKeyRef{Name: "okta-token", Key: "probe"})
	create(t, c, secret, sc, probe)
	awaitReady(t, c, sc, v1alpha1.ReasonSucceeded)
	awaitReady(t, c, probe, v1alpha1.ReasonSecretKeyMissing)
	before := sc.ResourceVersion

	// The change concerns both clients; once the second has seen it, the first is asked again, for it has been queued with it.
	secret.Data = map[string][]byte{"token": []byte("another-token-long-enough"), "probe": []byte("a-token-that-is-long")}
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, c, probe, v1alpha1.ReasonSucceeded)
	secret.Data["probe"] = []byte("short")
	if err := c.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, c, probe, v1alpha1.ReasonInvalidConfiguration)
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(sc), sc); err != nil {
		t.Fatal(err)
	}
	if sc.ResourceVersion != before {
		t.Errorf("a status that says the same was written again")
	}
}
