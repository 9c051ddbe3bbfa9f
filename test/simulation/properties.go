// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
)

// personReasons are the reasons for which an account may differ from what it should be for ever: a person, or the app's admin, has to act.
var personReasons = []string{
	v1alpha1.ReasonHeld, v1alpha1.ReasonFeatureOff, v1alpha1.ReasonAccountConflict, v1alpha1.ReasonAccountProtected, v1alpha1.ReasonSuspended,
	v1alpha1.ReasonIdentifierChange, v1alpha1.ReasonMissingRequiredAttribute, v1alpha1.ReasonOwnershipUnknown, v1alpha1.ReasonAdoptionUnconfirmed,
}

// department is the one attribute of an extension that the events change.
const department = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"

// final is what has to hold when the engine is at rest: properties 1, 4, 5 and 6.
func (c *checks) final(w *world) {
	c.truthful(w)
	snapshot := assignment.NewSnapshot(w.mappings())
	for _, object := range w.api.all("ScimUser") {
		user := object.(*v1alpha1.ScimUser)
		given := snapshot.For(user, w.groupsOf(user))
		for _, name := range w.appNames {
			i := slices.IndexFunc(given, func(a assignment.Assignment) bool { return a.App == name })
			var one *assignment.Assignment
			if i >= 0 {
				one = &given[i]
			}
			w.asDesired(w.apps[name], user, one)
		}
	}
	for _, name := range w.appNames {
		w.noOrphans(w.apps[name])
		w.groupsAsDesired(w.apps[name])
	}
	if w.looks > c.looksAllowed {
		w.fail("1 looks", "%d looks; %d were enough for %d events", w.looks, c.looksAllowed, c.events)
	}
	if w.calls > c.callsAllowed {
		w.fail("1 calls", "%d calls; %d were enough for %d events", w.calls, c.callsAllowed, c.events)
	}
}

func (w *world) mappings() []v1alpha1.ScimRoleMapping {
	var list []v1alpha1.ScimRoleMapping
	for _, object := range w.api.all("ScimRoleMapping") {
		list = append(list, *object.(*v1alpha1.ScimRoleMapping))
	}
	return list
}

// groupsOf are the SCIM ids of the groups of a user.
func (w *world) groupsOf(user *v1alpha1.ScimUser) []string {
	var ids []string
	for _, object := range w.api.all("ScimGroup") {
		group := object.(*v1alpha1.ScimGroup)
		if group.DeletionTimestamp.IsZero() && w.isMember(group, user.SCIMID()) {
			ids = append(ids, group.SCIMID())
		}
	}
	return ids
}

// asDesired is property 1 for one account: it is as the pure functions say, or its status says for what it waits.
func (w *world) asDesired(a *app, user *v1alpha1.ScimUser, given *assignment.Assignment) {
	object := w.scimApp(a.name)
	entry := user.Status.Account(a.name)
	if object.Spec.Suspend || (entry != nil && slices.Contains(personReasons, entry.Reason)) {
		return
	}
	who := fmt.Sprintf("%s in %s", w.short(user.Name), a.name)
	account := w.accountOf(a, user, entry)
	if given == nil || !user.IsActive() || !user.DeletionTimestamp.IsZero() {
		if account != nil && isActive(account.now()) && account.interfered.IsZero() && !w.released(a, account) &&
			(entry == nil || entry.State != v1alpha1.AccountOrphaned) {
			w.fail("1 active", "%s should have no access, and account %s is active; the status says %s", who, account.id, describeEntry(entry))
		}
		if entry != nil && entry.Reason != "" {
			w.fail("1 waits", "%s should have no access and does not come to rest: %s", who, describeEntry(entry))
		}
		return
	}
	switch {
	case entry == nil:
		w.fail("1 missing", "%s should have an account, and the status has no entry", who)
	case entry.Reason != "" || entry.Planned != "":
		w.fail("1 waits", "%s should have an account and does not come to rest: %s", who, describeEntry(entry))
	case account == nil:
		w.fail("1 missing", "%s should have an account; the app has none, and the status says %s", who, describeEntry(entry))
	case !account.interfered.IsZero():
	case !isActive(account.now()):
		w.fail("1 inactive", "%s should have access, and account %s is inactive; the status says %s", who, account.id, describeEntry(entry))
	case object.HasFeature(v1alpha1.FeaturePushProfileUpdates):
		w.sameValues(who, account, user, given)
	}
}

// accountOf is the account that the status names, or that was made for the user, nil if there is none.
func (w *world) accountOf(a *app, user *v1alpha1.ScimUser, entry *v1alpha1.Account) *resource {
	if entry != nil && entry.RemoteID != "" {
		if r := a.users[entry.RemoteID]; r.now() != nil || (r != nil && !r.interfered.IsZero()) {
			return r
		}
	}
	for _, id := range a.ids("Users") {
		if r := a.users[id]; r.owner == user.SCIMID() && r.now() != nil {
			return r
		}
	}
	return nil
}

