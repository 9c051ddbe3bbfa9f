// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/kube"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

// held is a cache that shows what a test has put into it.
type held struct {
	client.Reader
	user *v1alpha1.ScimUser
}

// Get implements client.Reader.
func (h *held) Get(_ context.Context, key client.ObjectKey, obj client.Object, _ ...client.GetOption) error {
	if h.user == nil || client.ObjectKeyFromObject(h.user) != key {
		return apierrors.NewNotFound(v1alpha1.GroupVersion.WithResource("scimusers").GroupResource(), key.Name)
	}
	h.user.DeepCopyInto(obj.(*v1alpha1.ScimUser))
	return nil
}

// hold takes the user as a cache of the operator does: marked, so that a test can tell it from what the API server sends.
func (h *held) hold(user *v1alpha1.ScimUser) {
	h.user = user.DeepCopy()
	h.user.ManagedFields = nil
	h.user.Spec.DisplayName = "from the cache"
}

type readWorld struct {
	config      *rest.Config
	plain, fast client.Client
	cache       *held
	filled      bool
	user        *v1alpha1.ScimUser
}

func newReadWorld(t *testing.T) *readWorld {
	env := cptest.New(t)
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	plain, err := client.New(env.Config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	w := &readWorld{config: env.Config, plain: plain, cache: &held{}, filled: true}
	w.fast, err = kube.FastReads(plain, w.cache, func() bool { return w.filled }, env.Config)
	if err != nil {
		t.Fatal(err)
	}
	w.user = &v1alpha1.ScimUser{
		ObjectMeta: metav1.ObjectMeta{Namespace: env.Namespace(t), Name: "kim"},
		Spec:       v1alpha1.ScimUserSpec{ID: "abcdefgh", UserName: "kim@corp.test", DisplayName: "Kim"},
	}
	if err := plain.Create(t.Context(), w.user); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *readWorld) read(t *testing.T) *v1alpha1.ScimUser {
	t.Helper()
	// What was in the object before must not shine through.
	read := &v1alpha1.ScimUser{Spec: v1alpha1.ScimUserSpec{Title: "left over"}}
	if err := w.fast.Get(t.Context(), client.ObjectKeyFromObject(w.user), read); err != nil {
		t.Fatal(err)
	}
	return read
}

func TestFastReadsGiveWhatTheAPIServerHas(t *testing.T) {
	w := newReadWorld(t)
	want := &v1alpha1.ScimUser{}
	if err := w.plain.Get(t.Context(), client.ObjectKeyFromObject(w.user), want); err != nil {
		t.Fatal(err)
	}
	want.ManagedFields = nil
	if diff := cmp.Diff(want, w.read(t)); diff != "" {
		t.Errorf("not in the cache (-plain +fast):\n%s", diff)
	}

	w.cache.hold(w.user)
	w.cache.user.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ScimUser"}
	want.Spec.DisplayName = "from the cache"
	if diff := cmp.Diff(want, w.read(t)); diff != "" {
		t.Errorf("the version that the cache has (-plain +fast):\n%s", diff)
	}
	if w.filled = false; w.read(t).Spec.DisplayName != "Kim" {
		t.Error("a cache that is not filled was asked")
	}
}

func TestFastReadsAreNotBehind(t *testing.T) {
	w := newReadWorld(t)
	w.cache.hold(w.user)
	w.user.Spec.DisplayName = "Robin"
	if err := w.plain.Update(t.Context(), w.user); err != nil {
		t.Fatal(err)
	}
	if got := w.read(t).Spec.DisplayName; got != "Robin" {
		t.Errorf("the cache has an older version: read %q", got)
	}

	w.cache.hold(w.user)
	if err := w.plain.Delete(t.Context(), w.user); err != nil {
		t.Fatal(err)
	}
	if err := w.fast.Get(t.Context(), client.ObjectKeyFromObject(w.user), &v1alpha1.ScimUser{}); !apierrors.IsNotFound(err) {
		t.Errorf("the cache has what is gone: %v", err)
	}
}

func TestUpdateOfACachedUserKeepsManagedFields(t *testing.T) {
	w := newReadWorld(t)
	w.cache.hold(w.user)
	read := w.read(t)
	read.Spec.Title = "Engineer"
	if err := w.fast.Update(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	if len(read.ManagedFields) != len(w.user.ManagedFields) {
		t.Errorf("managedFields after the update: %v", read.ManagedFields)
	}
}

func TestFastCreateGivesWhatAnyClientWould(t *testing.T) {
	w := newReadWorld(t)
	someone := func(name string) *v1alpha1.ScimUser {
		u := w.user.DeepCopy()
		u.ObjectMeta = metav1.ObjectMeta{Namespace: w.user.Namespace, Name: name}
		return u
	}
	created, want := someone("robin"), &v1alpha1.ScimUser{}
	if err := w.fast.Create(t.Context(), created); err != nil {
		t.Fatal(err)
	}
	if err := w.plain.Get(t.Context(), client.ObjectKeyFromObject(created), want); err != nil {
		t.Fatal(err)
	}
	want.ManagedFields = nil
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("what is stored differs (-stored +answer):\n%s", diff)
	}

	invalid := someone("invalid")
	invalid.Spec.UserName = ""
	for name, u := range map[string]*v1alpha1.ScimUser{"a name that is taken": someone("kim"), "one that is not valid": invalid} {
		before := u.DeepCopy()
		want, got := w.plain.Create(t.Context(), u.DeepCopy()), w.fast.Create(t.Context(), u)
		if want == nil || got == nil || want.Error() != got.Error() || apierrors.ReasonForError(want) != apierrors.ReasonForError(got) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if diff := cmp.Diff(before, u); diff != "" {
			t.Errorf("%s changed the object:\n%s", name, diff)
		}
	}
}
