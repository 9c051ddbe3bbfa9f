// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// setUpRoles is setUp with a mapping that gives everybody a role.
func setUpRoles(t *testing.T, role string, handle handler) (*harness.Directory, *harness.Operator, *app) {
	t.Helper()
	d := harness.NewDirectory(t)
	a := start(t, d, nil, handle)
	d.Mapping(t, "everybody", appName, v1alpha1.Subjects{Expression: "true"}, role)
	return d, d.Run(t), a
}

// findings waits until the ScimApp has these findings, by attribute, and returns them.
func awaitFindings(t *testing.T, d *harness.Directory, want map[string]v1alpha1.Finding) map[string]v1alpha1.AttributeFinding {
	t.Helper()
	found := map[string]v1alpha1.AttributeFinding{}
	harness.Eventually(t, fmt.Sprint("the app has the findings ", want), func() error {
		app := &v1alpha1.ScimApp{}
		if err := d.Admin.Get(t.Context(), d.Key(appName), app); err != nil {
			return err
		}
		clear(found)
		got := map[string]v1alpha1.Finding{}
		for _, f := range app.Status.Attributes {
			found[f.Name], got[f.Name] = f, f.Finding
		}
		if !maps.Equal(got, want) {
			return fmt.Errorf("status.attributes is %+v", app.Status.Attributes)
		}
		return nil
	})
	return found
}

// replace pushes new values of a user.
func replace(t *testing.T, op *harness.Operator, id, attributes string) {
	t.Helper()
	op.Want(t, http.StatusOK, http.MethodPatch, "/Users/"+id, harness.PatchBody(`{"op":"replace","value":`+attributes+`}`))
}

// value is an attribute of an account in the app.
func (a *app) value(userName, attribute string) any {
	user, _ := a.User(userName)
	return user.Attributes[attribute]
}

func (a *app) awaitValue(t *testing.T, userName, attribute string, want any) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("%s has the %s %v", userName, attribute, want), func() error {
		if got := a.value(userName, attribute); !cmp.Equal(got, want) {
			return fmt.Errorf("it is %v", got)
		}
		return nil
	})
}

// without drops an attribute from the answers that match.
func without(attribute string, match func(*exchange) bool) handler {
	return func(x *exchange, pass func()) {
		pass()
		if match(x) && x.status < 300 && x.answer != "" {
			x.edit(func(object map[string]any) { delete(object, attribute) })
		}
	}
}

// sends reports whether a request writes an attribute.
func sends(attribute string) func(*exchange) bool {
	return func(x *exchange) bool {
		return x.writes() && strings.HasPrefix(x.path, "/Users") && strings.Contains(x.body, `"`+attribute+`"`)
	}
}

// refusing is a handler of an app that refuses an attribute.
func refusing(attribute, scimType, detail string) handler {
	return when(sends(attribute), func(x *exchange, _ func()) { x.refuse(http.StatusBadRequest, scimType, detail) })
}

// TestRolesThatTheAppDropsSilently: POST -> 201, and neither the answer nor a read shows the roles.
func TestRolesThatTheAppDropsSilently(t *testing.T) {
	t.Parallel()
	d, op, a := setUpRoles(t, "editor", without("roles", func(x *exchange) bool { return strings.HasPrefix(x.path, "/Users") }))
	for _, name := range []string{"a@corp.test", "b@corp.test", "c@corp.test"} {
		id := op.CreateUser(t, name)
		user := d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
		if account := user.Status.Account(appName); len(account.Roles) > 0 || account.Reason != "" {
			t.Errorf("the status claims %+v", account)
		}
	}
	found := awaitFindings(t, d, map[string]v1alpha1.Finding{"roles": v1alpha1.FindingNotApplied})
	mentions(t, found["roles"].Message, "roles", "vendor")
	mentions(t, awaitCondition(t, d, v1alpha1.ConditionAttributesSynced, "False", v1alpha1.ReasonNotApplied), "roles")
	awaitCondition(t, d, v1alpha1.ConditionAccountsSynced, "True", "")
	if reads := a.count(request(http.MethodGet, "Users")); reads != 1 {
		t.Errorf("%d reads, want one for the app", reads)
	}
	if writes := a.count((*exchange).writes); writes != 3 {
		t.Errorf("%d writes: the roles are written again", writes)
	}
}