// sameValues compares the attributes that events change.
func (w *world) sameValues(who string, account *resource, user *v1alpha1.ScimUser, given *assignment.Assignment) {
	wanted := given.Roles
	if len(wanted) == 0 {
		wanted = []string{"viewer"}
	}
	body := account.now()
	if have := values(body["roles"]); !slices.Equal(have, wanted) {
		w.fail("1 roles", "%s should have the roles %v and has %v", who, wanted, have)
	}
	if have := text(body, "title"); have != user.Spec.Title && (user.Spec.Title != "" || account.owner == user.SCIMID()) {
		// What an account had before it was linked stays where the user has no value.
		w.fail("1 values", "%s should have the title %q and has %q", who, user.Spec.Title, have)
	}
	if user.Spec.Enterprise != nil {
		if have := valueAt(body, department); have != user.Spec.Enterprise.Department {
			w.fail("1 values", "%s should have the department %q and has %q", who, user.Spec.Enterprise.Department, have)
		}
	}
}

// released reports whether the account was left as it is when its user went.
func (w *world) released(a *app, r *resource) bool {
	return w.checks.released[a.name+"/"+r.id] || w.checks.released[a.name+"/"+r.owner]
}

// noOrphans is the second half of property 5: an active account that was made for a deleted user.
func (w *world) noOrphans(a *app) {
	for _, id := range a.ids("Users") {
		r := a.users[id]
		if r.owner == "" || !isActive(r.now()) || !r.interfered.IsZero() || w.released(a, r) {
			continue
		}
		user, _ := w.api.get("ScimUser", key(w.checks.owners[r.owner])).(*v1alpha1.ScimUser)
		if user == nil {
			w.fail("5 orphan", "account %s of %s is active, and its user %s is deleted", id, a.name, w.short(w.checks.owners[r.owner]))
			continue
		}
		if user.SCIMID() == r.owner {
			continue
		}
		if entry := user.Status.Account(a.name); entry == nil || entry.RemoteID != id {
			w.fail("5 orphan", "account %s of %s is active, and its user is deleted; a successor of the same name has another one", id, a.name)
		}
	}
}

// groupsAsDesired is property 1 for pushed groups.
func (w *world) groupsAsDesired(a *app) {
	object := w.scimApp(a.name)
	if !object.HasFeature(v1alpha1.FeaturePushGroups) || object.Spec.Suspend {
		return
	}
	for _, listed := range object.Spec.Groups {
		group, _ := w.api.get("ScimGroup", key(listed.DisplayName)).(*v1alpha1.ScimGroup)
		if group == nil || !group.DeletionTimestamp.IsZero() {
			continue
		}
		entry := group.Status.App(a.name)
		switch {
		case entry != nil && slices.Contains(personReasons, entry.Reason):
		case entry == nil:
			if resolved(object, group) {
				w.fail("1 group", "%s should be in %s, and its status has no entry", group.Name, a.name)
			}
		case entry.State != v1alpha1.GroupPushed:
			w.fail("1 group", "%s should be in %s and does not come to rest: %s %s %s", group.Name, a.name, entry.State, entry.Reason, entry.Message)
		default:
			w.sameMembers(a, group, entry.RemoteID)
		}
	}
}

// resolved reports whether the app follows this very group, and not a former one of the same name.
func resolved(object *v1alpha1.ScimApp, group *v1alpha1.ScimGroup) bool {
	return slices.ContainsFunc(object.Status.Groups, func(r v1alpha1.ResolvedGroup) bool { return r.ID == group.SCIMID() })
}

func (w *world) sameMembers(a *app, group *v1alpha1.ScimGroup, id string) {
	var wanted []string
	for _, object := range w.api.all("ScimUser") {
		user := object.(*v1alpha1.ScimUser)
		entry := user.Status.Account(a.name)
		if w.isMember(group, user.SCIMID()) && user.DeletionTimestamp.IsZero() && entry != nil && entry.State == v1alpha1.AccountActive {
			wanted = append(wanted, entry.RemoteID)
		}
	}
	slices.Sort(wanted)
	body := a.groups[id].now()
	if have := values(body["members"]); body == nil || !slices.Equal(have, wanted) {
		w.fail("1 members", "%s in %s should have the members %v and has %v", group.Name, a.name, wanted, have)
	}
}

// patience is how long a call and the write of its outcome may take, beside the settle time.
const patience = 3 * time.Minute

