// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package chart

import (
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
)

// What the chart adds to the roles view and edit lets people see, and change what is theirs to write: no status, no parts of groups, no Secrets.
func TestWhatPeopleMayDo(t *testing.T) {
	env := cptest.New(t)
	admin, err := client.New(env.Config, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	home := env.Namespace(t)
	objects := render(t, "fullnameOverride: people")
	for _, role := range []string{"view", "edit"} {
		given := &rbacv1.ClusterRole{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(find(t, objects, "ClusterRole", "people-"+role).Object, given); err != nil {
			t.Fatal(err)
		}
		if given.Labels["rbac.authorization.k8s.io/aggregate-to-"+role] != "true" {
			t.Errorf("%s is not added to %s: %v", given.Name, role, given.Labels)
		}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: home, Name: role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: given.Name},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: role}},
		}
		for _, object := range []client.Object{given, binding} {
			if err := admin.Create(t.Context(), object); err != nil {
				t.Fatal(err)
			}
		}
	}
	may := func(user, verb, group, kind string) bool {
		resource, subresource, _ := strings.Cut(kind, "/")
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               user,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Namespace: home, Verb: verb, Group: group, Resource: resource, Subresource: subresource},
		}}
		if err := admin.Create(t.Context(), review); err != nil {
			t.Fatal(err)
		}
		return review.Status.Allowed
	}
	const ours = "scim-operator.io"
	// The API server learns of roles and bindings by watches.
	for deadline := time.Now().Add(30 * time.Second); !may("view", "get", ours, "scimusers") || !may("edit", "create", ours, "scimusers"); {
		if time.Now().After(deadline) {
			t.Fatal("the roles do not count")
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, c := range []struct {
		user, verb, group, resource string
		want                        bool
	}{
		{"view", "list", ours, "scimusers", true},
		{"view", "watch", ours, "scimgroupslices", true},
		{"view", "create", ours, "scimusers", false},
		{"view", "get", "", "secrets", false},
		{"edit", "delete", ours, "scimapps", true},
		{"edit", "patch", ours, "scimrolemappings", true},
		{"edit", "update", ours, "scimclients", true},
		{"edit", "update", ours, "scimgroupslices", false},
		{"edit", "patch", ours, "scimusers/status", false},
		{"edit", "get", "", "secrets", false},
	} {
		if got := may(c.user, c.verb, c.group, c.resource); got != c.want {
			t.Errorf("%s may %s %s: %t, want %t", c.user, c.verb, c.resource, got, c.want)
		}
	}
}
