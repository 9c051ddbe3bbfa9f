// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// predefinedRetry is how often an app is asked for a group that has to be made there first (S51).
const predefinedRetry = 5 * time.Minute

// groupCall is one reconcile of a pushed group and the step that follows.
type groupCall struct {
	*line
	worker *Worker
	key    Key
	group  types.NamespacedName
	view   *desired.GroupView
	desired.PushedGroupView
	// written: a call that changes the group was made.
	written bool
	// hidden: the app does not show the members of the group.
	hidden bool
}

// syncGroup does for a pushed group what syncAccount does for an account.
func (w *Worker) syncGroup(ctx context.Context, key Key, line *line) error {
	group := types.NamespacedName{Namespace: w.config.Key.Namespace, Name: key.Name}
	view, pushed, err := w.view.Pushed(ctx, group, w.config.Key.Name)
	if err != nil {
		return err
	}
	if view != nil {
		line.id = ledger.ID{Kind: ledger.Group, UID: view.Group.UID}
	}
	if pushed == nil || pushed.App == nil || pushed.Step.Action == "" {
		w.ledger.SetRemovals(line.id, nil)
		w.gate.made(line.id)
		w.ledger.Settled(line.id)
		return w.idle(ctx, line)
	}
	call := &groupCall{line: line, worker: w, key: key, group: group, view: view, PushedGroupView: *pushed}
	if pushed.App.Object.Spec.Suspend || !call.due() {
		return w.idle(ctx, line)
	}
	if wait, err := w.backOff(ctx, line); wait {
		return err
	}
	if !call.announced() {
		if err := w.idle(ctx, line); err != nil {
			return err
		}
		w.notify.Group(group)
		return w.countIdle(line.id, key)
	}
	err = call.perform(ctx)
	failure := connector.AsError(err)
	switch {
	case ctx.Err() != nil, failure != nil && failure.UnknownOutcome():
		w.ledger.MarkUnknown(line.id)
	case err != nil:
		w.ledger.Refused(line.id)
	}
	if failure == nil || !w.concernsOne(ctx, line.id, failure, "") {
		return err
	}
	line.alone = true
	call.fail(reasonOf(failure.Kind), failure.Error(), retryOf(failure))
	return nil
}

// due reports whether the group may be worked on now. If not, the group's reconciler enqueues the key when the next attempt is due.
func (c *groupCall) due() bool {
	if _, unwritten := c.view.Outcomes[c.AppName]; unwritten || c.Entry == nil {
		// The last outcome is written first, above all the name for the lookup.
		return false
	}
	// The retry time that an earlier process wrote for a held removal delays neither an approved one nor those who joined since: the members are read again. One for refused
	// credentials does not delay what a new token may cure.
	c.line.attempt = c.attempt()
	changed := c.Entry.HeldBatch != "" || aboutCredentials(c.Entry.Reason) || c.view.Group.Generation != c.view.Group.Status.ObservedGeneration
	return c.worker.ledger.Wait(c.id, c.line.attempt, changed, c.Entry.NextRetryTime) <= 0
}

// announced reports whether the status says that the app may have the change, so that the next process checks.
func (c *groupCall) announced() bool {
	switch c.Step.Action {
	case v1alpha1.ActionCreate:
		return c.Entry.State == v1alpha1.GroupCreating
	case v1alpha1.ActionUpdate:
		return c.Entry.Applied == ""
	default:
		return true
	}
}

// attempt names everything that the result of this step depends on.
func (c *groupCall) attempt() ledger.Attempt {
	return ledger.AttemptOf(c.App.Object.UID, c.App.Object.Generation, c.worker.config.Credentials, c.App.Object.Annotations[v1alpha1.AnnotationReconcile],
		c.view.Group.Annotations[v1alpha1.AnnotationReconcile],
		c.view.Group.Annotations[v1alpha1.AnnotationConfirmAbsence], c.Step.Action, c.Creation, c.Desired.Hash(), c.verdict().Batch, c.verdict().Allowed)
}

// verdict is what the mass-change guard decided of the members that the group is to lose.
func (c *groupCall) verdict() ledger.Verdict {
	return c.worker.ledger.Verdict(c.id, desired.RemoveMembers)
}

