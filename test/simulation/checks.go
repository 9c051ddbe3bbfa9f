// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// checks is what the properties remember of a run.
type checks struct {
	events int
	// looksAllowed and callsAllowed grow with each event, by the accounts that it concerns.
	looksAllowed, callsAllowed int
	// linked are the accounts of which a user's status has said that they are the user's: app/id -> user object.
	linked map[string]string
	// touched is when a user's object was last written; left is when it was last made inactive or deleted by the identity provider.
	touched, left map[string]time.Time
	// owners are the object names of users by SCIM id. released are the accounts that were
	// left as they are when their user went: app/id, and app/SCIM id of the user.
	owners   map[string]string
	released map[string]bool
	// keptAccess is when an app last was known not to end accounts.
	keptAccess map[string]time.Time
	guards     map[string][]guardAt
	revoked    map[string][]revocation
	// approvedUsers are app/user of approved batches, approvedDigests the digests by app.
	// approvedMembers are app/account of the members of groups whose removals were approved.
	approvedUsers, approvedDigests, approvedMembers map[string]bool
	// approvedGroups are app/group of groups whose removals were approved; pushedGroups is when an app last was known to push groups.
	approvedGroups map[string]bool
	pushedGroups   map[string]time.Time
	// held is since when a user's status says that a batch holds it: app/user/batch.
	held map[string]time.Time
	// holders are the processes that last wrote that a batch holds it.
	holders map[string]*process
	masses  []mass
	loops   map[string]*loop
}

type guardAt struct {
	at    time.Time
	guard v1alpha1.Guard
}

// revocation is a loss of access that our calls caused.
type revocation struct {
	at      time.Time
	account string
	// provider: the identity provider made the user inactive or deleted it.
	provider bool
}

// loop counts the looks at one key since something last came of them.
type loop struct {
	looks, polls int
	since, begun time.Time
}

// maxLoop is how many looks at one key within a second, without a call or a write, are a hot loop; maxPolls is how many within ten minutes are polling.
const maxLoop, maxPolls = 50, 200

func (c *checks) begin() {
	*c = checks{
		linked: map[string]string{}, touched: map[string]time.Time{}, left: map[string]time.Time{}, owners: map[string]string{}, released: map[string]bool{},
		keptAccess: map[string]time.Time{},
		guards:     map[string][]guardAt{}, revoked: map[string][]revocation{}, approvedUsers: map[string]bool{}, approvedDigests: map[string]bool{}, approvedMembers: map[string]bool{},
		loops: map[string]*loop{}, approvedGroups: map[string]bool{}, pushedGroups: map[string]time.Time{}, held: map[string]time.Time{},
		holders: map[string]*process{},
	}
}

// worldBegan allows for what the first objects cost.
func (c *checks) worldBegan(w *world) {
	c.allow(20*w.plan.users*len(w.apps), 6*w.plan.users*len(w.apps))
}

// allow adds to the budget.
func (c *checks) allow(looks, calls int) {
	c.looksAllowed += looks
	c.callsAllowed += calls
}

// Each event may cost so many looks and calls for each account that it concerns.
const looksPerEvent, callsPerEvent = 10, 3

// concern adds the cost of an event that concerns so many users.
func (c *checks) concern(w *world, users int) {
	c.masses = nil
	accounts := users * len(w.apps)
	c.allow(looksPerEvent*accounts, callsPerEvent*accounts)
}

// looked counts a look of the engine at a key.
func (w *world) looked(r *routine) {
	w.looks++
	l := w.checks.loops[r.key]
	if l == nil || time.Since(l.begun) > 10*time.Minute {
		l = &loop{since: time.Now(), begun: time.Now()}
		w.checks.loops[r.key] = l
	}
	if time.Since(l.since) > time.Second {
		l.looks, l.since = 0, time.Now()
	}
	if l.polls++; l.polls > maxPolls {
		w.fail("1 polls", "%d looks at %s within ten minutes, without a call or a write", l.polls, r.key)
	}
	if l.looks++; l.looks > maxLoop {
		w.fail("1 loop", "%d looks at %s within a second, without a call or a write", l.looks, r.key)
	}
}

// called counts a call.
func (w *world) called(r *routine, c *call) {
	if r != nil {
		delete(w.checks.loops, r.key)
	}
	w.trace("  %s sends call %d %s %s %s", c.process.name, c.id, c.method, c.target(), w.brief(string(c.body)))
}

