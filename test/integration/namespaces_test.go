// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/harness"
)

// tlsSecret is what the chart calls the Secret of the endpoint's certificate.
const tlsSecret = "-tls"

// replica is one of an operator, run with the flags of the chart.
type replica struct {
	*harness.Endpoint
	roots *x509.CertPool
	stop  func()
}

// startReplica starts a replica that makes its certificate and stands for election. It does not return before it can be reached.
func startReplica(t *testing.T, in *harness.Installation, admin client.Client, change func(*operator.Options)) *replica {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	running, err := harness.StartEndpoint(ctx, in, func(o *operator.Options) {
		o.LeaderElection = true
		o.SelfMadeSecret, o.SelfMadeHosts = in.Namespace+tlsSecret, []string{"127.0.0.1"}
		if change != nil {
			change(o)
		}
	})
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	r := &replica{Endpoint: running, roots: x509.NewCertPool()}
	r.stop = running.StopWith(t, cancel)
	t.Cleanup(r.stop)
	harness.Eventually(t, "there is a certificate", func() error {
		secret := &corev1.Secret{}
		if err := admin.Get(t.Context(), client.ObjectKey{Namespace: in.Namespace, Name: in.Namespace + tlsSecret}, secret); err != nil {
			return err
		}
		r.roots.AppendCertsFromPEM(secret.Data[corev1.TLSCertKey])
		probe := harness.NewSCIM(running.Origin, "", r.roots)
		_, err := probe.Send(t.Context(), http.MethodGet, "/", "")
		return err
	})
	return r
}

// idp is the way of the identity provider of a directory.
func (r *replica) idp(d *harness.Directory) *harness.SCIM {
	return harness.NewSCIM(r.Origin+"/"+d.Namespace+"/okta/scim/v2", harness.Token, r.roots)
}

// served makes a directory with an app that everybody gets who is named.
func served(t *testing.T) (*harness.Directory, *fakeapp.App) {
	t.Helper()
	d := harness.NewDirectory(t)
	app := d.App(t, "crm", fakeapp.Generic, nil)
	d.Mapping(t, "named", "crm", named("kim@corp.test"))
	return d, app
}

