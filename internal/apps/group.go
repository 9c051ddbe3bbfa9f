// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/provision"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// predefinedRetry is how often an app is asked for a group that has to be made there first (S51).
const predefinedRetry = 5 * time.Minute

// groupCall is one look at a pushed group and what it leads to.
type groupCall struct {
	app   *App
	key   Key
	group types.NamespacedName
	view  *provision.GroupView
	provision.PushedGroupView
}

// syncGroup is to a pushed group what syncAccount is to an account.
func (a *App) syncGroup(ctx context.Context, key Key) error {
	group := types.NamespacedName{Namespace: a.config.Key.Namespace, Name: key.Name}
	view, pushed, err := a.view.Pushed(ctx, group, a.config.Key.Name)
	if err != nil {
		return err
	}
	if pushed == nil || pushed.App == nil || pushed.Step.Action == "" || pushed.App.Object.Spec.Suspend {
		return nil
	}
	if pushed.Entry == nil || pushed.Entry.State == v1alpha1.GroupPending {
		return nil
	}
	if wait := untilRetry(pushed.Entry.NextRetryTime, a.clock.Now()); wait > 0 {
		return &retryLater{after: wait}
	}
	call := &groupCall{app: a, key: key, group: group, view: view, PushedGroupView: *pushed}
	err = call.perform(ctx)
	failure := connector.AsError(err)
	if failure == nil || (failure.Scope() == connector.ScopeApp && failure.Kind != connector.Unsupported && !a.failsAlone(key)) {
		return err
	}
	if failure.UnknownOutcome() {
		a.markUnknown(key)
	}
	call.fail(reasonOf(failure.Kind), failure.Error(), retryOf(failure))
	return nil
}

// retryOf is when a failed group is tried again, 0 for the usual back-off.
func retryOf(failure *connector.Error) time.Duration {
	if failure.Retriable() {
		return 0
	}
	return personRetry
}

func (c *groupCall) perform(ctx context.Context) error {
	switch c.Step.Action {
	case v1alpha1.ActionCreate:
		return c.create(ctx)
	case v1alpha1.ActionUpdate:
		return c.update(ctx, c.Entry.RemoteID, "Updated")
	case v1alpha1.ActionDelete:
		return c.remove(ctx)
	case v1alpha1.ActionRelease:
		c.put(*c.Entry.DeepCopy(), true, "Released")
		return nil
	default:
		return fmt.Errorf("no such action: %s", c.Step.Action)
	}
}

func (c *groupCall) create(ctx context.Context) error {
	found, err := c.find(ctx)
	if err != nil {
		return err
	}
	predefined := c.Creation == v1alpha1.GroupRequirePredefined
	switch {
	case found == nil && predefined:
		c.fail(v1alpha1.ReasonTargetGroupNotPredefined,
			"the app has no group of this name and wants it predefined; make it there, or set creation: Create for it in spec.groups of the ScimApp", predefinedRetry)
		return nil
	case found == nil:
		return c.createNew(ctx)
	case !predefined && found.ExternalID != c.view.Group.SCIMID() && !c.App.HasFeature(v1alpha1.FeatureGroupLinking):
		c.fail(v1alpha1.ReasonAccountConflict,
			"the app has a group of this name that the operator did not make; switch GroupLinking on in spec.features of the ScimApp, or rename one of them", personRetry)
		return nil
	default:
		return c.update(ctx, found.ID, "Linked")
	}
}

func (c *groupCall) createNew(ctx context.Context) error {
	if wait := c.app.unsettled(c.key); wait > 0 {
		return &retryLater{after: wait}
	}
	created, err := c.app.config.Connector.CreateGroup(ctx, connector.Group{
		DisplayName: c.Wanted.DisplayName, ExternalID: c.view.Group.SCIMID(), Members: members(c.Wanted.Members),
	})
	if err != nil {
		return err
	}
	c.succeed(created.ID, true, "Created")
	return nil
}