// retryOf returns the wait until a failed group is retried, 0 for the usual back-off.
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
			"the app has no group of this name, and requires it to exist; create it there, or set creation: Create for it in spec.groups of the ScimApp", predefinedRetry)
		return nil
	case found == nil:
		return c.createNew(ctx)
	case !predefined && !c.mine(found) && !c.App.HasFeature(v1alpha1.FeatureGroupLinking):
		c.fail(v1alpha1.ReasonAccountConflict,
			"the app has a group of this name that the operator did not create; add GroupLinking to spec.features of the ScimApp, or rename one of them", personRetry)
		return nil
	default:
		// A group that was created before a crash is found again by our id.
		mine := c.mine(found)
		if !mine {
			c.worker.ledger.ForgetHidden(c.id)
		}
		return c.update(ctx, found.ID, c.Entry.Created || mine, "Linked")
	}
}

// mine reports whether the operator created a group: it carries the group's id, or this process looked it up, did not find it, and sent its create.
func (c *groupCall) mine(found *connector.Group) bool {
	return found.ExternalID == c.view.Group.SCIMID() || (found.ExternalID == "" && c.worker.ledger.WasSent(c.id))
}

func (c *groupCall) createNew(ctx context.Context) error {
	if wait := c.worker.ledger.SettleWait(c.id, true); wait > 0 {
		return &retryLater{after: wait}
	}
	// An earlier create has made nothing: the lookup would show it. If the app refuses this one, a group that is found is not ours.
	c.worker.ledger.KnownAgain(c.id)
	if c.renamed() {
		entry := c.Entry.DeepCopy()
		entry.MatchValue = c.Desired.DisplayName
		// The name to look up is written before it is used.
		c.put(*entry, false, "")
		return nil
	}
	c.worker.ledger.Sent(c.id)
	c.worker.ledger.HidesMembers(c.id, c.Desired.Members)
	c.written = true
	created, err := c.connector().CreateGroup(ctx, connector.Group{
		DisplayName: c.Desired.DisplayName, ExternalID: c.view.Group.SCIMID(), Members: members(c.Desired.Members),
	})
	if failure := connector.AsError(err); created.MembersKnown || (err != nil && (failure == nil || !failure.UnknownOutcome())) {
		c.worker.ledger.ForgetHidden(c.id)
	}
	if err != nil {
		return err
	}
	c.worker.ledger.KnownAgain(c.id)
	c.succeed(created.ID, true, "Created")
	return nil
}

