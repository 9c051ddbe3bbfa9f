// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package harness runs the whole operator in tests: against a real API server, behind its real endpoint, in front of real app servers.
package harness

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/egress"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/internal/server/servertest"
)

// Token is what the harness's identity provider presents.
const Token = "harness-token-0123456789abcdef"

// Timeout is how long Eventually waits: generous, for machines are slow and noisy.
const Timeout = 60 * time.Second

// Directory is a namespace with a ScimClient "okta" in it.
type Directory struct {
	Env       *cptest.Env
	Admin     client.Client
	Namespace string

	installation *Installation
}

// NewDirectory makes a namespace and a ScimClient of the okta dialect. Operators that serve it are started by Run.
func NewDirectory(t testing.TB) *Directory {
	t.Helper()
	d := NewNamespace(t)
	d.Client(t, "okta", "okta", nil)
	return d
}

// Client makes a ScimClient of a dialect with the harness's token. change, if given, alters it before it is made.
func (d *Directory) Client(t testing.TB, name string, dialect v1alpha1.Dialect, change func(*v1alpha1.ScimClientSpec)) {
	t.Helper()
	d.Secret(t, name+"-token", map[string]string{"token": Token})
	c := &v1alpha1.ScimClient{
		ObjectMeta: d.Meta(name),
		Spec:       v1alpha1.ScimClientSpec{Dialect: dialect, Tokens: []v1alpha1.SecretKeyRef{{Name: name + "-token"}}},
	}
	if change != nil {
		change(&c.Spec)
	}
	d.Create(t, c)
}

// NewNamespace makes a namespace without anything in it.
func NewNamespace(t testing.TB) *Directory {
	t.Helper()
	env := cptest.New(t)
	admin, err := client.New(env.Config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return &Directory{Env: env, Admin: admin, Namespace: env.Namespace(t)}
}

// Meta is the metadata of an object of the directory.
func (d *Directory) Meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: d.Namespace, Name: name}
}

// Key is the key of an object of the directory.
func (d *Directory) Key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: d.Namespace, Name: name}
}

// Create creates an object.
func (d *Directory) Create(t testing.TB, object client.Object) {
	t.Helper()
	if err := d.Admin.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// Delete deletes an object.
func (d *Directory) Delete(t testing.TB, object client.Object) {
	t.Helper()
	if err := d.Admin.Delete(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}

// Change reads an object, changes it and writes it back, again if somebody else was faster.
func Change[T client.Object](t testing.TB, d *Directory, name string, object T, change func(T)) {
	t.Helper()
	Eventually(t, "changing "+name, func() error {
		if err := d.Admin.Get(t.Context(), d.Key(name), object); err != nil {
			return err
		}
		change(object)
		return d.Admin.Update(t.Context(), object)
	})
}

// Secret makes or changes a Secret that the operator may read.
func (d *Directory) Secret(t testing.TB, name string, values map[string]string) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: d.Meta(name), StringData: values}
	secret.Labels = map[string]string{v1alpha1.LabelCredentials: "true"}
	err := d.Admin.Create(t.Context(), secret)
	if client.IgnoreAlreadyExists(err) != nil {
		t.Fatal(err)
	}
	if err != nil {
		Change(t, d, name, &corev1.Secret{}, func(s *corev1.Secret) { s.StringData = values })
	}
}

// profileOf is the profile that knows a fake app's vendor.
var profileOf = map[fakeapp.Flavour]string{fakeapp.Generic: "generic", fakeapp.CommonRoom: "common-room", fakeapp.RService: "r-service"}

