// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// user has an account, and a status of an earlier generation if observed is one.
func user(name string, generation, observed int64) *v1alpha1.ScimUser {
	return &v1alpha1.ScimUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: "corp", Name: name, UID: types.UID("uid-" + name), Generation: generation, ResourceVersion: "5"},
		Status:     v1alpha1.ScimUserStatus{ObservedGeneration: observed, Accounts: []v1alpha1.Account{{App: "crm"}}},
	}
}

func TestBookBehind(t *testing.T) {
	p := newProcess(t)
	if p.book.Behind("uid-kim") {
		t.Error("behind before the users are listed")
	}
	failure := errors.New("cache not synced")
	if err := p.book.Begin(func() ([]v1alpha1.ScimUser, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("error %v", err)
	}
	without := user("max", 3, 1)
	without.Status.Accounts = nil
	p.pass(time.Hour)
	err := p.book.Begin(func() ([]v1alpha1.ScimUser, error) {
		return []v1alpha1.ScimUser{*user("kim", 2, 1), *user("lee", 2, 2), *without}, nil
	})
	if err != nil || !p.book.Behind("uid-kim") || p.book.Behind("uid-lee") || p.book.Behind("uid-max") {
		t.Errorf("error %v; behind: kim %t, lee %t, max %t", err, p.book.Behind("uid-kim"), p.book.Behind("uid-lee"), p.book.Behind("uid-max"))
	}
	// Whoever changes later was seen by this process.
	err = p.book.Begin(func() ([]v1alpha1.ScimUser, error) { return []v1alpha1.ScimUser{*user("lee", 3, 2)}, nil })
	if err != nil || p.book.Behind("uid-lee") {
		t.Errorf("error %v; the users are listed twice", err)
	}
	p.book.Adopted("uid-kim")
	if p.book.Behind("uid-kim") {
		t.Error("taken over and still behind")
	}
	// A call of an earlier leader may have been sent just before this one took over, however long this process has been waiting for that.
	if got := p.SettleWait(kim, true); got != settle {
		t.Errorf("wait %v, want %v", got, settle)
	}
}

func TestACreateThatAnotherProcessAnnouncesWaits(t *testing.T) {
	creating := func(name string, state v1alpha1.AccountState) v1alpha1.ScimUser {
		user := v1alpha1.ScimUser{}
		user.Namespace, user.Name, user.UID = crm.Namespace, name, types.UID("uid-"+name)
		user.Status.Accounts = []v1alpha1.Account{{App: crm.Name, State: state}}
		return user
	}
	p := newProcess(t)
	users := []v1alpha1.ScimUser{creating("kim", v1alpha1.AccountCreating), creating("lee", v1alpha1.AccountPending), creating("max", v1alpha1.AccountPending)}
	if err := p.book.Begin(func() ([]v1alpha1.ScimUser, error) { return users, nil }); err != nil {
		t.Fatal(err)
	}
	p.pass(time.Hour)
	p.Intended(ledger.ID{Kind: ledger.Account, UID: "uid-max"})
	for _, tc := range []struct {
		name string
		pass time.Duration
		want time.Duration
	}{
		{name: "kim"},
		{name: "max"},
		{name: "lee", want: settle},
		{name: "lee", pass: time.Second, want: settle - time.Second},
		{name: "lee", pass: settle},
	} {
		p.pass(tc.pass)
		if got := p.SettleWait(ledger.ID{Kind: ledger.Account, UID: types.UID("uid-" + tc.name)}, true); got != tc.want {
			t.Errorf("%s waits %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestBookHasALedgerForEachApp(t *testing.T) {
	p := newProcess(t)
	wiki := types.NamespacedName{Namespace: "corp", Name: "wiki"}
	if p.book.Ledger(crm) != p.Ledger || p.book.Ledger(wiki) == p.Ledger {
		t.Error("two apps have one ledger, or one has two")
	}
	p.book.Ledger(types.NamespacedName{Namespace: "other", Name: "crm"})
	if in := p.book.Namespace("corp"); len(in) != 2 || in["crm"] != p.Ledger {
		t.Errorf("ledgers of the namespace: %v", in)
	}
	p.book.ForgetApp(wiki)
	if in := p.book.Namespace("corp"); len(in) != 1 {
		t.Errorf("ledgers of the namespace: %v", in)
	}
}

func TestSinceBeginsOnce(t *testing.T) {
	p := newProcess(t)
	wait := ledger.Since{UID: "uid-kim", For: "slice"}
	first := p.book.Since(wait)
	p.pass(time.Minute)
	if !p.book.Since(wait).Equal(first) || p.book.Since(ledger.Since{UID: "uid-kim", For: "app"}).Equal(first) {
		t.Error("a wait begins anew, or with another one")
	}
	p.book.End(wait)
	if p.book.Since(wait).Equal(first) {
		t.Error("an ended wait goes on")
	}
}

func TestWrittenStatusIsForgottenOnceTheCacheShowsIt(t *testing.T) {
	users := newProcess(t).book.Users
	written, cached := user("kim", 1, 1), user("kim", 1, 1)
	if users.Newer(cached) != nil {
		t.Error("a status of nobody")
	}
	users.Put(written, &v1alpha1.ScimUserStatus{Summary: "1/1"})
	cached.ResourceVersion = "4"
	for range 2 {
		if newer := users.Newer(cached); newer == nil || newer.Summary != "1/1" {
			t.Errorf("a stale cache: %v", newer)
		}
	}
	cached.ResourceVersion = "5"
	if users.Newer(cached) != nil {
		t.Error("the cache shows what was written")
	}
	cached.ResourceVersion = "4"
	if users.Newer(cached) != nil {
		t.Error("it is not forgotten")
	}
	for name, change := range map[string]func(*v1alpha1.ScimUser){
		"another object of the name":  func(u *v1alpha1.ScimUser) { u.UID = "uid-other" },
		"a version without an order":  func(u *v1alpha1.ScimUser) { u.ResourceVersion = "not a number" },
		"an object that was replaced": func(u *v1alpha1.ScimUser) { u.UID, u.ResourceVersion = "uid-other", "9" },
	} {
		users.Put(written, &v1alpha1.ScimUserStatus{})
		cached := user("kim", 1, 1)
		cached.ResourceVersion = "4"
		change(cached)
		if users.Newer(cached) != nil {
			t.Errorf("%s gets the status", name)
		}
	}
	users.Put(written, &v1alpha1.ScimUserStatus{})
	users.Forget(types.NamespacedName{Namespace: "corp", Name: "kim"})
	if users.Newer(cached) != nil {
		t.Error("the status of an object that does not exist any more")
	}
}
