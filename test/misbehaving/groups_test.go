// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// pushing lets an app push Sales.
func pushing(app *v1alpha1.ScimApp) {
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups, v1alpha1.FeatureGroupLinking)
	app.Spec.Groups = append(app.Spec.Groups, v1alpha1.PushedGroup{DisplayName: "Sales"})
}

// staff are users with an account in the app, which pushes the group Sales.
type staff struct {
	d  *harness.Directory
	op *harness.Operator
	*app
	// ids are the SCIM ids of the users, remote those of their accounts.
	ids, remote []string
}

// hire makes n users and waits for their accounts.
func hire(t *testing.T, n int, change func(*v1alpha1.ScimApp), handle handler) *staff {
	t.Helper()
	s := &staff{}
	s.d, s.op, s.app = setUp(t, func(app *v1alpha1.ScimApp) {
		pushing(app)
		if change != nil {
			change(app)
		}
	}, handle)
	for i := range n {
		s.ids = append(s.ids, s.op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i)))
	}
	for _, id := range s.ids {
		user := s.d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
		s.remote = append(s.remote, user.Status.Account(appName).RemoteID)
	}
	return s
}

// awaitMembers waits until the app's group has exactly these members.
func (s *staff) awaitMembers(t *testing.T, remote ...string) {
	t.Helper()
	harness.Eventually(t, fmt.Sprintf("the group has %d members", len(remote)), func() error {
		group, ok := s.Group("Sales")
		have, want := slices.Sorted(slices.Values(group.Members)), slices.Sorted(slices.Values(remote))
		if !ok || !slices.Equal(have, want) {
			return fmt.Errorf("the app has %q, want %q", have, want)
		}
		return nil
	})
}

// patch changes the group by the endpoint.
func (s *staff) patch(t *testing.T, group string, operations ...string) {
	t.Helper()
	s.op.Want(t, http.StatusNoContent, http.MethodPatch, "/Groups/"+group, harness.PatchBody(operations...))
}

// awaitPushed waits until the status of the group passes a check.
func (s *staff) awaitPushed(t *testing.T, what string, check func(v1alpha1.PushedGroupStatus) bool) v1alpha1.PushedGroupStatus {
	t.Helper()
	return awaitGroup(t, s.d, "Sales", what, check)
}

func inSync(p v1alpha1.PushedGroupStatus) bool {
	return p.State == v1alpha1.GroupPushed && p.Applied != "" && p.Attempts == 0
}

// restart stops the operator, changes the members of Sales meanwhile, and starts it again.
func (s *staff) restart(t *testing.T, members ...string) {
	t.Helper()
	s.op.Stop()
	list := &v1alpha1.ScimGroupList{}
	if err := s.d.Admin.List(t.Context(), list, client.InNamespace(s.d.Namespace)); err != nil {
		t.Fatal(err)
	}
	group := &list.Items[0]
	group.Spec.Members = nil
	for _, id := range members {
		group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: id, Type: v1alpha1.MemberTypeUser})
	}
	if err := s.d.Admin.Update(t.Context(), group); err != nil {
		t.Fatal(err)
	}
	s.op = s.d.Run(t)
}

// showMembers changes what every answer about groups shows of their members; show changes one group.
func showMembers(show func(group map[string]any)) handler {
	return func(x *exchange, pass func()) {
		pass()
		if !strings.HasPrefix(x.path, "/Groups") || x.status >= http.StatusMultipleChoices || x.answer == "" {
			return
		}
		x.edit(func(object map[string]any) {
			if rows, ok := object["Resources"].([]any); ok {
				for _, row := range rows {
					show(row.(map[string]any))
				}
				return
			}
			show(object)
		})
	}
}

// TestLeaverOfAGroupWhoseMembersTheAppDoesNotShow: GET /Groups/1 -> 200 without members, as AWS does, or always with an empty list.
func TestLeaverOfAGroupWhoseMembersTheAppDoesNotShow(t *testing.T) {
	t.Parallel()
	for name, show := range map[string]func(map[string]any){
		"no members":    func(group map[string]any) { delete(group, "members") },
		"an empty list": func(group map[string]any) { group["members"] = []any{} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := hire(t, 4, nil, showMembers(show))
			group := s.op.CreateGroup(t, "Sales", s.ids...)
			s.awaitMembers(t, s.remote...)
			status := s.awaitPushed(t, "the status says that the app shows no members", func(p v1alpha1.PushedGroupStatus) bool {
				return inSync(p) && p.Reason == v1alpha1.ReasonMembersNotShown
			})
			mentions(t, status.Message, "Check in the app")
			mentions(t, awaitCondition(t, s.d, v1alpha1.ConditionAccountsSynced, "False", v1alpha1.ReasonMembersNotShown), "1 groups", "members")

			s.patch(t, group, harness.RemoveMember(s.ids[1]))
			s.awaitMembers(t, s.remote[0], s.remote[2], s.remote[3])
			s.awaitPushed(t, "the group is in sync", inSync)
			s.restart(t, s.ids[0], s.ids[3])
			s.awaitMembers(t, s.remote[0], s.remote[3])
		})
	}
}

