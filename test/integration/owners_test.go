// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/test/harness"
)

// twoProviders is a directory with Okta, an Entra that may not take over, and one that may, "mover".
func twoProviders(t *testing.T) (d *harness.Directory, okta, entra, mover *harness.SCIM) {
	t.Helper()
	d = harness.NewDirectory(t)
	d.Client(t, "entra", v1alpha1.Dialect("entra"), nil)
	d.Client(t, "mover", v1alpha1.Dialect("entra"), func(c *v1alpha1.ScimClientSpec) { c.TakeOver = v1alpha1.TakeOverAllowed })
	op := d.Run(t)
	for _, c := range []*harness.SCIM{op.As("entra"), op.As("mover")} {
		harness.Eventually(t, "the other clients may log in", func() error {
			if answer := c.Do(t, "GET", "/ServiceProviderConfig", ""); answer.Status != 200 {
				return fmt.Errorf("status %d", answer.Status)
			}
			return nil
		})
	}
	return d, op.SCIM, op.As("entra"), op.As("mover")
}

// userOf is a user as a provider puts it, with an externalId unless it is empty.
func userOf(userName, title, externalID string) string {
	external := ""
	if externalID != "" {
		external = fmt.Sprintf(`"externalId":%q,`, externalID)
	}
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":%q,%s"title":%q,"active":true}`, userName, external, title)
}

