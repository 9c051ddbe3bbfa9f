// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/server/servertest"
	"github.com/scim-operator/scim-operator/test/harness"
)

const scimmyToken = "scimmy-token-0123456789"

// scimmy is a running server of the npm package of that name (test/peers/scimmy).
type scimmy struct {
	base string
	ca   []byte
	http *http.Client
}

// dump is what the server keeps, as it keeps it, and the requests it had, such as "POST /Users".
type dump struct {
	Users  []map[string]any `json:"users"`
	Groups []map[string]any `json:"groups"`
	Calls  map[string]int   `json:"calls"`
}

// startSCIMMY starts a server, which ends with the test.
func startSCIMMY(t *testing.T) *scimmy {
	t.Helper()
	nodeProject(t, "scimmy")
	certificate, pool := servertest.Certificate(t)
	cert, key := servertest.PEM(t, certificate)
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	for file, data := range map[string][]byte{certFile: cert, keyFile: key} {
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	node := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "server.mjs")
	node.Dir = "scimmy"
	node.Env = append(os.Environ(), "CERT_FILE="+certFile, "KEY_FILE="+keyFile, "TOKEN="+scimmyToken)
	return &scimmy{
		base: "https://127.0.0.1:" + launch(t, node),
		ca:   cert,
		http: &http.Client{
			Timeout:   20 * time.Second,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}},
		},
	}
}

// launch starts a program that prints its port as its first line and ends with its standard input.
func launch(t *testing.T, program *exec.Cmd) (port string) {
	t.Helper()
	var errors bytes.Buffer
	program.Stderr = &errors
	input, err := program.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	output, err := program.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := program.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(output)
	line, err := lines.ReadString('\n')
	t.Cleanup(func() {
		_ = input.Close()
		_, _ = io.Copy(io.Discard, lines)
		if err := program.Wait(); err != nil || t.Failed() {
			t.Logf("%s ended with %v and said:\n%s", program, err, errors.String())
		}
	})
	if err != nil {
		t.Fatalf("%s does not say its port: %v", program, err)
	}
	return strings.TrimSpace(line)
}

// app makes the ScimApp of the server.
func (s *scimmy) app(t *testing.T, d *harness.Directory, name string, change func(*v1alpha1.ScimApp)) {
	t.Helper()
	d.Secret(t, name+"-credentials", map[string]string{"token": scimmyToken, "ca.crt": string(s.ca)})
	app := &v1alpha1.ScimApp{
		ObjectMeta: d.Meta(name),
		Spec: v1alpha1.ScimAppSpec{
			Profile: "generic",
			SCIM: v1alpha1.SCIMConnection{
				BaseURL: s.base + "/scim/v2",
				Token:   v1alpha1.SecretKeyRef{Name: name + "-credentials"},
				CA:      &v1alpha1.SecretKeyRef{Name: name + "-credentials", Key: "ca.crt"},
			},
			Features: []v1alpha1.Feature{
				v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation,
				v1alpha1.FeatureReactivateUsers, v1alpha1.FeaturePushGroups,
			},
			Limits: &v1alpha1.AppLimits{RequestsPerMinute: 60000, Burst: 1000, Concurrency: 8},
		},
	}
	change(app)
	d.Create(t, app)
	d.AwaitReady(t, name)
}

// request sends a request to the server itself.
func (s *scimmy) request(ctx context.Context, method, path, body string) (status int, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+scimmyToken)
	request.Header.Set("Content-Type", "application/scim+json")
	response, err := s.http.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, err
}

// dump reads what the server keeps.
func (s *scimmy) dump(ctx context.Context) (dump, error) {
	status, body, err := s.request(ctx, http.MethodGet, "/_dump", "")
	if err != nil {
		return dump{}, err
	}
	if status != http.StatusOK {
		return dump{}, fmt.Errorf("status %d: %s", status, body)
	}
	var kept dump
	return kept, json.Unmarshal(body, &kept)
}
