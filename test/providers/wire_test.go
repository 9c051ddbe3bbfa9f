// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package providers

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/test/harness"
)

// shared is the operator of this process. It serves the namespaces of all tests and ends with the process.
var shared struct {
	sync.Once
	*harness.Endpoint
	http *http.Client
	err  error
}

func endpoint(t *testing.T) (*harness.Endpoint, *http.Client) {
	t.Helper()
	env := cptest.New(t)
	shared.Do(func() {
		in := harness.Install(t, env)
		in.Config.Wrap(requests.wrap)
		shared.Endpoint, shared.err = harness.StartEndpoint(context.Background(), in, nil)
		if shared.err == nil {
			shared.http = newClient(shared.Roots)
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.Endpoint, shared.http
}

func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64,
			// Nothing is added to what a test shows.
			DisableCompression: true,
		},
	}
}

// provider is an identity provider that pushes into a namespace of its own.
type provider struct {
	*harness.Directory
	t        *testing.T
	endpoint *harness.Endpoint
	http     *http.Client
	// headers are those of every request, unless it has its own.
	headers map[string]string
}

// The headers of each provider, as far as they are known (Okta: SCIM 2.0 protocol reference; Entra: use-scim-to-provision-users-and-groups; OneLogin:
// developers.onelogin.com; SailPoint: SCIM 2.0 connector, additional settings).
var headersOf = map[v1alpha1.Dialect]map[string]string{
	"okta":            {"User-Agent": "Okta SCIM Client 1.0.0", "Accept": "application/scim+json", "Content-Type": "application/scim+json; charset=utf-8"},
	"okta-aiw":        {"User-Agent": "Okta SCIM Client 1.0.0", "Accept": "application/scim+json", "Content-Type": "application/scim+json; charset=utf-8"},
	"entra":           {"Content-Type": "application/scim+json; charset=utf-8"},
	"entra-compliant": {"Content-Type": "application/scim+json; charset=utf-8"},
	"onelogin":        {"Accept": "application/json", "Content-Type": "application/json"},
	"jumpcloud":       {"Content-Type": "application/scim+json"},
	"ping":            {"Accept": "application/scim+json", "Content-Type": "application/scim+json"},
	"sailpoint":       {"Accept": "application/scim+json", "Content-Type": "application/scim+json"},
	"strict":          {"Accept": "application/scim+json", "Content-Type": "application/scim+json"},
}

// The ScimClients of a test: the provider's own, and one that tolerates nothing.
const (
	clientName   = "idp"
	strictClient = "strict"
)

// connect makes a namespace with a ScimClient of the dialect, and one of the strict dialect beside it.
func connect(t *testing.T, dialect v1alpha1.Dialect) *provider {
	t.Helper()
	running, http := endpoint(t)
	p := &provider{Directory: harness.NewNamespace(t), t: t, endpoint: running, http: http, headers: maps.Clone(headersOf[dialect])}
	p.headers["Authorization"] = "Bearer " + harness.Token
	p.Client(t, clientName, dialect, nil)
	p.Client(t, strictClient, "strict", func(spec *v1alpha1.ScimClientSpec) { spec.TakeOver = v1alpha1.TakeOverAllowed })
	for _, name := range []string{clientName, strictClient} {
		harness.Eventually(t, "the endpoint knows the client", func() error {
			if a := p.sendTo(name, "GET /ServiceProviderConfig"); a.status != 200 {
				return fmt.Errorf("status %d: %s", a.status, a.body)
			}
			return nil
		})
	}
	return p
}

// base is the base URL of a client of this namespace.
func (p *provider) base(client string) string {
	return p.endpoint.Origin + "/" + p.Namespace + "/" + client + "/scim/v2"
}

// send sends a request, which is written as on the wire: the method and the path below the base URL, headers if there are more than always, an empty line, the
// body. {{name}} is replaced by the pairs.
func (p *provider) send(request string, pairs ...string) *answer {
	p.t.Helper()
	return p.sendTo(clientName, request, pairs...)
}

// failingLogIn sends a request without valid credentials, and again while the endpoint slows down the failed log-ins of all tests, which have one source address.
func (p *provider) failingLogIn(request string) *answer {
	p.t.Helper()
	var a *answer
	harness.Eventually(p.t, "a log-in that fails is answered", func() error {
		if a = p.send(request); a.status == http.StatusTooManyRequests {
			return fmt.Errorf("status %d", a.status)
		}
		return nil
	})
	return a
}

// strictly sends the same request as a client that is tolerated nothing.
func (p *provider) strictly(request string, pairs ...string) *answer {
	p.t.Helper()
	return p.sendTo(strictClient, request, pairs...)
}

