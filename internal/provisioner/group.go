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
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// predefinedRetry is how often an app is asked for a group that has to be made there first (S51).
const predefinedRetry = 5 * time.Minute

const (
	// awaitRetry is how often a linked group is read again while members of it may become accounts of users.
	awaitRetry = 30 * time.Second

	messageAwaiting = "%d members of the group in the app are no account of a ScimUser yet; they are removed once the accounts of all members of the ScimGroup are linked, or after an approval"
)

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
	// hidden: the app does not show the members of the group, so that a change replaces all of them.
	hidden bool
	// showsNone: the app confirms members, and then shows a group without any.
	showsNone bool
	// awaiting are members who are no account of a user yet, and may become one: their removal waits.
	awaiting int
	// refused are members that the app does not take.
	refused []connector.Member
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
	if call.Entry != nil {
		// The outcome of a failure keeps what this call finds out.
		call.Entry = call.Entry.DeepCopy()
	}
	if _, suspended := pushed.App.Object.Suspended(); suspended || !call.due() {
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
	batch := w.MembersPerRequest()
	err = call.perform(ctx)
	if w.MembersPerRequest() != batch {
		w.notify.App(w.config.Key)
	}
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
		// The id stays: should the group be found again, it is ours.
		entry.State, entry.Applied, entry.HeldBatch, entry.Held, entry.HeldMembers, entry.MembersHidden = v1alpha1.GroupCreating, "", "", 0, "", false
		entry.MatchValue = plan.StorableMatchValue(c.Desired.DisplayName)
		entry.Reason, entry.Message, entry.Attempts, entry.NextRetryTime = "", "", 0, nil
		c.worker.ledger.Present(c.id)
		c.worker.ledger.ForgetMembers(c.id)
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
// one, it is read once more after the settle time; the same where it shows no members for the first time.
func (c *groupCall) succeed(remoteID string, created bool, event string) {
	now := c.worker.clock.Now()
	entry := c.entry(remoteID, created)
	wait := max(c.worker.ledger.SettleWait(c.id, c.Entry.State == v1alpha1.GroupPushed), c.staleFor(now))
	if c.showsNone && !c.Entry.MembersHidden {
		wait = max(wait, c.worker.config.Settle)
	}
	if c.awaiting > 0 {
		wait = max(wait, awaitRetry)
		entry.Reason, entry.Message = v1alpha1.ReasonMembersPending, fmt.Sprintf(messageAwaiting, c.awaiting)
	}
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
		ProvisionedTime: c.Entry.ProvisionedTime, UpdatedTime: c.Entry.UpdatedTime, MembersHidden: c.hidden || c.showsNone,
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
	c.failAs(*c.Entry.DeepCopy(), reason, message, wait)
}

// failAs records a failure of a group whose status is otherwise as given.
func (c *groupCall) failAs(entry v1alpha1.PushedGroupStatus, reason, message string, wait time.Duration) {
	entry.Attempts = c.Entry.Attempts + 1
	entry.Reason, entry.Message = reason, kube.EntryMessage(message)
	if wait == 0 {
		wait = kube.Backoff(entry.Attempts, accountRetryBase, accountRetryMax)
	}
	next := metav1.NewTime(c.worker.clock.Now().Add(kube.Jitter(wait)).Truncate(time.Second))
	entry.NextRetryTime = &next
	c.worker.ledger.Tried(c.id, c.attempt())
	c.put(entry, false, "")
}

// settled records the end of a step. The ledger then keeps only its outcome.
func (c *groupCall) settled(entry v1alpha1.PushedGroupStatus, drop bool, event string) {
	c.worker.ledger.SetRemovals(c.id, nil)
	c.worker.gate.made(c.id)
	c.worker.ledger.Settled(c.id)
	if drop {
		c.worker.ledger.ForgetMembers(c.id)
	}
	c.put(entry, drop, event)
}

func (c *groupCall) put(entry v1alpha1.PushedGroupStatus, drop bool, event string) {
	c.worker.ledger.PutGroup(c.view.Group.UID, ledger.Outcome[v1alpha1.PushedGroupStatus]{Entry: entry, Drop: drop, At: c.worker.clock.Now(), Event: event})
}
