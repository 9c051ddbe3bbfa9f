// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

const appName = "scimmy"

// world is what the identity provider has pushed and what, by that alone, the app should hold.
type world struct {
	directory *harness.Directory
	operator  *harness.Operator
	app       *scimmy
	people    map[int]*person
	groups    map[string]*group
	// roles that the groups give in the app.
	roles map[string]grant
	// accounts are what the app should hold, by the number of the person; ids are what it called them when they were first seen.
	accounts map[int]map[string]any
	ids      map[int]string
	// held are people whose revocation the guard holds, with the group that they left.
	held map[int]string
}

// person is a user as it was pushed.
type person struct {
	number int
	id     string
	user   map[string]any
}

// group is a pushed group. The tests call it by its first name.
type group struct {
	id, name string
	members  map[int]bool
}

type grant struct {
	role     string
	priority int32
}

func newWorld(d *harness.Directory, operator *harness.Operator, app *scimmy) *world {
	return &world{
		directory: d, operator: operator, app: app, people: map[int]*person{}, groups: map[string]*group{}, roles: map[string]grant{},
		accounts: map[int]map[string]any{}, ids: map[int]string{}, held: map[int]string{},
	}
}

// people are the numbers from first up to, and without, end.
func people(first, end int) []int {
	var numbers []int
	for number := first; number < end; number++ {
		numbers = append(numbers, number)
	}
	return numbers
}

// restart stops the operator and starts another one, which ends with the test or step that asks for it.
func (w *world) restart(t *testing.T) {
	t.Helper()
	w.operator.Stop()
	w.operator = w.directory.Run(t)
}

// push looks a user up and creates it, as Okta does; the password is the placeholder that Okta sends.
func (w *world) push(t *testing.T, p *person) {
	t.Helper()
	userName, _ := p.user["userName"].(string)
	found := w.operator.Want(t, http.StatusOK, http.MethodGet, "/Users"+harness.FilterQuery(fmt.Sprintf("userName eq %q", userName)), "")
	if total := found.JSON["totalResults"]; total != 0.0 {
		t.Fatalf("%v users have the name %s before it is pushed", total, userName)
	}
	body := maps.Clone(p.user)
	body["schemas"] = []any{"urn:ietf:params:scim:schemas:core:2.0:User", enterpriseUser}
	body["password"], body["groups"] = "1mz050nq", []any{}
	p.id = w.operator.Want(t, http.StatusCreated, http.MethodPost, "/Users", marshal(t, body)).ID()
	w.people[p.number] = p
}

// update changes a user as Okta does: it reads it, changes what it read and puts it back.
func (w *world) update(t *testing.T, number int, change func(user map[string]any)) {
	t.Helper()
	p := w.people[number]
	user := w.operator.Want(t, http.StatusOK, http.MethodGet, "/Users/"+p.id, "").JSON
	change(user)
	change(p.user)
	w.operator.Want(t, http.StatusOK, http.MethodPut, "/Users/"+p.id, marshal(t, user))
}

func (w *world) setActive(t *testing.T, number int, active bool) {
	t.Helper()
	w.patch(t, "/Users/"+w.people[number].id, harness.SetActive(active))
	w.people[number].user["active"] = active
}

func (w *world) delete(t *testing.T, number int) {
	t.Helper()
	w.operator.Want(t, http.StatusNoContent, http.MethodDelete, "/Users/"+w.people[number].id, "")
	delete(w.people, number)
	for _, g := range w.groups {
		delete(g.members, number)
	}
}

// forget expects that the account of a person is gone, not just inactive.
func (w *world) forget(number int) {
	delete(w.accounts, number)
	delete(w.ids, number)
}

func (w *world) pushGroup(t *testing.T, name string) {
	t.Helper()
	w.groups[name] = &group{id: w.operator.CreateGroup(t, name), name: name, members: map[int]bool{}}
}

