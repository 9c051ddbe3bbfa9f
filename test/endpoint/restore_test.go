// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
	"github.com/scim-operator/scim-operator/test/harness"
)

// kinds that a backup has.
var kinds = []schema.GroupVersionKind{
	{Version: "v1", Kind: "Secret"}, {Group: "coordination.k8s.io", Version: "v1", Kind: "Lease"},
	v1alpha1.GroupVersion.WithKind("ScimClient"), v1alpha1.GroupVersion.WithKind("ScimUser"),
	v1alpha1.GroupVersion.WithKind("ScimGroup"), v1alpha1.GroupVersion.WithKind("ScimGroupSlice"),
}

// Everything exported, wiped and made anew: to an identity provider nothing has happened.
func TestNothingIsLostByARestore(t *testing.T) {
	p := startPair(t)
	d := p.newDirectory(t)
	s := fillDirectory(t, d)
	for _, way := range []struct {
		name    string
		restore func(t *testing.T, d *directory) (again func())
	}{
		{"in any order, without status and Leases", copied},
		{"with kubectl, as the documentation has it", documented},
	} {
		t.Run(way.name, func(t *testing.T) {
			before := s.seen(t, d)
			d.awaitHeld(t)
			restart := d.stopReplicas(t)
			again := way.restore(t, d)
			d.wipe(t)
			again()
			restart()
			d.awaitServing(t)
			s.namesAreTaken(t, d)
			if diff := cmp.Diff(before, s.seen(t, d)); diff != "" {
				t.Errorf("not as before (-before +after):\n%s", diff)
			}
			s.push(t, d)
		})
	}
}

// stocked is what a directory was filled with, by the path of each resource and the client that owns it.
type stocked struct {
	users, groups []string
	names         map[string]string
	// gone was deleted; its name has another user.
	gone string
	// big is a group with slices.
	big string
	// freed are names that were renamed away.
	freed []string
}

const bigGroup = 1200

func fillDirectory(t *testing.T, d *directory) *stocked {
	t.Helper()
	s := &stocked{names: map[string]string{}}
	okta, mover := idps[0], idps[2]
	user := func(n int, more string) string {
		name := fmt.Sprintf("user-%d@corp.test", n)
		body := fmt.Sprintf(`{"schemas":[%q],"userName":%q,"externalId":"okta-%d","name":{"givenName":"Kim","familyName":"No %d"}%s}`, userSchema, name, n, n, more)
		id := d.want(t, http.StatusCreated, n%2, okta, "POST", "/Users", body).id()
		s.users = append(s.users, id)
		s.names[name] = id
		return id
	}
	ext := `,"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"department":"Tools","manager":{"value":"nobody"}},"urn:example:badge:2.0:User":{"badge":"4711"}`
	one, two, three := user(1, ext), user(2, ""), user(3, `,"active":false`)
	user(4, `,"emails":[{"value":"user-4@corp.test","type":"work","primary":true}],"phoneNumbers":[{"value":"+41 44 000 00 00"}]`)

	// A second client takes one over, and gives it an externalId of its own.
	d.want(t, http.StatusOK, 0, mover, "PATCH", "/Users/"+two, patchBody(`{"op":"replace","path":"externalId","value":"m-2"}`))
	// A rename leaves a reservation, and a name that is free.
	d.want(t, http.StatusOK, 1, okta, "PATCH", "/Users/"+three, patchBody(`{"op":"replace","path":"userName","value":"renamed@corp.test"}`))
	delete(s.names, "user-3@corp.test")
	s.names["renamed@corp.test"] = three
	s.freed = append(s.freed, "user-3@corp.test")
	// The name of a deleted user passes to another one: the deleted object has to stay, as the slot of the name.
	s.gone = d.want(t, http.StatusCreated, 0, okta, "POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":"heir@corp.test"}`, userSchema)).id()
	d.want(t, http.StatusNoContent, 1, okta, "DELETE", "/Users/"+s.gone, "")
	heir := d.want(t, http.StatusCreated, 0, okta, "POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":"Heir@corp.test","title":"Heir"}`, userSchema)).id()
	s.users, s.names["Heir@corp.test"] = append(s.users, heir), heir

	group := func(c idp, name string, members ...string) string {
		body := fmt.Sprintf(`{"schemas":[%q],"displayName":%q,"externalId":"%s-%s","members":%s}`, groupSchema, name, c.name, name, memberList(members...))
		id := d.want(t, http.StatusCreated, 0, c, "POST", "/Groups", body).id()
		s.groups = append(s.groups, id)
		return id
	}
	inner := group(okta, "Inner", one, two, "nobody-at-all")
	outer := group(okta, "Outer", three, heir)
	add := fmt.Sprintf(`{"op":"add","path":"members","value":[{"value":%q,"type":"Group"}]}`, inner)
	d.want(t, http.StatusNoContent, 1, okta, "PATCH", "/Groups/"+outer, patchBody(add))
	group(idps[1], "Inner", one)
	moved := group(okta, "Former name", two)
	d.want(t, http.StatusNoContent, 0, okta, "PATCH", "/Groups/"+moved, patchBody(`{"op":"replace","value":{"displayName":"Present name"}}`))
	many := []string{one, two, heir}
	for i := range bigGroup {
		many = append(many, fmt.Sprintf("not-yet-%d", i))
	}
	s.big = group(okta, "Everybody", many...)
	s.byHand(t, d)
	return s
}

