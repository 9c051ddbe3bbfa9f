// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"bytes"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// recordMembers writes who may be in the group where an app does not show it, before the status that follows from it: a crash in between leaves a record of too many, who
// are removed once more. Before members are added, they are recorded. Elsewhere it only remembers the members of a group that is in sync.
func (r *Reconciler) recordMembers(ctx context.Context, view *desired.GroupView, after *v1alpha1.ScimGroup, intents map[string]bool) error {
	for i := range view.Apps {
		pushed := &view.Apps[i]
		id := ledger.ID{Kind: ledger.Group, UID: view.Group.UID}
		entry := after.Status.App(pushed.AppName)
		_, outcome := view.Outcomes[pushed.AppName]
		switch {
		case entry == nil || !entry.MembersHidden:
			if stored := view.Cached.Status.App(pushed.AppName); stored != nil && stored.MembersHidden {
				if err := r.dropRecord(ctx, after, pushed.AppName); err != nil {
					return err
				}
			}
			if pushed.Step.InSync && entry != nil && entry.State == v1alpha1.GroupPushed {
				r.ledger(view, pushed.AppName).RecordIfUnknown(id, ledger.Members{IDs: pushed.Desired.Members})
			}
		case outcome, intents[pushed.AppName]:
			_, known, err := r.View.RecordedMembers(ctx, view.Group, pushed.AppName)
			if err != nil {
				return err
			}
			if !known {
				continue
			}
			book := r.ledger(view, pushed.AppName)
			if intents[pushed.AppName] {
				book.MayRecord(id, pushed.Desired.Members)
			}
			members, _ := book.RecordedMembers(id)
			if err := r.writeRecord(ctx, after, pushed.AppName, members); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Reconciler) writeRecord(ctx context.Context, group *v1alpha1.ScimGroup, app string, members ledger.Members) error {
	data := ledger.EncodeMembers(members.IDs, members.Nameless)
	if len(data) > v1alpha1.MaxRecordedMembers*len(ledger.MemberHash{}) {
		log.FromContext(ctx).Info("The group has more members than can be recorded; a restart forgets who was removed meanwhile", "app", app)
		return r.dropRecord(ctx, group, app)
	}
	key := desired.RecordKey(group, app)
	record := &v1alpha1.ScimGroupRecord{}
	err := r.Client.Get(ctx, key, record)
	switch {
	case apierrors.IsNotFound(err):
		record.ObjectMeta = metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, OwnerReferences: []metav1.OwnerReference{
			*metav1.NewControllerRef(group, v1alpha1.GroupVersion.WithKind("ScimGroup")),
		}}
		record.OwnerReferences[0].BlockOwnerDeletion = nil
		record.Spec = v1alpha1.ScimGroupRecordSpec{Group: group.Name, App: app, Members: data}
		err = r.Client.Create(ctx, record, client.FieldOwner(kube.FieldOwner))
	case err == nil && !bytes.Equal(record.Spec.Members, data):
		record.Spec.Members = data
		err = r.Client.Update(ctx, record, client.FieldOwner(kube.FieldOwner))
	}
	if err != nil {
		return fmt.Errorf("recording the members of a group: %w", err)
	}
	return nil
}

func (r *Reconciler) dropRecord(ctx context.Context, group *v1alpha1.ScimGroup, app string) error {
	key := desired.RecordKey(group, app)
	record := &v1alpha1.ScimGroupRecord{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if err := r.Client.Delete(ctx, record); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing the record of a group: %w", err)
	}
	return nil
}
