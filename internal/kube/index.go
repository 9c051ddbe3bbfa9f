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
	return addIndex(ctx, i.Informers, obj, field, values, client.Object.GetNamespace)
}

// OverallIndexes adds indexes to a cache, for lists in all namespaces. A list in one namespace finds nothing by them.
type OverallIndexes struct{ Informers cache.Informers }

// IndexField implements client.FieldIndexer.
func (i OverallIndexes) IndexField(ctx context.Context, obj client.Object, field string, values client.IndexerFunc) error {
	// controller-runtime's reader looks for this in place of a namespace.
	return addIndex(ctx, i.Informers, obj, field, values, func(client.Object) string { return "__all_namespaces" })
}

func addIndex(
	ctx context.Context, informers cache.Informers, obj client.Object, field string, values client.IndexerFunc, namespace func(client.Object) string,
) error {
	informer, err := informers.GetInformer(ctx, obj, cache.BlockUntilSynced(false))
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
			keys[k] = namespace(object) + "/" + value
		}
		return keys, nil
	}})
}