// TestRemovalOfAMemberThatTheAppConfirmsAndDoesNotApply: PATCH -> 200 whose body still lists the removed member.
func TestRemovalOfAMemberThatTheAppConfirmsAndDoesNotApply(t *testing.T) {
	t.Parallel()
	s := hire(t, 3, nil, nil)
	group := s.op.CreateGroup(t, "Sales", s.ids...)
	s.awaitMembers(t, s.remote...)
	s.misbehave(when(request(http.MethodPatch, "Groups"), func(x *exchange, _ func()) {
		members := []any{}
		for _, id := range s.remote {
			members = append(members, map[string]any{"value": id})
		}
		x.replyJSON(http.StatusOK, map[string]any{"id": x.id(), "displayName": "Sales", "members": members})
	}))
	s.patch(t, group, harness.RemoveMember(s.ids[1]))
	status := s.awaitPushed(t, "the status says NotApplied", func(p v1alpha1.PushedGroupStatus) bool { return p.Reason == v1alpha1.ReasonNotApplied })
	if status.NextRetryTime == nil || status.Applied != "" {
		t.Errorf("the status is %+v", status)
	}
	mentions(t, awaitCondition(t, s.d, v1alpha1.ConditionAccountsSynced, "False", ""), "1 groups")
	s.misbehave(nil)
	s.awaitMembers(t, s.remote[0], s.remote[2])
	if calls := s.count(request(http.MethodPatch, "Groups")); calls > 6 {
		t.Errorf("%d calls: the retries are not spaced", calls)
	}
}

// TestMemberWhomTheAppHasDeleted: one PATCH removes one member and adds another, whom the app has deleted -> 400. The removal is made, the others are added, and the account
// is looked up.
func TestMemberWhomTheAppHasDeleted(t *testing.T) {
	t.Parallel()
	s := hire(t, 5, nil, nil)
	group := s.op.CreateGroup(t, "Sales", s.ids[:2]...)
	s.awaitMembers(t, s.remote[:2]...)
	if err := s.RemoveUser("user-2@corp.test"); err != nil {
		t.Fatal(err)
	}
	created := s.exchanges(func(x *exchange) bool { return x.is(http.MethodPost, "Users") && x.answered()["id"] == s.remote[2] })
	// A read still shows the account at first, so that the account stays until the conditions are seen.
	s.misbehave(when(func(x *exchange) bool { return x.is(http.MethodGet, "Users") && x.id() == s.remote[2] }, func(x *exchange, _ func()) {
		x.reply(http.StatusOK, jsonType, created[0].answer)
	}))
	s.patch(t, group, harness.AddMembers(s.ids[2:]...), harness.RemoveMember(s.ids[1]))
	harness.Eventually(t, "the leaver is removed, and the others are added", func() error {
		have, _ := s.Group("Sales")
		if slices.Contains(have.Members, s.remote[1]) || !slices.Contains(have.Members, s.remote[3]) || !slices.Contains(have.Members, s.remote[4]) {
			return errNotYet
		}
		return nil
	})
	status := s.awaitPushed(t, "the status says that members are refused", func(p v1alpha1.PushedGroupStatus) bool { return p.Reason == v1alpha1.ReasonMembersRefused })
	mentions(t, status.Message, "1 members", "retried")
	mentions(t, awaitCondition(t, s.d, v1alpha1.ConditionAccountsSynced, "False", v1alpha1.ReasonRejected), "failed to sync")
	s.misbehave(nil)
	again := awaitAccount(t, s.d, s.ids[2], "the account is made anew", func(a v1alpha1.Account) bool {
		return a.State == v1alpha1.AccountActive && a.RemoteID != s.remote[2]
	})
	s.awaitMembers(t, s.remote[0], again.RemoteID, s.remote[3], s.remote[4])
}

