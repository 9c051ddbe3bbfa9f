// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package group

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner/provisionertest"
)

// effects of a call that loses its answer: at once, never, or while its outcome is unknown still.
var effects = []string{"it took effect", "it did not take effect", "it took effect late"}

// losesUpdate makes the next update lose its answer. When the lost change takes effect late, arrives makes it.
func (e *engine) losesUpdate(effect string, change func([]connector.Member) []connector.Member) (arrives func()) {
	e.lose(connector.OpUpdateGroup, effect == effects[0])
	return func() {
		e.app.NoEffect = false
		if effect == effects[2] {
			e.late(change)
		}
	}
}

func add(id string) func([]connector.Member) []connector.Member {
	return func(members []connector.Member) []connector.Member {
		return append(remove(id)(members), connector.Member{ID: id})
	}
}

func remove(id string) func([]connector.Member) []connector.Member {
	return func(members []connector.Member) []connector.Member {
		return slices.DeleteFunc(slices.Clone(members), func(m connector.Member) bool { return m.ID == id })
	}
}

// wantInSync checks that the app has the members and that the status says so.
func (e *engine) wantInSync(members ...string) {
	e.T.Helper()
	if diff := cmp.Diff(members, e.remote()); diff != "" {
		e.T.Errorf("members (-want +got):\n%s", diff)
	}
	if entry := e.entry(); entry.Applied == "" || entry.Reason != "" || e.ready() != v1alpha1.ReasonSucceeded {
		e.T.Errorf("the status is %+v, Ready %s", entry, e.ready())
	}
}

// wantUnsettled checks that the status says that the group may differ.
func (e *engine) wantUnsettled(when string) {
	e.T.Helper()
	if entry := e.entry(); entry.Applied != "" || e.ready() == v1alpha1.ReasonSucceeded {
		e.T.Fatalf("%s the status is %+v, Ready %s", when, entry, e.ready())
	}
}

func TestMemberUpdateLosesItsAnswerAndTheMemberIsRemoved(t *testing.T) {
	for _, effect := range effects {
		t.Run(effect, func(t *testing.T) {
			e := pushed(t, 3)
			arrives := e.losesUpdate(effect, add("3"))
			e.members("Sales", e.users[:4]...)
			e.Run(time.Second)
			e.wantUnsettled("after the lost answer")
			e.members("Sales", e.users[:3]...)
			e.Run(5 * time.Second)
			arrives()
			e.counted(time.Hour, 30, 8)
			e.wantInSync("0", "1", "2")
		})
	}
}

func TestMemberUpdateLosesItsAnswerAndTheGroupIsDeleted(t *testing.T) {
	for _, effect := range effects {
		t.Run(effect, func(t *testing.T) {
			e := pushed(t, 3)
			arrives := e.losesUpdate(effect, add("3"))
			e.members("Sales", e.users[:4]...)
			e.Run(time.Second)
			e.wantUnsettled("after the lost answer")
			arrives()
			e.delete("Sales")
			calls := e.counted(time.Hour, 30, 6)
			if e.app.Group("group-Sales") != nil || e.stored("Sales") != nil || !slices.Contains(calls, connector.OpDeleteGroup) {
				t.Errorf("the app has the members %q, the calls were %q, the status is %+v", e.remote(), calls, e.entry())
			}
		})
	}
}

func TestMemberRemovalLosesItsAnswerAndTheMemberReturns(t *testing.T) {
	for _, effect := range effects {
		t.Run(effect, func(t *testing.T) {
			e := pushed(t, 4)
			arrives := e.losesUpdate(effect, remove("3"))
			e.members("Sales", e.users[:3]...)
			e.Run(2 * time.Second)
			e.wantUnsettled("after the lost answer")
			e.members("Sales", e.users[:4]...)
			e.Run(5 * time.Second)
			arrives()
			e.counted(time.Hour, 30, 8)
			e.wantInSync("0", "1", "2", "3")
		})
	}
}

func TestMembersWhoAreRemovedWhileNobodyLeadsAreOneHeldBatch(t *testing.T) {
	e := pushed(t, 40)
	e.members("Sales", e.users[:20]...)
	e.lead()
	e.Run(10 * time.Minute)
	batches := e.Registry.Get(pt.Key("crm")).HeldBatches()
	entry := e.entry()
	if len(batches) != 1 || entry.HeldBatch != batches[0] || entry.Held != 20 || e.ready() != v1alpha1.ReasonHeld || len(e.remote()) != 40 {
		t.Fatalf("the batches are %q, the status %+v, the app has %d members", batches, entry, len(e.remote()))
	}
	// Another failover, while it is held.
	e.lead()
	e.counted(10*time.Minute, 15, 3)
	if again := e.Registry.Get(pt.Key("crm")).HeldBatches(); !slices.Equal(batches, again) || len(e.remote()) != 40 {
		t.Fatalf("after a failover the batches are %q, were %q; the app has %d members", again, batches, len(e.remote()))
	}
	e.change(func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: batches[0]}
	})
	e.Registry.Get(pt.Key("crm")).Recheck()
	e.Run(time.Minute)
	if n := len(e.remote()); n != 20 || e.entry().HeldBatch != "" {
		t.Errorf("after the approval the app has %d members, the status is %+v", n, e.entry())
	}
}

