// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package session

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
)

// World is what a session is played to.
type World struct {
	// Admin reads and applies objects in Namespace, as FieldOwner.
	Admin      client.Client
	Namespace  string
	FieldOwner string
	// Apps are those of config/samples.
	Apps []App
	// SCIM is the way of the identity provider.
	SCIM *SCIM
	// Say prints a line. Show, if not nil, prints what has changed.
	Say  func(format string, args ...any)
	Show func(context.Context) error
}

// App is an app that the operator writes to, as the session sees it.
type App struct {
	// Name of its ScimApp; URL is where it is.
	Name, URL string
	// Look tells what it holds.
	Look func(context.Context) (Holdings, error)
}

// Holdings are what an app holds, and how many write calls it has got.
type Holdings struct {
	Users  []fakeapp.User
	Groups []fakeapp.Group
	Writes int
}

// HoldingsOf are those of a fake app.
func HoldingsOf(app *fakeapp.App) Holdings {
	return Holdings{Users: app.Users(), Groups: app.Groups(), Writes: app.Writes()}
}

// Apply is kubectl apply --server-side.
func (w *World) Apply(ctx context.Context, object *unstructured.Unstructured) error {
	configuration := client.ApplyConfigurationFromUnstructured(object)
	if err := w.Admin.Apply(ctx, configuration, client.FieldOwner(w.FieldOwner), client.ForceOwnership); err != nil {
		return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
	}
	return nil
}

// ApplySamples applies what the Kustomization of config/samples lists, and waits until the identity provider may come and the apps are Ready. The ScimApps get the
// addresses of Apps.
func (w *World) ApplySamples(ctx context.Context, dir string) error {
	files, err := samples(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		objects, err := ReadYAML(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := w.applySample(ctx, object); err != nil {
				return err
			}
		}
	}
	return Await(ctx, w.samplesReady)
}

// samples are the names of the files that the Kustomization of a directory lists.
func samples(dir string) ([]string, error) {
	kustomization, err := ReadYAML(filepath.Join(dir, "kustomization.yaml"))
	if err != nil {
		return nil, err
	}
	if len(kustomization) != 1 {
		return nil, fmt.Errorf("%s: kustomization.yaml has %d documents, want 1", dir, len(kustomization))
	}
	files, _, err := unstructured.NestedStringSlice(kustomization[0].Object, "resources")
	return files, err
}

func (w *World) applySample(ctx context.Context, object *unstructured.Unstructured) error {
	object.SetNamespace(w.Namespace)
	for _, app := range w.Apps {
		if object.GetKind() == "ScimApp" && object.GetName() == app.Name {
			if err := unstructured.SetNestedField(object.Object, app.URL, "spec", "scim", "baseURL"); err != nil {
				return err
			}
		}
	}
	return w.Apply(ctx, object)
}

// samplesReady is what keeps the session from starting, nil if nothing does.
func (w *World) samplesReady(ctx context.Context) error {
	okta := &v1alpha1.ScimClient{}
	if err := w.Admin.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: "okta"}, okta); err != nil {
		return err
	}
	if err := Ready("ScimClient okta", okta); err != nil {
		return err
	}
	for _, app := range w.Apps {
		object := &v1alpha1.ScimApp{}
		if err := w.Admin.Get(ctx, client.ObjectKey{Namespace: w.Namespace, Name: app.Name}, object); err != nil {
			return err
		}
		if err := Ready("ScimApp "+app.Name, object); err != nil {
			return err
		}
	}
	return nil
}

// Ready is why an object is not Ready, nil if it is.
func Ready(what string, object v1alpha1.Conditioned) error {
	condition := meta.FindStatusCondition(*object.ConditionList(), v1alpha1.ConditionReady)
	switch {
	case condition == nil:
		return fmt.Errorf("%s has no condition Ready yet", what)
	case condition.ObservedGeneration != object.GetGeneration():
		return fmt.Errorf("%s changed, and its status does not show it yet", what)
	case condition.Status != "True":
		return fmt.Errorf("%s is not Ready: %s: %s", what, condition.Reason, condition.Message)
	default:
		return nil
	}
}

// ReadYAML reads the objects of a file.
func ReadYAML(file string) ([]*unstructured.Unstructured, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(data), 4096); ; {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}