func (w *world) join(t *testing.T, name string, numbers ...int) {
	t.Helper()
	g := w.groups[name]
	w.patch(t, "/Groups/"+g.id, g.sameName(), harness.AddMembers(w.changeMembers(g, numbers, true)...))
}

func (w *world) leave(t *testing.T, name string, numbers ...int) {
	t.Helper()
	g := w.groups[name]
	operations := []string{g.sameName()}
	for _, id := range w.changeMembers(g, numbers, false) {
		operations = append(operations, harness.RemoveMember(id))
	}
	w.patch(t, "/Groups/"+g.id, operations...)
}

// changeMembers notes who is a member and gives back their ids.
func (w *world) changeMembers(g *group, numbers []int, member bool) []string {
	var ids []string
	for _, number := range numbers {
		ids = append(ids, w.people[number].id)
		if member {
			g.members[number] = true
		} else {
			delete(g.members, number)
		}
	}
	return ids
}

// sameName is the operation that Okta sends with every change of a membership.
func (g *group) sameName() string {
	return fmt.Sprintf(`{"op":"replace","value":{"id":%q,"displayName":%q}}`, g.id, g.name)
}

func (w *world) renameGroup(t *testing.T, name, newName string) {
	t.Helper()
	g := w.groups[name]
	g.name = newName
	w.patch(t, "/Groups/"+g.id, g.sameName())
}

func (w *world) deleteGroup(t *testing.T, name string) {
	t.Helper()
	w.operator.Want(t, http.StatusNoContent, http.MethodDelete, "/Groups/"+w.groups[name].id, "")
	delete(w.groups, name)
}

func (w *world) patch(t *testing.T, path string, operations ...string) {
	t.Helper()
	answer := w.operator.Do(t, http.MethodPatch, path, harness.PatchBody(operations...))
	if answer.Status != http.StatusOK && answer.Status != http.StatusNoContent {
		t.Fatalf("PATCH %s: status %d: %s", path, answer.Status, answer.Body)
	}
}

// settled waits until the app holds what it should and every status says so.
func (w *world) settled(t *testing.T) {
	t.Helper()
	w.expectAccounts()
	harness.Eventually(t, "the app holds what was pushed", func() error {
		kept, err := w.app.dump(t.Context())
		if err != nil {
			return err
		}
		if err := w.compareAccounts(kept.Users); err != nil {
			return err
		}
		return errors.Join(w.compareGroups(kept.Groups), w.compareStatus(t.Context()))
	})
}

// expectAccounts works out what the app should hold now.
func (w *world) expectAccounts() {
	for number, account := range w.accounts {
		if p := w.people[number]; (p == nil || !w.entitled(p)) && w.held[number] == "" {
			// Switching off changes nothing else.
			account["active"] = false
		}
	}
	for number, p := range w.people {
		if w.entitled(p) {
			w.accounts[number] = accountOf(p.user, w.roleOf(number))
		}
	}
}

func (w *world) entitled(p *person) bool { return p.user["active"] == true && w.roleOf(p.number) != "" }

// roleOf is the role of the mapping that comes first, "" if none gives the app.
func (w *world) roleOf(number int) string {
	var best grant
	for name, g := range w.groups {
		role, gives := w.roles[name]
		if gives && g.members[number] && (best.role == "" || role.priority < best.priority) {
			best = role
		}
	}
	return best.role
}

const enterpriseUser = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

// mapped are the attributes that the generic profile writes, with the sub-attributes where it does not write all.
var mapped = map[string][]string{
	"userName": nil, "displayName": nil, "nickName": nil, "title": nil, "userType": nil, "preferredLanguage": nil, "locale": nil, "timezone": nil,
	"emails": nil, "phoneNumbers": nil, "addresses": nil,
	"name":         {"givenName", "familyName", "formatted", "middleName"},
	enterpriseUser: {"employeeNumber", "costCenter", "organization", "division", "department"},
}

