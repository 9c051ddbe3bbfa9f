// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

const htmlPage = "<!DOCTYPE html><html><title>404 Not Found</title></html>"

// hired creates users and waits for their accounts. It returns their SCIM ids and their ids in the app.
func hired(t *testing.T, d *harness.Directory, op *harness.Operator, names ...string) (ids, remote []string) {
	t.Helper()
	for _, name := range names {
		ids = append(ids, op.CreateUser(t, name))
	}
	for _, id := range ids {
		remote = append(remote, awaitAccount(t, d, id, "the account is active", func(a v1alpha1.Account) bool { return a.State == v1alpha1.AccountActive }).RemoteID)
	}
	return ids, remote
}

// decided reports whether a create has an outcome.
func decided(a v1alpha1.Account) bool {
	return a.State == v1alpha1.AccountActive || (a.Reason != "" && a.Reason != v1alpha1.ReasonAppNotReady)
}

// annotate sets an annotation of the ScimUser with an id.
func annotate(t *testing.T, d *harness.Directory, id, annotation, value string) {
	t.Helper()
	user, err := d.GetUser(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	harness.Change(t, d, user.Name, &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) {
		if u.Annotations == nil {
			u.Annotations = map[string]string{}
		}
		u.Annotations[annotation] = value
	})
}

// retitle pushes another title of a user.
func retitle(t *testing.T, op *harness.Operator, id, title string) {
	t.Helper()
	op.Want(t, http.StatusOK, http.MethodPatch, "/Users/"+id, harness.PatchBody(fmt.Sprintf(`{"op":"replace","path":"title","value":%q}`, title)))
}

// awaitActive waits until the app has an account as active or inactive.
func awaitActive(t *testing.T, a *app, userName string, want bool) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the account is active: %t", want), func() error {
		if user, there := a.User(userName); !there || user.Active != want {
			return errNotYet
		}
		return nil
	})
}

// TestDeactivationThatIsNotRouted: PATCH and DELETE -> 404 text/html or 410, GET -> 200 active.
func TestDeactivationThatIsNotRouted(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		policy v1alpha1.Deprovisioning
		answer handler
	}{
		"404 of an ingress, Deactivate": {v1alpha1.DeprovisionDeactivate, func(x *exchange, _ func()) { x.reply(http.StatusNotFound, htmlType, htmlPage) }},
		"404 of an ingress, Delete":     {v1alpha1.DeprovisionDelete, func(x *exchange, _ func()) { x.reply(http.StatusNotFound, htmlType, htmlPage) }},
		"410 of an API version":         {v1alpha1.DeprovisionDeactivate, func(x *exchange, _ func()) { x.reply(http.StatusGone, "application/json", `{"message":"use v3"}`) }},
		"404 in SCIM":                   {v1alpha1.DeprovisionDeactivate, func(x *exchange, _ func()) { x.refuse(http.StatusNotFound, "", "no such user") }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, func(app *v1alpha1.ScimApp) { app.Spec.Deprovisioning = tc.policy }, nil)
			ids, _ := hired(t, d, op, "leaver@corp.test", "other@corp.test")
			a.misbehave(when(func(x *exchange) bool { return x.is(http.MethodPatch, "Users") || x.is(http.MethodDelete, "Users") }, tc.answer))
			deactivate(t, op, ids[0])
			account := awaitReason(t, d, ids[0], v1alpha1.ReasonAbsenceUnproven)
			mentions(t, account.Message, "retrying", v1alpha1.AnnotationConfirmAbsence, ids[0][:4])
			// The settle time passes, and the second attempt proves nothing either.
			account = awaitAccount(t, d, ids[0], "a second attempt", func(a v1alpha1.Account) bool { return a.Attempts > 1 })
			if account.Reason != v1alpha1.ReasonAbsenceUnproven || account.State != v1alpha1.AccountActive {
				t.Errorf("the account status is %+v", account)
			}
			awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
			a.misbehave(nil)
			annotate(t, d, ids[0], v1alpha1.AnnotationReconcile, "now")
			harness.Eventually(t, "the leaver has no access", func() error {
				if user, there := a.User("leaver@corp.test"); there && user.Active {
					return errNotYet
				}
				return nil
			})
		})
	}
}

