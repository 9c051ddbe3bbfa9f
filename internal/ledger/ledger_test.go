// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/plan"
)

const settle = 30 * time.Second

var (
	start = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	crm   = types.NamespacedName{Namespace: "corp", Name: "crm"}
	kim   = ledger.ID{Kind: ledger.Account, UID: "uid-kim"}
	staff = ledger.ID{Kind: ledger.Group, UID: "uid-staff"}
)

// process is a ledger of a process that has just taken over.
type process struct {
	*ledger.Ledger
	t    *testing.T
	book *ledger.Book
	*clocktesting.FakePassiveClock
}

func newProcess(t *testing.T) *process {
	t.Helper()
	clk := clocktesting.NewFakePassiveClock(start)
	book := ledger.NewBook(clk)
	p := &process{Ledger: book.Ledger(crm), t: t, book: book, FakePassiveClock: clk}
	p.SetSettle(settle)
	return p
}

// pass has time pass.
func (p *process) pass(d time.Duration) { p.SetTime(p.Now().Add(d)) }

// empty expects that nothing is remembered.
func (p *process) empty(when string) {
	p.t.Helper()
	if n := p.Len(); n > 0 {
		p.t.Errorf("%s: %d entries are left", when, n)
	}
}

func TestAbsenceBeginsOnce(t *testing.T) {
	p := newProcess(t)
	if p.IsAbsent(kim) {
		t.Error("absent before the app said so")
	}
	first := p.AbsentSince(kim)
	p.pass(time.Minute)
	if again := p.AbsentSince(kim); !again.Equal(first) || !p.IsAbsent(kim) || p.IsAbsent(staff) {
		t.Errorf("absent since %v, then since %v", first, again)
	}
	p.Present(kim)
	if p.IsAbsent(kim) || !p.AbsentSince(kim).Equal(p.Now()) {
		t.Error("an account that was present since is as absent as before")
	}
	p.Present(kim)
	p.empty("present")
}

func TestSettledKeepsOperationVerdictAndAbsence(t *testing.T) {
	p := newProcess(t)
	p.Settled(kim)
	p.empty("nothing to settle")
	p.Intended(kim)
	p.Sent(kim)
	p.Tried(kim, ledger.AttemptOf("a"))
	p.CountFailure(kim)
	p.WaitFor(kim, "kim", "uid-lee")
	p.CountIdle(kim)
	p.Settled(kim)
	p.empty("everything of a step that was made")
	p.Begin(kim, update("title"), "")
	p.Unknown(kim)
	p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{kim: {Effect: "Update", Batch: "b"}})
	p.Settled(kim)
	if p.Unsettled(kim) == nil || p.Verdict(kim, "Update").Batch != "b" {
		t.Error("the operation or the verdict is forgotten")
	}
}

func TestForgetDropsEverythingButRevocations(t *testing.T) {
	p := newProcess(t)
	lee := ledger.ID{Kind: ledger.Account, UID: "uid-lee"}
	p.WaitFor(lee, "lee", kim.UID)
	p.Begin(kim, update("title"), "")
	p.PutAccount(kim.UID, ledger.Outcome[v1alpha1.Account]{})
	p.AddRevoked("kim", ledger.Revoked{At: p.Now()})
	p.MarkUnknown(staff)
	p.PutGroup(staff.UID, ledger.Outcome[v1alpha1.PushedGroupStatus]{})
	if waiting := p.Forget(kim); !slices.Equal(waiting, []string{"lee"}) {
		t.Errorf("%v waited", waiting)
	}
	if p.Unsettled(kim) != nil || p.HasOutcome(kim) || len(p.RevokedUsers()) != 1 {
		t.Error("something of the account is left, or its revocation is not")
	}
	if waiting := p.Forget(staff); len(waiting) > 0 || p.HasOutcome(staff) {
		t.Errorf("a group: %v", waiting)
	}
	p.Settled(lee)
	p.empty("all are forgotten")
}

func TestGuardIDIsShortAndOneForAnAccount(t *testing.T) {
	byRemote := ledger.GuardID("7", "uid-kim")
	if byRemote != ledger.GuardID("7", "") || byRemote == ledger.GuardID("", "7") || ledger.GuardID("", "a") == ledger.GuardID("", "b") {
		t.Error("an account has two ids, or two accounts have one")
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{8}$`).MatchString(byRemote) {
		t.Errorf("id %q", byRemote)
	}
}

// The race detector looks on.
func TestLedgerIsUsedConcurrently(t *testing.T) {
	p := newProcess(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			id := ledger.ID{Kind: ledger.Account, UID: types.UID(fmt.Sprint(i % 4))}
			group := ledger.ID{Kind: ledger.Group, UID: id.UID}
			name := string(id.UID)
			for range 40 {
				p.SetSettle(settle)
				p.Adopt(id, nil, true)
				p.Begin(id, update("title"), "d")
				p.Unknown(id)
				p.Unsettled(id)
				p.Begin(id, update("title"), "d")
				p.Succeeded(id, plan.Step{Action: v1alpha1.ActionUpdate})
				p.Observed(id)
				p.PutAccount(id.UID, ledger.Outcome[v1alpha1.Account]{})
				if outcome, ok := p.AccountOutcome(id.UID); ok {
					p.AccountWritten(id.UID, outcome)
				}
				p.Wait(id, ledger.AttemptOf(i), false, &metav1.Time{Time: start})
				p.WaitFor(id, name, "owner")
				p.Wake("owner")
				if p.Hold(name, start) {
					p.Release([]string{name})
				}
				p.Own(name, name, id.UID, i%2 == 0)
				p.SetRemovals(group, &ledger.Removals{Members: []string{name}})
				p.CloseRemovals(group, "b", []string{name})
				p.HeldRemovals(group)
				p.RemovalsBatch(group, ledger.Removals{Members: []string{name}}, "b", "digest")
				p.AllRemovals()
				p.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{id: {Effect: "Update"}})
				p.Verdicts()
				p.AddRevoked(name, ledger.Revoked{At: start})
				p.AskRecord(name, ledger.Revoked{At: start}, ledger.Waiting{Kind: ledger.Account, Name: name})
				ledger.RecordRevoked(nil, p.RevokedUsers(), start)
				p.MarkRecorded([]string{name})
				p.CountIdle(id)
				p.Settled(id)
				p.Pause(start)
				p.book.Users.Put(user("kim", 1, 1), &v1alpha1.ScimUserStatus{})
				p.book.Users.Newer(user("kim", 1, 1))
				p.book.Since(ledger.Since{UID: id.UID})
				p.book.Namespace("corp")
				p.Forget(id)
				p.Forget(group)
			}
		})
	}
	wg.Wait()
	p.empty("all are forgotten")
}