// accountOf is what a user with a role should be in the app.
func accountOf(user map[string]any, role string) map[string]any {
	account := map[string]any{"active": true, "roles": []any{map[string]any{"value": role, "primary": true}}}
	for name, parts := range mapped {
		value, given := user[name]
		if !given {
			continue
		}
		if whole, complex := value.(map[string]any); complex {
			part := map[string]any{}
			for key, v := range whole {
				if slices.Contains(parts, key) {
					part[key] = v
				}
			}
			value = part
		}
		account[name] = value
	}
	return account
}

// compareAccounts compares every attribute of every account. It knows accounts by their userName, and checks that the app's id of each is the one it
// had from the first.
func (w *world) compareAccounts(users []map[string]any) error {
	want, got, ids := map[string]map[string]any{}, map[string]map[string]any{}, map[string]string{}
	for _, account := range w.accounts {
		want[account["userName"].(string)] = account
	}
	for _, user := range users {
		userName, _ := user["userName"].(string)
		if got[userName] != nil {
			return fmt.Errorf("the app has %s twice", userName)
		}
		ids[userName], _ = user["id"].(string)
		got[userName] = without(user, "id", "meta", "schemas", "externalId")
	}
	if !reflect.DeepEqual(want, got) {
		return difference{"accounts", want, got}
	}
	for number, account := range w.accounts {
		id := ids[account["userName"].(string)]
		if known := w.ids[number]; known != "" && known != id {
			return fmt.Errorf("the account of person %d was %s and is %s", number, known, id)
		}
		w.ids[number] = id
	}
	return nil
}

// expectOwnIDs checks that each account carries the SCIM id of the user that it was created for.
func (w *world) expectOwnIDs(t *testing.T) {
	t.Helper()
	ids := map[any]any{}
	for _, p := range w.people {
		ids[p.user["userName"]] = p.id
	}
	kept, err := w.app.dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range kept.Users {
		if user["externalId"] != ids[user["userName"]] {
			t.Errorf("the account of %v has the externalId %v, want %v", user["userName"], user["externalId"], ids[user["userName"]])
		}
	}
}

// compareGroups compares the groups with all their members: those who have an active account.
func (w *world) compareGroups(kept []map[string]any) error {
	want, got := map[string]map[string]any{}, map[string]map[string]any{}
	for key, g := range w.groups {
		var members []string
		for number := range w.accounts {
			isMember := g.members[number] || w.held[number] == key
			if isMember && w.accounts[number]["active"] == true {
				members = append(members, w.ids[number])
			}
		}
		slices.Sort(members)
		want[g.name] = map[string]any{"displayName": g.name, "externalId": g.id, "members": members}
	}
	for _, g := range kept {
		name, _ := g["displayName"].(string)
		if got[name] != nil {
			return fmt.Errorf("the app has the group %s twice", name)
		}
		got[name] = without(g, "id", "meta", "schemas")
		got[name]["members"] = memberIDs(g)
	}
	if !reflect.DeepEqual(want, got) {
		return difference{"groups", want, got}
	}
	return nil
}

// difference is worked out only if it is shown: while a test waits, most are not.
type difference struct {
	what      string
	want, got any
}

func (d difference) Error() string { return d.what + " (-want +got):\n" + cmp.Diff(d.want, d.got) }