// wrote counts a write of the engine that took effect.
func (w *world) wrote(p *process, r *routine, verb string, stored interface{ GetName() string }) {
	w.writes++
	if r != nil {
		delete(w.checks.loops, r.key)
	}
	if user, ok := stored.(*v1alpha1.ScimUser); ok {
		w.checks.noteHolder(p, user)
	}
	w.trace("  %s writes %s %s%s", p.name, verb, w.short(stored.GetName()), describe(stored))
}

// changed keeps the books of what is stored.
func (w *world) changed(k kind, c change) {
	switch k {
	case "ScimUser":
		before, _ := c.before.(*v1alpha1.ScimUser)
		after, _ := c.after.(*v1alpha1.ScimUser)
		w.checks.userChanged(w, before, after)
	case "ScimRoleMapping":
		if c.before != nil {
			w.checks.massLoss(w)
		}
	case "ScimApp":
		for _, object := range []any{c.before, c.after} {
			if app, ok := object.(*v1alpha1.ScimApp); ok && app != nil && !ends(app) {
				w.checks.keptAccess[app.Name] = time.Now()
			}
			if app, ok := object.(*v1alpha1.ScimApp); ok && app != nil && app.HasFeature(v1alpha1.FeaturePushGroups) {
				w.checks.pushedGroups[app.Name] = time.Now()
			}
		}
		if app, ok := c.after.(*v1alpha1.ScimApp); ok && app.Spec.Guard != nil {
			w.checks.guards[app.Name] = append(w.checks.guards[app.Name], guardAt{time.Now(), *app.Spec.Guard})
		}
	}
}

func (c *checks) userChanged(w *world, before, after *v1alpha1.ScimUser) {
	user := after
	if user == nil {
		user = before
	}
	now := time.Now()
	c.touched[user.Name] = now
	c.owners[user.SCIMID()] = user.Name
	if after == nil || !after.IsActive() || !after.DeletionTimestamp.IsZero() {
		if before == nil || (before.IsActive() && before.DeletionTimestamp.IsZero()) {
			c.left[user.Name] = now
		}
	}
	if after == nil {
		for i := range before.Status.Accounts {
			if account := &before.Status.Accounts[i]; account.State == v1alpha1.AccountOrphaned {
				c.released[account.App+"/"+account.RemoteID], c.released[account.App+"/"+before.SCIMID()] = true, true
			} else if account.State == v1alpha1.AccountCreating && !w.deprovisions(account.App) {
				// What may not be revoked is released, also where its id was never known.
				c.released[account.App+"/"+before.SCIMID()] = true
			}
		}
		return
	}
	for i := range after.Status.Accounts {
		account := &after.Status.Accounts[i]
		w.adopted(before, after, account)
		if account.State == v1alpha1.AccountActive && account.Planned == "" && account.HeldBatch == "" && account.Operation == nil && account.Reason == "" {
			// What was approved was made, or is not desired any more.
			delete(c.approvedUsers, account.App+"/"+after.Name)
		}
		if account.RemoteID != "" {
			c.linked[account.App+"/"+account.RemoteID] = after.Name
		}
		if held := account.App + "/" + after.Name + "/" + account.HeldBatch; account.HeldBatch != "" && c.held[held].IsZero() {
			c.held[held] = now
		}
	}
	if before != nil {
		c.releasedUnseen(w, before, after)
		w.operationsKept(before, after)
	}
}

// releasedUnseen notes accounts that are released although their id was never known: what may not be revoked is released when its user is deleted.
func (c *checks) releasedUnseen(w *world, before, after *v1alpha1.ScimUser) {
	for i := range before.Status.Accounts {
		account := &before.Status.Accounts[i]
		if account.State == v1alpha1.AccountCreating && after.Status.Account(account.App) == nil && !w.deprovisions(account.App) {
			c.released[account.App+"/"+before.SCIMID()] = true
		}
	}
}

// deprovisions reports whether the app ends accounts at all, and has for so long that the engine knows.
func (w *world) deprovisions(app string) bool {
	off, ever := w.checks.keptAccess[app]
	return ends(w.scimApp(app)) && (!ever || time.Since(off) > decided)
}

