// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/connectortest"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

var sales = Key{Kind: KindGroup, Name: "Sales"}

// pushing lets an app push the group Sales.
func pushing(app *v1alpha1.ScimApp) {
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
	app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: "Sales"}}
	app.Status.Groups = []v1alpha1.ResolvedGroup{{DisplayName: "Sales", ID: pt.Group("Sales").SCIMID()}}
}

// pushed is a group of users in the app, whose status says that its members may differ.
func (w *world) pushed(members ...*v1alpha1.ScimUser) *v1alpha1.ScimGroup {
	group := w.members(members...)
	remote := connector.Group{ID: "g1", DisplayName: "Sales", ExternalID: group.SCIMID(), MembersKnown: true}
	for _, member := range members {
		remote.Members = append(remote.Members, connector.Member{ID: member.Status.Accounts[0].RemoteID})
	}
	w.script.Groups = []connector.Group{remote}
	return group
}

// members writes the members into the group.
func (w *world) members(members ...*v1alpha1.ScimUser) *v1alpha1.ScimGroup {
	group := pt.Group("Sales")
	for _, member := range members {
		group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: member.SCIMID(), Type: v1alpha1.MemberTypeUser})
	}
	group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupPushed, RemoteID: "g1", Created: true}}
	group.Status.ObservedGeneration = group.Generation
	w.cache.Put(group)
	return group
}

// push does one look at the group, and returns the outcome, nil for none.
func (w *world) push(group *v1alpha1.ScimGroup) *ledger.Outcome[v1alpha1.PushedGroupStatus] {
	w.t.Helper()
	w.look(sales)
	if o, ok := w.worker.ledger.GroupOutcome(group.UID); ok {
		return &o
	}
	return nil
}

// writeGroup puts the outcome into the status, as the group's reconciler does.
func (w *world) writeGroup(group *v1alpha1.ScimGroup, o *ledger.Outcome[v1alpha1.PushedGroupStatus]) {
	w.t.Helper()
	if o == nil {
		w.t.Fatal("there is no outcome")
	}
	group.Status.Apps = []v1alpha1.PushedGroupStatus{o.Entry}
	w.worker.ledger.GroupWritten(group.UID, *o)
	w.cache.Put(group)
}

// record writes the revocations into the status of the app, as its reconciler does.
func (w *world) record() {
	w.change(func(app *v1alpha1.ScimApp) {
		status := v1alpha1.GuardStatus{Minimum: 10, Percent: 20, LeaversPerHour: 10}
		if app.Status.Guard != nil {
			status = *app.Status.Guard
		}
		var added []string
		status.Revoked, added = ledger.RecordRevoked(status.Revoked, w.worker.ledger.RevokedUsers(), w.clock.Now())
		app.Status.Guard = &status
		w.registry.Recorded(pt.Key("crm"), added)
	})
}

func (w *world) remoteMembers() []string {
	members := ids(w.script.Group("g1").Members)
	slices.Sort(members)
	return members
}

func TestForbiddenGroupFailsAlone(t *testing.T) {
	w := newWorld(t, pushing)
	group := pt.Group("Sales")
	group.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupCreating}}
	w.cache.Put(group)
	w.script.Always[connector.OpFindGroups] = failure(connector.OpFindGroups, connector.Forbidden, 403)
	if got := w.push(group); got == nil || got.Entry.Reason != v1alpha1.ReasonInsufficientPermissions || got.Entry.NextRetryTime == nil {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls(connector.OpFindGroups, connector.OpTest)
	if w.worker.Health().Reason != "" {
		t.Errorf("the app has %+v: the reconciler would test, resume and fail for ever", w.worker.Health())
	}
}

