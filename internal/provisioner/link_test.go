// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/plan"
)

const find, create = connector.OpFindUsers, connector.OpCreateUser

// A promise that changed: what differs of a linked account is written once the link is in etcd, and not in the same look.
func TestAccountIsNotCreatedAgainBeforeTheSettleTime(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Errs[create] = []error{failure(create, connector.Timeout, 0)}
	w.script.Hidden = true
	w.work("kim")
	w.wantCalls(find, create)
	w.clock.Step(settleTime - 1)
	w.work("kim")
	w.wantCalls(find)
	w.script.Hidden = false
	w.clock.Step(1)
	got := w.work("kim")
	w.wantCalls(find)
	if got == nil || got.Event != "Linked" || len(w.script.Users) != 1 {
		t.Fatalf("the outcome is %+v, the app has %v", got, w.script.Users)
	}
	w.write(user, got)
	if again := w.work("kim"); again != nil {
		t.Errorf("what was created as desired is changed again: %+v", again.Entry)
	}
	w.wantCalls()
}

func TestIntentOfAnEarlierProcessWaitsForTheSettleTime(t *testing.T) {
	w := newWorld(t, nil)
	w.joiner("kim")
	w.lead()
	w.work("kim")
	w.wantCalls(find)
	w.clock.Step(settleTime)
	if got := w.work("kim"); got == nil || got.Event != "Created" {
		t.Errorf("the outcome is %+v", got)
	}
}

func TestIntentOfThisProcessIsMadeAtOnce(t *testing.T) {
	w := newWorld(t, nil)
	w.lead()
	w.joiner("kim")
	if got := w.work("kim"); got == nil || got.Event != "Created" || got.Entry.State != v1alpha1.AccountActive {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls(find, create)
}

func TestNothingIsCreatedBeforeTheIntentIsWritten(t *testing.T) {
	w := newWorld(t, nil)
	w.give("kim@corp.test")
	for _, entry := range []v1alpha1.Account{
		{App: "crm", State: v1alpha1.AccountPending}, {App: "crm", State: v1alpha1.AccountOrphaned, RemoteID: "1"}, {App: "other", State: v1alpha1.AccountActive},
	} {
		w.put(pt.User("kim", entry))
		if got := w.work("kim"); got != nil {
			t.Errorf("with the entry %+v: %+v", entry, got)
		}
		w.wantCalls()
	}
}

// A user who gets another name while its create is under way: the name to look the account up by is written before an account of that name is made.
func TestRenamedJoinerIsCreatedOnceTheNewNameIsWritten(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	user.Spec.UserName = "kim.new@corp.test"
	w.put(user)
	w.give("kim.new@corp.test")

	renamed := w.work("kim")
	if renamed == nil || renamed.Entry.MatchValue != "kim.new@corp.test" {
		t.Fatalf("the outcome is %+v", renamed)
	}
	if again := w.work("kim"); again == nil || again.Entry.RemoteID != "" {
		t.Fatalf("the outcome before the name is written is %+v", again)
	}
	w.wantCalls(find, find)
	w.write(user, renamed)
	if created := w.work("kim"); created == nil || created.Entry.State != v1alpha1.AccountActive {
		t.Fatalf("the outcome after the name is written is %+v", created)
	}
	w.wantCalls(find, create)
}

// An account found again under the name of its create is recorded as the app shows it; its id then finds it, whatever the name.
func TestRenamedJoinerIsLinkedUnderTheNameThatTheAccountHas(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Users = []connector.User{theirs("kim@corp.test")}
	user.Spec.UserName = "kim.new@corp.test"
	w.put(user)
	w.give("kim.new@corp.test")
	got := w.work("kim")
	if got == nil || got.Event != "Linked" || got.Entry.RemoteID != "theirs" {
		t.Fatalf("the outcome is %+v", got)
	}
	desired := plan.HashValues(map[string]any{"userName": "kim.new@corp.test"})["userName"]
	if applied := plan.ParseApplied(got.Entry.Applied)["userName"]; applied == desired {
		t.Errorf("the new userName counts as written: %s", got.Entry.Applied)
	}
	w.write(user, got)
	if step := w.stepOf(user); step.Action != v1alpha1.ActionUpdate {
		t.Errorf("the next step is %+v", step)
	}
}

func (w *world) stepOf(user *v1alpha1.ScimUser) plan.Step {
	w.t.Helper()
	_, account, err := w.view.Account(w.t.Context(), pt.Key(user.Name), "crm")
	if err != nil || account == nil {
		w.t.Fatalf("account %v, error %v", account, err)
	}
	return account.Step
}

// theirs is an account that the app had before.
func theirs(userName string) connector.User {
	return connector.User{ID: "theirs", UserName: userName, Active: true, Attributes: map[string]any{"userName": userName}}
}

// The create of an account wrote a title, its answer was lost, and the user has no title any more: the title is recorded, so that it is cleared. What somebody else has set
// in an account that is linked stays.
func TestWhatALostCreateWroteIsRecorded(t *testing.T) {
	for name, tc := range map[string]struct {
		desired, ours bool
		state         v1alpha1.AccountState
	}{
		"the user has the app still": {desired: true, ours: true, state: v1alpha1.AccountActive},
		"the user has left":          {ours: true, state: v1alpha1.AccountInactive},
		"somebody else's account":    {desired: true, state: v1alpha1.AccountActive},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			user := w.joiner("kim")
			found := theirs("kim@corp.test")
			found.Attributes["title"] = "Engineer"
			if tc.ours {
				found.ExternalID = user.SCIMID()
			}
			w.script.Users = []connector.User{found}
			if !tc.desired {
				w.give()
			}
			got := w.work("kim")
			if got == nil {
				w.count()
				got = w.work("kim")
			}
			if got == nil || got.Entry.State != tc.state {
				t.Fatalf("the outcome is %+v", got)
			}
			if recorded := plan.ParseApplied(got.Entry.Applied)["title"] != ""; recorded != tc.ours {
				t.Errorf("recorded is %s", got.Entry.Applied)
			}
		})
	}
}

