// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// Waits after a failure of a single account.
const (
	accountRetryBase = 5 * time.Second
	accountRetryMax  = 10 * time.Minute
	// personRetry is the wait where only a person can help: it is tried again now and then, in case they did.
	personRetry = time.Hour
)

// accountCall is one look at an account and what it leads to.
type accountCall struct {
	*line
	app  *App
	key  Key
	user types.NamespacedName
	view *desired.UserView
	desired.AccountView
	// held are the accounts in the app that this call is at.
	held []string
}

// syncAccount decides afresh what the account needs, right before the call, and does it. Its error is about the app as a whole; what
// concerns this account alone becomes its outcome.
func (a *App) syncAccount(ctx context.Context, key Key, line *line) error {
	user := types.NamespacedName{Namespace: a.config.Key.Namespace, Name: key.Name}
	read := a.clock.Now()
	view, account, err := a.view.Account(ctx, user, a.config.Key.Name)
	if err != nil {
		return err
	}
	if account == nil || account.App == nil || account.Step.Action == "" {
		a.gate.made(key.Name)
		return a.idle(ctx, key, line)
	}
	call := &accountCall{line: line, app: a, key: key, user: user, view: view, AccountView: *account}
	if account.App.Object.Spec.Suspend || !call.due() {
		return nil
	}
	if !account.Announced {
		// The reconciler writes first what is about to be done, and brings the key back.
		a.notify.User(user)
		return nil
	}
	defer call.release()
	if account.Entry.RemoteID != "" {
		if err := call.hold(account.Entry.RemoteID, read); err != nil {
			return err
		}
	}
	return call.make(ctx)
}

// make makes the change. Where its outcome stays unknown, the account is in doubt.
func (c *accountCall) make(ctx context.Context) error {
	ended := c.app.view.Attempt(c.view.User, c.AppName, c.Step)
	err := c.perform(ctx)
	failure := connector.AsError(err)
	made, unknown := err == nil, ctx.Err() != nil || (failure != nil && failure.UnknownOutcome())
	err = c.finish(ctx, err)
	ended(made, unknown)
	return err
}

// due is whether the account may be worked on now. If not, the key comes back: from the user's reconciler when the intent is written or the
// time of the next try has come, from the guard when it has counted.
func (c *accountCall) due() bool {
	if c.Entry == nil || c.Entry.State == v1alpha1.AccountPending {
		return false
	}
	if _, unwritten := c.view.Outcomes[c.AppName]; unwritten && c.Step.Action == v1alpha1.ActionCreate {
		// The name to look the account up by has to stand in etcd before an account of that name is made: should this process die of it, the
		// next one would not find it.
		return false
	}
	what, changed := attemptOf(c.view, &c.AccountView), c.Entry.Planned != c.Step.Action
	if c.app.patience.wait(c.key, what, changed, c.Entry.NextRetryTime, c.app.clock.Now()) > 0 {
		return false
	}
	return !c.Step.Revocation || c.app.gate.pass(c.key.Name, string(c.Step.Action))
}

// Passed is whether the guard has let the user's revocation through.
func (a *App) Passed(user string) bool { return a.gate.passes(user) }

// finish turns a failure of this account into its outcome and hands the others up.
func (c *accountCall) finish(ctx context.Context, err error) error {
	failure := connector.AsError(err)
	if failure == nil || !c.app.concernsOne(ctx, c.key, failure) {
		return err
	}
	c.alone = true
	if failure.UnknownOutcome() {
		c.app.markUnknown(c.key)
	}
	c.fail(reasonOf(failure.Kind), failure.Error(), failure.Retriable())
	return nil
}

func (c *accountCall) perform(ctx context.Context) error {
	switch c.Step.Action {
	case v1alpha1.ActionCreate:
		return c.create(ctx)
	case v1alpha1.ActionUpdate:
		return c.update(ctx)
	case v1alpha1.ActionReactivate:
		return c.reactivate(ctx, c.Entry.RemoteID)
	case v1alpha1.ActionDeactivate, v1alpha1.ActionDelete:
		return c.revoke(ctx)
	case v1alpha1.ActionRelease:
		c.succeed(v1alpha1.AccountOrphaned, c.Entry.RemoteID, "Released", c.applied())
		return nil
	default:
		return fmt.Errorf("no such action: %s", c.Step.Action)
	}
}