// Five members or more are not removed at once without an approval, whatever the threshold; what is added goes on.
func TestPushedGroupThatTheProviderEmptiesIsHeld(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	w.pushed(users[:5]...)
	group := w.members()
	if got := w.push(group); got != nil {
		t.Fatalf("the outcome before the guard has counted is %+v", got)
	}
	w.count()
	batch := w.batches(1)[0]
	got := w.push(group)
	if got == nil || got.Entry.HeldBatch != batch || got.Entry.Held != 5 || got.Entry.Reason != v1alpha1.ReasonHeld || len(w.remoteMembers()) != 5 {
		t.Fatalf("the outcome is %+v, the app has %q", got, w.remoteMembers())
	}
	w.writeGroup(group, got)
	if change := w.worker.HeldChanges()[ledger.ID{Kind: KindGroup, UID: group.UID}]; change.Users != 5 || change.Name != "Sales" {
		t.Errorf("held is %+v", change)
	}

	// Somebody joins: a held removal does not delay the addition.
	group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: users[10].SCIMID(), Type: v1alpha1.MemberTypeUser})
	group.Generation++
	w.cache.Put(group)
	got = w.push(group)
	if diff := cmp.Diff([]string{"0", "1", "10", "2", "3", "4"}, w.remoteMembers()); diff != "" {
		t.Error(diff)
	}
	w.writeGroup(group, got)
	w.count()
	if again := w.batches(1)[0]; again != batch {
		t.Errorf("the batch became %s, was %s", again, batch)
	}

	w.approve(batch)
	w.count()
	w.record()
	got = w.push(group)
	if diff := cmp.Diff([]string{"10"}, w.remoteMembers()); diff != "" || got == nil || got.Entry.HeldBatch != "" {
		t.Errorf("after the approval the outcome is %+v\n%s", got, diff)
	}
	if n := len(w.worker.ledger.RevokedUsers()); n != 0 {
		t.Errorf("%d users count although a person approved it", n)
	}
}

func TestFewMembersLeaveAPushedGroupAndAreCounted(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	w.pushed(users[:10]...)
	group := w.members(users[2:10]...)
	w.push(group)
	w.count()
	if got := w.push(group); got != nil || len(w.remoteMembers()) != 10 {
		t.Fatalf("members are removed before a status tells of them: %+v", got)
	}
	w.record()
	got := w.push(group)
	if got == nil || got.Entry.HeldBatch != "" || len(w.remoteMembers()) != 8 {
		t.Fatalf("the outcome is %+v, the app has %q", got, w.remoteMembers())
	}
	// The same two lose their accounts: they are users who count already.
	w.assign(users[2:]...)
	for _, user := range users[:2] {
		w.announce(user, v1alpha1.ActionDeactivate)
	}
	w.count()
	if w.passed(users[:2]...) != 2 {
		t.Error("the members' own deactivation is held")
	}
	if n := len(w.worker.ledger.RevokedUsers()); n != 2 {
		t.Errorf("%d users are counted, want 2", n)
	}
}

// Members whose account was deactivated have lost their access before: their removal is not counted again.
func TestRemovalOfDeactivatedMembersIsNotCountedTwice(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	w.pushed(users[:12]...)
	for _, user := range users[:10] {
		user.Status.Accounts[0].State = v1alpha1.AccountInactive
		w.put(user)
	}
	group := w.members(users[:12]...)
	got := w.push(group)
	if got == nil || got.Entry.HeldBatch != "" {
		t.Fatalf("the outcome is %+v", got)
	}
	if diff := cmp.Diff([]string{"10", "11"}, w.remoteMembers()); diff != "" || len(w.worker.ledger.RevokedUsers()) != 0 {
		t.Errorf("counted are %v\n%s", w.worker.ledger.RevokedUsers(), diff)
	}
}

