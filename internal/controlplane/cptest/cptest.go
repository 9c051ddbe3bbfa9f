// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package cptest shares one control plane among the tests of a package:
//
//	func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }
//
//	func TestSomething(t *testing.T) {
//		env := cptest.New(t)
//		namespace := env.Namespace(t)
//		...
//	}
//
// It starts with the first test that asks for it and stops after the last test.
// With -short, tests that ask for it are skipped.
package cptest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
)

// shared is the control plane of this test process.
var shared struct {
	sync.Mutex
	options *controlplane.Options
	env     *controlplane.Env
	err     error
}

// Main runs the tests of a package and stops the control plane if one of them
// has started it. Unless the options say otherwise, the CRDs are those of
// config/crd/bases. etcd never waits for the disk, and progress goes to standard
// error. What controller-runtime logs is discarded, unless the package has set a
// logger before.
//
// checks are run when all tests have run, while the control plane still runs, if
// a test has started it. passed is whether all tests have. An error fails the
// package.
//
// TestMain needs no os.Exit after it.
func Main(m *testing.M, options controlplane.Options, checks ...func(env *Env, passed bool) error) {
	if options.CRDs == nil {
		root, err := assets.ModuleRoot()
		if err != nil {
			fail(err)
		}
		options.CRDs = []string{filepath.Join(root, "config", "crd", "bases")}
	}
	if options.Progress == nil {
		options.Progress = os.Stderr
	}
	options.UnsafeNoFsync = true
	logf.SetLogger(logr.Discard())
	shared.options = &options

	code := m.Run()

	if shared.env == nil {
		return
	}
	var errs []error
	for _, check := range checks {
		errs = append(errs, check(&Env{Env: shared.env}, code == 0))
	}
	if err := errors.Join(append(errs, shared.env.Stop())...); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Env is the shared control plane, which must not be stopped by a test.
type Env struct {
	*controlplane.Env
}

// New returns the shared control plane, which it starts if it is the first. The
// test fails when it does not start.
func New(t testing.TB) *Env {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Kubernetes API server: not with -short")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.options == nil {
		t.Fatal("the package's TestMain does not call cptest.Main")
	}
	if shared.env == nil && shared.err == nil {
		// Not the test's context: the control plane outlives the test.
		shared.env, shared.err = controlplane.Start(context.Background(), *shared.options)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return &Env{Env: shared.env}
}

// Namespace creates a namespace of its own for a test and returns its name. It
// goes when the control plane does.
func (e *Env) Namespace(t testing.TB) string {
	t.Helper()
	admin, err := client.New(e.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: prefix(t.Name())}}
	if err := admin.Create(t.Context(), namespace); err != nil {
		t.Fatal(err)
	}
	return namespace.Name
}

var notLabel = regexp.MustCompile(`[^a-z0-9]+`)

// prefix makes the beginning of a DNS label of the name of a test.
func prefix(test string) string {
	const most = 40
	label := strings.Trim(notLabel.ReplaceAllString(strings.ToLower(test), "-"), "-")
	return strings.TrimRight(label[:min(len(label), most)], "-") + "-"
}
