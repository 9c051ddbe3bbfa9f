// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// admit lets a group take effect: its displayName is its own, it has an id and the finalizer. done means that this reconcile ends here.
func (r *Reconciler) admit(ctx context.Context, view *desired.GroupView) (done bool, result ctrl.Result, err error) {
	group := view.Group
	if !group.DeletionTimestamp.IsZero() || isAdmitted(group) {
		return false, ctrl.Result{}, nil
	}
	admitted := group.DeepCopy()
	err = r.Directory.AdmitGroup(ctx, admitted)
	if conflict := conflictOf(err); conflict != nil {
		if admitted.UID == "" {
			return true, ctrl.Result{}, nil
		}
		after := group.DeepCopy()
		refused(after, conflict.Holder)
		wrote, err := kube.PatchStatus(ctx, r.Client, group, after)
		if wrote && err == nil {
			r.Reporter.Tell(ctx, group, reports(&group.Status, &after.Status)...)
		}
		return true, ctrl.Result{RequeueAfter: conflictRetry}, err
	}
	if err != nil || admitted.ResourceVersion == group.ResourceVersion {
		return err != nil, ctrl.Result{}, err
	}
	return true, ctrl.Result{RequeueAfter: staleWait}, nil
}

// isAdmitted is whether nothing is left to do for a group to take effect. One that a person renamed has to be looked at again.
func isAdmitted(group *v1alpha1.ScimGroup) bool {
	return group.Admitted() && directory.EntitledGroup(group) && controllerutil.ContainsFinalizer(group, v1alpha1.FinalizerDeprovision)
}

// push writes the status where it differs and sets the apps to work.
func (r *Reconciler) push(ctx context.Context, view *desired.GroupView) (result ctrl.Result, wrote bool, err error) {
	unresolved, err := r.unresolved(ctx, view.Group)
	if err != nil {
		return ctrl.Result{}, false, err
	}
	after := view.Cached.DeepCopy()
	intents := computeStatus(after, view, unresolved, metav1.NewTime(r.Clock.Now()), r.stateOf(view))
	if err := r.recordMembers(ctx, view, after, intents); err != nil {
		return ctrl.Result{}, false, err
	}
	wrote, err = kube.PatchStatus(ctx, r.Client, view.Cached, after)
	if err != nil {
		return ctrl.Result{}, false, err
	}
	if wrote {
		r.View.Book.Groups.Put(after, after.Status.DeepCopy())
		r.record(view)
		r.count(view.Cached, after)
		r.Reporter.Tell(ctx, view.Group, reports(&view.Cached.Status, &after.Status)...)
	}
	for app, outcome := range view.Outcomes {
		r.ledger(view, app).GroupWritten(view.Group.UID, outcome)
	}
	r.enqueue(view, intents)
	return ctrl.Result{RequeueAfter: nextRetry(after.Status.Apps, r.Clock.Now())}, wrote, nil
}

func (r *Reconciler) ledger(view *desired.GroupView, app string) *ledger.Ledger {
	return r.View.Book.Ledger(types.NamespacedName{Namespace: view.Group.Namespace, Name: app})
}

// nextRetry is how long it takes until the group is tried again somewhere, 0 if it is not to be.
func nextRetry(apps []v1alpha1.PushedGroupStatus, now time.Time) time.Duration {
	var soonest time.Duration
	for i := range apps {
		if at := apps[i].NextRetryTime; at != nil && at.After(now) {
			if wait := min(max(at.Sub(now), time.Second), ledger.MaxWait); soonest == 0 || wait < soonest {
				soonest = wait
			}
		}
	}
	return soonest
}