// memberIDs are the members of a group as the app keeps it, sorted; one that is there twice is here twice.
func memberIDs(group map[string]any) []string {
	var ids []string
	list, _ := group["members"].([]any)
	for _, item := range list {
		member, _ := item.(map[string]any)
		id, _ := member["value"].(string)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// compareStatus checks that there is one object per user and group, and that its status tells what the app holds.
func (w *world) compareStatus(ctx context.Context) error {
	var users v1alpha1.ScimUserList
	var groups v1alpha1.ScimGroupList
	for _, list := range []client.ObjectList{&users, &groups} {
		if err := w.directory.Admin.List(ctx, list, client.InNamespace(w.directory.Namespace)); err != nil {
			return err
		}
	}
	// A ScimUser that is not admitted is the reservation of a name that somebody has taken by a rename.
	users.Items = slices.DeleteFunc(users.Items, func(u v1alpha1.ScimUser) bool { return !u.Admitted() })
	groups.Items = slices.DeleteFunc(groups.Items, func(g v1alpha1.ScimGroup) bool { return !g.Admitted() })
	if len(users.Items) != len(w.people) || len(groups.Items) != len(w.groups) {
		return fmt.Errorf("there are %d ScimUsers and %d ScimGroups, want %d and %d", len(users.Items), len(groups.Items), len(w.people), len(w.groups))
	}
	byID := map[string]*v1alpha1.ScimUser{}
	for i := range users.Items {
		byID[users.Items[i].SCIMID()] = &users.Items[i]
	}
	for number, p := range w.people {
		if err := w.compareUser(number, byID[p.id]); err != nil {
			return fmt.Errorf("person %d: %w", number, err)
		}
	}
	for i := range groups.Items {
		held := slices.ContainsFunc(slices.Collect(maps.Values(w.held)), func(key string) bool { return w.groups[key].id == groups.Items[i].SCIMID() })
		if isTrue(groups.Items[i].Status.Conditions, v1alpha1.ConditionReady) == held {
			return fmt.Errorf("the group %s: %+v", groups.Items[i].Spec.DisplayName, groups.Items[i].Status)
		}
	}
	return nil
}

func (w *world) compareUser(number int, user *v1alpha1.ScimUser) error {
	if user == nil {
		return errors.New("there is no ScimUser")
	}
	type account struct {
		State    v1alpha1.AccountState
		RemoteID string
		Planned  v1alpha1.AccountAction
		Held     bool
	}
	var want, got *account
	if expected := w.accounts[number]; expected != nil {
		want = &account{State: v1alpha1.AccountInactive, RemoteID: w.ids[number], Held: w.held[number] != ""}
		if expected["active"] == true {
			want.State = v1alpha1.AccountActive
		}
		if want.Held {
			want.Planned = v1alpha1.ActionDeactivate
		}
	}
	if entry := user.Status.Account(appName); entry != nil {
		got = &account{State: entry.State, RemoteID: entry.RemoteID, Planned: entry.Planned, Held: entry.HeldBatch != ""}
	}
	if !reflect.DeepEqual(want, got) {
		return difference{"account in the status", want, got}
	}
	if isTrue(user.Status.Conditions, v1alpha1.ConditionReady) == (w.held[number] != "") {
		return fmt.Errorf("the conditions are %+v", user.Status.Conditions)
	}
	return nil
}

func isTrue(conditions []metav1.Condition, conditionType string) bool {
	return slices.ContainsFunc(conditions, func(c metav1.Condition) bool { return c.Type == conditionType && c.Status == metav1.ConditionTrue })
}

// calls are the requests that the app has had.
func (w *world) calls(t *testing.T) map[string]int {
	t.Helper()
	kept, err := w.app.dump(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return kept.Calls
}

// expectCalls checks the number of some kinds of requests.
func (w *world) expectCalls(t *testing.T, want map[string]int) {
	t.Helper()
	calls := w.calls(t)
	for call, n := range want {
		if calls[call] != n {
			t.Errorf("%d requests %s, want %d; all: %v", calls[call], call, n, calls)
		}
	}
}

// expectCallsSince checks all requests to a collection since an earlier count: nothing but want.
func (w *world) expectCallsSince(t *testing.T, before map[string]int, collection string, want map[string]int) {
	t.Helper()
	since := map[string]int{}
	for call, n := range w.calls(t) {
		if strings.HasSuffix(call, " "+collection) && n != before[call] {
			since[call] = n - before[call]
		}
	}
	if diff := cmp.Diff(want, since); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func without(object map[string]any, names ...string) map[string]any {
	rest := maps.Clone(object)
	for _, name := range names {
		delete(rest, name)
	}
	return rest
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