// TestLastAccountWhoseAbsenceNothingProves: the only account of an app whose 404 has no SCIM form. A person ends the wait of a deleted user.
func TestLastAccountWhoseAbsenceNothingProves(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*testing.T, *harness.Directory, string, string){
		"confirmed by an annotation": func(t *testing.T, d *harness.Directory, id, remote string) {
			annotate(t, d, id, v1alpha1.AnnotationConfirmAbsence, "wiki/7, "+appName+"/"+remote)
		},
		"the ScimApp is deleted": func(t *testing.T, d *harness.Directory, _, _ string) {
			d.Delete(t, &v1alpha1.ScimApp{ObjectMeta: d.Meta(appName)})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, nil, nil)
			ids, remote := hired(t, d, op, "leaver@corp.test")
			if err := a.RemoveUser("leaver@corp.test"); err != nil {
				t.Fatal(err)
			}
			a.misbehave(when(func(x *exchange) bool { return x.id() != "" }, func(x *exchange, _ func()) { x.reply(http.StatusNotFound, htmlType, htmlPage) }))
			op.Want(t, http.StatusNoContent, http.MethodDelete, "/Users/"+ids[0], "")
			awaitAccount(t, d, ids[0], "a second attempt", func(a v1alpha1.Account) bool {
				return a.Attempts > 1 && a.Reason == v1alpha1.ReasonAbsenceUnproven
			})
			end(t, d, ids[0], remote[0])
			harness.Eventually(t, "the user is deleted", func() error {
				if _, err := d.GetUser(t.Context(), ids[0]); !apierrors.IsNotFound(err) {
					return fmt.Errorf("the user is still there: %w", err)
				}
				return nil
			})
		})
	}
}

// TestFreshAccountThatIs404: POST -> 201, then 404 for 6 s. No second account, and an early leaver's account is not dropped.
func TestFreshAccountThatIs404(t *testing.T) {
	t.Parallel()
	const lag = 6 * time.Second
	var mu sync.Mutex
	born := map[string]time.Time{}
	fresh := func(id string) bool {
		mu.Lock()
		defer mu.Unlock()
		return time.Since(born[id]) < lag
	}
	d, op, a := setUp(t, nil, func(x *exchange, pass func()) {
		if strings.HasPrefix(x.path, "/Users/") && fresh(x.id()) {
			x.refuse(http.StatusNotFound, "", "Resource not found.")
			return
		}
		pass()
		switch id, _ := x.answered()["id"].(string); {
		case x.is(http.MethodPost, "Users") && x.status == http.StatusCreated:
			mu.Lock()
			born[id] = time.Now()
			mu.Unlock()
		case x.looksUp("Users"):
			x.edit(func(list map[string]any) {
				kept := []any{}
				rows, _ := list["Resources"].([]any)
				for _, row := range rows {
					if object, _ := row.(map[string]any); !fresh(fmt.Sprint(object["id"])) {
						kept = append(kept, row)
					}
				}
				list["Resources"], list["totalResults"] = kept, len(kept)
			})
		}
	})
	ids, _ := hired(t, d, op, "kim@corp.test", "lee@corp.test")
	retitle(t, op, ids[0], "Engineer")
	deactivate(t, op, ids[1])

	awaitActive(t, a, "lee@corp.test", false)
	d.AwaitAccount(t, ids[1], appName, v1alpha1.AccountInactive)
	harness.Eventually(t, "the title is written", func() error {
		if user, _ := a.User("kim@corp.test"); user.Attributes["title"] != "Engineer" {
			return errNotYet
		}
		return nil
	})
	if posts := a.count(request(http.MethodPost, "Users")); posts != 2 || len(a.Users()) != 2 {
		t.Errorf("%d creates, %d accounts", posts, len(a.Users()))
	}
}