func TestMistakeWhileTheAppIsSuspendedDeletesNoGroupOfStrangers(t *testing.T) {
	for name, undo := range map[string]func(*engine){
		"it is not listed any more": func(e *engine) { e.change(func(app *v1alpha1.ScimApp) { list(app) }) },
		"the group is deleted":      func(e *engine) { e.delete("Sales") },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t, func(app *v1alpha1.ScimApp) { app.Spec.Suspend = true })
			theirs := connector.Group{ID: "group-Sales", DisplayName: "Sales", Members: []connector.Member{{ID: "stranger"}}, MembersKnown: true}
			e.app.Groups = []connector.Group{theirs}
			e.members("Sales", e.users[:3]...)
			e.Run(time.Minute)
			if entry := e.entry(); entry.State != v1alpha1.GroupPending {
				t.Errorf("while the app is suspended the status is %+v", entry)
			}
			undo(e)
			e.event()
			e.Run(time.Minute)
			e.change(func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = false, 2 })
			e.event()
			e.counted(2*time.Hour, 5, 0)
			if diff := cmp.Diff([]connector.Group{theirs}, e.app.Groups); diff != "" {
				t.Errorf("the app's own group (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPossibleMembersStayVisibleAfterACrashUntilTheyAreSettled(t *testing.T) {
	for _, effect := range effects {
		t.Run(effect, func(t *testing.T) {
			e := pushed(t, 4)
			arrives := e.losesUpdate(effect, remove("3"))
			e.members("Sales", e.users[:3]...)
			e.Run(2 * time.Second)
			e.wantUnsettled("after the lost answer")
			e.members("Sales", e.users[:4]...) // wanted again, and a crash
			e.lead()
			for i := range 9 {
				e.Run(provisionertest.SettleTime / 10)
				e.wantUnsettled(fmt.Sprintf("%d s after the crash", i+1))
			}
			arrives()
			e.counted(time.Hour, 20, 4)
			e.wantInSync("0", "1", "2", "3")
		})
	}
}

func TestMemberRemovalTimesOutThenTheAppIsSuspendedAndTheMemberReturns(t *testing.T) {
	for _, effect := range effects {
		t.Run(effect, func(t *testing.T) {
			e := pushed(t, 4)
			arrives := e.losesUpdate(effect, remove("3"))
			e.members("Sales", e.users[:3]...)
			e.Run(2 * time.Second)
			e.change(func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = true, 2 })
			e.members("Sales", e.users[:4]...)
			e.counted(time.Hour, 10, 0)
			arrives()
			e.wantUnsettled("while the app is suspended")
			e.change(func(app *v1alpha1.ScimApp) { app.Spec.Suspend, app.Generation = false, 3 })
			e.event()
			e.Run(time.Minute)
			e.wantInSync("0", "1", "2", "3")
		})
	}
}

func TestNewTokenEndsTheWaitOfARefusedGroup(t *testing.T) {
	e := pushed(t, 3)
	e.app.Always[connector.OpUpdateGroup] = &connector.Error{Op: connector.OpUpdateGroup, Kind: connector.Forbidden, Status: 403, Sent: true}
	e.members("Sales", e.users[:4]...)
	e.Run(time.Minute)
	if entry := e.entry(); entry.Reason != v1alpha1.ReasonInsufficientPermissions || entry.NextRetryTime == nil {
		t.Fatalf("the status is %+v", entry)
	}
	delete(e.app.Always, connector.OpUpdateGroup)
	e.counted(10*time.Minute, 10, 0)
	e.start("another token")
	e.event() // the app's reconciler does so when it starts the app
	e.Run(time.Minute)
	e.wantInSync("0", "1", "2", "3")
}

