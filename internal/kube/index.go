// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"context"
	"fmt"

	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// NamespaceIndexes adds indexes to a cache, for lists in one namespace. A list in all namespaces finds nothing by them.
//
// controller-runtime's own way keeps each value twice: for its namespace, and for all. Nothing here asks in all namespaces, so the second half
// would be memory that nobody uses. The names of indexes and values are those that controller-runtime's reader looks for.
type NamespaceIndexes struct{ Informers cache.Informers }

// IndexField implements client.FieldIndexer.
func (i NamespaceIndexes) IndexField(ctx context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	informer, err := i.Informers.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
	if err != nil {
		return err
	}
	return informer.AddIndexers(toolscache.Indexers{"field:" + field: func(obj any) ([]string, error) {
		object, ok := obj.(client.Object)
		if !ok {
			return nil, fmt.Errorf("%T is no object", obj)
		}
		found := values(object)
		keys := make([]string, len(found))
		for k, value := range found {
			keys[k] = object.GetNamespace() + "/" + value
		}
		return keys, nil
	}})
}