// update brings name and members to what they should be. The app's own list is read first, so that only the difference is written.
func (c *groupCall) update(ctx context.Context, id, event string) error {
	have, err := c.app.config.Connector.GetGroup(ctx, id)
	if connector.Is(err, connector.NotFound) {
		entry := c.Entry.DeepCopy()
		entry.State, entry.RemoteID, entry.Applied = v1alpha1.GroupCreating, "", ""
		c.put(*entry, false, "Vanished")
		return nil
	}
	if err != nil {
		return err
	}
	change := connector.GroupChange{Want: members(c.Wanted.Members)}
	if have.DisplayName != c.Wanted.DisplayName {
		change.DisplayName = c.Wanted.DisplayName
	}
	same := false
	if have.MembersKnown {
		add, remove := plan.Difference(ids(have.Members), c.Wanted.Members)
		change.Add, change.Remove = members(add), members(remove)
		same = len(add) == 0 && len(remove) == 0
	}
	if same {
		change.Want = nil
	}
	if !same || change.DisplayName != "" {
		if _, err := c.app.config.Connector.UpdateGroup(ctx, id, change); err != nil {
			return err
		}
	}
	c.succeed(id, c.Entry.Created, event)
	return nil
}

// remove deletes a group that the operator made. One whose create may not have happened is looked up first.
func (c *groupCall) remove(ctx context.Context) error {
	id := c.Entry.RemoteID
	if id == "" {
		found, err := c.find(ctx)
		if err != nil {
			return err
		}
		if found == nil {
			if wait := c.app.unsettled(c.key); wait > 0 {
				return &retryLater{after: wait}
			}
			c.put(*c.Entry.DeepCopy(), true, "")
			return nil
		}
		if found.ExternalID != c.view.Group.SCIMID() {
			c.put(*c.Entry.DeepCopy(), true, "")
			return nil
		}
		id = found.ID
	}
	if err := c.app.config.Connector.DeleteGroup(ctx, id); err != nil {
		return err
	}
	c.put(*c.Entry.DeepCopy(), true, "Deleted")
	return nil
}

func (c *groupCall) find(ctx context.Context) (*connector.Group, error) {
	groups, err := c.app.config.Connector.FindGroups(ctx, c.Wanted.DisplayName)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(groups, func(g connector.Group) bool { return scim.Fold(g.DisplayName) == scim.Fold(c.Wanted.DisplayName) })
	if i < 0 {
		return nil, nil
	}
	return &groups[i], nil
}

func (c *groupCall) succeed(remoteID string, created bool, event string) {
	now := metav1.NewTime(c.app.clock.Now())
	entry := v1alpha1.PushedGroupStatus{
		App: c.AppName, State: v1alpha1.GroupPushed, RemoteID: remoteID, Created: created,
		Members:         int32(min(len(c.Wanted.Members), v1alpha1.MaxInlineMembers)), //nolint:gosec // bounded by the line itself
		ProvisionedTime: c.Entry.ProvisionedTime, UpdatedTime: &now, Applied: c.Wanted.Hash(),
	}
	if entry.ProvisionedTime == nil {
		entry.ProvisionedTime = &now
	}
	c.put(entry, false, event)
}

func (c *groupCall) fail(reason, message string, wait time.Duration) {
	entry := c.Entry.DeepCopy()
	entry.Attempts++
	entry.Reason, entry.Message = reason, kube.Truncate(message)
	if wait == 0 {
		wait = kube.Backoff(entry.Attempts, accountRetryBase, accountRetryMax)
	}
	next := metav1.NewTime(c.app.clock.Now().Add(kube.Jitter(wait)).Truncate(time.Second))
	entry.NextRetryTime = &next
	c.put(*entry, false, "")
}

func (c *groupCall) put(entry v1alpha1.PushedGroupStatus, gone bool, event string) {
	if event != "" {
		c.app.clearUnknown(c.key)
	}
	c.app.view.Groups.Put(c.group, provision.Outcome[v1alpha1.PushedGroupStatus]{
		App: c.AppName, UID: c.view.Group.UID, Entry: entry, Gone: gone, At: c.app.clock.Now(), Event: event,
	})
}

func members(ids []string) []connector.Member {
	list := make([]connector.Member, len(ids))
	for i, id := range ids {
		list[i] = connector.Member{ID: id}
	}
	return list
}

func ids(list []connector.Member) []string {
	out := make([]string, len(list))
	for i, member := range list {
		out[i] = member.ID
	}
	return out
}
