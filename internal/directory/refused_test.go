// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// What the custom resource definition refuses is an error of the client that names the attribute. The endpoint looks at most limits before; this is for the others.
func TestWhatTheAPIServerRefusesIsNamed(t *testing.T) {
	r := newReplica(t, cptest.New(t).Namespace(t))
	user := func(change func(*v1alpha1.ScimUserSpec)) client.Object {
		u := &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{UserName: "kim@corp.test"}}
		change(&u.Spec)
		return u
	}
	const secret = "never-to-be-repeated"
	long := strings.Repeat(secret, 300)
	for name, obj := range map[string]client.Object{
		"title":                 user(func(s *v1alpha1.ScimUserSpec) { s.Title = long }),
		"emails[0].type":        user(func(s *v1alpha1.ScimUserSpec) { s.Emails = []v1alpha1.MultiValue{{Type: long}} }),
		"phoneNumbers":          user(func(s *v1alpha1.ScimUserSpec) { s.PhoneNumbers = make([]v1alpha1.MultiValue, 65) }),
		"enterprise.department": user(func(s *v1alpha1.ScimUserSpec) { s.Enterprise = &v1alpha1.EnterpriseUser{Department: long} }),
		"displayName":           &v1alpha1.ScimGroup{Spec: v1alpha1.ScimGroupSpec{DisplayName: long}},
	} {
		obj.SetNamespace(r.namespace)
		obj.SetName("x")
		err := answer(scim.UserType, r.client.Create(t.Context(), obj))
		var e *scim.Error
		if !errors.As(err, &e) || e.Status != 400 || e.ScimType != scim.ScimTypeInvalidValue || !strings.Contains(e.Detail, name) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the error repeats the value: %v", err)
		}
	}
}

// An API server that has just started knows no rights yet: that passes. What an admission plugin refuses does not.
func TestWhatTheOperatorMayNotDoIsTriedAgain(t *testing.T) {
	env := cptest.New(t)
	nobody, err := env.AddUser("nobody")
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(nobody, client.Options{Scheme: testScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	user := &v1alpha1.ScimUser{}
	user.Namespace, user.Name, user.Spec.UserName = env.Namespace(t), "kim", "kim@corp.test"
	stranger := rest.AnonymousClientConfig(nobody)
	stranger.BearerToken = "none"
	s, err := client.New(stranger, client.Options{Scheme: testScheme(t), Mapper: c.RESTMapper()})
	if err != nil {
		t.Fatal(err)
	}
	for name, refused := range map[string]error{
		"create": c.Create(t.Context(), user), "get": c.Get(t.Context(), client.ObjectKeyFromObject(user), user), "unknown": s.Create(t.Context(), user),
	} {
		var e *UnavailableError
		if err := answer(scim.UserType, refused); !errors.As(err, &e) || e.RetryAfter <= 0 {
			t.Errorf("%s: %v becomes %v", name, refused, err)
		}
	}
	quota := apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("scimusers").GroupResource(), "kim", errors.New("exceeded quota"))
	var e *scim.Error
	if err := answer(scim.UserType, quota); !errors.As(err, &e) || e.Status != 500 {
		t.Errorf("a quota becomes %v", err)
	}
}
