// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/resource"
)

// Waits after a failure of a single account.
const (
	accountRetryBase = 5 * time.Second
	accountRetryMax  = 10 * time.Minute
	// personRetry is the wait where only a person can help: the retry finds out whether they did.
	personRetry = time.Hour
)

// accountCall is one reconcile of an account and the step that follows.
type accountCall struct {
	*line
	worker *Worker
	key    Key
	user   types.NamespacedName
	view   *desired.UserView
	desired.AccountView
	// held are the accounts in the app that this call holds.
	held []string
	// refused are the attributes that the app refuses and that every account needs.
	refused []string
	// wroteSome: the app has accepted a request of this step, also if a later one fails.
	wroteSome bool
}

// syncAccount decides the next step of an account right before the call, and takes it. Its error is about the app as a whole; a failure of
// this account alone becomes its outcome.
func (w *Worker) syncAccount(ctx context.Context, key Key, line *line) error {
	user := types.NamespacedName{Namespace: w.config.Key.Namespace, Name: key.Name}
	read := w.clock.Now()
	view, account, err := w.view.Account(ctx, user, w.config.Key.Name)
	if err != nil {
		return err
	}
	if view != nil {
		line.id = ledger.ID{Kind: ledger.Account, UID: view.User.UID}
	}
	if account == nil || account.App == nil || account.Step.Action == "" {
		w.gate.made(line.id)
		w.ledger.Settled(line.id)
		if account == nil {
			// Not even a create is announced.
			w.ledger.KnownAgain(line.id)
		}
		return w.idle(ctx, line)
	}
	call := &accountCall{line: line, worker: w, key: key, user: user, view: view, AccountView: *account}
	if due, err := call.due(ctx); !due || err != nil {
		return err
	}
	defer func() { w.ledger.Release(call.held) }()
	if account.Recorded.RemoteID != "" {
		if err := call.hold(account.Recorded.RemoteID, read); err != nil {
			return err
		}
	}
	return call.make(ctx)
}

// due reports whether the step may be taken now. If not, the key is enqueued again: by the user's reconciler when a status is written or the next attempt is
// due, by the guard when it has counted.
func (c *accountCall) due(ctx context.Context) (bool, error) {
	if _, suspended := c.App.Object.Suspended(); suspended {
		return false, c.worker.idle(ctx, c.line)
	}
	if _, unwritten := c.view.Outcomes[c.AppName]; unwritten {
		// The last outcome is written first, above all the id of the account: a crash would lose it.
		return false, c.worker.idle(ctx, c.line)
	}
	if !c.Announced {
		return false, c.announce(ctx)
	}
	// Only the earlier process knew the owner that an account in conflict waits for, and the credentials that were refused: either may have changed.
	changed := c.Stored.Planned != c.Step.Action || c.Recorded.Reason == v1alpha1.ReasonAccountConflict || aboutCredentials(c.Recorded.Reason)
	c.line.attempt = c.attempt()
	if c.worker.ledger.Wait(c.id, c.line.attempt, changed, c.Recorded.NextRetryTime) > 0 {
		return false, c.worker.idle(ctx, c.line)
	}
	if wait, err := c.worker.backOff(ctx, c.line); wait {
		return false, err
	}
	if NeedsSeat(c.Step.Action) && c.worker.queue.rejoin(c.key) {
		return false, c.worker.idle(ctx, c.line)
	}
	if c.Step.Action == v1alpha1.ActionObserve {
		if wait := c.Unsettled.SettledFrom.Sub(c.worker.clock.Now()); wait > 0 {
			return false, &retryLater{after: wait}
		}
		return true, nil
	}
	if c.Step.Guarded() && !c.passes() {
		return false, c.worker.idle(ctx, c.line)
	}
	return true, nil
}

// passes reports whether the mass-change guard lets the step be taken. It is not asked where a person has locked the user.
func (c *accountCall) passes() bool {
	if c.ByLock {
		return true
	}
	if c.Step.Empties {
		c.worker.ledger.AskEmptied(c.Step.Clear)
		if verdict := c.worker.ledger.Verdict(c.id, string(c.Step.Effect)); verdict.Allowed && !verdict.Covers(c.Step.Emptied()) {
			// More is to be cleared than was counted.
			c.worker.gate.submit()
			return false
		}
	}
	return c.worker.gate.pass(c.id, string(c.Step.Effect), c.Step.Revocation && c.ByProvider)
}

