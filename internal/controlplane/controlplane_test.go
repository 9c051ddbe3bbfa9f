// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
)

// childDir makes this test binary the process that TestKilledParent kills: one
// that starts a control plane in the directory named and waits.
const childDir = "CONTROLPLANE_TEST_CHILD_DIR"

var testCRDs = []string{filepath.Join("testdata", "crds")}

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
	}
	cptest.Main(m, controlplane.Options{CRDs: testCRDs, ControllerManager: true})
}

func child(dir string) {
	_, err := controlplane.Start(context.Background(), controlplane.Options{
		DataDir: dir, CRDs: testCRDs, ControllerManager: true, UnsafeNoFsync: true, Progress: os.Stderr,
	})
	if err != nil {
		os.Exit(1)
	}
	select {}
}

func TestServesCRDs(t *testing.T) {
	env := cptest.New(t)
	admin := newClient(t, env.Config)
	namespace := env.Namespace(t)
	if err := admin.Create(t.Context(), note(namespace, "kept")); err != nil {
		t.Fatal(err)
	}
	got := note(namespace, "kept")
	if err := admin.Get(t.Context(), client.ObjectKeyFromObject(got), got); err != nil {
		t.Fatal(err)
	}
	if text, _, _ := unstructured.NestedString(got.Object, "spec", "text"); text != "kept" {
		t.Errorf("spec.text = %q", text)
	}
}

func TestVersionIsStamped(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") != "" {
		t.Skip("KUBEBUILDER_ASSETS is set: its version is not ours to check")
	}
	api, err := discovery.NewDiscoveryClientForConfig(cptest.New(t).Config)
	if err != nil {
		t.Fatal(err)
	}
	version, err := api.ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(version.GitVersion, "v1.36.") || version.Major != "1" || version.Minor != "36" {
		t.Errorf("version is %s (%s.%s), want v1.36", version.GitVersion, version.Major, version.Minor)
	}
}

func TestRBACDecides(t *testing.T) {
	env := cptest.New(t)
	namespace := env.Namespace(t)

	nobody, err := env.AddUser("nobody")
	if err != nil {
		t.Fatal(err)
	}
	err = newClient(t, nobody).List(t.Context(), &corev1.SecretList{}, client.InNamespace(namespace))
	if !apierrors.IsForbidden(err) {
		t.Errorf("a user without rights lists Secrets: %v, want Forbidden", err)
	}

	anonymous := rest.AnonymousClientConfig(env.Config)
	err = newClient(t, anonymous).Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{})
	if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
		t.Errorf("nobody in particular reads a namespace: %v, want Forbidden or Unauthorized", err)
	}

	kubeconfig, err := env.KubeconfigFor("somebody", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	somebody, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, somebody).List(t.Context(), &corev1.SecretList{}, client.InNamespace(namespace)); err != nil {
		t.Errorf("a user of system:masters lists Secrets: %v", err)
	}
}

func TestDeletedNamespaceGoes(t *testing.T) {
	env := cptest.New(t)
	admin := newClient(t, env.Config)
	namespace := env.Namespace(t)
	if err := admin.Create(t.Context(), note(namespace, "swept")); err != nil {
		t.Fatal(err)
	}
	if err := admin.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the namespace to be gone", func() bool {
		err := admin.Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{})
		return apierrors.IsNotFound(err)
	})
}

func TestOrphanIsCollected(t *testing.T) {
	env := cptest.New(t)
	admin := newClient(t, env.Config)
	namespace := env.Namespace(t)
	owner, owned := note(namespace, "owner"), note(namespace, "owned")
	if err := admin.Create(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	owned.SetOwnerReferences([]metav1.OwnerReference{{
		APIVersion: owner.GetAPIVersion(), Kind: owner.GetKind(), Name: owner.GetName(), UID: owner.GetUID(),
	}})
	if err := admin.Create(t.Context(), owned); err != nil {
		t.Fatal(err)
	}
	if err := admin.Delete(t.Context(), owner); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the owned object to be gone", func() bool {
		return apierrors.IsNotFound(admin.Get(t.Context(), client.ObjectKeyFromObject(owned), owned))
	})
}

func TestDataDirOutlivesStop(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Kubernetes API server: not with -short")
	}
	dir := t.TempDir()
	options := controlplane.Options{DataDir: dir, CRDs: testCRDs, UnsafeNoFsync: true}

	first, err := controlplane.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = first.Stop() })
	if err := newClient(t, first.Config).Create(t.Context(), note("default", "kept")); err != nil {
		t.Fatal(err)
	}
	if _, err := controlplane.Start(t.Context(), options); err == nil || !strings.Contains(err.Error(), "another control plane") {
		t.Errorf("a second one on the same directory: %v, want a refusal", err)
	}
	if err := first.RestartAPIServer(); err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, first.Config).Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "kept"}, note("", "")); err != nil {
		t.Errorf("with the same configuration, after a restart of the API server: %v", err)
	}
	pids := pids(t, dir, 2)
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	if alive := alive(pids); len(alive) > 0 {
		t.Errorf("after Stop, still running: %v", alive)
	}

	second, err := controlplane.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := newClient(t, second.Config).Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "kept"}, note("", "")); err != nil {
		t.Errorf("after a second start: %v", err)
	}
	if err := second.Stop(); err != nil {
		t.Fatal(err)
	}
}

func TestStartSaysWhatIsWrong(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Kubernetes API server: not with -short")
	}
	_, err := controlplane.Start(t.Context(), controlplane.Options{
		CRDs: []string{filepath.Join("testdata", "missing")}, UnsafeNoFsync: true,
	})
	if err == nil || !strings.Contains(err.Error(), "missing") {
		t.Errorf("error is %v, want one that names the missing directory", err)
	}
}

func TestKilledParent(t *testing.T) {
	if testing.Short() {
		t.Skip("needs a Kubernetes API server: not with -short")
	}
	dir := t.TempDir()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.CommandContext(t.Context(), executable)
	parent.Env = append(os.Environ(), childDir+"="+dir)
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = parent.Wait(); close(ended) }()
	eventually(t, "the control plane's programs to run", func() bool {
		files, _ := filepath.Glob(filepath.Join(dir, "pids", "*"))
		return len(files) == 3
	})
	children := pids(t, dir, 3)
	if got := alive(children); len(got) != 3 {
		t.Fatalf("before the kill, %v of %v are alive", got, children)
	}
	if err := parent.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-ended
	eventually(t, "etcd, kube-apiserver and kube-controller-manager to end", func() bool {
		return len(alive(children)) == 0
	})
}

// pids returns the process numbers that the programs of a control plane have written.
func pids(t *testing.T, dir string, want int) []int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "pids", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var numbers []int
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		number, err := strconv.Atoi(string(content))
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, number)
	}
	if diff := cmp.Diff(want, len(numbers)); diff != "" {
		t.Fatalf("number of processes (-want +got):\n%s", diff)
	}
	return numbers
}

// alive returns those of the process numbers that are running. A zombie, whose
// parent has not asked for its exit status yet, does not run.
func alive(pids []int) []int {
	var found []int
	for _, pid := range pids {
		if syscall.Kill(pid, 0) != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
		if err == nil && strings.Contains(string(stat), ") Z ") {
			continue
		}
		found = append(found, pid)
	}
	return found
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func newClient(t *testing.T, config *rest.Config) client.Client {
	t.Helper()
	c, err := client.New(config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func note(namespace, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "test.scim-operator.io/v1",
		"kind":       "Note",
		"metadata":   map[string]any{"namespace": namespace, "name": name},
		"spec":       map[string]any{"text": name},
	}}
}
