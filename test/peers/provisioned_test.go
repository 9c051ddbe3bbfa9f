// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// The groups of the directory. All are pushed; the first two give the app.
const (
	staff       = "Staff"
	engineering = "Engineering"
	skiClub     = "Ski club – Zürich"
)

var pushedGroups = []string{staff, engineering, "Sales", skiClub, "R&D North"}

const population = 50

// TestSCIMMYIsProvisioned goes through the life of fifty people in an app that speaks SCIM by somebody else's code. After each step the app
// holds exactly what the identity provider pushed, in every attribute and every membership.
func TestSCIMMYIsProvisioned(t *testing.T) {
	t.Parallel()
	app := startSCIMMY(t)
	d := harness.NewDirectory(t)
	w := newWorld(d, d.Run(t), app)
	app.app(t, d, appName, func(a *v1alpha1.ScimApp) {
		for _, name := range pushedGroups {
			a.Spec.Groups = append(a.Spec.Groups, v1alpha1.PushedGroup{DisplayName: name})
		}
	})
	w.mapping(t, engineering, "editor", 10)
	w.mapping(t, staff, "viewer", 20)

	for _, step := range []struct {
		name string
		do   func(*testing.T, *world)
	}{
		{"fifty users and five groups are pushed", pushEverybody},
		{"profiles change", changeProfiles},
		{"users and groups are renamed", rename},
		{"users are deactivated and reactivated", deactivateAndReactivate},
		{"members leave a group and lose its role", leaveEngineering},
		{"users lose the app and get it again", unassign},
		{"users are deleted, and one comes back", deleteUsers},
		{"a group is deleted", deleteGroup},
		{"a mass change is held until it is approved", massChange},
		{"a restart changes nothing", restart},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(t, w) }) {
			return
		}
	}
}

func pushEverybody(t *testing.T, w *world) {
	for i := range population {
		w.push(t, newPerson(i))
	}
	// Without a group that gives the app, nobody has an account.
	w.push(t, newPerson(population))
	for _, name := range pushedGroups {
		w.pushGroup(t, name)
	}
	// Who is an engineer is so before they are staff, so that nobody's role changes on the way.
	w.join(t, engineering, people(0, 12)...)
	w.join(t, "Sales", people(20, 35)...)
	w.join(t, skiClub, people(5, 25)...)
	w.join(t, staff, people(0, population)...)
	w.settled(t)
	w.expectCalls(t, map[string]int{"POST /Users": population, "POST /Groups": len(pushedGroups)})
	w.expectOwnIDs(t)
}

func changeProfiles(t *testing.T, w *world) {
	w.update(t, 1, func(user map[string]any) { user["title"] = "Principal Engineer" })
	w.update(t, 2, func(user map[string]any) {
		user["name"] = map[string]any{"givenName": "Anne-Marie", "familyName": "d’Étoile", "formatted": "Anne-Marie d’Étoile"}
		user["displayName"] = "Anne-Marie d’Étoile"
	})
	w.update(t, 3, func(user map[string]any) {
		user["emails"] = []any{
			map[string]any{"value": "new-3@corp.test", "type": "work", "primary": true},
			map[string]any{"value": "home-3@example.com", "type": "home"},
		}
	})
	w.update(t, 4, func(user map[string]any) {
		for _, attribute := range []string{"nickName", "title", "phoneNumbers", "addresses"} {
			delete(user, attribute)
		}
		delete(user["name"].(map[string]any), "middleName")
		delete(user[enterpriseUser].(map[string]any), "department")
	})
	w.update(t, 5, func(user map[string]any) { delete(user, enterpriseUser) })
	w.update(t, 5, func(user map[string]any) {
		user[enterpriseUser] = map[string]any{"costCenter": "4711", "department": "Support"}
	})
	// Attributes that are not mapped are not the app's business, and what changes nothing is no change.
	w.update(t, 6, func(user map[string]any) { user["profileUrl"] = "https://corp.test/people/6" })
	w.update(t, 7, func(map[string]any) {})
	w.settled(t)

	before := w.calls(t)
	w.update(t, 8, func(user map[string]any) { user["title"], user["locale"] = "Manager", "de-CH" })
	w.update(t, 9, func(user map[string]any) { delete(user, "title") })
	w.update(t, 10, func(user map[string]any) { user["profileUrl"] = "https://corp.test/people/10" })
	w.settled(t)
	w.expectCallsSince(t, before, "/Users", map[string]int{"PATCH /Users": 2})
}

func rename(t *testing.T, w *world) {
	before := w.calls(t)
	w.update(t, 11, func(user map[string]any) { user["userName"] = "married.name@corp.test" })
	w.update(t, 12, func(user map[string]any) { user["userName"] = "PERSON.12@Corp.Test" })
	w.settled(t)
	w.expectCallsSince(t, before, "/Users", map[string]int{"PATCH /Users": 2})

	// The name of a group that gives the app changes for the group alone.
	before = w.calls(t)
	w.renameGroup(t, staff, "All staff")
	w.renameGroup(t, "Sales", "Sales & Marketing")
	w.settled(t)
	w.expectCallsSince(t, before, "/Users", map[string]int{})
	w.expectCallsSince(t, before, "/Groups", map[string]int{"GET /Groups": 2, "PATCH /Groups": 2})
}

func deactivateAndReactivate(t *testing.T, w *world) {
	w.setActive(t, 25, false)
	w.setActive(t, 26, false)
	w.settled(t)
	// What changes while the account is off waits until it is on again.
	w.update(t, 25, func(user map[string]any) {
		user["title"] = "Returner"
		delete(user, "nickName")
	})
	w.settled(t)
	w.setActive(t, 25, true)
	w.settled(t)
}