// ends reports whether a ScimApp ends accounts at all.
func ends(object *v1alpha1.ScimApp) bool {
	return object.HasFeature(v1alpha1.FeaturePushUserDeactivation) && object.Spec.Deprovisioning != v1alpha1.DeprovisionOrphan
}

// userOf is the object name of the user whose account it is, "" if it is nobody's.
func (c *checks) userOf(a *app, r *resource) string {
	if name := c.owners[r.owner]; r.owner != "" && name != "" {
		return name
	}
	return c.linked[a.name+"/"+r.id]
}

// effect looks at a change that a call of ours makes, before it is made.
func (w *world) effect(a *app, c *call, collection string, r *resource, before, after map[string]any) {
	w.trace("  app %s: call %d makes %s %s", a.name, c.id, r.id, w.brief(difference(before, after)))
	if collection == "Users" {
		w.onlyOurs(a, c, r, before)
		w.onlyOnce(a, r, after)
		// What the app's admin has changed is not what the guard could know.
		if losesAccess(before, after) && r.interfered.IsZero() {
			w.wasHeld(a, c, r, after)
			w.lost(a, r.id)
			w.revoked(a, r.id, w.checks.userOf(a, r))
		}
		return
	}
	w.emptied(a, r, before, after)
	gone := without(values(before["members"]), values(after["members"]))
	for _, id := range gone {
		if member := a.users[id]; member != nil && isActive(member.now()) && member.interfered.IsZero() {
			w.revoked(a, id, w.checks.userOf(a, member))
		}
	}
}

func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// losesAccess reports whether a change takes something from the account's user.
func losesAccess(before, after map[string]any) bool {
	switch {
	case !isActive(before):
		return false
	case !isActive(after):
		return true
	}
	return len(without(values(before["roles"]), values(after["roles"]))) > 0
}

// onlyOurs is property 2.
func (w *world) onlyOurs(a *app, c *call, r *resource, before map[string]any) {
	if before == nil {
		return
	}
	object := w.scimApp(a.name)
	for _, protected := range object.Spec.ProtectedAccounts {
		if scim.Fold(protected) == scim.Fold(text(before, "userName")) {
			w.fail("2 protected", "call %d changes the protected account %s of %s", c.id, r.id, a.name)
		}
	}
	if r.owner != "" || w.checks.linked[a.name+"/"+r.id] != "" {
		return
	}
	w.fail("2 foreign", "call %d changes account %s of %s, which is neither ours nor linked", c.id, r.id, a.name)
}

// onlyOnce is the first half of property 5.
func (w *world) onlyOnce(a *app, r *resource, after map[string]any) {
	if after == nil || r.owner == "" {
		return
	}
	for id, other := range a.users {
		if id != r.id && other.owner == r.owner && other.now() != nil {
			w.fail("5 double", "%s has the accounts %s and %s for one user", a.name, id, r.id)
		}
	}
}

// beside is how many users an hour and app, whom the identity provider itself made inactive or deleted, may lose access beside held batches.
const beside = 10

// revoked is property 3.
func (w *world) revoked(a *app, account, user string) {
	c := &w.checks
	now := time.Now()
	if w.isApproved(a, user) || c.approvedMembers[a.name+"/"+account] {
		return
	}
	left, ever := c.left[user]
	object, _ := w.api.get("ScimUser", types.NamespacedName{Namespace: namespace, Name: user}).(*v1alpha1.ScimUser)
	gone := object == nil || !object.IsActive() || !object.DeletionTimestamp.IsZero()
	provider := gone || (ever && now.Sub(left) < time.Hour)
	c.revoked[a.name] = append(c.revoked[a.name], revocation{now, account, provider})
	c.revoked[a.name] = slices.DeleteFunc(c.revoked[a.name], func(r revocation) bool { return now.Sub(r.at) >= time.Hour })
	// known are those that the guard has counted for certain: also a leaver's revocation uses up the threshold of all others.
	all, others, known := map[string]bool{}, map[string]bool{}, map[string]bool{account: true}
	for _, r := range c.revoked[a.name] {
		all[r.account] = true
		if now.Sub(r.at) > decided {
			known[r.account] = true
		}
		if !r.provider {
			others[r.account] = true
		}
	}
	threshold := w.threshold(a, now, len(all))
	// A guard that became stricter does not undo what was made before.
	if (!provider && max(len(others), len(known)) > threshold) || len(all) > threshold+beside {
		w.fail("3 guard", "%s: %d users lost access within an hour, %d of them not by the identity provider; the threshold is %d: %v", a.name, len(all), len(others), threshold,
			slices.Sorted(maps.Keys(others)))
	}
}