// App starts a fake app and makes a ScimApp for it, with all features of the profile that provisioning needs. change, if given, alters the
// ScimApp before it is made.
func (d *Directory) App(t testing.TB, name string, flavour fakeapp.Flavour, change func(*v1alpha1.ScimApp)) *fakeapp.App {
	t.Helper()
	fake, err := fakeapp.New(fakeapp.Options{Flavour: flavour, Token: "app-token-" + name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	d.Secret(t, name+"-credentials", map[string]string{"token": fake.Token(), "ca.crt": string(fake.CA())})
	app := &v1alpha1.ScimApp{
		ObjectMeta: d.Meta(name),
		Spec: v1alpha1.ScimAppSpec{
			Profile: profileOf[flavour],
			SCIM: v1alpha1.SCIMConnection{
				BaseURL: fake.URL(),
				Token:   v1alpha1.SecretKeyRef{Name: name + "-credentials"},
				CA:      &v1alpha1.SecretKeyRef{Name: name + "-credentials", Key: "ca.crt"},
			},
			Features: []v1alpha1.Feature{
				v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation, v1alpha1.FeatureReactivateUsers,
			},
			Limits: &v1alpha1.AppLimits{RequestsPerMinute: 60000, Burst: 1000, Concurrency: 8},
		},
	}
	if change != nil {
		change(app)
	}
	d.Create(t, app)
	return fake
}

// Mapping makes a ScimRoleMapping.
func (d *Directory) Mapping(t testing.TB, name, app string, subjects v1alpha1.Subjects, roles ...string) {
	t.Helper()
	d.Create(t, &v1alpha1.ScimRoleMapping{
		ObjectMeta: d.Meta(name), Spec: v1alpha1.ScimRoleMappingSpec{App: app, Subjects: subjects, Roles: roles},
	})
}

// Installation is that of the operators that serve the directory alone.
func (d *Directory) Installation(t testing.TB) *Installation {
	t.Helper()
	if d.installation == nil {
		d.installation = Install(t, d.Env, d.Namespace)
	}
	return d.installation
}

// Use has the operators of the directory, which serve no other, run with the rights of an installation.
func (d *Directory) Use(in *Installation) { d.installation = in }

// Operator is an operator that runs in this process.
type Operator struct {
	*SCIM
	// API counts what it sends to the API server.
	API *Counter
	// Metrics are the operator's.
	Metrics *prometheus.Registry
	log     *lockedBuffer
	stop    func()
}

// Run starts an operator for the directory alone, which is stopped with the test. It does not return before the endpoint answers.
func (d *Directory) Run(t testing.TB) *Operator {
	t.Helper()
	return d.RunWith(t, func(*operator.Options) {})
}

// RunWith is Run with other options.
func (d *Directory) RunWith(t testing.TB, change func(*operator.Options)) *Operator {
	t.Helper()
	counter := &Counter{}
	in := *d.Installation(t)
	in.Config = rest.CopyConfig(in.Config)
	in.Config.Wrap(counter.wrap)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	running, err := StartEndpoint(ctx, &in, func(o *operator.Options) {
		o.Namespaces = []string{d.Namespace}
		change(o)
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	stop := running.StopWith(t, cancel)
	t.Cleanup(stop)
	o := &Operator{SCIM: NewSCIM(running.Origin+"/"+d.Namespace+"/okta/scim/v2", Token, running.Roots), API: counter, Metrics: running.Metrics, log: running.log, stop: stop}
	Eventually(t, "the endpoint answers", func() error {
		if answer := o.Do(t, "GET", "/ServiceProviderConfig", ""); answer.Status != 200 {
			return fmt.Errorf("status %d: %s", answer.Status, answer.Body)
		}
		return nil
	})
	return o
}

// Endpoint is the endpoint of an operator that runs in this process.
type Endpoint struct {
	// Origin is https://host:port, Roots trusts its certificate.
	Origin string
	Roots  *x509.CertPool
	// Metrics are the operator's.
	Metrics *prometheus.Registry

	log   *lockedBuffer
	ended chan error
}

// StartEndpoint starts an operator of an installation, which runs until ctx is done. change, if given, alters its options. It does not wait until the endpoint
// answers.
func StartEndpoint(ctx context.Context, in *Installation, change func(*operator.Options)) (*Endpoint, error) {
	certificate, pool, err := servertest.NewCertificate()
	if err != nil {
		return nil, err
	}
	certPEM, keyPEM, err := servertest.EncodePEM(certificate)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "scim-operator-tls-")
	if err != nil {
		return nil, err
	}
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, data := range map[string][]byte{certFile: certPEM, keyFile: keyPEM} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			return nil, err
		}
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &Endpoint{
		Origin: "https://" + listener.Addr().String(), Roots: pool, Metrics: prometheus.NewRegistry(), log: &lockedBuffer{}, ended: make(chan error, 1),
	}
	options := operator.Options{
		Version: "test", Namespaces: in.Watched, LeaderElectionNamespace: in.Namespace, Listener: listener, CertFile: certFile, KeyFile: keyFile,
		MetricsAddress: "0", HealthAddress: "0", Metrics: e.Metrics, Log: e.log.logger(), AllowedAddresses: egress.Loopback(),
	}
	if change != nil {
		change(&options)
	}
	go func() {
		e.ended <- operator.Run(ctx, in.Config, options)
		_ = os.RemoveAll(dir) // it is in the directory for temporary files
	}()
	return e, nil
}

// Log is the end of the operator's log.
func (e *Endpoint) Log(lines int) string { return e.log.tail(lines) }

// StopWith gives what ends the operator by cancelling its context, and waits until it has ended. The test fails if it did not end in an orderly way.
func (e *Endpoint) StopWith(t testing.TB, cancel context.CancelFunc) (stop func()) {
	return sync.OnceFunc(func() {
		cancel()
		if err := <-e.ended; err != nil {
			t.Errorf("the operator ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the operator's log:\n%s", e.Log(20))
		}
	})
}

// Log is the end of the operator's log.
func (o *Operator) Log(lines int) string { return o.log.tail(lines) }

// Stop ends the operator as SIGTERM does.
func (o *Operator) Stop() { o.stop() }

// Eventually waits until check gives no error.
func Eventually(t testing.TB, what string, check func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(Timeout); time.Now().Before(deadline); {
		if err = check(); err == nil {
			return
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("%s: %v", what, err)
		case <-time.After(50 * time.Millisecond):
		}
	}
	t.Fatalf("%s: not within %s: %v", what, Timeout, err)
}

// lockedBuffer is a log that tests print when they fail.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) logger() logr.Logger { return zap.New(zap.WriteTo(b), zap.UseDevMode(true)) }

func (b *lockedBuffer) tail(lines int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := strings.Split(strings.TrimSpace(b.buf.String()), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
