// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"slices"
	"strings"

	coordination "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// groupKind is the ScimGroups of a namespace. The slot of a displayName among the groups of one client is a Lease, which holds "<group>/<id>@<resourceVersion>".
type groupKind struct {
	api       api
	namespace string
	// shared is whether the groups of a client may have the same displayName.
	shared func(client string) bool
}

func (groupKind) empty() client.Object { return &v1alpha1.ScimGroup{} }

func (groupKind) id(obj client.Object) string { return obj.(*v1alpha1.ScimGroup).Spec.ID }

func (groupKind) setID(obj client.Object, id string) { obj.(*v1alpha1.ScimGroup).Spec.ID = id }

func (groupKind) spec(obj client.Object) any { return &obj.(*v1alpha1.ScimGroup).Spec }

func (k groupKind) slot(obj client.Object) string {
	g := obj.(*v1alpha1.ScimGroup)
	if k.shared(g.Spec.Client) {
		return ""
	}
	return groupSlot(g.Spec.Client, g.Spec.DisplayName)
}

func (k groupKind) read(ctx context.Context, name string) (*slot, error) {
	lease := &coordination.Lease{}
	err := k.api.Get(ctx, client.ObjectKey{Namespace: k.namespace, Name: name}, lease)
	if apierrors.IsNotFound(err) {
		return &slot{name: name}, nil
	}
	if err != nil {
		return nil, err
	}
	return &slot{name: name, object: lease, reservation: parseHolder(ptr.Deref(lease.Spec.HolderIdentity, "")), pure: true}, nil
}

func (k groupKind) reserve(ctx context.Context, s *slot, r v1alpha1.Reservation) error {
	spec := coordination.LeaseSpec{HolderIdentity: ptr.To(r.User + "/" + r.ID + "@" + r.ResourceVersion)}
	if s.object == nil {
		return k.api.Create(ctx, &coordination.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: k.namespace, Name: s.name}, Spec: spec})
	}
	lease := s.object.DeepCopyObject().(*coordination.Lease)
	lease.Spec = spec
	return k.api.Update(ctx, lease)
}

// parseHolder is nil for what no replica wrote.
func parseHolder(identity string) *v1alpha1.Reservation {
	group, rest, ok1 := strings.Cut(identity, "/")
	id, version, ok2 := strings.Cut(rest, "@")
	if !ok1 || !ok2 {
		return nil
	}
	return &v1alpha1.Reservation{User: group, ID: id, ResourceVersion: version}
}

func (k groupKind) discard(ctx context.Context, s *slot) error { return k.api.Delete(ctx, s.object) }

func (groupKind) own(client.Object) *slot { return nil }

func (groupKind) unreserve(client.Object) {}

// stray finds a group that was restored without its Lease, or made while names were shared.
func (k groupKind) stray(ctx context.Context, obj client.Object) (client.Object, error) {
	named, err := listByDisplayName(ctx, k.api, k.namespace, obj.(*v1alpha1.ScimGroup).Spec.DisplayName)
	if err != nil {
		return nil, err
	}
	for _, g := range named {
		if g.Name != obj.GetName() && k.slot(g) == k.slot(obj) {
			return g, nil
		}
	}
	return nil, nil
}

// listByDisplayName reads the live groups of that name from the API server, ordered by metadata.name. It sees all that was acknowledged before.
func listByDisplayName(ctx context.Context, api api, namespace, displayName string) ([]*v1alpha1.ScimGroup, error) {
	list := &v1alpha1.ScimGroupList{}
	label := client.MatchingLabels{v1alpha1.LabelDisplayName: DisplayNameLabel(displayName)}
	if err := api.List(ctx, list, client.InNamespace(namespace), label); err != nil {
		return nil, err
	}
	var groups []*v1alpha1.ScimGroup
	for i := range list.Items {
		g := &list.Items[i]
		if g.Admitted() && g.DeletionTimestamp == nil && scim.Fold(g.Spec.DisplayName) == scim.Fold(displayName) {
			groups = append(groups, g)
		}
	}
	slices.SortFunc(groups, func(a, b *v1alpha1.ScimGroup) int { return strings.Compare(a.Name, b.Name) })
	return groups, nil
}
