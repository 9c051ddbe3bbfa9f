// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

// smallApp is the number of active accounts up to which not all of them may lose access at once.
const smallApp = 10

// mass is the active accounts of a small app that a change has taken from all of their users. It holds until the next event.
type mass struct {
	app      string
	accounts map[string]bool
}

// massLoss notes that a change of a role mapping takes a small app from all of its users. It is only sure where the app was in sync and one process is there.
func (c *checks) massLoss(w *world) {
	if len(w.processes) != 1 {
		return
	}
	snapshot := assignment.NewSnapshot(w.mappings())
	for _, name := range w.appNames {
		if accounts := w.allActive(name, snapshot); len(accounts) > 1 && len(accounts) <= smallApp && ends(w.scimApp(name)) {
			c.masses = append(c.masses, mass{name, accounts})
		}
	}
}

// allActive are the active accounts of an app if no user at all is to have it, and nothing else is under way there; nil otherwise. Where the same change gives the app to others, their
// accounts may be active before the guard counts, and then not all accounts lose access.
func (w *world) allActive(name string, snapshot *assignment.Snapshot) map[string]bool {
	accounts := map[string]bool{}
	for _, object := range w.api.all("ScimUser") {
		user := object.(*v1alpha1.ScimUser)
		given := func(a assignment.Assignment) bool { return a.App == name }
		if user.IsActive() && user.DeletionTimestamp.IsZero() && slices.ContainsFunc(snapshot.For(user, w.groupsOf(user)), given) {
			return nil
		}
		entry := user.Status.Account(name)
		if entry == nil || (entry.RemoteID == "" && entry.State != v1alpha1.AccountCreating) {
			continue
		}
		r := w.apps[name].users[entry.RemoteID]
		active := entry.State == v1alpha1.AccountActive
		settled := user.Status.ObservedGeneration <= user.Generation && entry.Planned == "" && entry.Operation == nil && entry.Reason == "" &&
			active == isActive(r.now()) && (active || entry.State == v1alpha1.AccountInactive)
		if !settled || !r.interfered.IsZero() {
			return nil
		}
		if active {
			accounts[entry.RemoteID] = true
		}
	}
	return accounts
}

// lost is the part of property 3 about small apps: the last of a mass that loses access is one too many.
func (w *world) lost(a *app, account string) {
	for _, m := range w.checks.masses {
		if m.app != a.name || !m.accounts[account] {
			continue
		}
		delete(m.accounts, account)
		if len(m.accounts) == 0 {
			w.fail("3 all", "all accounts of %s have lost access at once; the last of them is %s", a.name, account)
		}
	}
}

// wasHeld is the part of property 3 about batches: what a status says to be held is not made without an approval.
func (w *world) wasHeld(a *app, c *call, r *resource, after map[string]any) {
	name := w.checks.userOf(a, r)
	user, _ := w.api.get("ScimUser", key(name)).(*v1alpha1.ScimUser)
	if isActive(after) || user == nil || !user.IsActive() || !user.DeletionTimestamp.IsZero() || c.process.dead || c.process.steps >= 0 {
		return
	}
	if left, ever := w.checks.left[name]; ever && time.Since(left) < decided {
		// A held user whom the provider makes inactive leaves the batch, perhaps just before that is taken back.
		return
	}
	entry := user.Status.Account(a.name)
	if entry == nil || entry.RemoteID != r.id || entry.HeldBatch == "" || w.checks.approvedDigests[a.name+"/"+entry.HeldBatch] {
		return
	}
	if !w.checks.knowsHeld(c.process, a.name, user) {
		return
	}
	deprovisions := entry.Planned == v1alpha1.ActionDeactivate || entry.Planned == v1alpha1.ActionDelete
	if since, ever := w.checks.held[a.name+"/"+name+"/"+entry.HeldBatch]; deprovisions && ever && c.at.After(since) {
		w.fail("3 held", "call %d takes %s from %s, which the batch %s holds", c.id, a.name, w.short(name), entry.HeldBatch)
	}
}

// knowsHeld reports whether a process can know what a status says to be held: it wrote it, or its cache shows it. What a former leader writes arrives late at the next one.
func (c *checks) knowsHeld(p *process, app string, user *v1alpha1.ScimUser) bool {
	batch := user.Status.Account(app).HeldBatch
	if c.holders[app+"/"+user.Name+"/"+batch] == p {
		return true
	}
	cached, _ := p.cache.kinds["ScimUser"].objects[key(user.Name)].(*v1alpha1.ScimUser)
	entry := (*v1alpha1.Account)(nil)
	if cached != nil {
		entry = cached.Status.Account(app)
	}
	return entry != nil && entry.HeldBatch == batch
}

// noteHolder notes which process wrote that something is held.
func (c *checks) noteHolder(p *process, user *v1alpha1.ScimUser) {
	for i := range user.Status.Accounts {
		account := &user.Status.Accounts[i]
		if account.HeldBatch != "" {
			c.holders[account.App+"/"+user.Name+"/"+account.HeldBatch] = p
		}
	}
}

// waitedEnough is how long after new credentials a refusal of the former ones may stand in a status.
const waitedEnough = 20 * time.Minute

// triedAgain is the part of property 1 about credentials: new ones end the waits that they may cure.
func (w *world) triedAgain(a *app, entry *v1alpha1.Account, user *v1alpha1.ScimUser) {
	refused := entry.Reason == v1alpha1.ReasonInsufficientPermissions || entry.Reason == v1alpha1.ReasonCredentialsRejected
	if !refused || a.rotated.IsZero() || time.Since(a.rotated) < waitedEnough || time.Since(a.faults.ended) < waitedEnough || !w.checks.touched[user.Name].Before(a.rotated) {
		return
	}
	if len(w.processes) == 0 || a.rotated.Sub(w.leader().began) < decided {
		// A new process does not know which credentials a status tells of.
		return
	}
	if a.faults.active() || w.scimApp(a.name).Spec.Suspend || !w.credentialsFit(a) {
		return
	}
	w.fail("1 late", "the account of %s in %s still waits because of former credentials: %s", w.short(user.Name), a.name, describeEntry(entry))
}

// adopted is the part of property 2 about links: an app that adopts no accounts has none that is not ours.
func (w *world) adopted(before, after *v1alpha1.ScimUser, account *v1alpha1.Account) {
	r := w.apps[account.App].users[account.RemoteID]
	if r == nil || r.owner != "" || w.scimApp(account.App).Spec.Adoption != v1alpha1.AdoptionNever {
		return
	}
	if was := before.Status.Account(account.App); was == nil || was.RemoteID != account.RemoteID {
		w.fail("2 adopted", "%s is linked to account %s of %s, which the operator has not made", w.short(after.Name), r.id, account.App)
	}
}
