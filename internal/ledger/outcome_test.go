// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

func active(remoteID string) ledger.Outcome[v1alpha1.Account] {
	return ledger.Outcome[v1alpha1.Account]{Entry: v1alpha1.Account{App: "crm", State: v1alpha1.AccountActive, RemoteID: remoteID}}
}

func TestOutcomeIsKeptUntilAStatusHoldsIt(t *testing.T) {
	p := newProcess(t)
	if _, ok := p.AccountOutcome(kim.UID); ok || p.HasOutcome(kim) {
		t.Error("an outcome of nothing")
	}
	p.PutAccount(kim.UID, active("1"))
	first, ok := p.AccountOutcome(kim.UID)
	if !ok || first.Entry.RemoteID != "1" || !p.HasOutcome(kim) || p.HasOutcome(ledger.ID{Kind: ledger.Group, UID: kim.UID}) {
		t.Errorf("outcome %+v", first)
	}
	if p.NewerAccount(kim.UID, first, true) || !p.NewerAccount(kim.UID, ledger.Outcome[v1alpha1.Account]{}, false) {
		t.Error("it cannot be told whether an outcome came since")
	}
	// A newer one comes while the first is being written, though it is equal.
	p.PutAccount(kim.UID, active("1"))
	if !p.NewerAccount(kim.UID, first, true) {
		t.Error("the newer outcome is not seen")
	}
	p.AccountWritten(kim.UID, first)
	second, ok := p.AccountOutcome(kim.UID)
	if !ok {
		t.Fatal("the newer outcome is lost with the first")
	}
	p.AccountWritten(kim.UID, second)
	p.AccountWritten(kim.UID, ledger.Outcome[v1alpha1.Account]{})
	p.empty("written")
	if p.NewerAccount(kim.UID, second, true) {
		t.Error("nothing waits to be written")
	}
}

func TestOutcomeOfAGroup(t *testing.T) {
	p := newProcess(t)
	p.PutGroup(staff.UID, ledger.Outcome[v1alpha1.PushedGroupStatus]{Drop: true})
	first, ok := p.GroupOutcome(staff.UID)
	if !ok || !first.Drop || !p.HasOutcome(staff) {
		t.Errorf("outcome %+v", first)
	}
	p.PutGroup(staff.UID, ledger.Outcome[v1alpha1.PushedGroupStatus]{})
	p.GroupWritten(staff.UID, first)
	second, ok := p.GroupOutcome(staff.UID)
	if !ok || second.Drop {
		t.Fatal("the newer outcome is lost with the first")
	}
	p.GroupWritten(staff.UID, second)
	p.empty("written")
}

func TestLooksAreBounded(t *testing.T) {
	p := newProcess(t)
	looks := func() (n int) {
		for n = 1; !p.CountIdle(kim); n++ {
			if n > 1000 {
				t.Fatal("looks without end")
			}
		}
		return n
	}
	most := looks()
	if most > 50 {
		t.Errorf("%d looks are not too many", most)
	}
	p.empty("too many looks were told")
	if again := looks(); again != most {
		t.Errorf("%d looks, then %d", most, again)
	}
	for name, progress := range map[string]func(){
		"progress":    func() { p.Progress(kim) },
		"an outcome":  func() { p.PutAccount(kim.UID, active("1")) },
		"a call":      func() { p.Begin(kim, update("title"), "") },
		"a create":    func() { p.Sent(kim) },
		"it is right": func() { p.Settled(kim) },
	} {
		for range most - 1 {
			p.CountIdle(kim)
		}
		progress()
		if p.CountIdle(kim) {
			t.Errorf("%s does not begin the count anew", name)
		}
		p.Progress(kim)
	}
}