// refusedFor checks that a request is refused with 403, with a reason that has these words, and that nothing was written.
func refusedFor(t *testing.T, d *harness.Directory, object client.Object, by *harness.SCIM, method, path, body, words string) {
	t.Helper()
	key := client.ObjectKeyFromObject(object)
	if err := d.Admin.Get(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
	before := object.GetGeneration()
	answer := by.Want(t, 403, method, path, body)
	if detail, _ := answer.JSON["detail"].(string); !strings.Contains(detail, words) {
		t.Errorf("%s: the reason is %q, want %q", method, detail, words)
	}
	if err := d.Admin.Get(t.Context(), key, object); err != nil || object.GetGeneration() != before || object.GetDeletionTimestamp() != nil {
		t.Errorf("%s: the object was written: %v", method, err)
	}
}

func found(t *testing.T, by *harness.SCIM, endpoint, filter string) []string {
	t.Helper()
	ids := []string{}
	for _, row := range rowsOf(by.Want(t, 200, "GET", endpoint+harness.FilterQuery(filter), "")) {
		ids = append(ids, fmt.Sprint(row["id"]))
	}
	return ids
}

func groupOf(t *testing.T, d *harness.Directory, id string) *v1alpha1.ScimGroup {
	t.Helper()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	group := &v1alpha1.ScimGroup{}
	if err := d.Admin.Get(t.Context(), d.Key(name), group); err != nil {
		t.Fatal(err)
	}
	return group
}

func TestTwoProvidersInOneDirectory(t *testing.T) {
	t.Parallel()
	d, okta, entra, mover := twoProviders(t)

	t.Run("externalId is each client's own", func(t *testing.T) {
		id := okta.Want(t, 201, "POST", "/Users", userOf("ext@corp.test", "A", "from-okta")).ID()
		mover.Want(t, 200, "PUT", "/Users/"+id, userOf("ext@corp.test", "B", "from-mover"))
		for name, tc := range map[string]struct {
			by   *harness.SCIM
			want any
		}{"okta": {okta, "from-okta"}, "mover": {mover, "from-mover"}, "entra": {entra, nil}} {
			if got := tc.by.Want(t, 200, "GET", "/Users/"+id, "").JSON["externalId"]; got != tc.want {
				t.Errorf("%s sees the externalId %v, want %v", name, got, tc.want)
			}
		}
		harness.Eventually(t, "each finds the user by its own externalId alone", func() error {
			for _, tc := range []struct {
				by   *harness.SCIM
				ext  string
				want int
			}{{okta, "from-okta", 1}, {okta, "from-mover", 0}, {mover, "from-mover", 1}, {mover, "from-okta", 0}, {entra, "from-okta", 0}} {
				if got := found(t, tc.by, "/Users", fmt.Sprintf("externalId eq %q", tc.ext)); len(got) != tc.want {
					return fmt.Errorf("%s: %v", tc.ext, got)
				}
			}
			return nil
		})
	})

	t.Run("another client reads, and writes nothing", func(t *testing.T) {
		id := okta.Want(t, 201, "POST", "/Users", userOf("read@corp.test", "A", "o1")).ID()
		if got := found(t, entra, "/Users", `userName eq "READ@corp.test"`); !cmp.Equal(got, []string{id}) {
			t.Errorf("found %v", got)
		}
		user := d.User(t, id)
		entra.Want(t, 200, "PUT", "/Users/"+id, userOf("read@corp.test", "A", ""))
		entra.Want(t, 200, "PATCH", "/Users/"+id, harness.PatchBody(harness.SetActive(true)))
		reason := "belongs to the ScimClient okta"
		refusedFor(t, d, user, entra, "PUT", "/Users/"+id, userOf("read@corp.test", "B", ""), reason)
		refusedFor(t, d, user, entra, "PUT", "/Users/"+id, userOf("read@corp.test", "A", "its-own"), reason)
		refusedFor(t, d, user, entra, "PATCH", "/Users/"+id, harness.PatchBody(harness.SetActive(false)), reason)
		refusedFor(t, d, user, entra, "DELETE", "/Users/"+id, "", reason)
		entra.Want(t, 409, "POST", "/Users", userOf("Read@corp.test", "B", ""))

		group := okta.CreateGroup(t, "Readers", id)
		object := groupOf(t, d, group)
		entra.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(id)))
		entra.Want(t, 200, "PUT", "/Groups/"+group, groupBody("Readers", id))
		refusedFor(t, d, object, entra, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(id)), reason)
		refusedFor(t, d, object, entra, "PUT", "/Groups/"+group, groupBody("Readers"), reason)
		refusedFor(t, d, object, entra, "DELETE", "/Groups/"+group, "", reason)
	})

	t.Run("taking over moves the owner with the first change", func(t *testing.T) {
		id := okta.Want(t, 201, "POST", "/Users", userOf("move@corp.test", "A", "o2")).ID()
		group := okta.CreateGroup(t, "Movers", id)
		mover.Want(t, 200, "PUT", "/Users/"+id, userOf("move@corp.test", "A", ""))
		mover.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.AddMembers(id)))
		if user, g := d.User(t, id), groupOf(t, d, group); user.Spec.Client != "okta" || g.Spec.Client != "okta" {
			t.Errorf("what changes nothing took over: %s, %s", user.Spec.Client, g.Spec.Client)
		}
		mover.Want(t, 200, "PATCH", "/Users/"+id, harness.PatchBody(`{"op":"Replace","path":"title","value":"B"}`))
		mover.Want(t, 204, "PATCH", "/Groups/"+group, harness.PatchBody(harness.RemoveMember(id)))
		user, g := d.User(t, id), groupOf(t, d, group)
		if user.Spec.Client != "mover" || g.Spec.Client != "mover" {
			t.Errorf("the owners are %s, %s", user.Spec.Client, g.Spec.Client)
		}
		reason := "belongs to the ScimClient mover"
		refusedFor(t, d, user, okta, "PUT", "/Users/"+id, userOf("move@corp.test", "C", "o2"), reason)
		refusedFor(t, d, user, okta, "DELETE", "/Users/"+id, "", reason)
		refusedFor(t, d, g, okta, "PUT", "/Groups/"+group, groupBody("Movers", id), reason)
		mover.Want(t, 204, "DELETE", "/Groups/"+group, "")
		mover.Want(t, 204, "DELETE", "/Users/"+id, "")
		okta.Want(t, 404, "GET", "/Users/"+id, "")
	})

	t.Run("what a person made is changed only by who may take over", func(t *testing.T) {
		handMade(t, d, "by-hand", "hand@corp.test", "")
		id := admitted(t, d, "by-hand")
		user := d.User(t, id)
		refusedFor(t, d, user, okta, "PUT", "/Users/"+id, userOf("hand@corp.test", "A", "o3"), "made with kubectl or from Git")
		refusedFor(t, d, user, okta, "DELETE", "/Users/"+id, "", "made with kubectl or from Git")
		mover.Want(t, 200, "PUT", "/Users/"+id, userOf("hand@corp.test", "A", "m3"))
		if user := d.User(t, id); user.Spec.Client != "mover" {
			t.Errorf("the owner is %q", user.Spec.Client)
		}
	})

	t.Run("groups of one name, one of each client", func(t *testing.T) {
		ofOkta, ofEntra := okta.CreateGroup(t, "Engineering"), entra.CreateGroup(t, "engineering")
		if ofOkta == ofEntra {
			t.Fatal("they are one group")
		}
		handMadeGroup(t, d, "engineering", "ENGINEERING", "")
		ofPerson := admittedGroup(t, d, "engineering")
		okta.Want(t, 409, "POST", "/Groups", groupBody("ENGINEERING"))
		for name, by := range map[string]*harness.SCIM{"okta": okta, "entra": entra} {
			if got := found(t, by, "/Groups", `displayName eq "Engineering"`); len(got) != 3 {
				t.Errorf("%s finds %v", name, got)
			}
		}
		okta.Want(t, 204, "PATCH", "/Groups/"+ofOkta, harness.PatchBody(`{"op":"add","path":"members","value":[{"value":"somebody"}]}`))
		refusedFor(t, d, groupOf(t, d, ofEntra), okta, "DELETE", "/Groups/"+ofEntra, "", "belongs to the ScimClient entra")
		// To take over a group whose name one has already would make two of one name.
		mover.CreateGroup(t, "Engineering")
		for _, id := range []string{ofOkta, ofEntra, ofPerson} {
			mover.Want(t, 409, "PATCH", "/Groups/"+id, harness.PatchBody(`{"op":"add","path":"members","value":[{"value":"another"}]}`))
		}
	})
}