// announce makes the user's reconciler write the operation; the key is then enqueued again. While the app does not answer, nothing is announced.
func (c *accountCall) announce(ctx context.Context) error {
	if c.Step.Guarded() && !c.passes() {
		return c.worker.idle(ctx, c.line)
	}
	if err := c.worker.idle(ctx, c.line); err != nil {
		return err
	}
	c.worker.notify.User(c.user)
	return c.worker.countIdle(c.id, c.key)
}

// attempt names everything that the result of this step depends on.
func (c *accountCall) attempt() ledger.Attempt {
	return ledger.AttemptOf(c.App.Object.UID, c.App.Object.Generation, c.worker.config.Credentials, c.worker.ledger.Woken(c.id),
		c.App.Object.Annotations[v1alpha1.AnnotationReconcile], c.view.User.Annotations[v1alpha1.AnnotationReconcile], c.ByLock,
		c.view.User.Annotations[v1alpha1.AnnotationConfirmAbsence], c.view.User.Annotations[v1alpha1.AnnotationConfirmAccount],
		c.Step.Action, plan.HashValues(c.Desired.Values).String())
}

// make takes the step. What may have taken effect stays unsettled.
func (c *accountCall) make(ctx context.Context) error {
	book := c.worker.ledger
	writes := !slices.Contains([]v1alpha1.AccountAction{v1alpha1.ActionCreate, v1alpha1.ActionObserve, v1alpha1.ActionRelease, v1alpha1.ActionCheck}, c.Step.Action)
	if writes {
		if protected, err := c.protected(ctx); protected || err != nil {
			return c.finish(ctx, err)
		}
		digest := string(c.Step.Action) + " " + plan.HashValues(c.Desired.Values).String() + fmt.Sprint(c.Step.Set, c.Step.Clear)
		book.Begin(c.id, plan.OperationOf(c.Step, c.Desired, c.App.Policy(c.Desired, c.Recorded)), digest)
		if announced, err := c.worker.view.StillAnnounced(ctx, c.view.User, &c.AccountView); !announced || err != nil {
			book.Withdraw(c.id)
			return cmp.Or(err, error(&retryLater{after: holdWait}))
		}
	}
	err := c.perform(ctx)
	failure := connector.AsError(err)
	switch unknown := ctx.Err() != nil || (failure != nil && failure.UnknownOutcome()); {
	case !writes && unknown && c.Step.Action == v1alpha1.ActionCreate:
		book.MarkUnknown(c.id)
	case !writes && err != nil:
		book.Refused(c.id)
	case writes && unknown:
		c.unknown()
	case writes && err != nil && c.wroteSome:
		// The app has some of the attributes.
		book.Unknown(c.id)
	case writes && err != nil:
		book.Failed(c.id)
	}
	return c.finish(ctx, err)
}

// finish turns a failure of this account into its outcome and returns the others.
func (c *accountCall) finish(ctx context.Context, err error) error {
	failure := connector.AsError(err)
	if failure != nil && failure.Op == connector.OpCreateUser && failure.Kind == connector.ServerError && c.worker.ledger.Failures(c.id) > 0 {
		// Some apps answer the create of an account that exists in another spelling so.
		looked := c.worker.clock.Now()
		if found, findErr := c.findOtherwise(ctx, false); found != nil && findErr == nil {
			return c.adopt(ctx, found, looked)
		}
	}
	if failure != nil && failure.Kind == connector.NoSeats && NeedsSeat(c.Step.Action) {
		c.noSeat(failure)
		return nil
	}
	if failure == nil || !c.worker.concernsOne(ctx, c.id, failure, c.Recorded.RemoteID) {
		return err
	}
	c.alone = true
	message := failure.For(c.personal())
	if len(c.refused) > 0 {
		message = "the app refuses " + strings.Join(c.refused, ", ") + ", without which the account is not written; change the value or its mapping. " + message
	}
	c.fail(reasonOf(failure.Kind), message, failure.Retriable())
	return nil
}

// personal returns all values of the user, which are redacted from the app's error text.
func (c *accountCall) personal() []string {
	return append(connector.Personal(resource.Variables(c.view.User)), connector.Personal(c.Desired.Values)...)
}

func (c *accountCall) perform(ctx context.Context) error {
	switch c.Step.Action {
	case v1alpha1.ActionCreate:
		return c.create(ctx)
	case v1alpha1.ActionUpdate:
		return c.update(ctx)
	case v1alpha1.ActionReactivate:
		return c.reactivate(ctx)
	case v1alpha1.ActionDeactivate, v1alpha1.ActionDelete:
		return c.revoke(ctx)
	case v1alpha1.ActionObserve:
		return c.observe(ctx)
	case v1alpha1.ActionCheck:
		return c.check(ctx)
	case v1alpha1.ActionRelease:
		c.release()
		return nil
	default:
		return fmt.Errorf("no such action: %s", c.Step.Action)
	}
}