func TestConflictLeadsToALink(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Errs[create] = []error{failure(create, connector.Conflict, 409)}
	w.write(user, w.work("kim"))
	w.script.Users = []connector.User{theirs("KIM@corp.test")}
	w.wantCalls(find, create, connector.OpListUsers)
	if got := w.work("kim"); got != nil && got.Entry.State != v1alpha1.AccountCreating {
		t.Errorf("it is not waited for: %+v", got.Entry)
	}
	w.wantCalls()
	w.clock.Step(2 * accountRetryBase)
	got := w.work("kim")
	if got == nil || got.Event != "Linked" || got.Entry.RemoteID != "theirs" || got.Entry.Attempts != 0 {
		t.Errorf("the outcome is %+v", got)
	}
	w.wantCalls(find)
}

func TestAccountsThatAreNotTaken(t *testing.T) {
	for name, tc := range map[string]struct {
		app    func(*v1alpha1.ScimApp)
		other  *v1alpha1.ScimUser
		reason string
	}{
		"protected":    {app: func(a *v1alpha1.ScimApp) { a.Spec.ProtectedAccounts = []string{"Kim@corp.test"} }},
		"not to adopt": {app: func(a *v1alpha1.ScimApp) { a.Spec.Adoption = v1alpha1.AdoptionNever }, reason: v1alpha1.ReasonAccountConflict},
		"owned":        {other: pt.User("other", v1alpha1.Account{App: "crm", State: v1alpha1.AccountInactive, RemoteID: "theirs"}), reason: v1alpha1.ReasonAccountConflict},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tc.app)
			if tc.other != nil {
				w.put(tc.other)
			}
			w.joiner("kim")
			w.script.Users = []connector.User{theirs("kim@corp.test")}
			got := w.work("kim")
			if tc.reason == "" {
				if got != nil {
					t.Errorf("the outcome is %+v", got)
				}
				w.wantCalls()
				return
			}
			if got == nil || got.Entry.Reason != tc.reason || got.Entry.RemoteID != "" {
				t.Errorf("the outcome is %+v", got)
			}
			w.wantCalls(find)
		})
	}
}

// An account that was found under a name is not ours because this process wrote the intent: only a create that was sent makes it so.
func TestStrangersAccountIsNotOursAfterAMistake(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Users = []connector.User{theirs("kim@corp.test")}
	w.give() // the mapping was a mistake, and is deleted before the app is called
	w.count()
	got := w.work("kim")
	if got == nil || !got.Drop || got.Event != "" || !w.script.Users[0].Active {
		t.Errorf("the outcome is %+v, the account %+v", got, w.script.Users[0])
	}
	w.wantCalls(find)
	w.write(user, got)
}

