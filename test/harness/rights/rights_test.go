// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
)

// event is a request of the operator in the namespace "home".
func event(verb, uri, decision string, object auditv1.ObjectReference) *auditv1.Event {
	return &auditv1.Event{
		User: authenticationv1.UserInfo{Username: "system:serviceaccount:home:operator"},
		Verb: verb, RequestURI: uri, ObjectRef: &object, Annotations: map[string]string{annotationDecision: decision},
	}
}

func TestUnneeded(t *testing.T) {
	granted := append(Of(Watched, []rbacv1.PolicyRule{
		{APIGroups: []string{"scim-operator.io"}, Resources: []string{"scimusers", "scimusers/status"}, Verbs: []string{"get", "patch"}},
	}), Of(Own, []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}, ResourceNames: []string{"one", "two"}},
	})...)
	seen := &Seen{}
	for _, e := range []*auditv1.Event{
		event("get", "", "allow", auditv1.ObjectReference{APIGroup: "scim-operator.io", Resource: "scimusers", Namespace: "team", Name: "kim"}),
		event("patch", "", "allow", auditv1.ObjectReference{APIGroup: "scim-operator.io", Resource: "scimusers", Subresource: "status", Namespace: "team", Name: "kim"}),
		// In its own namespace, which says nothing about the others.
		event("patch", "", "allow", auditv1.ObjectReference{APIGroup: "scim-operator.io", Resource: "scimusers", Namespace: "home", Name: "kim"}),
		event("get", "", "allow", auditv1.ObjectReference{Resource: "secrets", Namespace: "home", Name: "one"}),
	} {
		seen.Add(e)
	}
	want := []string{
		"rule not needed by any test: get scimusers/status.scim-operator.io in watched namespaces: take it from its +kubebuilder:rbac marker and make generate, or test what needs it",
		"rule not needed by any test: get secrets \"two\" in the operator's own namespace: take it from its +kubebuilder:rbac marker and make generate, or test what needs it",
		"rule not needed by any test: patch scimusers.scim-operator.io in watched namespaces: take it from its +kubebuilder:rbac marker and make generate, or test what needs it",
	}
	if diff := cmp.Diff(want, seen.Unneeded(granted)); diff != "" {
		t.Error(diff)
	}
}

func TestRefused(t *testing.T) {
	seen := &Seen{}
	seen.Add(event("get", "/apis/scim-operator.io/v1alpha1/namespaces/team/scimapps/crm", "forbid",
		auditv1.ObjectReference{APIGroup: "scim-operator.io", Resource: "scimapps", Namespace: "team", Name: "crm"}))
	// Somebody else was refused.
	other := event("get", "/api", "forbid", auditv1.ObjectReference{})
	other.User.Username = "system:anonymous"
	seen.Add(other)
	want := []string{"the operator was refused: get scimapps.scim-operator.io in watched namespaces (crm in team): " +
		"add a +kubebuilder:rbac marker beside what asks for it, and make generate"}
	if diff := cmp.Diff(want, seen.Refused(func(string) bool { return false })); diff != "" {
		t.Error(diff)
	}
	if got := seen.Refused(func(namespace string) bool { return namespace == "team" }); len(got) != 0 {
		t.Errorf("in a namespace that is gone: %v", got)
	}
	if got := seen.Unneeded([]Right{{Place: Watched, Verb: "get", Group: "scim-operator.io", Resource: "scimapps"}}); len(got) != 1 {
		t.Error("what was refused counts as used")
	}
}

func TestSecretsAreAskedForByLabel(t *testing.T) {
	seen := &Seen{}
	secrets := auditv1.ObjectReference{Resource: "secrets", Namespace: "team"}
	seen.Add(event("watch", "/api/v1/namespaces/team/secrets?labelSelector=scim-operator.io%2Fcredentials&watch=true", "allow", secrets))
	if got := seen.Unlabelled(); len(got) != 0 {
		t.Errorf("%v", got)
	}
	seen.Add(event("list", "/api/v1/namespaces/team/secrets?limit=500", "allow", secrets))
	if got := seen.Unlabelled(); len(got) != 1 {
		t.Errorf("%v", got)
	}
}

func TestClusterWide(t *testing.T) {
	seen := &Seen{}
	seen.Add(event("watch", "", "allow", auditv1.ObjectReference{Resource: "secrets", Namespace: "team"}))
	if got := seen.ClusterWide("home"); len(got) != 0 {
		t.Errorf("%v", got)
	}
	for range 2 {
		seen.Add(event("list", "", "allow", auditv1.ObjectReference{Resource: "secrets"}))
	}
	if diff := cmp.Diff([]string{"secrets"}, seen.ClusterWide("home")); diff != "" {
		t.Error(diff)
	}
}