// unresolved are the members that stand for no existing object (yet).
func (r *Reconciler) unresolved(ctx context.Context, group *v1alpha1.ScimGroup) ([]string, error) {
	members, err := membership.Of(ctx, r.Client, group)
	if errors.Is(err, membership.ErrIncomplete) && !group.DeletionTimestamp.IsZero() {
		// Its slices go before it.
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var ids []string
	for member := range members.All() {
		found, err := r.exists(ctx, group.Namespace, member)
		if err != nil {
			return nil, err
		}
		if !found {
			ids = append(ids, member.Value)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (r *Reconciler) exists(ctx context.Context, namespace string, member v1alpha1.GroupMember) (bool, error) {
	name, _, ok := v1alpha1.SplitSCIMID(member.Value)
	if !ok {
		return false, nil
	}
	key := types.NamespacedName{Namespace: namespace, Name: name}
	if member.Type == v1alpha1.MemberTypeGroup {
		group := &v1alpha1.ScimGroup{}
		err := r.Client.Get(ctx, key, group, client.UnsafeDisableDeepCopy)
		return err == nil && group.SCIMID() == member.Value, client.IgnoreNotFound(err)
	}
	user := &v1alpha1.ScimUser{}
	err := r.Client.Get(ctx, key, user, client.UnsafeDisableDeepCopy)
	return err == nil && user.SCIMID() == member.Value, client.IgnoreNotFound(err)
}

func (r *Reconciler) enqueue(view *desired.GroupView, intents map[string]bool) {
	for i := range view.Apps {
		pushed := &view.Apps[i]
		app := r.Apps.Get(types.NamespacedName{Namespace: view.Group.Namespace, Name: pushed.AppName})
		if app == nil || pushed.App == nil || pushed.Step.Action == "" {
			continue
		}
		key := provisioner.Key{Kind: provisioner.KindGroup, Name: view.Group.Name}
		if intents[pushed.AppName] {
			r.ledger(view, pushed.AppName).Intended(ledger.ID{Kind: ledger.Group, UID: view.Group.UID})
		}
		app.Enqueue(key, classOf(pushed), pushed.Exclusive, pushDelay)
	}
}

// classOf puts the loss of members before other changes.
func classOf(pushed *desired.PushedGroupView) provisioner.Class {
	if pushed.Step.Action == v1alpha1.ActionDelete || (pushed.Entry != nil && len(pushed.Desired.Members) < int(pushed.Entry.Members)) {
		return provisioner.ClassRevocation
	}
	return provisioner.ClassChange
}

// count has the apps count again in which the group began or ceased to fail, or to show its members.
func (r *Reconciler) count(before, after *v1alpha1.ScimGroup) {
	for _, group := range []*v1alpha1.ScimGroup{before, after} {
		for i := range group.Status.Apps {
			app := group.Status.Apps[i].App
			if countsAs(before.Status.App(app)) != countsAs(after.Status.App(app)) {
				r.Apps.Changed(types.NamespacedName{Namespace: after.Namespace, Name: app})
			}
		}
	}
}

// countsAs is what the status of an app tells of the group.
func countsAs(entry *v1alpha1.PushedGroupStatus) [2]bool {
	if entry == nil {
		return [2]bool{}
	}
	return [2]bool{entry.Attempts > 0, entry.MembersHidden}
}

func (r *Reconciler) record(view *desired.GroupView) {
	for _, app := range slices.Sorted(maps.Keys(view.Outcomes)) {
		outcome := view.Outcomes[app]
		if outcome.Event != "" {
			r.Recorder.Eventf(view.Group, nil, corev1.EventTypeNormal, outcome.Event, outcome.Event, "%s in %s", groupEvent(outcome.Event), app)
		}
	}
}

// groupEvent is what happened, as a person says it.
func groupEvent(event string) string {
	if event == ledger.EventAbsenceConfirmed {
		return "A person confirmed that there is no group"
	}
	if event == ledger.EventNotFound {
		return "The group was not found and is looked up again"
	}
	return event + " the group"
}

// finalize lets a deleted group go once the apps do not need to hear of it any more, or the namespace goes as well.
func (r *Reconciler) finalize(ctx context.Context, view *desired.GroupView) (ctrl.Result, error) {
	group := view.Group
	if !controllerutil.ContainsFinalizer(group, v1alpha1.FinalizerDeprovision) {
		return ctrl.Result{}, nil
	}
	if slices.ContainsFunc(view.Apps, func(a desired.PushedGroupView) bool { return !a.Step.Drop && !a.Step.InSync }) {
		goes, err := kube.NamespaceGoes(ctx, r.Live, group.Namespace)
		if err != nil || !goes {
			return ctrl.Result{}, err
		}
		// An event is not taken any more there.
		log.FromContext(ctx).Info("The namespace is being deleted: the group stays in the apps as it is")
	}
	if wait := slicesTrail - r.Clock.Since(group.DeletionTimestamp.Time); wait > 0 && len(group.Spec.Slices) > 0 {
		// Who was a member is still being read from the slices.
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	if err := errors.Join(r.Directory.RemoveSlices(ctx, group), r.Directory.ReleaseGroupName(ctx, group)); err != nil {
		return ctrl.Result{}, err
	}
	before := group.DeepCopy()
	controllerutil.RemoveFinalizer(group, v1alpha1.FinalizerDeprovision)
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := r.Client.Patch(ctx, group, patch, client.FieldOwner(kube.FieldOwner)); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, err
	}
	r.forget(group)
	return ctrl.Result{}, nil
}

// forget drops what is remembered of a group that does not exist any more.
func (r *Reconciler) forget(group *v1alpha1.ScimGroup) {
	for _, l := range r.View.Book.Namespace(group.Namespace) {
		l.Forget(ledger.ID{Kind: ledger.Group, UID: group.UID})
	}
}