// byHand adds what people make.
func (s *stocked) byHand(t *testing.T, d *directory) {
	t.Helper()
	d.Create(t, &v1alpha1.ScimUser{ObjectMeta: d.Meta("by-hand"), Spec: v1alpha1.ScimUserSpec{UserName: "by-hand@corp.test"}})
	d.Create(t, &v1alpha1.ScimUser{ObjectMeta: d.Meta("by-git"), Spec: v1alpha1.ScimUserSpec{UserName: "by-git@corp.test", ManagedBy: v1alpha1.ManagedByGit}})
	d.Create(t, &v1alpha1.ScimGroup{
		ObjectMeta: d.Meta("git-group"),
		Spec: v1alpha1.ScimGroupSpec{
			DisplayName: "By Git", ManagedBy: v1alpha1.ManagedByGit, Members: []v1alpha1.GroupMember{{Value: s.users[0]}},
		},
	})
	for _, name := range []string{"by-hand@corp.test", "by-git@corp.test"} {
		harness.Eventually(t, name+" is admitted", func() error {
			rows := d.want(t, http.StatusOK, 0, idps[0], "GET", query(fmt.Sprintf("userName eq %q", name)), "").rows()
			if len(rows) != 1 {
				return errors.New("not found")
			}
			id, _ := rows[0]["id"].(string)
			s.users, s.names[name] = append(s.users, id), id
			return nil
		})
	}
	harness.Eventually(t, "the group of Git is admitted", func() error {
		g := &v1alpha1.ScimGroup{}
		if err := d.Admin.Get(t.Context(), d.Key("git-group"), g); err != nil || !g.Admitted() {
			return fmt.Errorf("not admitted: %w", err)
		}
		s.groups = append(s.groups, g.SCIMID())
		return nil
	})
}

// seen is all that clients see: each resource as each client reads it at each replica, without what a restore changes, and where it is.
func (s *stocked) seen(t *testing.T, d *directory) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for i := range d.replicas {
		for _, c := range idps {
			see := func(path string) {
				a := d.want(t, http.StatusOK, i, c, "GET", path, "")
				meta, _ := a.json["meta"].(map[string]any)
				for _, changed := range []string{"created", "lastModified", "location"} {
					delete(meta, changed)
				}
				a.json["ETag of the header"] = a.header.Get("ETag")
				all[fmt.Sprintf("replica %d %s %s", i, c.name, path)] = a.json
			}
			for _, id := range s.users {
				// Groups of a user come from the cache, which may still be filling up.
				see("/Users/" + id + "?excludedAttributes=groups")
			}
			for _, id := range s.groups {
				see("/Groups/" + id)
			}
		}
		d.want(t, http.StatusNotFound, i, idps[0], "GET", "/Users/"+s.gone, "")
	}
	return all
}