// TestFreshGroupThatCannotBeReadYet: POST /Groups -> 201, then GET -> 404 for some seconds. There is no second group.
func TestFreshGroupThatCannotBeReadYet(t *testing.T) {
	t.Parallel()
	const lag = 6 * time.Second
	var mu sync.Mutex
	var born time.Time
	fresh := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return time.Since(born) < lag
	}
	s := hire(t, 2, nil, func(x *exchange, pass func()) {
		switch {
		case x.id() != "" && strings.HasPrefix(x.path, "/Groups") && fresh():
			x.refuse(http.StatusNotFound, "", "Resource not found.")
		case x.looksUp("Groups") && fresh():
			x.replyJSON(http.StatusOK, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": 0, "Resources": []any{}})
		case x.is(http.MethodPost, "Groups"):
			pass()
			mu.Lock()
			born = time.Now()
			mu.Unlock()
		default:
			pass()
		}
	})
	group := s.op.CreateGroup(t, "Sales", s.ids[0])
	s.awaitMembers(t, s.remote[0])
	s.patch(t, group, harness.AddMembers(s.ids[1]))
	s.awaitMembers(t, s.remote...)
	s.awaitPushed(t, "the group is in sync", inSync)
	if creates := s.count(request(http.MethodPost, "Groups")); creates != 1 || len(s.Groups()) != 1 {
		t.Errorf("%d groups were created", creates)
	}
}

