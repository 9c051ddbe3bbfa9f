// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package user

import (
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// Somebody else may remove the finalizers of a user. The delete event is then the last that is heard of it.
func TestNothingIsRememberedOfAUserThatVanished(t *testing.T) {
	d := drive(t, "kim", "lee")
	d.r.View = desired.NewView(d.cache, ledger.NewBook(d.clock))
	d.r.Apps = provisioner.NewRegistry(d.r.View, nil, logr.Discard(), provisioner.NewMetrics(prometheus.NewRegistry(), clocktesting.NewFakePassiveClock(pt.Now)))
	var woken []string
	d.r.Apps.SetNotify(provisioner.Notify{User: func(key types.NamespacedName) { woken = append(woken, key.Name) }})
	kim, lee := pt.User("kim"), pt.User("lee")
	id := ledger.ID{Kind: ledger.Account, UID: kim.UID}
	book := d.r.View.Book
	for _, app := range []string{"crm", "hr"} {
		l := book.Ledger(pt.Key(app))
		l.Announced(id)
		l.Tried(id, ledger.AttemptOf(app))
		l.MarkUnknown(id)
		l.ReplaceVerdicts(map[ledger.ID]ledger.Verdict{id: {Effect: "Update", Batch: "b"}})
		l.PutAccount(kim.UID, ledger.Outcome[v1alpha1.Account]{})
	}
	waits := ledger.Since{UID: kim.UID, For: waitStatus}
	began := book.Since(waits)
	book.Ledger(pt.Key("crm")).WaitFor(ledger.ID{Kind: ledger.Account, UID: lee.UID}, lee.Name, kim.UID)

	d.clock.SetTime(began.Add(time.Minute))
	d.cache.Remove(kim)
	d.deliver(kim, nil)
	if n := book.Ledger(pt.Key("crm")).Len(); n != 1 {
		t.Errorf("the ledger of crm has %d entries, want that of lee", n)
	}
	if n := book.Ledger(pt.Key("hr")).Len(); n != 0 || len(book.Ledger(pt.Key("hr")).WaitingBatches()) > 0 {
		t.Errorf("the ledger of hr has %d entries", n)
	}
	if again := book.Since(waits); !again.After(began) {
		t.Error("the wait goes on")
	}
	if len(woken) != 1 || woken[0] != "lee" {
		t.Errorf("%q were woken; lee waited for the account", woken)
	}
}

// An operation that was announced and settled leaves nothing: neither one of this process nor one of an earlier one.
func TestNothingIsRememberedOfAnAccountInSync(t *testing.T) {
	e := employed(t, nil)
	empty := func(when string) {
		t.Helper()
		if n := e.View.Book.Ledger(pt.Key("crm")).Len(); n > 0 {
			t.Errorf("%s: %d entries are left", when, n)
		}
	}
	empty("at first")
	retitle := func(expression string) {
		e.Change("crm", func(app *v1alpha1.ScimApp) {
			app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "title", Expression: expression}}
			app.Generation++
		})
		e.event()
	}
	writes := e.Client.Writes
	retitle(`"Manager"`)
	e.Run(time.Minute)
	if e.account().Attributes["title"] != "Manager" || e.Client.Writes-writes != 4 {
		t.Errorf("the account has %v after %d writes for two users", e.account().Attributes, e.Client.Writes-writes)
	}
	empty("after an update that no spec tells of")

	retitle(`"Director"`)
	for e.entry("kim", "crm").Operation == nil {
		if wait := e.Step(); wait > 0 {
			e.Clock.Step(wait)
		}
	}
	e.lead()
	e.Run(5 * time.Minute)
	if e.account().Attributes["title"] != "Director" {
		t.Errorf("the account has %v", e.account().Attributes)
	}
	empty("after an operation that was taken over")
}
