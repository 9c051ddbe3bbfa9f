// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// GroupView is a group with everything that follows for its presence in apps.
type GroupView struct {
	// Group is a copy of the cached object with the pending writes of this process.
	Group *v1alpha1.ScimGroup
	// Cached is the object as the cache has it, shared with everybody: it is only read.
	Cached   *v1alpha1.ScimGroup
	Stale    bool
	Outcomes map[string]ledger.Outcome[v1alpha1.PushedGroupStatus]
	// Apps that the group is or was pushed to, by name.
	Apps []PushedGroupView
}

// PushedGroupView is one group in one app.
type PushedGroupView struct {
	// App is nil if the ScimApp does not exist or its configuration is invalid.
	App     *App
	AppName string
	Entry   *v1alpha1.PushedGroupStatus
	Desired plan.DesiredGroup
	Step    plan.GroupStep
	// Creation says what happens when the app has no group of the name.
	Creation v1alpha1.GroupCreation
	// KeepForeign: members who are no account of a user stay in the group.
	KeepForeign bool
	// Exclusive is the group's name, folded: a deleted group and its successor are not worked on at once.
	Exclusive string
	// WithoutAccount is how many members are left out because they have no active account in the app (S87).
	WithoutAccount int
}

// Group reads a group and decides for all of its apps. It returns nil if there is none.
func (v *View) Group(ctx context.Context, key types.NamespacedName) (*GroupView, error) {
	view, err := v.loadGroup(ctx, key)
	if view == nil || err != nil {
		return nil, err
	}
	group := view.Group
	apps, err := v.allApps(ctx, key.Namespace)
	if err != nil {
		return nil, err
	}
	for _, name := range pushedNames(group, apps) {
		pushed, err := v.pushed(ctx, group, name, apps[name])
		if err != nil {
			return nil, err
		}
		view.Apps = append(view.Apps, pushed)
	}
	return view, nil
}

// loadGroup reads the group and the pending writes of this process.
func (v *View) loadGroup(ctx context.Context, key types.NamespacedName) (*GroupView, error) {
	if err := v.begin(ctx); err != nil {
		return nil, err
	}
	var uid types.UID
	outcomes := map[string]ledger.Outcome[v1alpha1.PushedGroupStatus]{}
	for {
		cached := &v1alpha1.ScimGroup{}
		if err := v.cache.Get(ctx, key, cached, client.UnsafeDisableDeepCopy); err != nil {
			return nil, client.IgnoreNotFound(err)
		}
		if cached.UID == uid {
			return v.layGroup(cached, outcomes), nil
		}
		uid = cached.UID
		clear(outcomes)
		for app, l := range v.Book.Namespace(key.Namespace) {
			if outcome, ok := l.GroupOutcome(uid); ok {
				outcomes[app] = outcome
			}
		}
	}
}

func (v *View) layGroup(cached *v1alpha1.ScimGroup, outcomes map[string]ledger.Outcome[v1alpha1.PushedGroupStatus]) *GroupView {
	group := cached.DeepCopy()
	view := &GroupView{Group: group, Cached: cached, Outcomes: outcomes}
	if newest := v.Book.Groups.Newer(cached); newest != nil {
		view.Stale = true
		group.Status = *newest.DeepCopy()
	}
	for app, outcome := range outcomes {
		group.Status.Apps = withPushed(group.Status.Apps, app, outcome)
	}
	return view
}

// Pushed evaluates one group in one app; nil if the group does not exist or is not pushed there, and for a group whose displayName a person changed: nothing is done for that one until
// it is admitted by that name.
func (v *View) Pushed(ctx context.Context, group types.NamespacedName, app string) (*GroupView, *PushedGroupView, error) {
	view, err := v.Group(ctx, group)
	if view == nil || err != nil {
		return nil, nil, err
	}
	if view.Group.DeletionTimestamp.IsZero() && !directory.EntitledGroup(view.Group) {
		return view, nil, nil
	}
	for i := range view.Apps {
		if view.Apps[i].AppName == app {
			return view, &view.Apps[i], nil
		}
	}
	return view, nil, nil
}