// TestRolesThatOnlyAReadShows: the answers to writes leave roles out, the app has them.
func TestRolesThatOnlyAReadShows(t *testing.T) {
	t.Parallel()
	d, op, a := setUpRoles(t, "editor", without("roles", (*exchange).writes))
	for _, name := range []string{"a@corp.test", "b@corp.test"} {
		id := op.CreateUser(t, name)
		user := d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
		if account := user.Status.Account(appName); !slices.Equal(account.Roles, []string{"editor"}) {
			t.Errorf("the status has the roles %v", account.Roles)
		}
	}
	awaitFindings(t, d, map[string]v1alpha1.Finding{})
	if reads := a.count(request(http.MethodGet, "Users")); reads != 1 {
		t.Errorf("%d reads, want one for the app", reads)
	}
}

// TestRolesThatTheAppContradicts: PATCH roles=admin -> 200 with other roles. It is the account's, and retried.
func TestRolesThatTheAppContradicts(t *testing.T) {
	t.Parallel()
	d, op, a := setUpRoles(t, "editor", func(x *exchange, pass func()) {
		pass()
		if x.writes() && x.status < 300 {
			x.edit(func(object map[string]any) { object["roles"] = []any{map[string]any{"value": "guest"}} })
		}
	})
	id := op.CreateUser(t, "a@corp.test")
	account := awaitReason(t, d, id, v1alpha1.ReasonNotApplied)
	mentions(t, account.Message, "role", "retry")
	if slices.Contains(account.Roles, "editor") {
		t.Errorf("the status claims the roles %v", account.Roles)
	}
	mentions(t, awaitCondition(t, d, v1alpha1.ConditionAccountsSynced, "False", v1alpha1.ReasonNotApplied), "NotApplied 1")
	a.misbehave(nil)
	awaitAccount(t, d, id, "the role is confirmed", func(account v1alpha1.Account) bool {
		return account.Reason == "" && slices.Equal(account.Roles, []string{"editor"})
	})
}

// TestAttributeThatTheAppRefusesByName: 400 for a PATCH with title. The rest goes without it.
func TestAttributeThatTheAppRefusesByName(t *testing.T) {
	for _, tc := range []struct {
		scimType, detail string
		finding          v1alpha1.Finding
		// second is how many requests the next account takes.
		second int
	}{
		{"invalidPath", "Attribute title is not supported", v1alpha1.FindingRefused, 1},
		{"noTarget", "The path title did not yield an attribute", v1alpha1.FindingRefused, 1},
		{"mutability", "The attribute title is readOnly", v1alpha1.FindingRefused, 1},
		{"invalidValue", "The value of the attribute title is not allowed", v1alpha1.FindingValueRefused, 2},
	} {
		t.Run(tc.scimType, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, nil, nil)
			ids := []string{op.CreateUser(t, "a@corp.test"), op.CreateUser(t, "b@corp.test")}
			for _, id := range ids {
				d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
			}
			a.misbehave(refusing("title", tc.scimType, tc.detail))
			for i, name := range []string{"a@corp.test", "b@corp.test"} {
				before := a.count(request(http.MethodPatch, "Users"))
				replace(t, op, ids[i], `{"title":"CEO","displayName":"Ada"}`)
				account := awaitAccount(t, d, ids[i], "title is rejected", func(account v1alpha1.Account) bool {
					return slices.Equal(account.RejectedAttributes, []string{"title"}) && account.Planned == ""
				})
				if account.Reason != "" || a.value(name, "displayName") != "Ada" {
					t.Errorf("the account is %+v, its displayName %v", account, a.value(name, "displayName"))
				}
				awaitFindings(t, d, map[string]v1alpha1.Finding{"title": tc.finding})
				if made, want := a.count(request(http.MethodPatch, "Users"))-before, []int{2, tc.second}[i]; made != want {
					t.Errorf("%s took %d requests, want %d", name, made, want)
				}
			}
			mentions(t, awaitCondition(t, d, v1alpha1.ConditionAttributesSynced, "False", string(tc.finding)), "title")
			awaitCondition(t, d, v1alpha1.ConditionAccountsSynced, "True", "")
		})
	}
}

// TestAttributeThatTheAppRefusesWithoutNamingIt: 400 "Bad request" as long as title is in a request.
func TestAttributeThatTheAppRefusesWithoutNamingIt(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	ids := []string{op.CreateUser(t, "a@corp.test"), op.CreateUser(t, "b@corp.test")}
	for _, id := range ids {
		d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	}
	a.misbehave(refusing("title", "", "Bad request"))
	for i, most := range []int{6, 2} {
		before := a.count(request(http.MethodPatch, "Users"))
		replace(t, op, ids[i], `{"title":"CEO","displayName":"Ada","nickName":"A","locale":"en","timezone":"Europe/London","userType":"Employee"}`)
		awaitAccount(t, d, ids[i], "title is rejected", func(account v1alpha1.Account) bool {
			return slices.Equal(account.RejectedAttributes, []string{"title"}) && account.Planned == "" && account.Reason == ""
		})
		awaitFindings(t, d, map[string]v1alpha1.Finding{"title": v1alpha1.FindingValueRefused})
		if made := a.count(request(http.MethodPatch, "Users")) - before; made > most {
			t.Errorf("account %d took %d requests, want at most %d", i, made, most)
		}
	}
	for _, attribute := range []string{"displayName", "nickName", "locale", "timezone", "userType"} {
		if a.value("a@corp.test", attribute) == nil || a.value("b@corp.test", attribute) == nil {
			t.Errorf("%s was not written", attribute)
		}
	}
}