// namesAreTaken checks that every name has its holder, from the first request on.
func (s *stocked) namesAreTaken(t *testing.T, d *directory) {
	t.Helper()
	turn := 0
	for name, id := range s.names {
		turn++
		d.want(t, http.StatusConflict, turn%2, idps[1], "POST", "/Users", fmt.Sprintf(`{"schemas":[%q],"userName":%q}`, userSchema, strings.ToUpper(name)))
		rows := d.want(t, http.StatusOK, turn%2, idps[0], "GET", query(fmt.Sprintf("userName eq %q", name)), "").rows()
		if len(rows) != 1 || rows[0]["id"] != id {
			t.Errorf("looking up %s gives %v", name, rows)
		}
	}
	for i, name := range []string{"Inner", "OUTER", "present name", "Everybody"} {
		d.want(t, http.StatusConflict, i%2, idps[0], "POST", "/Groups", fmt.Sprintf(`{"schemas":[%q],"displayName":%q}`, groupSchema, name))
	}
}

// push is what the identity provider does next: Okta's GET and PUT, look-ups, members, a rename to a name that is free.
func (s *stocked) push(t *testing.T, d *directory) {
	t.Helper()
	okta := idps[0]
	one := "/Users/" + s.users[0]
	read := d.want(t, http.StatusOK, 0, okta, "GET", one, "")
	d.want(t, http.StatusOK, 1, okta, "PUT", one, read.raw, "If-Match", read.header.Get("ETag"))
	if again := d.want(t, http.StatusOK, 0, okta, "GET", one, ""); again.header.Get("ETag") != read.header.Get("ETag") {
		t.Error("a PUT of what was read has changed the user")
	}
	rows := d.want(t, http.StatusOK, 1, okta, "GET", query(`externalId eq "okta-1"`), "").rows()
	if len(rows) != 1 || rows[0]["id"] != s.users[0] {
		t.Errorf("looking up an externalId gives %v", rows)
	}
	toggle := patchBody(`{"op":"replace","value":{"active":false}}`)
	d.want(t, http.StatusOK, 0, okta, "PATCH", one, toggle)
	d.want(t, http.StatusOK, 0, okta, "PATCH", one, strings.Replace(toggle, "false", "true", 1))

	freed := s.freed[len(s.freed)-1]
	d.want(t, http.StatusOK, 0, okta, "PATCH", "/Users/"+s.users[3], patchBody(fmt.Sprintf(`{"op":"replace","path":"userName","value":%q}`, freed)))
	for name, id := range s.names {
		if id == s.users[3] {
			delete(s.names, name)
			s.freed = append(s.freed, name)
		}
	}
	s.names[freed] = s.users[3]
	d.want(t, http.StatusForbidden, 0, idps[2], "PATCH", "/Users/"+s.names["by-git@corp.test"], patchBody(`{"op":"replace","path":"title","value":"x"}`))

	for _, id := range []string{s.groups[0], s.big} {
		before := d.want(t, http.StatusOK, 0, okta, "GET", "/Groups/"+id, "")
		d.want(t, http.StatusNoContent, 1, okta, "PATCH", "/Groups/"+id, patchBody(`{"op":"add","path":"members","value":`+memberList(s.users[3], "one-more")+`}`))
		d.want(t, http.StatusNoContent, 0, okta, "PATCH", "/Groups/"+id, patchBody(`{"op":"remove","path":"members[value eq \"one-more\"]"}`))
		after := d.want(t, http.StatusOK, 0, okta, "GET", "/Groups/"+id, "")
		grown, had := len(after.json["members"].([]any)), len(before.json["members"].([]any))
		if grown != had && grown != had+1 {
			t.Errorf("the group had %d members and has %d", had, grown)
		}
	}
	id := d.want(t, http.StatusCreated, 0, okta, "POST", "/Groups", fmt.Sprintf(`{"schemas":[%q],"displayName":"Former name"}`, groupSchema)).id()
	d.want(t, http.StatusNoContent, 1, okta, "DELETE", "/Groups/"+id, "")
}