// truthful is property 4: a status that has said for a while that an account is in sync says the truth.
func (c *checks) truthful(w *world) {
	now := time.Now()
	for _, name := range w.appNames {
		a := w.apps[name]
		quiet := a.settle + patience
		if a.faults.active() || now.Sub(a.faults.ended) < quiet {
			continue
		}
		for _, object := range w.api.stores["ScimUser"].objects {
			user := object.(*v1alpha1.ScimUser)
			entry := user.Status.Account(name)
			if entry != nil {
				w.triedAgain(a, entry, user)
			}
			if entry == nil || !inSync(user, entry) || now.Sub(c.touched[user.Name]) < quiet {
				continue
			}
			r := a.users[entry.RemoteID]
			if r != nil && (!r.interfered.IsZero() || now.Sub(r.versions[len(r.versions)-1].at) < quiet) {
				continue
			}
			w.agrees(a, user, entry, r)
		}
	}
}

// inSync reports whether the status says so.
func inSync(user *v1alpha1.ScimUser, entry *v1alpha1.Account) bool {
	return user.Status.ObservedGeneration == user.Generation && entry.Planned == "" && entry.Operation == nil && entry.Reason == "" && entry.HeldBatch == "" &&
		apimeta.IsStatusConditionTrue(user.Status.Conditions, v1alpha1.ConditionReady)
}

func (w *world) agrees(a *app, user *v1alpha1.ScimUser, entry *v1alpha1.Account, r *resource) {
	active := isActive(r.now())
	switch {
	case entry.State == v1alpha1.AccountActive && !active:
		w.fail("4 truth", "the status of %s says that its account %s in %s is active, and it is not", w.short(user.Name), entry.RemoteID, a.name)
	case entry.State == v1alpha1.AccountInactive && active:
		w.fail("4 truth", "the status of %s says that its account %s in %s is inactive, and it is active", w.short(user.Name), entry.RemoteID, a.name)
	case entry.State == v1alpha1.AccountActive && w.scimApp(a.name).HasFeature(v1alpha1.FeaturePushProfileUpdates):
		recorded := slices.Sorted(slices.Values(entry.Roles))
		if have := values(r.now()["roles"]); !slices.Equal(have, recorded) {
			w.fail("4 roles", "the status of %s says that its account %s in %s has the roles %v, and it has %v", w.short(user.Name), entry.RemoteID, a.name, recorded, have)
		}
	}
}

// describeEntry is an entry for a message.
func describeEntry(entry *v1alpha1.Account) string {
	if entry == nil {
		return "nothing"
	}
	text := fmt.Sprintf("%s %s", entry.State, entry.RemoteID)
	if entry.Planned != "" {
		text += fmt.Sprintf(" planned %s %v", entry.Planned, entry.PlannedAttributes)
	}
	if op := entry.Operation; op != nil {
		text += fmt.Sprintf(" operation %v %v+%d", op.Types, op.Attributes, op.MoreAttributes)
	}
	if entry.HeldBatch != "" {
		text += " batch " + entry.HeldBatch
	}
	if entry.Reason != "" {
		text += fmt.Sprintf(" %s (attempt %d)", entry.Reason, entry.Attempts)
	}
	if len(entry.Roles) > 0 {
		text += fmt.Sprintf(" roles %v", entry.Roles)
	}
	return strings.TrimSpace(text)
}

// describe is the status of an object for the trace.
func describe(object any) string {
	switch o := object.(type) {
	case *v1alpha1.ScimUser:
		parts := make([]string, len(o.Status.Accounts))
		for i := range o.Status.Accounts {
			parts[i] = o.Status.Accounts[i].App + ": " + describeEntry(&o.Status.Accounts[i])
		}
		return fmt.Sprintf(" [%s] generation %d of %d", strings.Join(parts, "; "), o.Status.ObservedGeneration, o.Generation)
	case *v1alpha1.ScimApp:
		text := fmt.Sprintf(" [active %d pending %d failed %d held %d", o.Status.Accounts, o.Status.Pending, o.Status.Failed, o.Status.Held)
		for _, batch := range o.Status.Batches {
			text += fmt.Sprintf(" %s:%d", batch.Digest, batch.Remaining)
		}
		if ready := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady); ready != nil {
			text += " " + ready.Reason
		}
		return text + "]"
	case *v1alpha1.ScimGroup:
		var parts []string
		for _, app := range o.Status.Apps {
			parts = append(parts, strings.TrimSpace(fmt.Sprintf("%s: %s %s %s %s", app.App, app.State, app.RemoteID, app.Reason, app.HeldBatch)))
		}
		return fmt.Sprintf(" %v", parts)
	}
	return ""
}

// difference is what a change changes, for the trace.
func difference(before, after map[string]any) string {
	switch {
	case before == nil:
		return fmt.Sprintf("new: %v", after)
	case after == nil:
		return "deleted"
	}
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if was, is := fmt.Sprint(before[name]), fmt.Sprint(after[name]); was != is {
			parts = append(parts, fmt.Sprintf("%s %s -> %s", name, was, is))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if _, ok := after[name]; !ok {
			parts = append(parts, name+" gone")
		}
	}
	return strings.Join(parts, ", ")
}