func TestFeatureThatIsOffMeansNoCall(t *testing.T) {
	w := newWorld(t, func(app *v1alpha1.ScimApp) { pushing(app); app.Spec.Features = app.Spec.Features[:4] })
	users := w.staff(3)
	group := w.pushed(users...)
	group.DeletionTimestamp = &users[0].CreationTimestamp
	group.DeletionTimestamp.Time = w.clock.Now()
	w.cache.Put(group)
	got := w.push(group)
	w.wantCalls()
	if got == nil || !got.Drop || got.Event != "Released" || len(w.script.Groups) != 1 {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestMissingGroupIsMadeAnewOnceItsAbsenceIsShown(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(2)
	w.script.Users = []connector.User{{ID: "0"}, {ID: "1"}}
	group := w.pushed(users...)
	w.script.Groups = nil
	got := w.push(group)
	if got == nil || got.Entry.Reason != v1alpha1.ReasonAbsenceUnproven || got.Entry.State != v1alpha1.GroupPushed {
		t.Fatalf("the outcome is %+v", got)
	}
	w.writeGroup(group, got)
	w.clock.Step(settleTime + time.Minute)
	got = w.push(group)
	if got == nil || got.Event != ledger.EventNotFound || got.Entry.State != v1alpha1.GroupCreating {
		t.Fatalf("the outcome is %+v", got)
	}
	w.writeGroup(group, got)
	if got = w.push(group); got == nil || got.Event != "Created" {
		t.Errorf("the outcome is %+v", got)
	}
}

// A change of a group lost its answer: it is read once more after the settle time, when no late effect is possible any more.
func TestGroupWhoseChangeLostItsAnswerIsReadAgain(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(40)
	w.pushed(users[:3]...)
	group := w.members(users[:4]...)
	w.script.Errs[connector.OpUpdateGroup] = []error{connectortest.Lost(connector.OpUpdateGroup)}
	if got := w.push(group); got != nil {
		t.Fatalf("the outcome is %+v", got)
	}
	w.clock.Step(5 * time.Second)
	got := w.push(group)
	if got == nil || got.Entry.Applied != "" || got.Entry.NextRetryTime == nil {
		t.Fatalf("before the settle time the outcome is %+v", got)
	}
	w.writeGroup(group, got)
	w.clock.Step(settleTime + 2*time.Second)
	if got = w.push(group); got == nil || got.Entry.Applied == "" || len(w.remoteMembers()) != 4 {
		t.Errorf("the outcome is %+v", got)
	}
}

// An app may show a group as it was before the last write for the settle time. What a read in that time hides is found by another.
func TestGroupThatIsReadTooEarlyIsReadAgain(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(2)
	w.pushed(users[0])
	group := w.members(users...)
	w.writeGroup(group, w.push(group))
	if applied := group.Status.Apps[0].Applied; applied == "" {
		t.Fatal("the first write is not confirmed")
	}
	w.script.TakeCalls()

	// Who has just joined leaves, and the app shows the group without the newcomer.
	w.clock.Step(5 * time.Second)
	w.script.Group("g1").Members = w.script.Group("g1").Members[:1]
	updated := group.Status.Apps[0].UpdatedTime
	group.Spec.Members = group.Spec.Members[:1]
	group.Generation++
	group.Status.Apps[0].Applied, group.Status.ObservedGeneration = "", group.Generation
	w.cache.Put(group)
	got := w.push(group)
	w.wantCalls(connector.OpGetGroup)
	if got == nil || got.Entry.Applied != "" || got.Entry.NextRetryTime == nil {
		t.Fatalf("a read that may be old is believed: %+v", got)
	}
	if !got.Entry.UpdatedTime.Equal(updated) {
		t.Errorf("updated at %s, want %s: nothing was written", got.Entry.UpdatedTime, updated)
	}
	w.writeGroup(group, got)

	w.script.Group("g1").Members = append(w.script.Group("g1").Members, connector.Member{ID: users[1].Status.Accounts[0].RemoteID})
	w.clock.SetTime(got.Entry.NextRetryTime.Time)
	if got := w.push(group); got != nil {
		t.Fatalf("the outcome before the guard has counted is %+v", got)
	}
	w.count()
	w.record()
	got = w.push(group)
	if got == nil || got.Entry.Applied == "" || len(w.remoteMembers()) != 1 {
		t.Errorf("the outcome is %+v, the app has %q", got, w.remoteMembers())
	}
}

// A closed batch of removals never grows: an approval is for exactly the members that a person saw.
func TestHeldRemovalDoesNotGrow(t *testing.T) {
	w := newWorld(t, pushing)
	users := w.staff(60)
	w.pushed(users[:40]...)
	group := w.members(users[20:40]...)
	w.push(group)
	w.count()
	first := w.batches(1)[0]
	w.writeGroup(group, w.push(group))

	held := group.Status.Apps
	group = w.members(users[30:40]...)
	group.Status.Apps = held
	group.Generation++
	w.cache.Put(group)
	w.writeGroup(group, w.push(group))
	w.count()
	second := w.batches(1)[0]
	if second == first {
		t.Fatalf("the batch %s holds ten members more than a person saw", first)
	}
	w.approve(first)
	w.count()
	w.record()
	got := w.push(group)
	if len(w.remoteMembers()) != 40 || got.Entry.HeldBatch != second || got.Entry.Held != 30 {
		t.Fatalf("the former batch releases: the app has %q, the outcome is %+v", w.remoteMembers(), got)
	}
	w.writeGroup(group, got)
	w.count()
	if again := w.batches(1)[0]; again != second {
		t.Errorf("the batch became %s, was %s", again, second)
	}
	w.approve(second)
	w.count()
	w.record()
	if got := w.push(group); len(w.remoteMembers()) != 10 {
		t.Errorf("after the approval the app has %q, the outcome is %+v", w.remoteMembers(), got)
	}
}

// As many others are to be removed in place of those that are held, or more while the guard counts: the status shows the former batch still.
func TestOtherRemovalsAreNotThoseOfTheHeldBatch(t *testing.T) {
	for name, change := range map[string]func(*world, *v1alpha1.ScimGroup, []*v1alpha1.ScimUser){
		"others": func(w *world, group *v1alpha1.ScimGroup, users []*v1alpha1.ScimUser) {
			held := group.Status.Apps
			group = w.members(users[:20]...)
			group.Status.Apps = held
			group.Generation++
			w.cache.Put(group)
			w.push(group)
		},
		"more, which the worker has just read": func(w *world, group *v1alpha1.ScimGroup, users []*v1alpha1.ScimUser) {
			more := &ledger.Removals{Name: group.Name}
			for _, user := range users[:30] {
				more.Members = append(more.Members, user.Status.Accounts[0].RemoteID)
				more.Users = append(more.Users, guardIDOf(user))
			}
			w.worker.ledger.SetRemovals(idOfGroup(group), more)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, pushing)
			users := w.staff(60)
			w.pushed(users[:40]...)
			group := w.members(users[20:40]...)
			w.push(group)
			w.count()
			first := w.batches(1)[0]
			w.writeGroup(group, w.push(group))
			change(w, group, users)
			for range 3 {
				w.count()
				if again := w.batches(1)[0]; again == first {
					t.Fatalf("the batch %s has other members than a person saw", first)
				}
			}
		})
	}
}