// create looks the account up, links it if it is there and creates it otherwise. At most two calls.
func (c *accountCall) create(ctx context.Context) error {
	looked := c.app.clock.Now()
	found, err := c.find(ctx)
	if err != nil {
		return err
	}
	if found == nil {
		return c.createNew(ctx)
	}
	if reason, message := c.refusal(found); reason != "" {
		c.fail(reason, message, false)
		return nil
	}
	if err := c.hold(found.ID, looked); err != nil {
		return err
	}
	owner, err := c.otherOwner(ctx, found.ID)
	switch {
	case err != nil:
		return err
	case owner != "":
		return c.contested(ctx, owner)
	default:
		return c.link(ctx, found)
	}
}

// refusal is why an account that was found is not linked, if so.
func (c *accountCall) refusal(found *connector.User) (reason, message string) {
	switch {
	case c.App.Protected(found.UserName):
		return v1alpha1.ReasonAccountProtected, "the account in the app is listed in spec.protectedAccounts of the ScimApp and never changed"
	case c.App.Object.Spec.Adoption == v1alpha1.AdoptionNever && found.ExternalID != c.view.User.SCIMID():
		return v1alpha1.ReasonAccountConflict, "the app has an account of this name that the operator did not make, and spec.adoption of the ScimApp is " +
			"Never; set it to Link, or remove the account in the app"
	default:
		return "", ""
	}
}

func (c *accountCall) createNew(ctx context.Context) error {
	if wait := c.app.unsettled(c.key); wait > 0 {
		return &retryLater{after: wait}
	}
	if current := c.App.MatchValue(c.Wanted); c.Entry.MatchValue != "" && scim.Fold(c.Entry.MatchValue) != scim.Fold(current) {
		entry := c.Entry.DeepCopy()
		entry.MatchValue = current
		// The name to look up is written before it is used.
		c.put(*entry, false, "")
		return nil
	}
	values := c.Wanted.Values
	if _, mapped := values["externalId"]; c.App.Profile.KeepsExternalID && !mapped {
		values = maps.Clone(values)
		values["externalId"] = c.view.User.SCIMID()
	}
	created, err := c.connector().CreateUser(ctx, values)
	if connector.Is(err, connector.Conflict) {
		// Somebody was faster, or a lookup trails: what is in the way is linked at the next look.
		c.fail(v1alpha1.ReasonAccountConflict, "the app says that the account exists, but a lookup did not show it; it is looked up again. If this stays, the app may "+
			"compare letter case: look there for the same name in another spelling", true)
		return nil
	}
	if err != nil {
		return err
	}
	c.succeed(v1alpha1.AccountActive, created.ID, "Created", plan.HashValues(c.Wanted.Values))
	return nil
}

// link takes over an account that exists: brings its attributes to what they should be, and activates it.
func (c *accountCall) link(ctx context.Context, found *connector.User) error {
	differing := c.differing(found)
	c.keepIdentifier(found, differing)
	if !found.Active {
		if !c.App.HasFeature(v1alpha1.FeatureReactivateUsers) {
			c.fail(v1alpha1.ReasonFeatureOff, "the account exists in the app and is inactive; switch ReactivateUsers on in spec.features of the ScimApp", false)
			return nil
		}
		return c.reactivate(ctx, found.ID)
	}
	id := found.ID
	written := plan.HashValues(c.Wanted.Values)
	if len(differing) > 0 && !c.App.HasFeature(v1alpha1.FeaturePushProfileUpdates) {
		// They differ until the feature is switched on.
		written = written.With(nil, nil, slices.Collect(maps.Keys(differing)))
	} else if len(differing) > 0 {
		updated, err := c.connector().UpdateUser(ctx, id, connector.Change{Set: differing, Full: c.Wanted.Values})
		if err != nil {
			return err
		}
		id = firstOf(updated.ID, id)
	}
	c.succeed(v1alpha1.AccountActive, id, "Linked", written)
	return nil
}

// keepIdentifier links an account under the name that it has. Where the app would make another account of a changed one, that the user is
// called otherwise is then reported (S34). Elsewhere it is renamed by its id once the link stands in etcd: renamed at once, and the process
// dead before it could write, nobody would find the account under either name.
func (c *accountCall) keepIdentifier(found *connector.User, differing connector.Attributes) {
	match := c.App.Profile.MatchAttribute
	if _, differs := differing[match]; !differs || match != "userName" {
		return
	}
	blocked := c.App.Profile.OnIdentifierChange == profiles.BlockIdentifierChange
	if !blocked && scim.Fold(found.UserName) == scim.Fold(c.App.MatchValue(c.Wanted)) {
		return
	}
	delete(differing, match)
	c.Wanted.Values = maps.Clone(c.Wanted.Values)
	c.Wanted.Values[match] = found.UserName
}

// differing are the wanted values that an account does not have.
func (c *accountCall) differing(found *connector.User) connector.Attributes {
	differing := connector.Attributes{}
	wanted := plan.HashValues(c.Wanted.Values)
	for path, value := range c.Wanted.Values {
		have, ok := scimconn.Value(found.Attributes, path)
		if !ok || plan.HashValues(map[string]any{path: have})[path] != wanted[path] {
			differing[path] = value
		}
	}
	return differing
}

