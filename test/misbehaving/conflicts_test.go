// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// comparesCase makes the lookups of an app compare letter case.
func comparesCase(x *exchange) {
	filter := x.query.Get("filter")
	x.edit(func(list map[string]any) {
		kept := []any{}
		rows, _ := list["Resources"].([]any)
		for _, row := range rows {
			if object, _ := row.(map[string]any); strings.Contains(filter, fmt.Sprintf("%q", object["userName"])) {
				kept = append(kept, row)
			}
		}
		list["Resources"], list["totalResults"] = kept, len(kept)
	})
}

// TestDuplicateInAnotherLetterCase: the lookup compares letter case and shows nothing, and POST -> 409 or 500. The account is found in the listing, and linked.
func TestDuplicateInAnotherLetterCase(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusConflict, http.StatusInternalServerError} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, nil, func(x *exchange, pass func()) {
				pass()
				switch {
				case x.looksUp("Users"):
					comparesCase(x)
				case x.is(http.MethodPost, "Users") && x.status == http.StatusConflict:
					x.reply(status, "application/json", `{"error":"duplicate key value violates unique constraint"}`)
				}
			})
			remote, err := a.AddUser(map[string]any{"userName": "Kim@Corp.test", "active": true})
			if err != nil {
				t.Fatal(err)
			}
			kim := op.CreateUser(t, "kim@corp.test")
			account := awaitAccount(t, d, kim, "the account is linked", func(a v1alpha1.Account) bool { return a.State == v1alpha1.AccountActive })
			if account.RemoteID != remote {
				t.Errorf("the account status is %+v", account)
			}
			if posts := a.count(request(http.MethodPost, "Users")); posts > 3 {
				t.Errorf("%d creates", posts)
			}
			lists := a.count(func(x *exchange) bool {
				return x.method == http.MethodGet && x.path == "/Users" && !x.query.Has("filter") && x.query.Get("count") != "1"
			})
			if lists > 1 {
				t.Errorf("the accounts were listed %d times", lists)
			}
			awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
		})
	}
}

// TestEmailAddressOfAnotherAccount: POST -> 409 because another account has the e-mail address. The account is linked by the policy, or the status says what to do, with the
// app's words; the create is not repeated hot.
func TestEmailAddressOfAnotherAccount(t *testing.T) {
	t.Parallel()
	taken := func(x *exchange, pass func()) {
		if x.is(http.MethodPost, "Users") && strings.Contains(x.body, "kim@corp.test") {
			x.refuse(http.StatusConflict, "uniqueness", "The e-mail address kim@corp.test is already in use by a guest")
			return
		}
		pass()
	}
	for name, tc := range map[string]struct {
		adoption v1alpha1.Adoption
		account  map[string]any
		reason   string
		mention  string
	}{
		"linked":       {account: map[string]any{"userName": "kim.guest", "active": true}},
		"not adopted":  {adoption: v1alpha1.AdoptionNever, account: map[string]any{"userName": "kim.guest", "active": true}, reason: v1alpha1.ReasonAccountConflict, mention: "Never"},
		"of another":   {account: map[string]any{"userName": "kim.guest", "externalId": "another", "active": true}, reason: v1alpha1.ReasonAdoptionUnconfirmed, mention: v1alpha1.AnnotationConfirmAccount},
		"not found":    {reason: v1alpha1.ReasonAccountConflict, mention: "already in use by a guest"},
		"without form": {account: map[string]any{"userName": "kim.guest", "active": true}, adoption: v1alpha1.AdoptionConfirm, reason: v1alpha1.ReasonAdoptionUnconfirmed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, func(app *v1alpha1.ScimApp) { app.Spec.Adoption = tc.adoption }, taken)
			remote := ""
			if tc.account != nil {
				tc.account["emails"] = []any{map[string]any{"value": "kim@corp.test", "type": "work", "primary": true}}
				id, err := a.AddUser(tc.account)
				if err != nil {
					t.Fatal(err)
				}
				remote = id
			}
			kim := op.CreateUser(t, "kim@corp.test")
			account := awaitAccount(t, d, kim, "the outcome", decided)
			if account.Reason != tc.reason || (tc.reason == "" && account.RemoteID != remote) {
				t.Fatalf("the account status is %+v", account)
			}
			mentions(t, account.Message, tc.mention)
			if strings.Contains(account.Message, "kim@corp.test") {
				t.Errorf("the message has a personal value: %s", account.Message)
			}
			flood(t, d, kim)
			if posts := a.count(request(http.MethodPost, "Users")); posts > 2 {
				t.Errorf("%d creates", posts)
			}
		})
	}
}

