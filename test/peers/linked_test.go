// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestSCIMMYAccountsAreLinked has people and a group in the app before the operator comes: they are taken over, not doubled.
func TestSCIMMYAccountsAreLinked(t *testing.T) {
	t.Parallel()
	app := startSCIMMY(t)
	ids := []string{
		app.create(t, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"person.0@corp.test","title":"Of old",`+
			`"profileUrl":"https://app.test/0","active":true}`),
		app.create(t, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"person.1@corp.test","active":false}`),
	}
	foreign := app.create(t, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"admin@app.test","active":true}`)
	team := app.create(t, "/Groups", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"Staff","members":[{"value":"`+ids[1]+`"}]}`)
	// SCIMMY compares letter case in filters, though RFC 7643 4.1.1 has userName without it: this one is found once it could not be created again.
	ids = append(ids, app.create(t, "/Users", `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"Person.2@Corp.Test","active":true}`))

	d := harness.NewDirectory(t)
	w := newWorld(d, d.Run(t), app)
	app.app(t, d, appName, func(a *v1alpha1.ScimApp) {
		a.Spec.Features = append(a.Spec.Features, v1alpha1.FeatureGroupLinking)
		a.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: staff}}
	})
	w.mapping(t, staff, "viewer", 10)
	for i := range 3 {
		w.push(t, newPerson(i))
	}
	w.pushGroup(t, staff)
	w.join(t, staff, people(0, 3)...)

	for i, id := range ids {
		user := d.AwaitAccount(t, w.people[i].id, appName, v1alpha1.AccountActive)
		if remote := user.Status.Account(appName).RemoteID; remote != id {
			t.Errorf("person %d has the account %s, and had %s", i, remote, id)
		}
		want := accountOf(w.people[i].user, "viewer")
		if i == 0 {
			// What is not mapped is the app's.
			want["profileUrl"] = "https://app.test/0"
		}
		if diff := cmp.Diff(want, without(app.user(t, id), "id", "meta", "schemas")); diff != "" {
			t.Errorf("account of person %d (-want +got):\n%s", i, diff)
		}
	}
	harness.Eventually(t, "the group is linked", func() error {
		kept, err := app.dump(t.Context())
		if err != nil {
			return err
		}
		if len(kept.Groups) != 1 || kept.Groups[0]["id"] != team {
			return fmt.Errorf("the app has the groups %v", kept.Groups)
		}
		if members := memberIDs(kept.Groups[0]); len(members) != len(ids) {
			return fmt.Errorf("the members are %v", members)
		}
		return nil
	})

	// A rename to the name of somebody else's account does not go through, and is forgotten when it is taken back.
	w.update(t, 0, func(user map[string]any) { user["userName"] = "admin@app.test" })
	w.awaitReason(t, 0, v1alpha1.ReasonAccountConflict)
	w.update(t, 0, func(user map[string]any) { user["userName"] = "person.0@corp.test" })
	w.awaitReason(t, 0, "")
	d.AwaitAccount(t, w.people[0].id, appName, v1alpha1.AccountActive)
	if name := app.user(t, ids[0])["userName"]; name != "person.0@corp.test" {
		t.Errorf("the account is called %v", name)
	}

	kept, err := app.dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(kept.Users) != 4 {
		t.Errorf("the app has %d accounts, want the 4 it had", len(kept.Users))
	}
	if diff := cmp.Diff(map[string]any{"userName": "admin@app.test", "active": true}, without(app.user(t, foreign), "id", "meta", "schemas")); diff != "" {
		t.Errorf("the account of nobody (-want +got):\n%s", diff)
	}
}

// awaitReason waits until the status of a person's account has a reason, "" for none.
func (w *world) awaitReason(t *testing.T, number int, reason string) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the account of person %d has the reason %q", number, reason), func() error {
		user, err := w.directory.GetUser(t.Context(), w.people[number].id)
		if err != nil {
			return err
		}
		if entry := user.Status.Account(appName); entry == nil || entry.Reason != reason {
			return fmt.Errorf("the status is %+v", user.Status)
		}
		return nil
	})
}

// confirm says that the account of a person's name is this person's, which the operator asks for an inactive account of somebody else.
func (w *world) confirm(t *testing.T, number int) {
	t.Helper()
	w.awaitReason(t, number, v1alpha1.ReasonAdoptionUnconfirmed)
	user := w.directory.User(t, w.people[number].id)
	_, command, _ := strings.Cut(user.Status.Account(appName).Message, v1alpha1.AnnotationConfirmAccount+"=")
	value, _, _ := strings.Cut(command, "'")
	harness.Change(t, w.directory, user.Name, &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) {
		metav1.SetMetaDataAnnotation(&u.ObjectMeta, v1alpha1.AnnotationConfirmAccount, value)
	})
}

// create makes a resource in the app without the operator and gives back its id.
func (s *scimmy) create(t *testing.T, path, body string) string {
	t.Helper()
	status, answer, err := s.request(t.Context(), http.MethodPost, "/scim/v2"+path, body)
	if err != nil || status != http.StatusCreated {
		t.Fatalf("POST %s: status %d, %v: %s", path, status, err, answer)
	}
	var created struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(answer, &created); err != nil || created.ID == "" {
		t.Fatalf("POST %s: %v: %s", path, err, answer)
	}
	return created.ID
}

// user is an account as the app keeps it.
func (s *scimmy) user(t *testing.T, id string) map[string]any {
	t.Helper()
	kept, err := s.dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range kept.Users {
		if user["id"] == id {
			return user
		}
	}
	t.Fatalf("the app has no account %s", id)
	return nil
}