// handMadeGroup makes a ScimGroup as a person does with kubectl.
func handMadeGroup(t *testing.T, d *harness.Directory, name, displayName string, managedBy v1alpha1.ManagedBy, members ...string) {
	t.Helper()
	group := &v1alpha1.ScimGroup{ObjectMeta: d.Meta(name), Spec: v1alpha1.ScimGroupSpec{DisplayName: displayName, ManagedBy: managedBy}}
	for _, member := range members {
		group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: member})
	}
	d.Create(t, group)
}

// admittedGroup waits until the operator has admitted a hand-made group, and gives back its SCIM id.
func admittedGroup(t *testing.T, d *harness.Directory, name string) string {
	t.Helper()
	group := &v1alpha1.ScimGroup{}
	harness.Eventually(t, name+" is admitted", func() error {
		if err := d.Admin.Get(t.Context(), d.Key(name), group); err != nil {
			return err
		}
		if !group.Admitted() {
			return fmt.Errorf("status is %+v", group.Status)
		}
		return nil
	})
	return group.SCIMID()
}

func TestGroupManagedByGitIsReadOnlyToSCIM(t *testing.T) {
	t.Parallel()
	d, okta, _, mover := twoProviders(t)
	kim, lee := okta.CreateUser(t, "kim@corp.test"), okta.CreateUser(t, "lee@corp.test")
	handMadeGroup(t, d, "oncall", "On call", v1alpha1.ManagedByGit, kim)
	id := admittedGroup(t, d, "oncall")
	group := groupOf(t, d, id)
	if got := found(t, okta, "/Groups", `displayName eq "on call"`); !cmp.Equal(got, []string{id}) {
		t.Errorf("found %v", got)
	}
	// Not even one who may take over.
	for _, by := range []*harness.SCIM{okta, mover} {
		by.Want(t, 200, "PUT", "/Groups/"+id, groupBody("On call", kim))
		by.Want(t, 204, "PATCH", "/Groups/"+id, harness.PatchBody(`{"op":"replace","value":{"id":"`+id+`","displayName":"On call"}}`, harness.AddMembers(kim)))
		by.Want(t, 204, "PATCH", "/Groups/"+id, harness.PatchBody(harness.RemoveMember(lee)))
		reason := "managed in Git"
		refusedFor(t, d, group, by, "PUT", "/Groups/"+id, groupBody("On call", kim, lee), reason)
		refusedFor(t, d, group, by, "PUT", "/Groups/"+id, groupBody("Off call", kim), reason)
		refusedFor(t, d, group, by, "PATCH", "/Groups/"+id, harness.PatchBody(harness.AddMembers(lee)), reason)
		refusedFor(t, d, group, by, "PATCH", "/Groups/"+id, harness.PatchBody(harness.RemoveMember(kim)), reason)
		refusedFor(t, d, group, by, "DELETE", "/Groups/"+id, "", reason)
	}
	if after := groupOf(t, d, id); after.Spec.Client != "" {
		t.Errorf("the owner is %s", after.Spec.Client)
	}
	// A deleted user stands in it until Git takes it out, and stands for nobody.
	okta.Want(t, 204, "DELETE", "/Users/"+kim, "")
	harness.Eventually(t, "the member is shown as unresolved", func() error {
		group := groupOf(t, d, id)
		if len(group.Spec.Members) != 1 || group.Status.UnresolvedMembers != 1 {
			return fmt.Errorf("members are %v, status is %+v", group.Spec.Members, group.Status)
		}
		return nil
	})
	// Git changes it.
	harness.Change(t, d, "oncall", &v1alpha1.ScimGroup{}, func(g *v1alpha1.ScimGroup) { g.Spec.Members = []v1alpha1.GroupMember{{Value: lee}} })
	answer := okta.Want(t, 200, "GET", "/Groups/"+id, "")
	if members, _ := answer.JSON["members"].([]any); len(members) != 1 {
		t.Errorf("the endpoint has %s", answer.Body)
	}
}