// threshold is how many users may lose access within an hour. A stricter guard counts at once and a looser one after an hour; what was decided a moment ago was
// decided by the guard of then.
func (w *world) threshold(a *app, now time.Time, done int) int {
	active := done
	for _, r := range a.users {
		if (r.owner != "" || w.checks.linked[a.name+"/"+r.id] != "") && isActive(r.now()) {
			active++
		}
	}
	return max(w.strictest(a, now, active), w.strictest(a, now.Add(-decided), active))
}

// decided is how long before a revocation the guard may have let it pass.
const decided = 10 * time.Minute

// strictest is the threshold of the strictest guard of the hour before a time.
func (w *world) strictest(a *app, at time.Time, active int) int {
	minimum, percent := 1<<30, 100
	history := w.checks.guards[a.name]
	for i, g := range history {
		ended := i+1 < len(history) && at.Sub(history[i+1].at) > time.Hour
		// The engine need not have seen one that was replaced at once.
		unseen := i+1 < len(history) && history[i+1].at.Sub(g.at) < decided
		if ended || unseen || (g.at.After(at) && i > 0) {
			continue
		}
		minimum, percent = min(minimum, int(*g.guard.Minimum)), min(percent, int(*g.guard.Percent))
	}
	return max(minimum, active*percent/100)
}

func (w *world) isApproved(a *app, user string) bool {
	if w.checks.approvedUsers[a.name+"/"+user] {
		return true
	}
	object, _ := w.api.get("ScimUser", types.NamespacedName{Namespace: namespace, Name: user}).(*v1alpha1.ScimUser)
	if object == nil {
		return false
	}
	account := object.Status.Account(a.name)
	return account != nil && account.HeldBatch != "" && w.checks.approvedDigests[a.name+"/"+account.HeldBatch]
}

// approved notes whom an approval concerns: everybody whose status says so, and whom the ScimApp names.
func (c *checks) approved(w *world, object *v1alpha1.ScimApp, digest string) {
	c.approvedDigests[object.Name+"/"+digest] = true
	named := map[string]bool{}
	for _, batch := range object.Status.Batches {
		if batch.Digest == digest {
			for _, name := range batch.Users {
				named[name], c.approvedUsers[object.Name+"/"+name] = true, true
			}
		}
	}
	for _, o := range w.api.all("ScimGroup") {
		entry := o.(*v1alpha1.ScimGroup).Status.App(object.Name)
		if entry == nil || (entry.HeldBatch != digest && !named[o.GetName()]) {
			continue
		}
		c.approvedGroups[object.Name+"/"+entry.RemoteID] = true
		for _, member := range values(w.apps[object.Name].groups[entry.RemoteID].now()["members"]) {
			c.approvedMembers[object.Name+"/"+member] = true
		}
	}
	for _, o := range w.api.all("ScimUser") {
		if account := o.(*v1alpha1.ScimUser).Status.Account(object.Name); account != nil && account.HeldBatch == digest {
			c.approvedUsers[object.Name+"/"+o.GetName()] = true
		}
	}
}

// operationsKept: a write of a status erases an operation only when it is settled, so that the app agrees with what is recorded.
func (w *world) operationsKept(before, after *v1alpha1.ScimUser) {
	for i := range after.Status.Accounts {
		account := &after.Status.Accounts[i]
		was := before.Status.Account(account.App)
		if was == nil || was.Operation == nil || account.Operation != nil || was.RemoteID != account.RemoteID {
			continue
		}
		r := w.apps[account.App].users[account.RemoteID]
		if r.now() == nil || !r.interfered.IsZero() || account.State == v1alpha1.AccountOrphaned {
			continue
		}
		if active := account.State == v1alpha1.AccountActive; active != isActive(r.now()) {
			w.fail("1 operation", "the operation of %s in %s is erased, and the account is active %t in the app, recorded as %s", w.short(after.Name), account.App, !active, account.State)
		}
	}
}