// TestListOfNamespaces: those are served with the Roles that the chart makes in them, by an operator that neither reads nor lists anything elsewhere.
func TestListOfNamespaces(t *testing.T) {
	t.Parallel()
	first, _ := served(t)
	second, _ := served(t)
	other, untouched := served(t)
	handMade(t, other, "kim", "kim@corp.test", "")
	before := objectsOf(t, other)
	in := harness.InstallWith(t, first.Env, "rbac.namespaceDeletion=true", first.Namespace, second.Namespace)
	r := startReplica(t, in, first.Admin, nil)
	for _, d := range []*harness.Directory{first, second} {
		idp := r.idp(d)
		awaitServing(t, idp)
		d.AwaitReady(t, "crm")
		d.AwaitAccount(t, idp.CreateUser(t, "kim@corp.test"), "crm", v1alpha1.AccountActive)
	}
	if a := r.idp(other).Do(t, http.MethodGet, "/ServiceProviderConfig", ""); a.Status != http.StatusUnauthorized {
		t.Errorf("a client in another namespace gets %d: %s", a.Status, a.Body)
	}
	if diff := cmp.Diff(before, objectsOf(t, other)); diff != "" {
		t.Errorf("objects in another namespace were changed: %s", diff)
	}
	if calls := untouched.Counts(); len(calls) > 0 {
		t.Errorf("the app of another namespace was called: %v", calls)
	}
	r.stop()
	onlyIn(t, in, first.Namespace, second.Namespace, in.Namespace)

	// What it has in the cluster, to let go what is in a namespace that is deleted, does not count elsewhere.
	operator, err := client.New(in.Config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	for d, want := range map[*harness.Directory]string{first: "", other: "the operator does not serve this namespace"} {
		harness.Eventually(t, "patching a ScimApp in "+d.Namespace, func() error {
			app := &v1alpha1.ScimApp{ObjectMeta: d.Meta("crm")}
			err := operator.Patch(t.Context(), app, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"patched":"yes"}}}`)))
			if got := fmt.Sprint(err); !strings.Contains(got, want) || (want == "") != (err == nil) {
				return fmt.Errorf("error %q, want %q", got, want)
			}
			return nil
		})
	}
}

// TestOneNamespaceForAll: the operator runs where the users are, with Roles there and nothing else.
func TestOneNamespaceForAll(t *testing.T) {
	t.Parallel()
	d, _ := served(t)
	in := harness.InstallInto(t, d.Env, d.Namespace)
	r := startReplica(t, in, d.Admin, nil)
	awaitServing(t, r.idp(d))
	d.AwaitReady(t, "crm")
	d.AwaitAccount(t, r.idp(d).CreateUser(t, "kim@corp.test"), "crm", v1alpha1.AccountActive)
	r.stop()
	onlyIn(t, in, d.Namespace)
}

// onlyIn checks by the audit log that an operator has asked for objects of these namespaces alone, and for none of the cluster.
func onlyIn(t *testing.T, in *harness.Installation, namespaces ...string) {
	t.Helper()
	env := harness.NewNamespace(t).Env
	seen, err := harness.SeenBy(env)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(namespaces)
	if diff := cmp.Diff(namespaces, seen.Namespaces(in.Namespace)); diff != "" {
		t.Errorf("namespaces whose objects were asked for (%q are those of the cluster): %s", "", diff)
	}
	if wide := seen.ClusterWide(in.Namespace); len(wide) > 0 {
		t.Errorf("listed or watched in all namespaces: %v", wide)
	}
}

func awaitServing(t *testing.T, idp *harness.SCIM) {
	t.Helper()
	harness.Eventually(t, "the endpoint knows the client", func() error {
		if a := idp.Do(t, http.MethodGet, "/ServiceProviderConfig", ""); a.Status != http.StatusOK {
			return fmt.Errorf("status %d: %s", a.Status, a.Body)
		}
		return nil
	})
}

// objectsOf are the versions of the objects of ours in a namespace, by kind and name.
func objectsOf(t *testing.T, d *harness.Directory) map[string]string {
	t.Helper()
	versions := map[string]string{}
	for _, kind := range []string{"ScimUser", "ScimGroup", "ScimClient", "ScimApp", "ScimRoleMapping", "ScimGroupSlice"} {
		list := &metav1.PartialObjectMetadataList{}
		list.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind + "List"))
		if err := d.Admin.List(t.Context(), list, inNamespace(d)); err != nil {
			t.Fatal(err)
		}
		for i := range list.Items {
			versions[kind+" "+list.Items[i].Name] = list.Items[i].ResourceVersion
		}
	}
	return versions
}

// TestCertificateForOtherNamesIsMadeByAnotherReplica: it replaces the first one's in the Secret.
func TestCertificateForOtherNamesIsMadeByAnotherReplica(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	in := d.Installation(t)
	startReplica(t, in, d.Admin, nil).stop()
	r := startReplica(t, in, d.Admin, func(o *operator.Options) { o.SelfMadeHosts = []string{"127.0.0.1", "scim.corp.test"} })
	awaitServing(t, r.idp(d))
	connection, err := (&tls.Dialer{Config: &tls.Config{RootCAs: r.roots, ServerName: "scim.corp.test", MinVersion: tls.VersionTLS12}}).DialContext(
		t.Context(), "tcp", r.Origin[len("https://"):])
	if err != nil {
		t.Fatal(err)
	}
	_ = connection.Close()
}

// TestAPIServerThatDoesNotStreamLists: Kubernetes 1.31 and 1.33 answer so unless they are configured otherwise (feature gate WatchList).
func TestAPIServerThatDoesNotStreamLists(t *testing.T) {
	t.Parallel()
	d, _ := served(t)
	in := d.Installation(t)
	in.Config.Wrap(func(next http.RoundTripper) http.RoundTripper { return noStreams{next} })
	o := d.Run(t)
	d.AwaitReady(t, "crm")
	d.AwaitAccount(t, o.CreateUser(t, "kim@corp.test"), "crm", v1alpha1.AccountActive)
}

type noStreams struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (n noStreams) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Query().Get("sendInitialEvents") == "" {
		return n.next.RoundTrip(r)
	}
	status := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","reason":"Invalid","code":422,"message":` +
		`"ListOptions.meta.k8s.io \"\" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for watch unless the WatchList feature gate is enabled"}`
	return &http.Response{
		Status: "422 Unprocessable Entity", StatusCode: http.StatusUnprocessableEntity, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(status)), Request: r,
	}, nil
}