// hold reserves an account until this call ends.
func (c *accountCall) hold(remoteID string, since time.Time) error {
	if !c.worker.ledger.Hold(remoteID, since) {
		return &retryLater{after: holdWait}
	}
	c.held = append(c.held, remoteID)
	return nil
}

// observe reads the account and records what it shows of everything that the operation may have changed.
func (c *accountCall) observe(ctx context.Context) error {
	user, err := c.connector().GetUser(ctx, c.Recorded.RemoteID)
	if connector.Is(err, connector.NotFound) {
		return c.missing(ctx, c.Recorded.RemoteID, connector.AsError(err))
	}
	if err != nil {
		return err
	}
	c.worker.ledger.Present(c.id)
	var op *plan.Operation
	if c.Unsettled != nil {
		op = c.Unsettled.Operation
	}
	after := plan.Settle(c.Desired, c.Recorded, op, c.App.Observed(user), c.App.Policy(c.Desired, c.Recorded))
	c.worker.ledger.Observed(c.id)
	c.regained(after.State)
	if op != nil && plan.Lost(c.Recorded, &after) {
		c.lost(&after)
	}
	batch := after.HeldBatch
	c.clear(&after)
	if !c.Step.Revocation {
		c.settled(after, false, "")
		return nil
	}
	// The revocation that may follow stays in its batch, with its verdict.
	after.Planned, after.HeldBatch = c.Step.Effect, batch
	c.worker.ledger.Settled(c.id)
	c.put(after, false, "")
	return nil
}

// release leaves the account as it is.
func (c *accountCall) release() {
	entry := c.Recorded.DeepCopy()
	entry.State, entry.Operation = v1alpha1.AccountOrphaned, nil
	c.clear(entry)
	c.worker.ledger.Observed(c.id)
	c.own(c.Recorded.RemoteID, false)
	if entry.RemoteID == "" {
		// Nothing is known to exist.
		c.settled(*entry, true, "")
		return
	}
	c.settled(*entry, false, "Released")
}

// clear removes the planned step from a status.
func (c *accountCall) clear(entry *v1alpha1.Account) {
	entry.Planned, entry.PlannedAttributes, entry.HeldBatch = "", nil, ""
	entry.Reason, entry.Message, entry.Attempts, entry.NextRetryTime = "", "", 0, nil
	entry.MatchValue = ""
}

// drop records that the app has no account of this user any more: its status is to be dropped.
func (c *accountCall) drop(event string) {
	c.own(c.Recorded.RemoteID, false)
	c.worker.ledger.Observed(c.id)
	c.worker.ledger.Present(c.id)
	if revokes(event) {
		c.revoked()
		c.seat()
	}
	c.settled(*c.Recorded.DeepCopy(), true, event)
}

// revokes reports whether an account was dropped because it was revoked, and not because it was not there.
func revokes(event string) bool { return event != "" && event != ledger.EventAbsenceConfirmed }

// revoked counts a revocation that was made. One that a person has approved, or meant by a lock, does not count.
func (c *accountCall) revoked() (counts bool) {
	if !c.Step.Revocation {
		return false
	}
	approved := c.ByLock || c.worker.gate.approved(c.id)
	c.worker.ledger.AddRevoked(c.guardID(), ledger.Revoked{
		At: c.worker.clock.Now(), Leaver: c.ByProvider, Approved: approved, Ended: c.Step.Effect != v1alpha1.ActionUpdate,
	})
	return !approved
}

func (c *accountCall) guardID() string { return ledger.GuardID(c.Recorded.RemoteID, c.view.User.UID) }

// succeed records a success. written is what the app now has of the mapped attributes, roles are those of the account.
func (c *accountCall) succeed(state v1alpha1.AccountState, remoteID, event string, roles []string, written plan.Applied) {
	now := metav1.NewTime(c.worker.clock.Now())
	entry := v1alpha1.Account{
		App: c.AppName, State: state, RemoteID: remoteID,
		ProvisionedTime: c.Recorded.ProvisionedTime, UpdatedTime: &now, RevokedTime: c.Recorded.RevokedTime, ClearedTime: c.Recorded.ClearedTime,
		Roles: plan.BoundedRoles(roles, c.Desired.Roles), Applied: written.String(),
		CheckedTime: c.Recorded.CheckedTime, CheckedFor: c.Recorded.CheckedFor, Differences: c.remaining(),
	}
	if entry.ProvisionedTime == nil {
		entry.ProvisionedTime = &now
	}
	c.regained(state)
	if c.revoked() {
		entry.RevokedTime = &now
	}
	if c.Step.Empties && !c.worker.gate.approved(c.id) {
		entry.ClearedTime = &now
	}
	if left := c.worker.ledger.Succeeded(c.id, c.Step); left != nil {
		// A late effect of an earlier call is possible still; it is observed.
		entry.Operation = left.Status(now)
	}
	c.worker.ledger.Present(c.id)
	c.own(remoteID, state == v1alpha1.AccountActive)
	if event != "Linked" {
		c.seat()
	}
	c.settled(entry, false, event)
}