const withTitle = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,"name":{"givenName":"Ada","familyName":"L"},"title":"CEO","displayName":"Ada"}`

// TestRefusedAttributeDoesNotBlockCreateLinkOrReactivation: with and without a name in the refusal.
func TestRefusedAttributeDoesNotBlockCreateLinkOrReactivation(t *testing.T) {
	for name, handle := range map[string]handler{
		"named":   refusing("title", "invalidValue", "title is not supported"),
		"unnamed": refusing("title", "", "Bad request"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, nil, handle)
			if _, err := a.AddUser(map[string]any{"userName": "linked@corp.test", "active": true}); err != nil {
				t.Fatal(err)
			}
			for _, userName := range []string{"created@corp.test", "linked@corp.test"} {
				id := op.Want(t, http.StatusCreated, http.MethodPost, "/Users", fmt.Sprintf(withTitle, userName)).ID()
				written := func(account v1alpha1.Account) bool {
					return account.State == v1alpha1.AccountActive && slices.Equal(account.RejectedAttributes, []string{"title"}) && account.Planned == ""
				}
				awaitAccount(t, d, id, "the account is written without title", written)
				a.awaitValue(t, userName, "displayName", "Ada")
				deactivate(t, op, id)
				d.AwaitAccount(t, id, appName, v1alpha1.AccountInactive)
				replace(t, op, id, `{"active":true,"displayName":"Ada L","title":"CTO"}`)
				awaitAccount(t, d, id, "the account is active again", written)
				a.awaitValue(t, userName, "displayName", "Ada L")
			}
			awaitFindings(t, d, map[string]v1alpha1.Finding{"title": v1alpha1.FindingValueRefused})
		})
	}
}

// TestRefusedAttributeIsWrittenAgain: when its value changes, when the mapping does, and when a person asks.
func TestRefusedAttributeIsWrittenAgain(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	id := op.CreateUser(t, "a@corp.test")
	d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	a.misbehave(refusing("title", "invalidValue", "the value of title is not allowed"))
	rejected := func(want ...string) func(v1alpha1.Account) bool {
		return func(account v1alpha1.Account) bool {
			return slices.Equal(account.RejectedAttributes, want) && account.Planned == "" && account.Reason == ""
		}
	}
	tries := 0
	triedAgain := func(what string) {
		t.Helper()
		harness.Eventually(t, what, func() error {
			if a.count(sends("title")) <= tries {
				return errNotYet
			}
			return nil
		})
		awaitAccount(t, d, id, "title is rejected", rejected("title"))
		tries = a.count(sends("title"))
	}
	replace(t, op, id, `{"title":"CEO"}`)
	triedAgain("the first value is written")
	replace(t, op, id, `{"title":"CTO"}`)
	triedAgain("another value is written")
	annotate(t, d, id, v1alpha1.AnnotationReconcile, "please")
	triedAgain("a person asks")
	harness.Change(t, d, appName, &v1alpha1.ScimApp{}, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = append(app.Spec.Attributes, v1alpha1.AttributeMapping{Name: "title", Expression: "user.title.lowerAscii()"})
	})
	triedAgain("the mapping changes")

	a.misbehave(nil)
	replace(t, op, id, `{"title":"COO"}`)
	awaitAccount(t, d, id, "title is written", rejected())
	a.awaitValue(t, "a@corp.test", "title", "coo")
}

// TestRequiredAttributeThatTheAppRefuses: the account fails, and says which one.
func TestRequiredAttributeThatTheAppRefuses(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, refusing("userName", "invalidValue", "userName is not allowed"))
	id := op.CreateUser(t, "a@corp.test")
	account := awaitReason(t, d, id, v1alpha1.ReasonRejected)
	mentions(t, account.Message, "userName", "change")
	awaitFindings(t, d, map[string]v1alpha1.Finding{})
	if writes := a.count((*exchange).writes); writes != 1 {
		t.Errorf("%d requests", writes)
	}
}

// TestValuesThatTheAppShowsOtherwise: a difference is said once per app and attribute, and written once.
func TestValuesThatTheAppShowsOtherwise(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, func(x *exchange, pass func()) {
		pass()
		if strings.HasPrefix(x.path, "/Users") && x.status < 300 && x.answered()["userName"] != nil {
			x.edit(func(object map[string]any) {
				object["displayName"] = strings.ToUpper(fmt.Sprint(object["displayName"]))
				object["title"] = "Employee"
				delete(object, "nickName")
			})
		}
	})
	for _, userName := range []string{"a@corp.test", "b@corp.test"} {
		id := op.CreateUser(t, userName)
		d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
		replace(t, op, id, `{"title":"CEO","displayName":"Ada","nickName":"A"}`)
		awaitAccount(t, d, id, "the account is in sync", func(account v1alpha1.Account) bool {
			return a.value(userName, "title") == "CEO" && account.Planned == "" && account.Reason == ""
		})
	}
	awaitFindings(t, d, map[string]v1alpha1.Finding{
		"displayName": v1alpha1.FindingNormalized, "title": v1alpha1.FindingDiffers, "nickName": v1alpha1.FindingNotShown,
	})
	mentions(t, awaitCondition(t, d, v1alpha1.ConditionAttributesSynced, "False", "Differs"), "title", "nickName", "displayName")
	if patches, reads := a.count(request(http.MethodPatch, "Users")), a.count(request(http.MethodGet, "Users")); patches != 2 || reads > 1 {
		t.Errorf("%d changes and %d reads: the difference is written or read again", patches, reads)
	}
}

// TestDeactivationThatIsAnsweredWithoutABody: 204 is followed by one read; that the app never shows active is said once, and then not read again.
func TestDeactivationThatIsAnsweredWithoutABody(t *testing.T) {
	for name, shown := range map[string]bool{"active is shown": true, "active is not shown": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, op, a := setUp(t, nil, func(x *exchange, pass func()) {
				pass()
				switch {
				case x.is(http.MethodPatch, "Users") && x.status == http.StatusOK:
					x.reply(http.StatusNoContent, jsonType, "")
				case x.is(http.MethodGet, "Users") && !shown:
					x.edit(func(object map[string]any) { delete(object, "active") })
				}
			})
			for _, userName := range []string{"a@corp.test", "b@corp.test"} {
				id := op.CreateUser(t, userName)
				d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
				deactivate(t, op, id)
				d.AwaitAccount(t, id, appName, v1alpha1.AccountInactive)
				if !shown {
					awaitFindings(t, d, map[string]v1alpha1.Finding{"active": v1alpha1.FindingNotShown})
				}
			}
			want := map[bool]int{true: 2, false: 1}[shown]
			if reads := a.count(request(http.MethodGet, "Users")); reads != want {
				t.Errorf("%d reads, want %d", reads, want)
			}
			if !shown {
				mentions(t, awaitCondition(t, d, v1alpha1.ConditionAttributesSynced, "Unknown", "NotShown"), "active")
			}
		})
	}
}

// TestReconcileAnnotationComparesTheAccount: one read, what differs is named, nothing is corrected.
func TestReconcileAnnotationComparesTheAccount(t *testing.T) {
	t.Parallel()
	d, op, a := setUpRoles(t, "editor", nil)
	id := op.Want(t, http.StatusCreated, http.MethodPost, "/Users", fmt.Sprintf(withTitle, "a@corp.test")).ID()
	d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	if err := a.EditUser("a@corp.test", func(attributes map[string]any) {
		attributes["title"], attributes["displayName"], attributes["active"] = "Intern", "ADA", false
		attributes["roles"] = []any{map[string]any{"value": "admin"}}
	}); err != nil {
		t.Fatal(err)
	}
	writes := a.count((*exchange).writes)
	for i, request := range []string{"2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z"} {
		annotate(t, d, id, v1alpha1.AnnotationReconcile, request)
		harness.Eventually(t, "the request is handled", func() error {
			user, err := d.GetUser(t.Context(), id)
			if err != nil {
				return err
			}
			if user.Status.LastHandledReconcileAt != request {
				return fmt.Errorf("status is %+v", user.Status)
			}
			return nil
		})
		account := d.User(t, id).Status.Account(appName)
		if diff := cmp.Diff([]string{"active", "roles", "title"}, account.Differences); diff != "" || account.CheckedTime == nil || account.State != v1alpha1.AccountActive {
			t.Errorf("the account is %+v (-want +got):\n%s", account, diff)
		}
		if reads := a.count(func(x *exchange) bool { return x.is(http.MethodGet, "Users") }); reads != i+1 {
			t.Errorf("%d reads after %d requests", reads, i+1)
		}
	}
	if made := a.count((*exchange).writes); made != writes {
		t.Errorf("%d writes: something was corrected", made-writes)
	}
}