// The app answers the create of one group with an id that cannot be kept: that group alone fails, in words, and the others are pushed.
func TestUnusableIDFailsThatGroupAlone(t *testing.T) {
	e := newEngine(t, func(app *v1alpha1.ScimApp) { list(app, "Sales", "Support") })
	e.app.Errs[connector.OpCreateGroup] = []error{&connector.Error{
		Op: connector.OpCreateGroup, Kind: connector.UnusableAnswer, Status: 201, Sent: true, Detail: "the id is longer than 512 bytes",
	}}
	e.members("Sales", e.users[:3]...)
	e.Run(time.Minute)
	e.members("Support", e.users[3:6]...)
	e.counted(30*time.Minute, 10, 3)
	if entry := e.entry(); entry.RemoteID != "" || entry.Reason != v1alpha1.ReasonUnusableAnswer || !strings.Contains(entry.Message, "longer than 512 bytes") {
		t.Errorf("the status is %+v", entry)
	}
	if support := e.stored("Support").Status.App("crm"); support.State != v1alpha1.GroupPushed || support.Applied == "" {
		t.Errorf("the other group has %+v", support)
	}
}

func TestGroupCreateLosesItsAnswerAndTheGroupIsNotWantedAnyMore(t *testing.T) {
	unlist := func(e *engine) {
		e.change(func(app *v1alpha1.ScimApp) { list(app) })
		e.event()
	}
	for name, undo := range map[string]func(*engine){
		"it is not listed":         unlist,
		"it is not listed, crash":  func(e *engine) { unlist(e); e.lead() },
		"the group is deleted":     func(e *engine) { e.delete("Sales") },
		"it is deleted, and crash": func(e *engine) { e.delete("Sales"); e.lead() },
	} {
		for _, effect := range effects {
			t.Run(name+", "+effect, func(t *testing.T) {
				e := newEngine(t, nil)
				e.lose(connector.OpCreateGroup, effect == effects[0])
				e.members("Sales", e.users[:3]...)
				e.Run(600 * time.Millisecond)
				if entry := e.entry(); entry.State != v1alpha1.GroupCreating {
					t.Fatalf("the create is not announced: %+v", entry)
				}
				undo(e)
				e.Run(5 * time.Second)
				if effect == effects[2] {
					sent := connector.Group{ID: "group-Sales", DisplayName: "Sales", ExternalID: pt.Group("Sales").SCIMID(), MembersKnown: true}
					e.app.Groups = append(e.app.Groups, sent)
				}
				e.counted(time.Hour, 30, 8)
				if len(e.app.Groups) > 0 || e.entry() != (v1alpha1.PushedGroupStatus{}) {
					t.Errorf("the app has %+v, the status is %+v", e.app.Groups, e.entry())
				}
			})
		}
	}
}

// A deleted group takes the access of all of its members: it stays until the batch is approved, across a failover.
func TestDeletedGroupIsHeldUntilItsBatchIsApproved(t *testing.T) {
	e := pushed(t, 20)
	e.delete("Sales")
	e.Run(time.Minute)
	batches := e.Registry.Get(pt.Key("crm")).HeldBatches()
	e.lead()
	e.Run(10 * time.Minute)
	if again := e.Registry.Get(pt.Key("crm")).HeldBatches(); len(batches) != 1 || !slices.Equal(batches, again) || len(e.remote()) != 20 {
		t.Fatalf("the batches are %q, were %q; the app has %d members", again, batches, len(e.remote()))
	}
	e.change(func(app *v1alpha1.ScimApp) {
		app.Annotations = map[string]string{v1alpha1.AnnotationApproveBatch: batches[0]}
	})
	e.Registry.Get(pt.Key("crm")).Recheck()
	e.Run(time.Minute)
	if e.app.Group("group-Sales") != nil || e.stored("Sales") != nil {
		t.Errorf("after the approval the app has %d members, the status is %+v", len(e.remote()), e.entry())
	}
}

// Whoever joins while a removal is held is added at once, under another leader as well.
func TestHeldRemovalDelaysNoAddition(t *testing.T) {
	join := func(e *engine) { e.members("Sales", e.users[15:21]...) }
	for name, change := range map[string]func(*engine){
		"under one leader":   join,
		"after a failover":   func(e *engine) { e.lead(); e.Run(time.Minute); join(e) },
		"while nobody leads": func(e *engine) { join(e); e.lead() },
	} {
		t.Run(name, func(t *testing.T) {
			e := pushed(t, 20)
			e.members("Sales", e.users[15:20]...)
			e.Run(time.Minute)
			held := e.entry().HeldBatch
			if held == "" || len(e.remote()) != 20 {
				t.Fatalf("the status is %+v, the app has %d members", e.entry(), len(e.remote()))
			}
			change(e)
			e.Run(time.Minute)
			if ids := e.remote(); len(ids) != 21 || !slices.Contains(ids, "20") || e.entry().HeldBatch != held {
				t.Errorf("the app has the members %q, the status is %+v", ids, e.entry())
			}
		})
	}
}