// own records the owner of an account until the cache shows it.
func (c *accountCall) own(remoteID string, active bool) {
	c.worker.ledger.Own(remoteID, c.view.User.Name, c.view.User.UID, active)
}

// unknown says that the call may have taken effect. A revocation counts from now on: the cause may be fixed before it is settled.
func (c *accountCall) unknown() {
	c.worker.ledger.Unknown(c.id)
	c.revoked()
}

// lost records the time of a revocation whose answer was lost and which an observation shows. One that a person has approved, or meant by a lock, does not count.
func (c *accountCall) lost(after *v1alpha1.Account) {
	if !c.worker.ledger.RevocationApproved(c.guardID()) {
		now := metav1.NewTime(c.worker.clock.Now())
		after.RevokedTime = &now
	}
}

// regained ends the approval of a deactivation that is undone.
func (c *accountCall) regained(state v1alpha1.AccountState) {
	if state == v1alpha1.AccountActive && c.Recorded.State == v1alpha1.AccountInactive {
		c.worker.ledger.Reactivated(c.guardID())
	}
}

// notApplied records that the app confirmed the call but shows the account as it was: the outcome is unknown until an observation, and the call is retried.
func (c *accountCall) notApplied(what string) {
	c.unknown()
	c.alone = true
	c.fail(v1alpha1.ReasonNotApplied, "the app answered with success, but still shows "+what+"; retrying. If this stays, ask the vendor why the app does not apply the change", true)
}

// fail records a failure of this account alone, with the time of the next attempt. The operation stays announced.
func (c *accountCall) fail(reason, message string, retriable bool) {
	wait := personRetry
	if retriable {
		wait = kube.Backoff(c.attempts()+1, accountRetryBase, accountRetryMax)
	}
	c.failFor(reason, message, kube.Jitter(wait))
}

// attempts that failed so far of the same change.
func (c *accountCall) attempts() int32 {
	if c.Recorded.Planned != c.Step.Action {
		return 0
	}
	return c.Recorded.Attempts
}

func (c *accountCall) failFor(reason, message string, wait time.Duration) {
	entry := c.Recorded.DeepCopy()
	entry.Attempts = c.attempts() + 1
	entry.Planned, entry.Reason, entry.Message = c.Step.Action, reason, kube.EntryMessage(message)
	if left := c.worker.ledger.Unsettled(c.id); left != nil && entry.Operation == nil {
		entry.Operation = left.Operation.Status(metav1.NewTime(c.worker.clock.Now()))
	}
	next := metav1.NewTime(c.worker.clock.Now().Add(wait).Truncate(time.Second))
	entry.NextRetryTime = &next
	c.worker.ledger.Tried(c.id, c.attempt())
	c.put(*entry, false, "")
}

// settled records the end of a step. The ledger then keeps only its outcome, and an operation that is not settled.
func (c *accountCall) settled(entry v1alpha1.Account, drop bool, event string) {
	if len(c.Step.Withheld) == 0 {
		// What is withheld stays in its batch.
		c.worker.gate.made(c.id)
	}
	c.worker.ledger.Settled(c.id)
	c.put(entry, drop, event)
}

// put hands the outcome to the user's reconciler, the only writer of the status.
func (c *accountCall) put(entry v1alpha1.Account, drop bool, event string) {
	c.worker.ledger.PutAccount(c.view.User.UID, ledger.Outcome[v1alpha1.Account]{
		Entry: entry, Drop: drop, At: c.worker.clock.Now(), Event: event,
		Revoked: drop && revokes(event) && c.Step.Revocation && !c.ByLock,
	})
}

// rolesAfter are the roles of an account after its attributes were written.
func (c *accountCall) rolesAfter(names ...string) []string {
	if c.App.RoleAttribute() == "" || slices.Contains(names, c.App.RoleAttribute()) {
		return c.Desired.Roles
	}
	return c.Recorded.Roles
}

// hashes are of what was last written to the account, as far as it is known.
func (c *accountCall) hashes() plan.Applied { return plan.ParseApplied(c.Recorded.Applied) }