func (c *accountCall) update(ctx context.Context) error {
	change := connector.Change{Set: connector.Attributes{}, Clear: c.Step.Clear, Full: c.Wanted.Values}
	for _, name := range c.Step.Set {
		change.Set[name] = c.Wanted.Values[name]
	}
	updated, err := c.connector().UpdateUser(ctx, c.Entry.RemoteID, change)
	if connector.Is(err, connector.NotFound) {
		c.vanished()
		return nil
	}
	if err != nil {
		return err
	}
	c.succeed(v1alpha1.AccountActive, firstOf(updated.ID, c.Entry.RemoteID), "Updated", c.applied().With(c.Wanted.Values, c.Step.Set, c.Step.Clear))
	return nil
}

// reactivate switches an account on. What changed while it was off goes along in the same call.
func (c *accountCall) reactivate(ctx context.Context, id string) error {
	set, clear := activation(c.Step, c.Wanted.Values, c.App.HasFeature(v1alpha1.FeaturePushProfileUpdates))
	full := make(connector.Attributes, len(set)+len(clear))
	for _, name := range set {
		full[name] = c.Wanted.Values[name]
	}
	for _, name := range clear {
		full[name] = nil
	}
	user, err := c.connector().SetActive(ctx, id, true, full)
	if connector.Is(err, connector.NotFound) {
		c.vanished()
		return nil
	}
	if err != nil {
		return err
	}
	c.succeed(v1alpha1.AccountActive, firstOf(user.ID, id), "Reactivated", c.applied().With(c.Wanted.Values, set, clear))
	return nil
}

// activation is the attributes to write and to take away with the activation of an account: all that are mapped, in case somebody changed them in the app
// meanwhile. Where profiles are not pushed, an account of ours gets what the step names alone; one that is just being linked is written as a new one is.
func activation(step plan.Step, values map[string]any, pushProfiles bool) (set, clear []string) {
	if step.Action == v1alpha1.ActionReactivate && !pushProfiles {
		return step.Set, step.Clear
	}
	return slices.Sorted(maps.Keys(values)), step.Clear
}

// revoke deactivates or deletes. An account that now belongs to a successor of the same name is left to it.
func (c *accountCall) revoke(ctx context.Context) error {
	id := c.Entry.RemoteID
	if id == "" {
		found, err := c.findMade(ctx)
		if err != nil {
			return err
		}
		if found == nil {
			c.gone("")
			return nil
		}
		id = found.ID
	}
	owner, err := c.otherOwner(ctx, id)
	if err != nil {
		return err
	}
	if owner != "" {
		c.gone("")
		return nil
	}
	if c.Step.Action == v1alpha1.ActionDelete {
		if err := c.connector().DeleteUser(ctx, id); err != nil {
			return err
		}
		c.gone("Deleted")
		return nil
	}
	_, err = c.connector().SetActive(ctx, id, false, nil)
	if connector.Is(err, connector.NotFound) {
		c.gone("")
		return nil
	}
	if err != nil {
		return err
	}
	c.succeed(v1alpha1.AccountInactive, id, "Deactivated", c.applied())
	return nil
}

// findMade finds the account of a create that may have happened, and holds it; nil if there is none that would have been linked.
func (c *accountCall) findMade(ctx context.Context) (*connector.User, error) {
	looked := c.app.clock.Now()
	found, err := c.find(ctx)
	if err != nil {
		return nil, err
	}
	if found == nil {
		if wait := c.app.unsettled(c.key); wait > 0 {
			return nil, &retryLater{after: wait}
		}
		return nil, nil
	}
	if reason, _ := c.refusal(found); reason != "" {
		return nil, nil
	}
	return found, c.hold(found.ID, looked)
}

// find looks the account up by the app's match attribute: by the value with which its create was decided, should the user have another
// one since, then by the user's own.
func (c *accountCall) find(ctx context.Context) (*connector.User, error) {
	current := c.App.MatchValue(c.Wanted)
	if intended := c.Entry.MatchValue; intended != "" && scim.Fold(intended) != scim.Fold(current) {
		found, err := c.findBy(ctx, intended)
		if err != nil {
			return nil, err
		}
		// Whoever has the old name now may have an account of that name too: the app's copy of our id tells them apart, or that it is owned.
		if found != nil && (found.ExternalID == "" || found.ExternalID == c.view.User.SCIMID()) {
			if owner, err := c.otherOwner(ctx, found.ID); err != nil || owner == "" {
				return found, err
			}
		}
	}
	return c.findBy(ctx, current)
}