// awaitHeld waits until the deleted user is nothing but the slot of a name.
func (d *directory) awaitHeld(t *testing.T) {
	t.Helper()
	list := &v1alpha1.ScimUserList{}
	if err := d.Admin.List(t.Context(), list, client.InNamespace(d.Namespace)); err != nil {
		t.Fatal(err)
	}
	deleting, reserving := 0, 0
	for i := range list.Items {
		if list.Items[i].DeletionTimestamp != nil {
			deleting++
		}
		if list.Items[i].Spec.Reservation != nil {
			reserving++
		}
	}
	slices := &v1alpha1.ScimGroupSliceList{}
	if err := d.Admin.List(t.Context(), slices, client.InNamespace(d.Namespace)); err != nil {
		t.Fatal(err)
	}
	if deleting == 0 || reserving < 2 || len(slices.Items) < 2 {
		t.Fatalf("%d objects are being deleted, %d reserve a name, %d slices: not what was to be tested", deleting, reserving, len(slices.Items))
	}
}

// stopReplicas stops both, and gives what starts them again.
func (d *directory) stopReplicas(t *testing.T) (restart func()) {
	t.Helper()
	for _, r := range d.replicas {
		r.stop()
	}
	return func() {
		for _, r := range d.replicas {
			r.start(t)
		}
	}
}

// objects are all of the backup's kinds in the namespace.
func (d *directory) objects(ctx context.Context) ([]unstructured.Unstructured, error) {
	var all []unstructured.Unstructured
	for _, kind := range kinds {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		if err := d.Admin.List(ctx, list, client.InNamespace(d.Namespace)); err != nil {
			return nil, err
		}
		all = append(all, list.Items...)
	}
	return all, nil
}

// wipe removes everything, finalizers or not.
func (d *directory) wipe(t *testing.T) {
	t.Helper()
	harness.Eventually(t, "the namespace is empty", func() error {
		all, err := d.objects(t.Context())
		if err != nil || len(all) == 0 {
			return err
		}
		for i := range all {
			o := &all[i]
			if len(o.GetFinalizers()) > 0 {
				if err := d.Admin.Patch(t.Context(), o, client.RawPatch("application/merge-patch+json", []byte(`{"metadata":{"finalizers":null}}`))); err != nil && !apierrors.IsNotFound(err) {
					return err
				}
			}
			if err := d.Admin.Delete(t.Context(), o); err != nil && !apierrors.IsNotFound(err) {
				return err
			}
		}
		return fmt.Errorf("%d objects were left", len(all))
	})
}

// copied takes all objects as the API server has them, and makes them again in any order, as a person would: with neither status nor UID nor resourceVersion; what
// was being deleted is deleted again. Leases are left out, as most tools do.
func copied(t *testing.T, d *directory) (again func()) {
	t.Helper()
	all, err := d.objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		n := seed(t)
		t.Logf("seed %d", n)
		random := rand.New(rand.NewPCG(n, 0))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		var deleting []*unstructured.Unstructured
		for i := range all {
			o := all[i].DeepCopy()
			if o.GetKind() == "Lease" {
				continue
			}
			if o.GetDeletionTimestamp() != nil {
				deleting = append(deleting, o)
			}
			o.SetResourceVersion("")
			o.SetUID("")
			o.SetOwnerReferences(nil)
			o.SetManagedFields(nil)
			delete(o.Object, "status")
			if err := d.Admin.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range deleting {
			if err := d.Admin.Delete(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// documented does what docs/operations.md says, command by command.
func documented(t *testing.T, d *directory) (again func()) {
	t.Helper()
	for _, tool := range []string{"bash", "kubectl", "jq", "xargs"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("needs %s", tool)
		}
	}
	kubeconfig, err := d.Env.KubeconfigFor("backup", "system:masters")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(script string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", commands(t, script))
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "KUBECONFIG="+file, "NS="+d.Namespace)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	run("Backup")
	return func() { run("Restore") }
}

// commands are those of a block of the documentation, by the comment that it begins with.
func commands(t *testing.T, name string) string {
	t.Helper()
	root, err := assets.ModuleRoot()
	if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(page), "```sh\n# "+name+"\n")
	block, _, ended := strings.Cut(after, "```")
	if !found || !ended {
		t.Fatalf("docs/operations.md has no commands %q", name)
	}
	return block
}