func (p *provider) sendTo(client, request string, pairs ...string) *answer {
	p.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		request = strings.ReplaceAll(request, "{{"+pairs[i]+"}}", pairs[i+1])
	}
	head, body, hasBody := strings.Cut(strings.TrimSpace(request), "\n\n")
	line, rest, _ := strings.Cut(head, "\n")
	method, path, _ := strings.Cut(line, " ")
	var content io.Reader
	if hasBody {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.base(client)+path, content)
	if err != nil {
		p.t.Fatal(err)
	}
	own, err := textproto.NewReader(bufio.NewReader(strings.NewReader(rest + "\n\n"))).ReadMIMEHeader()
	if err != nil {
		p.t.Fatal(err)
	}
	for name, value := range p.headers {
		if name != "Content-Type" || hasBody {
			r.Header.Set(name, value)
		}
	}
	for name, values := range own {
		r.Header[name] = values
	}
	return p.roundTrip(r, line)
}

func (p *provider) roundTrip(r *http.Request, line string) *answer {
	p.t.Helper()
	response, err := p.http.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := &answer{t: p.t, what: line, status: response.StatusCode, header: response.Header, body: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.json); err != nil {
			p.t.Errorf("%s: the body is not a JSON object: %v\n%s", line, err, raw)
		}
	}
	return a
}

// used are the tolerances that the provider's traffic needed so far.
func (p *provider) used() []string {
	p.t.Helper()
	families, err := p.endpoint.Metrics.Gather()
	if err != nil {
		p.t.Fatal(err)
	}
	names := []string{}
	for _, family := range families {
		if family.GetName() != "scim_tolerances_used_total" {
			continue
		}
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["client"] == p.Namespace+"/"+clientName {
				names = append(names, labels["tolerance"])
			}
		}
	}
	slices.Sort(names)
	return names
}

// needed checks which tolerances the provider's traffic needed.
func (p *provider) needed(tolerances ...string) {
	p.t.Helper()
	if diff := cmp.Diff(append([]string{}, tolerances...), p.used()); diff != "" {
		p.t.Errorf("tolerances used (-want +got):\n%s", diff)
	}
}

// storesUser compares the spec of the ScimUser with JSON, but for its id and owner, which the endpoint makes up.
func (p *provider) storesUser(id, want string) {
	p.t.Helper()
	spec := p.User(p.t, id).Spec
	if spec.Client != clientName {
		p.t.Errorf("the user belongs to %q", spec.Client)
	}
	spec.ID, spec.Client, spec.ManagedBy = "", "", ""
	p.sameSpec(spec, want)
}

// group reads the ScimGroup of a SCIM id.
func (p *provider) group(id string) *v1alpha1.ScimGroup {
	p.t.Helper()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	g := &v1alpha1.ScimGroup{}
	if err := p.Admin.Get(p.t.Context(), types.NamespacedName{Namespace: p.Namespace, Name: name}, g); err != nil {
		p.t.Fatal(err)
	}
	return g
}

// storesGroup compares the spec of the ScimGroup with JSON, as storesUser does. The order of the members does not matter.
func (p *provider) storesGroup(id, want string, pairs ...string) {
	p.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		want = strings.ReplaceAll(want, "{{"+pairs[i]+"}}", pairs[i+1])
	}
	spec := p.group(id).Spec
	if spec.Client != clientName {
		p.t.Errorf("the group belongs to %q", spec.Client)
	}
	spec.ID, spec.Client, spec.ManagedBy = "", "", ""
	p.sameSpec(spec, want)
}

func (p *provider) sameSpec(spec any, want string) {
	p.t.Helper()
	raw, err := json.Marshal(spec)
	if err != nil {
		p.t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(p.t, want), decoded(p.t, string(raw))); diff != "" {
		p.t.Errorf("stored spec (-want +got):\n%s", diff)
	}
}

// written is what the endpoint has written: the generation and the origin of each user and group. Controllers change neither.
func (p *provider) written(id string) string {
	p.t.Helper()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	key := types.NamespacedName{Namespace: p.Namespace, Name: name}
	u, g := &v1alpha1.ScimUser{}, &v1alpha1.ScimGroup{}
	if err := p.Admin.Get(p.t.Context(), key, u); err == nil {
		return fmt.Sprint(u.Generation, u.Annotations)
	}
	if err := p.Admin.Get(p.t.Context(), key, g); err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprint(g.Generation, g.Annotations)
}

// writesNothing checks that what f does leaves the user or group as it is.
func (p *provider) writesNothing(what, id string, f func()) {
	p.t.Helper()
	before := p.written(id)
	f()
	if after := p.written(id); after != before {
		p.t.Errorf("%s wrote: %s became %s", what, before, after)
	}
}

func decoded(t *testing.T, text string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return m
}