func (c *accountCall) findBy(ctx context.Context, value string) (*connector.User, error) {
	if value == "" {
		return nil, nil
	}
	users, err := c.connector().FindUsers(ctx, c.App.Profile.MatchAttribute, value)
	if err != nil {
		return nil, err
	}
	var found *connector.User
	for i := range users {
		if c.App.Profile.MatchAttribute == "userName" && scim.Fold(users[i].UserName) != scim.Fold(value) {
			continue
		}
		if found != nil {
			return nil, &connector.Error{
				Kind: connector.Conflict, Op: connector.OpFindUsers, Detail: "several accounts of the app have the match attribute of this user; remove or rename all but one",
			}
		}
		found = &users[i]
	}
	return found, nil
}

// vanished: the app does not know the id any more, so the account is looked up again and made anew if need be.
func (c *accountCall) vanished() {
	c.own(c.Entry.RemoteID, false)
	entry := c.Entry.DeepCopy()
	entry.State, entry.RemoteID, entry.Applied = v1alpha1.AccountCreating, "", ""
	entry.MatchValue = c.App.MatchValue(c.Wanted)
	c.settled(*entry, false, desired.EventVanished)
}

// gone: there is nothing in the app any more that is this user's.
func (c *accountCall) gone(event string) {
	c.own(c.Entry.RemoteID, false)
	if event != "" && c.counts() {
		c.app.recent.add(c.key.Name, c.app.clock.Now())
	}
	c.settled(*c.Entry.DeepCopy(), true, event)
}

// counts is whether the change counts for the guard: not if a person has approved it.
func (c *accountCall) counts() bool { return c.Step.Revocation && c.Entry.HeldBatch == "" }

// applied is what was last written to the account, as far as it is known.
func (c *accountCall) applied() plan.Applied { return plan.ParseApplied(c.Entry.Applied) }

// succeed hands in a success. written is what the app has now of what the operator writes.
func (c *accountCall) succeed(state v1alpha1.AccountState, remoteID, event string, written plan.Applied) {
	now := metav1.NewTime(c.app.clock.Now())
	entry := v1alpha1.Account{
		App: c.AppName, State: state, RemoteID: remoteID,
		ProvisionedTime: c.Entry.ProvisionedTime, UpdatedTime: &now, RevokedTime: c.Entry.RevokedTime,
		Roles: c.Wanted.Roles, Applied: written.String(),
	}
	if entry.ProvisionedTime == nil {
		entry.ProvisionedTime = &now
	}
	switch {
	case c.counts():
		entry.RevokedTime = &now
		c.app.recent.add(c.key.Name, now.Time)
	case state == v1alpha1.AccountActive && c.Entry.State == v1alpha1.AccountInactive:
		// What was given back does not count any more.
		entry.RevokedTime = nil
		c.app.recent.givenBack(c.key.Name)
	}
	if state != v1alpha1.AccountActive {
		// What was written last stays true of an account that is switched off or released.
		entry.Roles, entry.Applied = c.Entry.Roles, c.Entry.Applied
	}
	c.own(remoteID, state == v1alpha1.AccountActive)
	c.settled(entry, false, event)
}

// fail hands in a failure of this account alone, with the time of the next try.
func (c *accountCall) fail(reason, message string, retriable bool) {
	entry := c.Entry.DeepCopy()
	if entry.Planned != c.Step.Action {
		entry.Attempts = 0
	}
	entry.Attempts++
	entry.Planned, entry.Reason, entry.Message = c.Step.Action, reason, kube.Truncate(message)
	wait := personRetry
	if retriable {
		wait = kube.Backoff(entry.Attempts, accountRetryBase, accountRetryMax)
	}
	next := metav1.NewTime(c.app.clock.Now().Add(kube.Jitter(wait)).Truncate(time.Second))
	entry.NextRetryTime = &next
	c.app.patience.failed(c.key, attemptOf(c.view, &c.AccountView))
	c.put(*entry, false, "")
}

// settled hands in the end of a change: nothing of it is to be remembered but the entry.
func (c *accountCall) settled(entry v1alpha1.Account, gone bool, event string) {
	c.app.forget(c.key)
	c.app.gate.made(c.key.Name)
	c.put(entry, gone, event)
}

// put hands the outcome to the user's reconciler, the only writer of the status.
func (c *accountCall) put(entry v1alpha1.Account, gone bool, event string) {
	c.app.view.Users.Put(c.user, desired.Outcome[v1alpha1.Account]{
		App: c.AppName, UID: c.view.User.UID, Entry: entry, Gone: gone, At: c.app.clock.Now(), Event: event,
	})
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