// TestCreateThatIsAnsweredWithTheAccountOfAnother: POST -> 200 with an account of the same e-mail address and another userName.
func TestCreateThatIsAnsweredWithTheAccountOfAnother(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	_, remote := hired(t, d, op, "ann@corp.test")
	a.misbehave(when(request(http.MethodPost, "Users"), func(x *exchange, _ func()) {
		x.replyJSON(http.StatusOK, map[string]any{"id": remote[0], "userName": "ann@corp.test", "active": true})
	}))
	kim := op.CreateUser(t, "kim@corp.test")
	account := awaitAccount(t, d, kim, "the create fails", decided)
	if account.RemoteID != "" {
		t.Errorf("the account status is %+v", account)
	}
	retitle(t, op, kim, "Intruder")
	awaitAccount(t, d, kim, "another attempt", func(a v1alpha1.Account) bool { return a.Attempts > 1 })
	if user, _ := a.User("ann@corp.test"); user.Attributes["title"] == "Intruder" {
		t.Error("the account of another user was written")
	}
	a.misbehave(nil)
	d.AwaitAccount(t, kim, appName, v1alpha1.AccountActive)
}

// TestCreateThatIsAnsweredWithAnAccountThatWasThere: POST -> 200 with an account of the same userName that lookups do not show. The policy of adoption counts.
func TestCreateThatIsAnsweredWithAnAccountThatWasThere(t *testing.T) {
	t.Parallel()
	for adoption, reason := range map[v1alpha1.Adoption]string{
		v1alpha1.AdoptionNever: v1alpha1.ReasonAccountConflict, v1alpha1.AdoptionConfirm: v1alpha1.ReasonAdoptionUnconfirmed, v1alpha1.AdoptionLink: "",
	} {
		t.Run(string(adoption), func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, func(app *v1alpha1.ScimApp) { app.Spec.Adoption = adoption }, nil)
			remote, err := a.AddUser(map[string]any{"userName": "kim@corp.test", "externalId": "somebody", "active": true})
			if err != nil {
				t.Fatal(err)
			}
			a.misbehave(func(x *exchange, pass func()) {
				switch {
				case x.looksUp("Users"):
					x.replyJSON(http.StatusOK, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": 0, "Resources": []any{}})
				case x.is(http.MethodPost, "Users"):
					x.replyJSON(http.StatusOK, map[string]any{"id": remote, "userName": "kim@corp.test", "externalId": "somebody", "active": true})
				default:
					pass()
				}
			})
			kim := op.CreateUser(t, "kim@corp.test")
			account := awaitAccount(t, d, kim, "the outcome", decided)
			if account.Reason != reason || (account.RemoteID == remote) != (reason == "") {
				t.Errorf("the account status is %+v", account)
			}
			if writes := a.count(request(http.MethodPatch, "Users")); reason != "" && writes > 0 {
				t.Errorf("%d writes to the account", writes)
			}
		})
	}
}

// TestWriteThatIsAnsweredWithAnotherAccount: PATCH or PUT -> 200 with the id of an account of somebody else. Its id is not taken, and it is never written.
func TestWriteThatIsAnsweredWithAnotherAccount(t *testing.T) {
	t.Parallel()
	for _, profile := range []string{"generic", "r-service"} {
		t.Run(profile, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, func(app *v1alpha1.ScimApp) { app.Spec.Profile = profile }, nil)
			ids, remote := hired(t, d, op, "kim@corp.test")
			stranger, err := a.AddUser(map[string]any{"userName": "root@corp.test", "active": true})
			if err != nil {
				t.Fatal(err)
			}
			a.misbehave(when(func(x *exchange) bool { return x.writes() }, func(x *exchange, pass func()) {
				pass()
				x.replyJSON(http.StatusOK, map[string]any{"id": stranger, "userName": "root@corp.test", "active": true})
			}))
			retitle(t, op, ids[0], "Engineer")
			account := awaitReason(t, d, ids[0], v1alpha1.ReasonNotApplied)
			if account.RemoteID != remote[0] {
				t.Errorf("the account status is %+v", account)
			}
			for _, x := range a.exchanges(func(x *exchange) bool { return x.writes() && x.id() == stranger }) {
				t.Errorf("the account of somebody else is written: %s", x.String())
			}
		})
	}
}
