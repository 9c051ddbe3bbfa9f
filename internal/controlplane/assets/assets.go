// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package assets gets the programs of a Kubernetes control plane: etcd,
// kube-apiserver and kube-controller-manager.
//
// They come from the first of these that has them:
//
//  1. the directory that KUBEBUILDER_ASSETS names;
//  2. the cache, scim-operator/controlplane in os.UserCacheDir;
//  3. setup-envtest, which downloads etcd and kube-apiserver, where it can;
//  4. go build, from the sources that hack/controlplane pins.
//
// kube-controller-manager, which the first and third do not have, is built when
// it is needed. What is downloaded or built goes into the cache, whose key
// covers the versions and the platform. Any number of processes may ask at once:
// one works, the others wait for it.
package assets

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
)

// The names of the programs, which are those of their files.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	launch            = "launch"
)

// Options say what is wanted.
type Options struct {
	// ControllerManager says that kube-controller-manager is wanted too.
	ControllerManager bool
	// Progress receives a line for every step that takes time. Nil discards them.
	Progress io.Writer
}

// Assets are the absolute paths of the programs.
type Assets struct {
	Etcd      string
	APIServer string
	// ControllerManager is empty unless it was asked for.
	ControllerManager string
	// Launch is the program of internal/controlplane/launch, which ties the others to their parent.
	Launch string
}

// Get returns the paths of the programs and gets those that are missing, which
// takes some minutes the first time. It works inside a checkout of the project.
func Get(ctx context.Context, opts Options) (Assets, error) {
	root, err := ModuleRoot()
	if err != nil {
		return Assets{}, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return Assets{}, err
	}
	progress := opts.Progress
	if progress == nil {
		progress = io.Discard
	}
	store, err := newStore(root, filepath.Join(cache, "scim-operator", "controlplane"), progress)
	if err != nil {
		return Assets{}, err
	}
	return store.get(ctx, os.Getenv("KUBEBUILDER_ASSETS"), opts.ControllerManager)
}

// store is the part of the cache that belongs to one set of versions.
type store struct {
	// root is the checkout.
	root string
	// dir holds the programs.
	dir string
	// version is that of Kubernetes, as "v1.36.3"; etcdVersion that of etcd.
	version, etcdVersion string
	// progress receives a line for every step that takes time.
	progress io.Writer
}

var (
	kubernetesVersion = regexp.MustCompile(`(?m)^\s*k8s\.io/kubernetes (v\S+)$`)
	etcdVersion       = regexp.MustCompile(`(?m)^\s*go\.etcd\.io/etcd/server/v3 (v\S+)$`)
)

// newStore names the directory of the store after all that decides on its contents.
func newStore(root, cache string, progress io.Writer) (*store, error) {
	sum := sha256.New()
	for _, name := range []string{
		"hack/controlplane/go.mod",
		"hack/controlplane/go.sum",
		"internal/controlplane/launch/main.go",
		"internal/controlplane/launch/parent_linux.go",
	} {
		content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			return nil, err
		}
		sum.Write(content)
	}
	mod, err := os.ReadFile(filepath.Join(root, "hack", "controlplane", "go.mod"))
	if err != nil {
		return nil, err
	}
	kubernetes, etcd := kubernetesVersion.FindSubmatch(mod), etcdVersion.FindSubmatch(mod)
	if kubernetes == nil || etcd == nil {
		return nil, errors.New("hack/controlplane/go.mod does not require k8s.io/kubernetes and etcd's server")
	}
	version := string(kubernetes[1])
	key := fmt.Sprintf("%s-%s-%s-%s", version, runtime.GOOS, runtime.GOARCH, hex.EncodeToString(sum.Sum(nil))[:12])
	return &store{
		root: root, dir: filepath.Join(cache, key), progress: progress,
		version: version, etcdVersion: string(etcd[1]),
	}, nil
}

// get is Get, with given the directory that the user has set, or empty.
func (s *store) get(ctx context.Context, given string, withControllerManager bool) (Assets, error) {
	found := Assets{
		Etcd:      s.path(etcd),
		APIServer: s.path(apiServer),
		Launch:    s.path(launch),
	}
	missing := []string{launch}
	if given == "" {
		missing = append(missing, etcd, apiServer)
	} else {
		found.Etcd, found.APIServer = filepath.Join(given, etcd), filepath.Join(given, apiServer)
		for _, path := range []string{found.Etcd, found.APIServer} {
			if !exists(path) {
				return Assets{}, fmt.Errorf("KUBEBUILDER_ASSETS is set, but there is no %s", path)
			}
		}
	}
	if withControllerManager {
		found.ControllerManager = s.path(controllerManager)
		if theirs := filepath.Join(given, controllerManager); given != "" && exists(theirs) {
			found.ControllerManager = theirs
		} else {
			missing = append(missing, controllerManager)
		}
	}
	return found, s.ensure(ctx, missing)
}

// ensure makes the store hold the named programs.
func (s *store) ensure(ctx context.Context, names []string) error {
	if len(s.missing(names)) == 0 {
		return nil
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return err
	}
	unlock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	// Whoever held the lock before may have done the work.
	missing := s.missing(names)
	if slices.Contains(missing, apiServer) && s.download(ctx) {
		missing = s.missing(names)
	}
	for _, name := range missing {
		if err := s.build(ctx, name); err != nil {
			return err
		}
	}
	return nil
}

func (s *store) path(name string) string { return filepath.Join(s.dir, name) }

func (s *store) missing(names []string) []string {
	var missing []string
	for _, name := range names {
		if !exists(s.path(name)) {
			missing = append(missing, name)
		}
	}
	return missing
}

func (s *store) say(format string, args ...any) {
	// Progress is a courtesy: when nobody can read it, the work goes on.
	_, _ = fmt.Fprintf(s.progress, format+"\n", args...)
}

func exists(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}
