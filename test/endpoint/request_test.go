// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/harness"
)

// Schemas as they stand in requests.
const (
	userSchema  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema = "urn:ietf:params:scim:schemas:core:2.0:Group"
)

// idp is an identity provider: a ScimClient and its token.
type idp struct {
	name, token string
	takeOver    bool
}

// The clients of every directory. The third one may take over what the others made.
var idps = []idp{
	{name: "okta", token: "okta-token-0123456789abcdef"},
	{name: "aiw", token: "aiw-token-0123456789abcdef"},
	{name: "mover", token: "mover-token-0123456789abcdef", takeOver: true},
}

// directory is a namespace with the clients in it, behind two replicas.
type directory struct {
	*harness.Directory
	replicas [2]*replica
	http     [2]*http.Client
	// front, if set, stands between the clients and the replicas.
	front func(replica int, next http.RoundTripper) http.RoundTripper
}

// newDirectory makes a namespace with the clients, and waits until both replicas let them in.
func (p *pair) newDirectory(t testing.TB) *directory {
	t.Helper()
	admin, err := client.New(p.env.Config, client.Options{Scheme: operator.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	d := &directory{
		Directory: &harness.Directory{Env: p.env, Admin: admin, Namespace: p.env.Namespace(t)},
		replicas:  p.replicas,
	}
	for i, r := range p.replicas {
		d.http[i] = r.http()
		t.Cleanup(d.http[i].CloseIdleConnections)
	}
	d.makeClients(t)
	d.awaitServing(t)
	return d
}

func (d *directory) makeClients(t testing.TB) {
	t.Helper()
	for i, c := range idps {
		d.Secret(t, c.name+"-token", map[string]string{"token": c.token})
		spec := v1alpha1.ScimClientSpec{
			Dialect: []v1alpha1.Dialect{"okta", "okta-aiw", "entra"}[i], Tokens: []v1alpha1.SecretKeyRef{{Name: c.name + "-token"}},
		}
		if c.takeOver {
			spec.TakeOver = v1alpha1.TakeOverAllowed
		}
		d.Create(t, &v1alpha1.ScimClient{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: c.name}, Spec: spec})
	}
}

// awaitServing waits until both replicas answer all clients.
func (d *directory) awaitServing(t testing.TB) {
	t.Helper()
	for i := range d.replicas {
		for _, c := range idps {
			harness.Eventually(t, fmt.Sprintf("replica %d answers %s", i, c.name), func() error {
				a, err := d.send(t.Context(), i, c, request{method: "GET", path: "/ServiceProviderConfig"})
				if err == nil && a.status != http.StatusOK {
					err = fmt.Errorf("status %d: %s", a.status, a.raw)
				}
				return err
			})
		}
	}
}

// request is one request of a client.
type request struct {
	method, path, body string
	header             map[string]string
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	raw    string
	json   map[string]any
}

func (a answer) id() string {
	id, _ := a.json["id"].(string)
	return id
}

// rows are the resources of a list.
func (a answer) rows() []map[string]any {
	list, _ := a.json["Resources"].([]any)
	rows := make([]map[string]any, 0, len(list))
	for _, row := range list {
		if row, ok := row.(map[string]any); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// send makes a request to a replica. An error says that no whole answer came.
func (d *directory) send(ctx context.Context, replica int, c idp, q request) (answer, error) {
	var body io.Reader
	if q.body != "" {
		body = strings.NewReader(q.body)
	}
	url := "https://" + d.replicas[replica].address + "/" + d.Namespace + "/" + c.name + "/scim/v2" + q.path
	req, err := http.NewRequestWithContext(ctx, q.method, url, body)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	if q.body != "" {
		req.Header.Set("Content-Type", "application/scim+json")
	}
	for name, value := range q.header {
		req.Header.Set(name, value)
	}
	hc := *d.http[replica]
	if d.front != nil {
		hc.Transport = d.front(replica, hc.Transport)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &a.json); err != nil {
			return a, fmt.Errorf("the body of %d is no JSON object: %w", a.status, err)
		}
	}
	return a, nil
}

// want makes a request and ends the test unless it is answered with the status.
func (d *directory) want(t testing.TB, status, replica int, c idp, method, path, body string, header ...string) answer {
	t.Helper()
	q := request{method: method, path: path, body: body, header: map[string]string{}}
	for i := 0; i+1 < len(header); i += 2 {
		q.header[header[i]] = header[i+1]
	}
	a, err := d.send(t.Context(), replica, c, q)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if a.status != status {
		t.Fatalf("%s %s at replica %d: status %d, want %d: %s", method, path, replica, a.status, status, a.raw)
	}
	return a
}

// elapsed gives times for histories.
type elapsed struct{ start time.Time }

func (e elapsed) now() int64 { return int64(time.Since(e.start)) }

// text is a JSON string.
func text(s string) string {
	raw, _ := json.Marshal(s) // strings always marshal
	return string(raw)
}
