// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package assets

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeGo is a go command that "builds" what it is asked to, records each call,
// and takes a moment. It fails where the file "broken" lies beside it.
const fakeGo = `#!/bin/sh
here=$(dirname "$0")
echo "$*" >>"$here/calls"
if [ -e "$here/broken" ]; then echo "syntax error in line 1" >&2; exit 1; fi
while [ "$1" != -o ]; do shift; done
sleep 0.1
echo built >"$2"
`

// fakeTool is hack/tools/tool where setup-envtest cannot reach its index.
const fakeTool = `#!/bin/sh
echo /nonexistent/setup-envtest
`

// workingTool is hack/tools/tool where setup-envtest can download: it is the
// same script, which then plays setup-envtest.
const workingTool = `#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
case $1 in
  setup-envtest) echo "$here/tool" ;;
  list) echo "(available)  v1.36.2  linux/amd64" ;;
  use) mkdir -p "$here/downloaded"
    for name in etcd kube-apiserver kubectl; do echo downloaded >"$here/downloaded/$name"; done
    echo "$here/downloaded" ;;
esac
`

// fixture is a checkout with a go command and a tool script that are fakes.
type fixture struct {
	root, bin, cache string
	// lines is what was said.
	lines lockedBuffer
}

func newFixture(t *testing.T, tool string) *fixture {
	t.Helper()
	f := &fixture{root: t.TempDir(), bin: t.TempDir(), cache: t.TempDir()}
	write(t, filepath.Join(f.bin, "go"), fakeGo, 0o700)
	write(t, filepath.Join(f.root, "hack", "tools", "tool"), tool, 0o700)
	write(t, filepath.Join(f.root, "hack", "controlplane", "go.mod"),
		"module m\n\nrequire (\n\tgo.etcd.io/etcd/server/v3 v3.6.8\n\tk8s.io/kubernetes v1.36.3\n)\n", 0o600)
	write(t, filepath.Join(f.root, "hack", "controlplane", "go.sum"), "", 0o600)
	for _, name := range []string{"main.go", "parent_linux.go"} {
		write(t, filepath.Join(f.root, "internal", "controlplane", "launch", name), "package main\n", 0o600)
	}
	t.Setenv("PATH", f.bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return f
}

func (f *fixture) store(t *testing.T) *store {
	t.Helper()
	s, err := newStore(f.root, f.cache, &f.lines)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// builds returns the packages that were built, in order.
func (f *fixture) builds(t *testing.T) []string {
	t.Helper()
	calls, err := os.ReadFile(filepath.Join(f.bin, "calls"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	var packages []string
	for line := range strings.Lines(string(calls)) {
		fields := strings.Fields(line)
		packages = append(packages, fields[len(fields)-1])
	}
	return packages
}

func TestGetBuildsOnceForAll(t *testing.T) {
	f := newFixture(t, fakeTool)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if _, err := f.store(t).get(t.Context(), "", true); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	want := []string{
		"./internal/controlplane/launch", "go.etcd.io/etcd/server/v3",
		"k8s.io/kubernetes/cmd/kube-apiserver", "k8s.io/kubernetes/cmd/kube-controller-manager",
	}
	if diff := cmp.Diff(want, f.builds(t)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
	found, err := f.store(t).get(t.Context(), "", true)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{found.Etcd, found.APIServer, found.ControllerManager, found.Launch} {
		if !exists(path) {
			t.Errorf("%s does not exist", path)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(found.Etcd), ".build-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func TestGetSaysOneCalmLineWithoutInternet(t *testing.T) {
	f := newFixture(t, fakeTool)
	if _, err := f.store(t).get(t.Context(), "", false); err != nil {
		t.Fatal(err)
	}
	want := `asking setup-envtest for Kubernetes 1.36.x ...
setup-envtest cannot download here; building from source instead
building etcd v3.6.8 (about a minute the first time) ...
built etcd in 0s
building kube-apiserver v1.36.3 (about 5 minutes the first time) ...
built kube-apiserver in 0s
`
	if diff := cmp.Diff(want, f.lines.String()); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}

func TestGetPrefersDownload(t *testing.T) {
	f := newFixture(t, workingTool)
	found, err := f.store(t).get(t.Context(), "", true)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		found.Etcd: "downloaded\n", found.APIServer: "downloaded\n", found.ControllerManager: "built\n",
	} {
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s holds %q (%v), want %q", filepath.Base(path), got, err, want)
		}
	}
	want := []string{"./internal/controlplane/launch", "k8s.io/kubernetes/cmd/kube-controller-manager"}
	if diff := cmp.Diff(want, f.builds(t)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
}

func TestGetTakesKubebuilderAssets(t *testing.T) {
	f := newFixture(t, fakeTool)
	given := t.TempDir()
	if _, err := f.store(t).get(t.Context(), given, false); err == nil || !strings.Contains(err.Error(), "KUBEBUILDER_ASSETS") {
		t.Errorf("an empty directory: %v, want an error that names the variable", err)
	}
	for _, name := range []string{etcd, apiServer} {
		write(t, filepath.Join(given, name), "given", 0o700)
	}
	found, err := f.store(t).get(t.Context(), given, false)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(given, apiServer); found.APIServer != want {
		t.Errorf("kube-apiserver is %s, want %s", found.APIServer, want)
	}
	if diff := cmp.Diff([]string{"./internal/controlplane/launch"}, f.builds(t)); diff != "" {
		t.Errorf("built (-want +got):\n%s", diff)
	}
	if found, err = f.store(t).get(t.Context(), given, true); err != nil || !exists(found.ControllerManager) {
		t.Errorf("kube-controller-manager, which is not there, is not built: %v", err)
	}
}

func TestGetReportsFailedBuild(t *testing.T) {
	f := newFixture(t, fakeTool)
	write(t, filepath.Join(f.bin, "broken"), "", 0o600)
	_, err := f.store(t).get(t.Context(), "", false)
	if err == nil || !strings.Contains(err.Error(), "syntax error in line 1") {
		t.Fatalf("error is %v, want one with what the compiler said", err)
	}
	if err := os.Remove(filepath.Join(f.bin, "broken")); err != nil {
		t.Fatal(err)
	}
	if _, err := f.store(t).get(t.Context(), "", false); err != nil {
		t.Errorf("after the fault is gone: %v", err)
	}
}

func TestGetWaitsNoLongerThanItsContext(t *testing.T) {
	f := newFixture(t, fakeTool)
	s := f.store(t)
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := s.lock(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.get(ctx, "", false); err == nil {
		t.Error("no error though another process holds the lock")
	}
}

func TestKeyFollowsVersions(t *testing.T) {
	f := newFixture(t, fakeTool)
	before := f.store(t).dir
	mod := filepath.Join(f.root, "hack", "controlplane", "go.mod")
	write(t, mod, "module m\n\nrequire (\n\tgo.etcd.io/etcd/server/v3 v3.6.9\n\tk8s.io/kubernetes v1.36.3\n)\n", 0o600)
	if after := f.store(t).dir; after == before {
		t.Errorf("another etcd, the same directory: %s", after)
	}
	write(t, mod, "module m\n", 0o600)
	if _, err := newStore(f.root, f.cache, &f.lines); err == nil {
		t.Error("no error for a go.mod without Kubernetes")
	}
}

func TestBuildEnvDropsSettings(t *testing.T) {
	env := buildEnv([]string{"HOME=/home/me", "GOFLAGS=-race", "GOOS=plan9", "CGO_ENABLED=1"})
	got := map[string]string{}
	for _, entry := range env {
		name, value, _ := strings.Cut(entry, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s is set twice", name)
		}
		got[name] = value
	}
	for name, want := range map[string]string{"HOME": "/home/me", "GOFLAGS": "", "GOOS": "", "CGO_ENABLED": "0", "GOWORK": "off"} {
		if got[name] != want {
			t.Errorf("%s=%s, want %q", name, got[name], want)
		}
	}
}

func write(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
}

// lockedBuffer is a buffer that several goroutines may write to.
type lockedBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}