// update brings name and members in sync. The app's own list is read first, so that only the difference is written. Members are removed only when the guard lets them;
// members that are held stay, and everything else is written.
func (c *groupCall) update(ctx context.Context, id string, created bool, event string) error {
	have, err := c.connector().GetGroup(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, id, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	c.worker.ledger.Present(c.id)
	change, wait, err := c.change(ctx, have)
	if err != nil || wait {
		return err
	}
	held := len(change.held)
	if change.DisplayName != "" || len(change.Add)+len(change.Remove) > 0 || change.Want != nil {
		c.written = true
		if change.Want != nil {
			c.worker.ledger.MayHideMembers(c.id, c.Desired.Members)
		}
		after, err := c.connector().UpdateGroup(ctx, id, change.GroupChange)
		if connector.Is(err, connector.NotFound) {
			return c.missing(ctx, id, connector.AsError(err))
		}
		if err != nil {
			return err
		}
		if confirmed, err := c.confirmed(ctx, id, after, change.GroupChange); err != nil || !confirmed {
			return err
		}
	}
	c.revoked(change.users)
	if c.hidden && held == 0 {
		c.worker.ledger.HidesMembers(c.id, c.Desired.Members)
	}
	if held > 0 {
		c.hold(id, created, held)
		return nil
	}
	c.succeed(id, created, event)
	return nil
}

// confirmed reports whether the app shows the members that were added, and none that were removed. An answer that does not show the members is followed by one read.
func (c *groupCall) confirmed(ctx context.Context, id string, after connector.Group, change connector.GroupChange) (bool, error) {
	if len(change.Add)+len(change.Remove) == 0 {
		return true, nil
	}
	if !after.MembersKnown {
		read, err := c.connector().GetGroup(ctx, id)
		if err != nil {
			c.worker.ledger.MarkUnknown(c.id)
			return false, err
		}
		after = read
	}
	shown := make(map[string]bool, len(after.Members))
	for _, member := range after.Members {
		shown[member.ID] = true
	}
	switch {
	case slices.ContainsFunc(change.Remove, func(m connector.Member) bool { return shown[m.ID] }):
		c.notApplied("members that were removed")
		return false, nil
	case after.MembersKnown && slices.ContainsFunc(change.Add, func(m connector.Member) bool { return !shown[m.ID] }):
		c.notApplied("the group without members that were added")
		return false, nil
	}
	return true, nil
}

// notApplied records that the app confirmed the call but still shows the group as it was; the call is retried.
func (c *groupCall) notApplied(what string) {
	c.worker.ledger.MarkUnknown(c.id)
	c.alone = true
	c.fail(v1alpha1.ReasonNotApplied, "the app answered with success, but still shows "+what+"; retrying. If this stays, ask the vendor why the app does not apply the change", 0)
}

// missing handles the answer that the app does not have the group.
func (c *groupCall) missing(ctx context.Context, id string, failure *connector.Error) error {
	absent, event, wait := true, ledger.EventAbsenceConfirmed, time.Duration(0)
	var err error
	if !c.absenceConfirmed(id) {
		event = eventNotFound
		absent, wait, err = c.worker.absent(ctx, c.line, failure, "", func(ctx context.Context) (bool, error) {
			if shown, err := c.shows(ctx, id, failure); shown || err != nil {
				return shown, err
			}
			found, err := c.findBy(ctx, c.Desired.DisplayName)
			return found != nil && found.ID == id, err
		})
	}
	switch {
	case err != nil:
		return err
	case !absent:
		c.alone = true
		c.fail(v1alpha1.ReasonAbsenceUnproven, fmt.Sprintf(messageAbsence, "group")+annotate("scimgroup", c.group.Name, v1alpha1.AnnotationConfirmAbsence, c.AppName, id), wait)
	case c.Step.Action == v1alpha1.ActionDelete && event == ledger.EventAbsenceConfirmed:
		c.settled(*c.Entry.DeepCopy(), true, event)
	case c.Step.Action == v1alpha1.ActionDelete:
		c.settled(*c.Entry.DeepCopy(), true, "")
	default:
		entry := c.Entry.DeepCopy()
		entry.State, entry.RemoteID, entry.Applied, entry.HeldBatch, entry.Held, entry.HeldMembers = v1alpha1.GroupCreating, "", "", "", 0, ""
		entry.MatchValue = plan.StorableMatchValue(c.Desired.DisplayName)
		c.worker.ledger.Present(c.id)
		c.worker.ledger.ForgetHidden(c.id)
		c.settled(*entry, false, event)
	}
	return nil
}

// renamed reports whether the group has another name than the one with which its create was decided.
func (c *groupCall) renamed() bool {
	return c.Entry.MatchValue != "" && scim.Fold(c.Entry.MatchValue) != scim.Fold(c.Desired.DisplayName)
}

// find finds the group: under the name with which its create was decided, should it have another one since, then under its own. The former name may be another
// group's by now: only our id tells.
func (c *groupCall) find(ctx context.Context) (*connector.Group, error) {
	if c.renamed() {
		found, err := c.findBy(ctx, c.Entry.MatchValue)
		if err != nil || (found != nil && c.mine(found)) {
			return found, err
		}
	}
	return c.findBy(ctx, c.Desired.DisplayName)
}

// findBy finds a group by its name; if there are several, the one that the operator created.
func (c *groupCall) findBy(ctx context.Context, displayName string) (*connector.Group, error) {
	groups, err := c.connector().FindGroups(ctx, displayName)
	if err != nil {
		return nil, err
	}
	var found *connector.Group
	for i := range groups {
		switch {
		case scim.Fold(groups[i].DisplayName) != scim.Fold(connector.BoundText(displayName)):
		case groups[i].ExternalID == c.view.Group.SCIMID():
			return &groups[i], nil
		case found == nil:
			found = &groups[i]
		}
	}
	return found, nil
}

// staleFor is how long the app may show the group as it was before a write, if the read before this call may have been so old, 0 if not.
func (c *groupCall) staleFor(now time.Time) time.Duration {
	settle := c.worker.config.Settle
	if c.Entry.UpdatedTime == nil {
		return 0
	}
	// The status keeps whole seconds, perhaps of a clock that was ahead.
	left := min(settle, c.Entry.UpdatedTime.Add(settle+time.Second).Sub(now))
	if left > 0 && c.written {
		return settle
	}
	return max(0, left)
}

// succeed records that the app has the group as desired. While a late effect of an earlier change is possible, or the app may have shown the group as it was before the last
// one, it is read once more after the settle time.
func (c *groupCall) succeed(remoteID string, created bool, event string) {
	now := c.worker.clock.Now()
	entry := c.entry(remoteID, created)
	wait := max(c.worker.ledger.SettleWait(c.id, c.Entry.State == v1alpha1.GroupPushed), c.staleFor(now))
	if wait <= 0 {
		entry.Applied = c.Desired.Hash()
		c.worker.ledger.KnownAgain(c.id)
		c.settled(entry, false, event)
		return
	}
	next := metav1.NewTime(now.Add(wait + time.Second).Truncate(time.Second))
	entry.NextRetryTime = &next
	c.worker.gate.made(c.id)
	c.worker.ledger.SetRemovals(c.id, nil)
	c.worker.ledger.Tried(c.id, c.attempt())
	c.put(entry, false, event)
}

// hold records that everything but held removals was written.
func (c *groupCall) hold(remoteID string, created bool, held int) {
	entry := c.entry(remoteID, created)
	// Members whose removal is held are still in the group. Where the app does not show them, none is added, either.
	if c.hidden {
		entry.Members = int32(min(held, v1alpha1.MaxMembers))
	}
	entry.Members = max(entry.Members, c.Entry.Members)
	entry.HeldBatch, entry.Held, entry.HeldMembers = c.verdict().Batch, int32(min(held, v1alpha1.MaxMembers)), c.worker.ledger.HeldRemovals(c.id)
	entry.Reason = v1alpha1.ReasonHeld
	entry.Message = "the mass-change guard holds the removal of members in batch " + entry.HeldBatch + "; the condition MassChangeHeld of the ScimApp says how to approve it"
	next := metav1.NewTime(c.worker.clock.Now().Add(kube.Jitter(personRetry)).Truncate(time.Second))
	entry.NextRetryTime = &next
	c.worker.ledger.Tried(c.id, c.attempt())
	c.put(entry, false, "")
}

// entry is the status of a group that the app has, while it is not confirmed to be in sync.
func (c *groupCall) entry(remoteID string, created bool) v1alpha1.PushedGroupStatus {
	now := metav1.NewTime(c.worker.clock.Now())
	entry := v1alpha1.PushedGroupStatus{
		App: c.AppName, State: v1alpha1.GroupPushed, RemoteID: remoteID, Created: created,
		Members:         int32(min(len(c.Desired.Members), v1alpha1.MaxMembers)),
		ProvisionedTime: c.Entry.ProvisionedTime, UpdatedTime: c.Entry.UpdatedTime,
	}
	if c.written || entry.UpdatedTime == nil {
		entry.UpdatedTime = &now
	}
	if entry.ProvisionedTime == nil {
		entry.ProvisionedTime = &now
	}
	return entry
}

func (c *groupCall) fail(reason, message string, wait time.Duration) {
	entry := c.Entry.DeepCopy()
	entry.Attempts++
	entry.Reason, entry.Message = reason, kube.EntryMessage(message)
	if wait == 0 {
		wait = kube.Backoff(entry.Attempts, accountRetryBase, accountRetryMax)
	}
	next := metav1.NewTime(c.worker.clock.Now().Add(kube.Jitter(wait)).Truncate(time.Second))
	entry.NextRetryTime = &next
	c.worker.ledger.Tried(c.id, c.attempt())
	c.put(*entry, false, "")
}

// settled records the end of a step. The ledger then keeps only its outcome.
func (c *groupCall) settled(entry v1alpha1.PushedGroupStatus, drop bool, event string) {
	c.worker.ledger.SetRemovals(c.id, nil)
	c.worker.gate.made(c.id)
	c.worker.ledger.Settled(c.id)
	if drop {
		c.worker.ledger.ForgetHidden(c.id)
	}
	c.put(entry, drop, event)
}

func (c *groupCall) put(entry v1alpha1.PushedGroupStatus, drop bool, event string) {
	c.worker.ledger.PutGroup(c.view.Group.UID, ledger.Outcome[v1alpha1.PushedGroupStatus]{Entry: entry, Drop: drop, At: c.worker.clock.Now(), Event: event})
}