func leaveEngineering(t *testing.T, w *world) {
	w.leave(t, engineering, people(0, 2)...)
	w.settled(t)
}

func unassign(t *testing.T, w *world) {
	w.leave(t, staff, people(30, 32)...)
	w.settled(t)
	w.join(t, staff, people(30, 31)...)
	w.settled(t)
}

func deleteUsers(t *testing.T, w *world) {
	w.delete(t, 22)
	w.settled(t)
	w.push(t, newPerson(22))
	w.join(t, staff, people(22, 23)...)
	w.confirm(t, 22)
	w.settled(t)

	deprovisioning := func(how v1alpha1.Deprovisioning) {
		harness.Change(t, w.directory, appName, &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) { a.Spec.Deprovisioning = how })
	}
	deprovisioning(v1alpha1.DeprovisionDelete)
	w.delete(t, 23)
	w.forget(23)
	w.settled(t)
	deprovisioning(v1alpha1.DeprovisionDeactivate)
}

// deleteGroup deletes a group of many members: they would all lose it, so the change waits for an approval like that of their accounts.
func deleteGroup(t *testing.T, w *world) {
	before := w.calls(t)
	w.deleteGroup(t, skiClub)
	w.awaitHeld(t, 1)
	// Its members are read to count them.
	w.expectCallsSince(t, before, "/Groups", map[string]int{"GET /Groups": 1})
	w.approve(t)
	w.settled(t)
}

// massChange takes the app from so many people that their accounts are held, and with them the removal of these accounts from the group that is pushed.
func massChange(t *testing.T, w *world) {
	held := people(36, 44)
	before := w.calls(t)
	w.hold(staff, held...)
	w.leave(t, staff, held...)
	batches := w.awaitHeld(t, len(held)+1)
	w.settled(t)
	w.expectCallsSince(t, before, "/Users", map[string]int{})

	// What is held survives a restart.
	w.restart(t)
	if diff := cmp.Diff(batches, w.awaitHeld(t, len(held)+1)); diff != "" {
		t.Errorf("the batches after a restart (-before +after):\n%s", diff)
	}

	// Three of them come back: nothing happens to them, whatever becomes of the rest.
	w.join(t, staff, held[:3]...)
	w.release(held[:3]...)
	w.settled(t)
	w.approve(t)
	w.release(held[3:]...)
	w.settled(t)
}

func restart(t *testing.T, w *world) {
	before := w.calls(t)
	w.restart(t)
	// A change before it has taken over would be one that its predecessor may have begun, and be looked at first.
	harness.Eventually(t, "the credentials are tested", func() error {
		if calls := w.calls(t); calls["GET /Users"] == before["GET /Users"] {
			return fmt.Errorf("the requests are %v", calls)
		}
		return nil
	})
	w.update(t, 13, func(user map[string]any) { user["title"] = "After the restart" })
	w.settled(t)
	// The credential test and the change.
	w.expectCallsSince(t, before, "/Users", map[string]int{"GET /Users": 1, "PATCH /Users": 1})
	w.expectCallsSince(t, before, "/Groups", map[string]int{})
}

// newPerson is a person with all that an identity provider knows. What stands here is what the tests expect in the app.
func newPerson(i int) *person {
	given, family := fmt.Sprintf("Given%d", i), fmt.Sprintf("Family%d", i)
	switch i % 5 {
	case 1:
		given, family = "Zoë", "Müller-Łukasz"
	case 2:
		given, family = "Sinéad", `O'Neil "Sid"`
	case 3:
		given, family = "小明", "李"
	}
	userName := fmt.Sprintf("person.%d@corp.test", i)
	user := map[string]any{
		"userName":    userName,
		"externalId":  fmt.Sprintf("00u%d", i),
		"name":        map[string]any{"givenName": given, "familyName": family, "formatted": given + " " + family, "middleName": "M.", "honorificPrefix": "Dr."},
		"displayName": given + " " + family,
		"nickName":    fmt.Sprintf("p%d", i),
		"title":       "Engineer",
		"userType":    "Employee",
		"emails": []any{
			map[string]any{"value": userName, "type": "work", "primary": true},
		},
		"phoneNumbers": []any{
			map[string]any{"value": fmt.Sprintf("+41 44 555 %02d", i), "type": "work", "primary": true},
			map[string]any{"value": fmt.Sprintf("+41 79 555 %02d", i), "type": "mobile"},
		},
		"addresses": []any{
			map[string]any{"streetAddress": "1 Long Street\nRear building", "locality": "Zürich", "postalCode": "8001", "country": "CH", "type": "work"},
		},
		"preferredLanguage": "en",
		"locale":            "en-US",
		"timezone":          "Europe/Zurich",
		"active":            true,
		enterpriseUser: map[string]any{
			"employeeNumber": fmt.Sprint(1000 + i), "costCenter": "42", "organization": "Corp", "division": "West", "department": "Tools",
			"manager": map[string]any{"value": "26118915-6090-4610-87e4-49d8ca9f808d"},
		},
	}
	if i%7 == 6 {
		// Not everybody fills in everything.
		for _, attribute := range []string{"nickName", "title", "phoneNumbers", "addresses", enterpriseUser} {
			delete(user, attribute)
		}
	}
	return &person{number: i, user: user}
}

// mapping gives the app to a group.
func (w *world) mapping(t *testing.T, group, role string, priority int32) {
	t.Helper()
	w.roles[group] = grant{role: role, priority: priority}
	w.directory.Create(t, &v1alpha1.ScimRoleMapping{
		ObjectMeta: w.directory.Meta("role-" + role),
		Spec: v1alpha1.ScimRoleMappingSpec{
			App: appName, Subjects: v1alpha1.Subjects{Groups: []string{group}}, Roles: []string{role}, Priority: ptr.To(priority),
		},
	})
}