// TestOwnGroupOfAnAppThatKeepsNoExternalID: a group of ours is missing for a while, and then found again by its name.
func TestOwnGroupOfAnAppThatKeepsNoExternalID(t *testing.T) {
	t.Parallel()
	withoutExternalID := func(x *exchange, pass func()) {
		if x.is(http.MethodPost, "Groups") {
			x.body = strings.Replace(x.body, `"externalId"`, `"ignored"`, 1)
		}
		pass()
	}
	s := hire(t, 2, func(app *v1alpha1.ScimApp) {
		app.Spec.Features = slices.DeleteFunc(app.Spec.Features, func(f v1alpha1.Feature) bool { return f == v1alpha1.FeatureGroupLinking })
	}, withoutExternalID)
	group := s.op.CreateGroup(t, "Sales", s.ids...)
	s.awaitMembers(t, s.remote...)
	s.misbehave(func(x *exchange, pass func()) {
		switch {
		case x.id() != "" && strings.HasPrefix(x.path, "/Groups"):
			x.refuse(http.StatusNotFound, "", "Resource not found.")
		case x.looksUp("Groups"):
			x.replyJSON(http.StatusOK, map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:ListResponse"}, "totalResults": 0, "Resources": []any{}})
		case x.is(http.MethodPost, "Groups"):
			x.refuse(http.StatusServiceUnavailable, "", "Try again later.")
		default:
			withoutExternalID(x, pass)
		}
	})
	s.patch(t, group, harness.RemoveMember(s.ids[1]))
	s.awaitPushed(t, "the group is to be created again", func(p v1alpha1.PushedGroupStatus) bool { return p.State == v1alpha1.GroupCreating })
	s.misbehave(withoutExternalID)
	s.awaitMembers(t, s.remote[0])
	status := s.awaitPushed(t, "the group is in sync", inSync)
	if !status.Created || len(s.Groups()) != 1 {
		t.Errorf("the status is %+v, the app has %d groups", status, len(s.Groups()))
	}
}

// TestRequestWithMoreMembersThanTheAppTakes: a request with more than ten members -> 400. The size is halved, remembered, and said in an event.
func TestRequestWithMoreMembersThanTheAppTakes(t *testing.T) {
	t.Parallel()
	s := hire(t, 12, nil, func(x *exchange, pass func()) {
		if x.writes() && strings.HasPrefix(x.path, "/Groups") && strings.Count(x.body, `{"value":`) > 10 {
			x.refuse(http.StatusBadRequest, "", "Request is unparsable, syntactically incorrect, or violates schema.")
			return
		}
		pass()
	})
	s.op.CreateGroup(t, "Sales", s.ids...)
	s.awaitMembers(t, s.remote...)
	s.awaitPushed(t, "the group is in sync", inSync)
	harness.Eventually(t, "the status of the app has the size", func() error {
		app := &v1alpha1.ScimApp{}
		if err := s.d.Admin.Get(t.Context(), s.d.Key(appName), app); err != nil {
			return err
		}
		if app.Status.MembersPerRequest != 6 {
			return fmt.Errorf("status is %+v", app.Status)
		}
		return nil
	})
	harness.Eventually(t, "an event says so", func() error {
		events := &eventsv1.EventList{}
		if err := s.d.Admin.List(t.Context(), events, client.InNamespace(s.d.Namespace)); err != nil {
			return err
		}
		if !slices.ContainsFunc(events.Items, func(e eventsv1.Event) bool { return e.Reason == "SmallerRequests" }) {
			return errNotYet
		}
		return nil
	})
	refused := s.count(func(x *exchange) bool { return x.status == http.StatusBadRequest })
	s.restart(t)
	s.awaitPushed(t, "the removal of all members is held", func(p v1alpha1.PushedGroupStatus) bool { return p.HeldBatch != "" })
	if again := s.count(func(x *exchange) bool { return x.status == http.StatusBadRequest }); again != refused {
		t.Errorf("%d requests were refused after the size was known", again-refused)
	}
}

// TestGroupThatCannotBeRead: GET /Groups/1 -> 500. Who left is removed, and the app says that a group fails.
func TestGroupThatCannotBeRead(t *testing.T) {
	t.Parallel()
	s := hire(t, 4, nil, func(x *exchange, pass func()) {
		if x.is(http.MethodGet, "Groups") && x.id() != "" {
			x.refuse(http.StatusInternalServerError, "", "An unexpected error.")
			return
		}
		pass()
	})
	group := s.op.CreateGroup(t, "Sales", s.ids[:3]...)
	s.awaitMembers(t, s.remote[:3]...)
	s.awaitPushed(t, "the group is in sync", inSync)
	s.patch(t, group, harness.RemoveMember(s.ids[1]), harness.AddMembers(s.ids[3]))
	s.awaitMembers(t, s.remote[0], s.remote[2], s.remote[3])
	s.awaitPushed(t, "the status says that the group fails", func(p v1alpha1.PushedGroupStatus) bool {
		return p.Reason == v1alpha1.ReasonServerError && p.Attempts > 0
	})
	mentions(t, awaitCondition(t, s.d, v1alpha1.ConditionAccountsSynced, "False", ""), "1 groups", "failed to sync")
	s.restart(t, s.ids[0], s.ids[3])
	s.awaitMembers(t, s.remote[0], s.remote[3])
}

// TestGroupThatIsCreatedWithoutItsMembers: POST /Groups with members -> 201 "members": []. They are added by PATCH.
func TestGroupThatIsCreatedWithoutItsMembers(t *testing.T) {
	t.Parallel()
	s := hire(t, 3, nil, func(x *exchange, pass func()) {
		if x.is(http.MethodPost, "Groups") {
			x.body = strings.Replace(x.body, `"members"`, `"ignored"`, 1)
		}
		pass()
	})
	s.op.CreateGroup(t, "Sales", s.ids...)
	s.awaitMembers(t, s.remote...)
	if status := s.awaitPushed(t, "the group is in sync", inSync); status.MembersHidden {
		t.Errorf("the status is %+v", status)
	}
}

// TestLinkedGroupBeforeItsMembersAreLinked: a new ScimApp links a tenant whose group is full. Nobody is removed who is put back later.
func TestLinkedGroupBeforeItsMembersAreLinked(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		policy v1alpha1.ForeignMembers
		stays  bool
	}{
		"foreign members are removed": {policy: v1alpha1.ForeignMembersRemove},
		"foreign members are kept":    {policy: v1alpha1.ForeignMembersKeep, stays: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &staff{}
			s.d, s.op, s.app = setUp(t, func(app *v1alpha1.ScimApp) {
				pushing(app)
				app.Spec.Groups[0].ForeignMembers = tc.policy
				app.Spec.Suspend = true
				// The accounts are linked one by one.
				app.Spec.Limits = &v1alpha1.AppLimits{RequestsPerMinute: 600, Burst: 1}
			}, nil)
			for i := range 12 {
				userName := fmt.Sprintf("user-%d@corp.test", i)
				remote, err := s.AddUser(map[string]any{"userName": userName, "active": true})
				if err != nil {
					t.Fatal(err)
				}
				s.remote = append(s.remote, remote)
				s.ids = append(s.ids, s.op.CreateUser(t, userName))
			}
			foreign, err := s.AddUser(map[string]any{"userName": "foreign@corp.test", "active": true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.AddGroup("Sales", ""); err != nil {
				t.Fatal(err)
			}
			if err := s.SetMembers("Sales", append(slices.Clone(s.remote), foreign)...); err != nil {
				t.Fatal(err)
			}
			s.op.CreateGroup(t, "Sales", s.ids...)
			s.unsuspend(t)
			for _, id := range s.ids {
				s.d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
			}
			want := slices.Clone(s.remote)
			if tc.stays {
				want = append(want, foreign)
			}
			s.awaitMembers(t, want...)
			s.awaitPushed(t, "the group is in sync", inSync)
			for _, x := range s.exchanges(func(x *exchange) bool { return x.is(http.MethodPatch, "Groups") }) {
				for _, id := range s.remote {
					if strings.Contains(x.body, `members[value eq \"`+id) {
						t.Errorf("%s was removed, who is a member: %s", id, x.body)
					}
				}
			}
		})
	}
}

func (s *staff) unsuspend(t *testing.T) {
	t.Helper()
	app := &v1alpha1.ScimApp{}
	if err := s.d.Admin.Get(t.Context(), s.d.Key(appName), app); err != nil {
		t.Fatal(err)
	}
	before := app.DeepCopy()
	app.Spec.Suspend = false
	if err := s.d.Admin.Patch(t.Context(), app, client.MergeFrom(before)); err != nil {
		t.Fatal(err)
	}
}
