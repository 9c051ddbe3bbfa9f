// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"testing"
	"time"
)

func TestAccountIsHeldByOneCall(t *testing.T) {
	p := newProcess(t)
	if !p.Hold("7", start) || p.Hold("7", start) || !p.Hold("8", start) {
		t.Fatal("two calls hold one account")
	}
	p.pass(time.Second)
	p.Release([]string{"7", "8"})
	if p.Hold("7", start) {
		t.Error("what is known of the account was read before another call ended")
	}
	if !p.Hold("7", p.Now()) {
		t.Error("nobody holds the account")
	}
	// The end of a call is not remembered for ever.
	p.Release([]string{"7"})
	p.pass(2 * time.Minute)
	p.Release(nil)
	if !p.Hold("7", start) {
		t.Error("the end of a call of two minutes ago")
	}
}

func TestLatestOwner(t *testing.T) {
	p := newProcess(t)
	p.Own("7", "kim", kim.UID, true)
	if owner, ok := p.LatestOwner("7"); !ok || owner.Name != "kim" || owner.UID != kim.UID {
		t.Errorf("owner %+v", owner)
	}
	p.Own("7", "lee", "uid-lee", false)
	if _, ok := p.LatestOwner("7"); !ok {
		t.Error("who is not the owner gave it up")
	}
	p.Own("7", "kim", kim.UID, false)
	if owner, ok := p.LatestOwner("7"); ok {
		t.Errorf("owner %+v", owner)
	}
	p.Own("7", "kim", kim.UID, true)
	p.pass(2 * time.Minute)
	p.Own("8", "lee", "uid-lee", true)
	if _, ok := p.LatestOwner("7"); ok {
		t.Error("the cache shows an owner of two minutes ago")
	}
}