// The create was sent and lost its answer; the app keeps no externalId, so that only this process knows whose the account is.
func TestAccountOfALostCreateIsRevoked(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Errs[create] = []error{failure(create, connector.Timeout, 0)}
	w.work("kim")
	w.wantCalls(find, create)
	w.give()
	w.count()
	got := w.work("kim")
	w.wantCalls(find, switchOff)
	if got == nil || got.Entry.State != v1alpha1.AccountInactive || got.Entry.RevokedTime == nil {
		t.Fatalf("the outcome is %+v", got)
	}
	w.write(user, got)
	if w.script.Users[0].Active {
		t.Error("the account is active")
	}
}

func TestCreateThatIsAnsweredWithAnothersAccount(t *testing.T) {
	for name, tc := range map[string]struct {
		answer connector.User
		reason string
	}{
		"another userName":         {connector.User{ID: "x", UserName: "lee@corp.test", Active: true, ActiveShown: true}, v1alpha1.ReasonServerError},
		"an account that is owned": {connector.User{ID: "r-lee", UserName: "kim@corp.test", Active: true, ActiveShown: true}, v1alpha1.ReasonAccountConflict},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.member("lee")
			user := w.joiner("kim")
			w.script.Answer = func(_ string, user *connector.User) { *user = tc.answer }
			got := w.work("kim")
			if got == nil || got.Entry.Reason != tc.reason || got.Entry.RemoteID != "" || got.Entry.State != v1alpha1.AccountCreating {
				t.Fatalf("the outcome is %+v", got)
			}
			w.write(user, got)
			if !w.script.User("r-lee").Active {
				t.Error("the other user's account was switched off")
			}
		})
	}
}

// The create took effect; it is looked up and linked as soon as the app answers with an id that can be kept.
func TestCreateThatIsAnsweredWithAnUnusableID(t *testing.T) {
	w := newWorld(t, nil)
	user := w.joiner("kim")
	w.script.Errs[create] = []error{&connector.Error{Op: create, Kind: connector.UnusableAnswer, Status: 201, Sent: true, Detail: "the id is longer than 512 bytes"}}
	got := w.work("kim")
	w.wantCalls(find, create)
	if got == nil || got.Entry.State != v1alpha1.AccountCreating || got.Entry.RemoteID != "" || !strings.Contains(got.Entry.Message, "512 bytes") {
		t.Fatalf("the outcome is %+v", got)
	}
	if got.Entry.NextRetryTime == nil || got.Entry.Reason != v1alpha1.ReasonUnusableAnswer || w.worker.Health().Reason != "" {
		t.Errorf("the outcome is %+v, the app's health %+v", got, w.worker.Health())
	}
	w.write(user, got)
}

// answering is an app that answers each lookup with one account.
type answering struct {
	connector.Connector
	user connector.User
}

// FindUsers implements connector.Connector.
func (a answering) FindUsers(context.Context, string, string) ([]connector.User, error) {
	return []connector.User{a.user}, nil
}

// A userName has at most 1024 characters, however many bytes they take; the connector cuts what the app shows.
func TestAccountWithALongNameIsFound(t *testing.T) {
	for name, userName := range map[string]string{"of the largest length": strings.Repeat("é", 1024), "longer": strings.Repeat("é", 1100)} {
		app := &desired.App{Profile: profiles.Profile{MatchAttribute: "userName"}}
		call := &accountCall{
			line:        &line{to: answering{user: connector.User{ID: "1", UserName: connector.BoundText(userName)}}},
			AccountView: desired.AccountView{App: app},
		}
		if found, err := call.findBy(t.Context(), userName); err != nil || found == nil {
			t.Errorf("a name %s: found %v, %v", name, found, err)
		}
	}
}

// A joiner whose account belongs to a user of the same name that is being deleted takes it over.
func TestAccountOfAUserWhoIsBeingDeletedIsTakenOver(t *testing.T) {
	w := newWorld(t, nil)
	leaver := w.member("lee")
	leaver.DeletionTimestamp = &metav1.Time{Time: w.clock.Now()}
	w.put(leaver)
	w.joiner("kim")
	w.script.Users[0].UserName = "kim@corp.test"
	if got := w.work("kim"); got == nil || got.Event != "Linked" || got.Entry.RemoteID != "r-lee" {
		t.Errorf("the outcome is %+v", got)
	}
}