// TestReusedAddress: the app has an inactive account of the same userName whose externalId is another one. It is linked once a person has confirmed it.
func TestReusedAddress(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	remote, err := a.AddUser(map[string]any{"userName": "kim@corp.test", "externalId": "former-kim", "active": false, "title": "Treasurer"})
	if err != nil {
		t.Fatal(err)
	}
	kim := op.CreateUser(t, "kim@corp.test")
	account := awaitReason(t, d, kim, v1alpha1.ReasonAdoptionUnconfirmed)
	mentions(t, account.Message, v1alpha1.AnnotationConfirmAccount, appName+"/"+remote)
	if user, _ := a.User("kim@corp.test"); user.Active || a.count((*exchange).writes) > 0 {
		t.Error("the account was changed before a person has confirmed it")
	}
	annotate(t, d, kim, v1alpha1.AnnotationConfirmAccount, appName+"/"+remote)
	awaitActive(t, a, "kim@corp.test", true)
	d.AwaitAccount(t, kim, appName, v1alpha1.AccountActive)
}

// TestAppWithoutASeat: POST -> 402 for every create. One condition says so, creates pause, a deactivation goes through, and the seat that it frees is used at once.
func TestAppWithoutASeat(t *testing.T) {
	t.Parallel()
	const plan = 2
	d := harness.NewDirectory(t)
	var a *app
	a = start(t, d, nil, func(x *exchange, pass func()) {
		active := 0
		for _, user := range a.Users() {
			if user.Active {
				active++
			}
		}
		if x.is(http.MethodPost, "Users") && active >= plan {
			x.refuse(http.StatusPaymentRequired, "", "no licenses are available")
			return
		}
		pass()
	})
	d.Mapping(t, "everybody", appName, v1alpha1.Subjects{Expression: "true"})
	op := d.Run(t)
	ids, _ := hired(t, d, op, "ann@corp.test", "bob@corp.test")
	var waiting []string
	for i := range 6 {
		waiting = append(waiting, op.CreateUser(t, fmt.Sprintf("joiner-%d@corp.test", i)))
	}
	for _, id := range waiting {
		awaitReason(t, d, id, v1alpha1.ReasonNoSeats)
	}
	harness.Eventually(t, "the condition counts the users who wait", func() error {
		if message := awaitCondition(t, d, v1alpha1.ConditionSeatsAvailable, "False", v1alpha1.ReasonNoSeats); !strings.Contains(message, "6 users wait") {
			return fmt.Errorf("the message is %s", message)
		}
		return nil
	})
	awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
	if posts := a.count(request(http.MethodPost, "Users")); posts > 2+4 {
		t.Errorf("%d creates although there is no seat", posts)
	}
	before := a.count(request(http.MethodPost, "Users"))
	deactivate(t, op, ids[0])
	awaitActive(t, a, "ann@corp.test", false)
	harness.Eventually(t, "the free seat is used", func() error {
		active := 0
		for _, user := range a.Users() {
			if user.Active {
				active++
			}
		}
		if active < plan {
			return errNotYet
		}
		return nil
	})
	if posts := a.count(request(http.MethodPost, "Users")) - before; posts > 3 {
		t.Errorf("%d creates for one seat", posts)
	}
}
