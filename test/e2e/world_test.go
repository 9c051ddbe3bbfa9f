// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/session"
)

const (
	// release and systemNamespace are those of the README.
	release         = "scim-operator"
	systemNamespace = "scim-operator-system"
	// readmeNamespace is the directory of the README, demoNamespace that of config/samples, and loadNamespace the one that is under load.
	readmeNamespace = "people"
	demoNamespace   = "demo"
	loadNamespace   = "load"
	// toolsNamespace has what runs beside the operator.
	toolsNamespace = "e2e"
	// origin is the endpoint as clients in the cluster reach it.
	origin = "https://" + release + "." + systemNamespace + ".svc"
)

// world is the cluster, and what the steps know of each other.
type world struct {
	settings
	root string
	// chart is the packed chart.
	chart  string
	config *rest.Config
	admin  client.Client
	set    *kubernetes.Clientset
	// ca is what clients trust: the certificates that the endpoint may have.
	ca string
	// appCA is the authority of each app.
	appCA map[string]string
}

func newWorld(t *testing.T, s settings) *world {
	t.Helper()
	w := &world{settings: s, appCA: map[string]string{}}
	var err error
	if w.root, err = assets.ModuleRoot(); err != nil {
		t.Fatal(err)
	}
	if w.config, err = clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG")); err != nil {
		t.Fatal(err)
	}
	if w.set, err = kubernetes.NewForConfig(w.config); err != nil {
		t.Fatal(err)
	}
	if w.admin, err = client.New(w.config, client.Options{Scheme: operator.Scheme()}); err != nil {
		t.Fatal(err)
	}
	for _, namespace := range []string{systemNamespace, readmeNamespace, demoNamespace, loadNamespace, toolsNamespace} {
		if err := w.admin.Get(t.Context(), client.ObjectKey{Name: namespace}, &corev1.Namespace{}); err == nil {
			t.Fatalf("the namespace %s exists already: the tests make and delete it, and need a cluster without", namespace)
		}
	}
	dir := t.TempDir()
	w.run(t, "helm", "package", filepath.Join(w.root, "charts", "scim-operator"), "--destination", dir)
	packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packed) != 1 {
		t.Fatalf("helm package made %v, %v", packed, err)
	}
	w.chart = packed[0]
	return w
}

// step runs a step. If it fails, it tells what the cluster looks like, and below that, where people and CI look first, once more why.
func (w *world) step(t *testing.T, run func(testing.TB, *world)) {
	began := time.Now()
	told := &errorKeeper{T: t}
	defer func() {
		if t.Failed() {
			w.dump(t)
			t.Logf("it failed, as said above, with\n%s", strings.Join(told.errors, "\n"))
		}
		t.Logf("took %.1f s", time.Since(began).Seconds())
	}()
	run(told, w)
}

// errorKeeper is a testing.T that keeps the errors that it is told.
type errorKeeper struct {
	*testing.T
	mu     sync.Mutex
	errors []string
}

func (k *errorKeeper) keep(text string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.errors = append(k.errors, text)
	return text
}

func (k *errorKeeper) Error(args ...any) { k.Helper(); k.T.Error(k.keep(fmt.Sprint(args...))) }
func (k *errorKeeper) Fatal(args ...any) { k.Helper(); k.T.Fatal(k.keep(fmt.Sprint(args...))) }
func (k *errorKeeper) Errorf(format string, args ...any) {
	k.Helper()
	k.T.Error(k.keep(fmt.Sprintf(format, args...)))
}

func (k *errorKeeper) Fatalf(format string, args ...any) {
	k.Helper()
	k.T.Fatal(k.keep(fmt.Sprintf(format, args...)))
}

// run runs a command and gives what it prints; it has to succeed.
func (w *world) run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := w.try(t, "", name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return out
}

// try runs a command with the given input and gives what it prints; the error has what it complains about.
func (w *world) try(t testing.TB, input, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%w: %s%s", err, errs.String(), out.String())
	}
	return out.String(), nil
}

// apply is kubectl apply of a text.
func (w *world) apply(t testing.TB, text string) {
	t.Helper()
	if _, err := w.try(t, text, "kubectl", "apply", "--server-side", "--filename", "-"); err != nil {
		t.Fatalf("applying %s: %v", text, err)
	}
}

// eventually waits until check gives no error.
func eventually(t testing.TB, what string, check func(context.Context) error) {
	t.Helper()
	if err := session.Await(t.Context(), check); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// dump tells what a person would look at.
func (w *world) dump(t testing.TB) {
	t.Helper()
	show := func(args ...string) {
		out, err := w.try(t, "", "kubectl", args...)
		t.Logf("kubectl %s\n%s%v", strings.Join(args, " "), out, errorText(err))
	}
	show("get", "pods", "--all-namespaces", "--output", "wide")
	show("get", "scimclients,scimapps,scimrolemappings", "--all-namespaces", "--output", "wide")
	show("get", "lease", "--namespace", systemNamespace)
	for _, namespace := range []string{toolsNamespace, readmeNamespace, systemNamespace} {
		show("get", "events", "--namespace", namespace, "--sort-by=.lastTimestamp")
	}
	for _, namespace := range []string{readmeNamespace, systemNamespace} {
		operator := []string{"logs", "--namespace", namespace, "--selector", "app.kubernetes.io/name=scim-operator", "--prefix"}
		show(append(operator, "--tail=80")...)
		show(append(operator, "--tail=40", "--previous")...)
	}
	show("describe", "pods", "--namespace", systemNamespace)
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