func withPushed(entries []v1alpha1.PushedGroupStatus, app string, outcome ledger.Outcome[v1alpha1.PushedGroupStatus]) []v1alpha1.PushedGroupStatus {
	i := slices.IndexFunc(entries, func(e v1alpha1.PushedGroupStatus) bool { return e.App == app })
	switch {
	case i >= 0 && outcome.Drop:
		return slices.Delete(entries, i, i+1)
	case i >= 0:
		entries[i] = *outcome.Entry.DeepCopy()
	case !outcome.Drop:
		entries = append(entries, *outcome.Entry.DeepCopy())
	}
	return entries
}

func pushedNames(group *v1alpha1.ScimGroup, apps map[string]*compiledApp) []string {
	var names []string
	for i := range group.Status.Apps {
		names = append(names, group.Status.Apps[i].App)
	}
	for name, app := range apps {
		if app.err == nil && app.app.creation(group.SCIMID()) != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// listed is the entry of spec.groups for a group, nil if it is not pushed to the app.
func (a *App) listed(groupID string) *v1alpha1.PushedGroup {
	if groupID == "" || !a.HasFeature(v1alpha1.FeaturePushGroups) {
		return nil
	}
	for _, resolved := range a.Object.Status.Groups {
		if resolved.ID != groupID {
			continue
		}
		for i := range a.Object.Spec.Groups {
			if listed := &a.Object.Spec.Groups[i]; listed.DisplayName == resolved.DisplayName {
				return listed
			}
		}
	}
	return nil
}

// creation is how a group is made in the app, "" if it is not pushed there.
func (a *App) creation(groupID string) v1alpha1.GroupCreation {
	listed := a.listed(groupID)
	switch {
	case listed == nil:
		return ""
	case listed.Creation != "":
		return listed.Creation
	case a.Profile.GroupCreation == profiles.RequirePredefined:
		return v1alpha1.GroupRequirePredefined
	default:
		return v1alpha1.GroupCreate
	}
}

// GroupOwner returns another ScimGroup that has a group of the app, nil for none. One that is being deleted does not count: its successor takes the group over.
func (v *View) GroupOwner(ctx context.Context, app *App, remoteID string, except types.UID) (*v1alpha1.ScimGroup, error) {
	var list v1alpha1.ScimGroupList
	// The index may not show a group yet that was just linked.
	if err := v.cache.List(ctx, &list, client.InNamespace(app.Object.Namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("looking for the owner of a group: %w", err)
	}
	for i := range list.Items {
		cached := &list.Items[i]
		if cached.UID == except || (cached.Status.App(app.Object.Name) == nil && app.creation(cached.SCIMID()) == "") {
			continue
		}
		view, err := v.loadGroup(ctx, client.ObjectKeyFromObject(cached))
		if err != nil {
			return nil, err
		}
		if view == nil || view.Group.UID == except || !view.Group.DeletionTimestamp.IsZero() {
			continue
		}
		if entry := view.Group.Status.App(app.Object.Name); entry != nil && entry.RemoteID == remoteID {
			return view.Group, nil
		}
	}
	return nil, nil
}

func (v *View) pushed(ctx context.Context, group *v1alpha1.ScimGroup, name string, app *compiledApp) (PushedGroupView, error) {
	pushed := PushedGroupView{AppName: name, Entry: group.Status.App(name), Exclusive: exclusiveOf(group)}
	switch {
	case app == nil:
		pushed.Step = plan.GroupStep{Drop: true, InSync: true}
		return pushed, nil
	case app.err != nil:
		pushed.Step = plan.GroupStep{
			Reason: v1alpha1.ReasonAppNotReady, Message: "the configuration of the ScimApp is invalid; its Ready condition says why",
		}
		return pushed, nil //nolint:nilerr // it is for a person, and stands in the status of the app
	}
	pushed.App = app.app
	pushed.Creation = app.app.creation(group.SCIMID())
	if listed := app.app.listed(group.SCIMID()); listed != nil {
		pushed.KeepForeign = listed.ForeignMembers == v1alpha1.ForeignMembersKeep
	}
	pushed.Desired = plan.DesiredGroup{
		FeatureOff:  !app.app.HasFeature(v1alpha1.FeaturePushGroups),
		Pushed:      pushed.Creation != "" && group.DeletionTimestamp.IsZero() && app.app.Object.DeletionTimestamp.IsZero(),
		Deleted:     !group.DeletionTimestamp.IsZero(),
		DisplayName: group.Spec.DisplayName,
	}
	if pushed.Desired.Pushed {
		members, without, err := v.remoteMembers(ctx, group, name)
		if err != nil {
			return pushed, err
		}
		pushed.Desired.Members, pushed.WithoutAccount = members, without
	}
	pushed.Step = plan.DecideGroup(pushed.Desired, pushed.Entry)
	return pushed, nil
}

func exclusiveOf(group *v1alpha1.ScimGroup) string { return scim.Fold(group.Spec.DisplayName) }

// remoteMembers are the app's ids of those members that have an active account there, sorted; a push never makes accounts (S87).
// Members of member groups count as members. An id of a former user of the same object name stands for nobody.
func (v *View) remoteMembers(ctx context.Context, group *v1alpha1.ScimGroup, app string) (remote []string, without int, err error) {
	members, err := v.memberIDs(ctx, group)
	if err != nil {
		return nil, 0, err
	}
	for id := range members {
		name, _, _ := v1alpha1.SplitSCIMID(id)
		user, err := v.readUser(ctx, types.NamespacedName{Namespace: group.Namespace, Name: name})
		if err != nil {
			return nil, 0, err
		}
		if user == nil || user.SCIMID() != id || !user.Admitted() || !user.DeletionTimestamp.IsZero() {
			continue
		}
		entry := user.Status.Account(app)
		if entry == nil || entry.State != v1alpha1.AccountActive || entry.RemoteID == "" {
			without++
			continue
		}
		remote = append(remote, entry.RemoteID)
	}
	slices.Sort(remote)
	return slices.Compact(remote), without, nil
}

// readUser returns a user, only to be read, with its newest status; nil if there is none.
func (v *View) readUser(ctx context.Context, key types.NamespacedName) (*v1alpha1.ScimUser, error) {
	user := &v1alpha1.ScimUser{}
	if err := v.cache.Get(ctx, key, user, client.UnsafeDisableDeepCopy); err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	known, _, err := v.latest(ctx, user)
	return known, err
}

// MemberUsers are the object names of the users of a group and of its member groups. membership.ErrIncomplete if the cache does not know all.
func (v *View) MemberUsers(ctx context.Context, group *v1alpha1.ScimGroup) ([]string, error) {
	ids, err := v.memberIDs(ctx, group)
	names := make([]string, 0, len(ids))
	for id := range ids {
		name, _, _ := v1alpha1.SplitSCIMID(id)
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), err
}

// memberIDs are the SCIM ids of the users of a group and of its member groups, whether or not such users exist. Member groups that are not
// there, or that go, are left out.
func (v *View) memberIDs(ctx context.Context, group *v1alpha1.ScimGroup) (map[string]bool, error) {
	seen := map[string]bool{group.SCIMID(): true}
	users := map[string]bool{}
	for next := []*v1alpha1.ScimGroup{group}; len(next) > 0; {
		current := next[0]
		next = next[1:]
		members, err := membership.Of(ctx, v.cache, current)
		if err != nil {
			return nil, err
		}
		for member := range members.All() {
			name, _, ok := v1alpha1.SplitSCIMID(member.Value)
			if !ok || seen[member.Value] {
				continue
			}
			seen[member.Value] = true
			if member.Type != v1alpha1.MemberTypeGroup {
				users[member.Value] = true
				continue
			}
			nested := &v1alpha1.ScimGroup{}
			err := v.cache.Get(ctx, types.NamespacedName{Namespace: group.Namespace, Name: name}, nested, client.UnsafeDisableDeepCopy)
			if client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("reading a member group: %w", err)
			}
			if err == nil && nested.SCIMID() == member.Value && nested.DeletionTimestamp.IsZero() {
				next = append(next, nested)
			}
		}
	}
	return users, nil
}
