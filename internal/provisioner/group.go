// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// predefinedRetry is how often an app is asked for a group that has to be made there first (S51).
const predefinedRetry = 5 * time.Minute

// groupCall is one look at a pushed group and what it leads to.
type groupCall struct {
	*line
	app   *App
	key   Key
	group types.NamespacedName
	view  *desired.GroupView
	desired.PushedGroupView
}

// syncGroup is to a pushed group what syncAccount is to an account.
func (a *App) syncGroup(ctx context.Context, key Key, line *line) error {
	group := types.NamespacedName{Namespace: a.config.Key.Namespace, Name: key.Name}
	view, pushed, err := a.view.Pushed(ctx, group, a.config.Key.Name)
	if err != nil {
		return err
	}
	if pushed == nil || pushed.App == nil || pushed.Step.Action == "" {
		return a.idle(ctx, key, line)
	}
	call := &groupCall{line: line, app: a, key: key, group: group, view: view, PushedGroupView: *pushed}
	if pushed.App.Object.Spec.Suspend || !call.due() {
		return nil
	}
	err = call.perform(ctx)
	failure := connector.AsError(err)
	if failure == nil || !a.concernsOne(ctx, key, failure) {
		return err
	}
	line.alone = true
	if failure.UnknownOutcome() {
		a.markUnknown(key)
	}
	call.fail(reasonOf(failure.Kind), failure.Error(), retryOf(failure))
	return nil
}

// due is whether the group may be worked on now. If not, the group's reconciler brings the key back: when it has written what is about to be
// done, or when the time of the next try has come.
func (c *groupCall) due() bool {
	_, unwritten := c.view.Outcomes[c.AppName]
	switch {
	case unwritten, c.Entry == nil, c.Entry.State == v1alpha1.GroupPending:
		// What came of the last look has to stand in etcd first, above all the name to look the group up by.
		return false
	case c.Step.Action == v1alpha1.ActionCreate && c.Entry.State != v1alpha1.GroupCreating:
		return false
	case c.Step.Action == v1alpha1.ActionUpdate && c.Entry.Applied != "":
		return false
	}
	changed := c.view.Group.Generation != c.view.Group.Status.ObservedGeneration
	return c.app.patience.wait(c.key, groupAttemptOf(c.view, &c.PushedGroupView), changed, c.Entry.NextRetryTime, c.app.clock.Now()) <= 0
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
		return c.update(ctx, c.Entry.RemoteID, c.Entry.Created, "Updated")
	case v1alpha1.ActionDelete:
		return c.remove(ctx)
	case v1alpha1.ActionRelease:
		c.settled(*c.Entry.DeepCopy(), true, "Released")
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
		// What was made before a crash is found again by our id.
		return c.update(ctx, found.ID, c.Entry.Created || found.ExternalID == c.view.Group.SCIMID(), "Linked")
	}
}

func (c *groupCall) createNew(ctx context.Context) error {
	if wait := c.app.unsettled(c.key); wait > 0 {
		return &retryLater{after: wait}
	}
	if c.renamed() {
		entry := c.Entry.DeepCopy()
		entry.MatchValue = c.Wanted.DisplayName
		// The name to look up is written before it is used.
		c.put(*entry, false, "")
		return nil
	}
	created, err := c.connector().CreateGroup(ctx, connector.Group{
		DisplayName: c.Wanted.DisplayName, ExternalID: c.view.Group.SCIMID(), Members: members(c.Wanted.Members),
	})
	if err != nil {
		return err
	}
	c.succeed(created.ID, true, "Created")
	return nil
}

// update brings name and members to what they should be. The app's own list is read first, so that only the difference is written.
func (c *groupCall) update(ctx context.Context, id string, created bool, event string) error {
	have, err := c.connector().GetGroup(ctx, id)
	if connector.Is(err, connector.NotFound) {
		entry := c.Entry.DeepCopy()
		entry.State, entry.RemoteID, entry.Applied = v1alpha1.GroupCreating, "", ""
		entry.MatchValue = c.Wanted.DisplayName
		c.settled(*entry, false, desired.EventVanished)
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
		if _, err := c.connector().UpdateGroup(ctx, id, change); err != nil {
			return err
		}
	}
	c.succeed(id, created, event)
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
			c.settled(*c.Entry.DeepCopy(), true, "")
			return nil
		}
		if found.ExternalID != c.view.Group.SCIMID() {
			c.settled(*c.Entry.DeepCopy(), true, "")
			return nil
		}
		id = found.ID
	}
	if err := c.connector().DeleteGroup(ctx, id); err != nil {
		return err
	}
	c.settled(*c.Entry.DeepCopy(), true, "Deleted")
	return nil
}

// renamed is whether the group has another name than the one with which its create was decided.
func (c *groupCall) renamed() bool {
	return c.Entry.MatchValue != "" && scim.Fold(c.Entry.MatchValue) != scim.Fold(c.Wanted.DisplayName)
}

// find finds the group: under the name with which its create was decided, should it have another one since, then under its own. The former name may be another
// group's by now: only our id tells.
func (c *groupCall) find(ctx context.Context) (*connector.Group, error) {
	if c.renamed() {
		found, err := c.findBy(ctx, c.Entry.MatchValue)
		if err != nil || (found != nil && found.ExternalID == c.view.Group.SCIMID()) {
			return found, err
		}
	}
	return c.findBy(ctx, c.Wanted.DisplayName)
}

// findBy finds a group by its name; if there are several, the one that the operator made.
func (c *groupCall) findBy(ctx context.Context, displayName string) (*connector.Group, error) {
	groups, err := c.connector().FindGroups(ctx, displayName)
	if err != nil {
		return nil, err
	}
	var found *connector.Group
	for i := range groups {
		switch {
		case scim.Fold(groups[i].DisplayName) != scim.Fold(displayName):
		case groups[i].ExternalID == c.view.Group.SCIMID():
			return &groups[i], nil
		case found == nil:
			found = &groups[i]
		}
	}
	return found, nil
}

func (c *groupCall) succeed(remoteID string, created bool, event string) {
	now := metav1.NewTime(c.app.clock.Now())
	entry := v1alpha1.PushedGroupStatus{
		App: c.AppName, State: v1alpha1.GroupPushed, RemoteID: remoteID, Created: created,
		Members:         int32(min(len(c.Wanted.Members), v1alpha1.MaxMembers)),
		ProvisionedTime: c.Entry.ProvisionedTime, UpdatedTime: &now, Applied: c.Wanted.Hash(),
	}
	if entry.ProvisionedTime == nil {
		entry.ProvisionedTime = &now
	}
	c.settled(entry, false, event)
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
	c.app.patience.failed(c.key, groupAttemptOf(c.view, &c.PushedGroupView))
	c.put(*entry, false, "")
}

// settled hands in the end of a change: nothing of it is to be remembered but the entry.
func (c *groupCall) settled(entry v1alpha1.PushedGroupStatus, gone bool, event string) {
	c.app.forget(c.key)
	c.put(entry, gone, event)
}

func (c *groupCall) put(entry v1alpha1.PushedGroupStatus, gone bool, event string) {
	c.app.view.Groups.Put(c.group, desired.Outcome[v1alpha1.PushedGroupStatus]{
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
