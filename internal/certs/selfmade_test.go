// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

type world struct {
	client client.Client
	key    client.ObjectKey
	clock  *testclock.FakeClock
}

func newWorld(t *testing.T) *world {
	t.Helper()
	env := cptest.New(t)
	c, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "certs-"}}
	if err := c.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	return &world{client: c, key: client.ObjectKey{Namespace: ns.Name, Name: "tls"}, clock: testclock.NewFakeClock(time.Now())}
}

func (w *world) replica(t *testing.T, hosts ...string) *SelfMade {
	t.Helper()
	s, err := NewSelfMade(t.Context(), w.client, w.key, hosts, w.clock, logr.Discard())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) secret(t *testing.T) *corev1.Secret {
	t.Helper()
	s := &corev1.Secret{}
	if err := w.client.Get(t.Context(), w.key, s); err != nil {
		t.Fatal(err)
	}
	return s
}

// current is the certificate that the replica serves.
func current(t *testing.T, s *SelfMade) []byte {
	t.Helper()
	c, err := s.GetCertificate(nil)
	if err != nil {
		t.Fatal(err)
	}
	return c.Certificate[0]
}

func TestReplicasThatStartTogetherShareOneCertificate(t *testing.T) {
	w := newWorld(t)
	made := make([]*SelfMade, 8)
	var wg sync.WaitGroup
	for i := range made {
		wg.Go(func() { made[i] = w.replica(t, "scim.example.com", "127.0.0.1") })
	}
	wg.Wait()
	for i, s := range made {
		if !bytes.Equal(current(t, s), current(t, made[0])) {
			t.Errorf("replica %d has a certificate of its own", i)
		}
	}
	if got := w.secret(t); got.Type != corev1.SecretTypeTLS || !bytes.Equal(got.Data["ca.crt"], got.Data["tls.crt"]) {
		t.Errorf("the Secret is of type %s with ca.crt of %d bytes", got.Type, len(got.Data["ca.crt"]))
	}
}

func TestWhoTrustsTheSecretCanConnect(t *testing.T) {
	w := newWorld(t)
	s := w.replica(t, "scim.example.com", "127.0.0.1")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Second, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: s.GetCertificate},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "here") }),
	}
	served := make(chan error, 1)
	go func() { served <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(w.secret(t).Data["ca.crt"])
	for _, name := range []string{"scim.example.com", "127.0.0.1"} {
		client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, ServerName: name, MinVersion: tls.VersionTLS13}}}
		resp, err := client.Get("https://" + listener.Addr().String())
		if err != nil {
			t.Errorf("as %s: %v", name, err)
			continue
		}
		_ = resp.Body.Close()
		client.CloseIdleConnections()
	}
}

func TestACertificateIsRenewedWhenItIsDue(t *testing.T) {
	for name, change := range map[string]struct {
		later time.Duration
		hosts []string
		spoil func(*corev1.Secret)
		want  bool
	}{
		"early in its life":        {later: Lifetime / 2},
		"a third of its life left": {later: Lifetime*2/3 + time.Hour, want: true},
		"for another host":         {hosts: []string{"scim.example.com", "scim.example.org"}, want: true},
		"for fewer hosts":          {hosts: []string{"scim.example.com"}},
		"emptied by somebody":      {spoil: func(s *corev1.Secret) { s.Data = map[string][]byte{"tls.crt": {}, "tls.key": {}} }, want: true},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			hosts := []string{"scim.example.com", "10.0.0.7"}
			before := current(t, w.replica(t, hosts...))
			if change.spoil != nil {
				s := w.secret(t)
				change.spoil(s)
				if err := w.client.Update(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
			if change.hosts != nil {
				hosts = change.hosts
			}
			w.clock.Step(change.later)
			after := current(t, w.replica(t, hosts...))
			if renewed := !bytes.Equal(before, after); renewed != change.want {
				t.Errorf("renewed: %t, want %t", renewed, change.want)
			}
		})
	}
}

func TestARunningReplicaTakesWhatAnotherRenewed(t *testing.T) {
	w := newWorld(t)
	running := w.replica(t, "scim.example.com")
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- running.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	other := w.replica(t, "scim.example.com", "scim.example.org")
	for deadline := time.Now().Add(30 * time.Second); !bytes.Equal(current(t, running), current(t, other)); {
		if time.Now().After(deadline) {
			t.Fatal("the replica does not take the certificate that another one made")
		}
		if w.clock.HasWaiters() {
			w.clock.Step(checkInterval)
		}
		<-time.After(time.Millisecond)
	}
}

func TestASecretThatAPersonMadeIsNeverWritten(t *testing.T) {
	w := newWorld(t)
	bad := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.key.Namespace, Name: w.key.Name}, Data: map[string][]byte{"mine": []byte("x")}}
	if err := w.client.Create(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	_, err := NewSelfMade(t.Context(), w.client, w.key, []string{"scim.example.com"}, w.clock, logr.Discard())
	if err == nil || !strings.Contains(err.Error(), "was not made by the operator") {
		t.Errorf("error = %v", err)
	}
	if got := w.secret(t); got.ResourceVersion != bad.ResourceVersion {
		t.Error("the Secret was changed")
	}

	maker := &SelfMade{hosts: []string{"other.example.com"}, clock: w.clock}
	if bad.Data, err = maker.generate(); err != nil {
		t.Fatal(err)
	}
	if err := w.client.Update(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	s := w.replica(t, "scim.example.com")
	pair, err := tls.X509KeyPair(bad.Data["tls.crt"], bad.Data["tls.key"])
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(current(t, s), pair.Certificate[0]) {
		t.Error("the person's certificate is not used")
	}
	if got := w.secret(t); got.ResourceVersion != bad.ResourceVersion {
		t.Error("the Secret was changed")
	}
}
