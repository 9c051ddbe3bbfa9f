// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/kube"
)

const indexColour = "colours"

func TestIndexesOfANamespaceFindItsOwnObjects(t *testing.T) {
	env := cptest.New(t)
	here, there := env.Namespace(t), env.Namespace(t)
	admin, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range []struct{ namespace, name, first, second string }{
		{here, "a", "red", "blue"}, {here, "b", "red", "green"}, {there, "c", "red", "green"},
	} {
		config := &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: object.namespace, Name: object.name},
			Data:       map[string]string{"first": object.first, "second": object.second},
		}
		if err := admin.Create(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	for name, namespaces := range map[string]map[string]cache.Config{
		"cache of all namespaces":  nil,
		"cache of some namespaces": {here: {}, there: {}},
	} {
		t.Run(name, func(t *testing.T) {
			informers := coloured(t, env, namespaces)
			for _, c := range []struct {
				namespace, colour string
				want              []string
			}{
				{here, "red", []string{"a", "b"}},
				{here, "blue", []string{"a"}},
				{here, "green", []string{"b"}},
				{here, "grey", nil},
				{there, "red", []string{"c"}},
				{there, "blue", nil},
				{metav1.NamespaceAll, "red", nil},
			} {
				var list corev1.ConfigMapList
				fields := client.MatchingFields{indexColour: c.colour}
				if err := informers.List(t.Context(), &list, client.InNamespace(c.namespace), fields); err != nil {
					t.Fatal(err)
				}
				var names []string
				for i := range list.Items {
					names = append(names, list.Items[i].Name)
				}
				slices.Sort(names)
				if diff := cmp.Diff(c.want, names); diff != "" {
					t.Errorf("%s in %s (-want +got):\n%s", c.colour, c.namespace, diff)
				}
			}
		})
	}
}

// coloured is a cache of ConfigMaps, filled, whose index has the values of their data.
func coloured(t *testing.T, env *cptest.Env, namespaces map[string]cache.Config) cache.Cache {
	t.Helper()
	informers, err := cache.New(env.Config, cache.Options{Scheme: clientgoscheme.Scheme, DefaultNamespaces: namespaces})
	if err != nil {
		t.Fatal(err)
	}
	indexes := kube.NamespaceIndexes{Informers: informers}
	err = indexes.IndexField(t.Context(), &corev1.ConfigMap{}, indexColour, func(obj client.Object) []string {
		data := obj.(*corev1.ConfigMap).Data
		return []string{data["first"], data["second"]}
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- informers.Start(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	if !informers.WaitForCacheSync(ctx) {
		t.Fatal("the cache does not sync")
	}
	return informers
}