// A user whom the provider takes out of two groups is one user for the guard; the groups of an app are counted together.
func TestRemovalsFromSeveralGroupsCountDistinctUsers(t *testing.T) {
	for name, tc := range map[string]struct {
		// overlap: the same eight users lose both groups.
		overlap bool
		// want is the number of held batches.
		want int
	}{
		"the same users": {overlap: true, want: 0},
		"other users":    {want: 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(app *v1alpha1.ScimApp) {
				pushing(app)
				app.Spec.Groups = append(app.Spec.Groups, v1alpha1.PushedGroup{DisplayName: "Support"})
				app.Status.Groups = append(app.Status.Groups, v1alpha1.ResolvedGroup{DisplayName: "Support", ID: pt.Group("Support").SCIMID()})
			})
			users := w.staff(40)
			w.pushed(users...)
			w.script.Groups = append(w.script.Groups, w.script.Groups[0])
			w.script.Groups[1].ID, w.script.Groups[1].DisplayName = "g2", "Support"
			w.script.Groups[1].ExternalID = pt.Group("Support").SCIMID()
			w.members(users[8:]...)
			support := w.members(users[8:]...)
			if !tc.overlap {
				support = w.members(append(slices.Clone(users[:8]), users[16:]...)...)
				w.members(users[8:]...)
			}
			other := pt.Group("Support")
			other.Spec.Members = support.Spec.Members
			other.Status.Apps = []v1alpha1.PushedGroupStatus{{App: "crm", State: v1alpha1.GroupPushed, RemoteID: "g2", Created: true}}
			other.Status.ObservedGeneration = other.Generation
			w.cache.Put(other)
			w.look(sales)
			w.look(Key{Kind: KindGroup, Name: "Support"})
			w.count()
			if batches := w.worker.HeldBatches(); len(batches) != tc.want {
				t.Errorf("the batches are %q", batches)
			}
		})
	}
}
