// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// objects is a reader of what a test has put into it.
type objects struct {
	client  *v1alpha1.ScimClient
	secrets []corev1.Secret
	err     error
}

func (o *objects) Get(_ context.Context, key client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	if o.err != nil {
		return o.err
	}
	switch into := into.(type) {
	case *v1alpha1.ScimClient:
		if o.client != nil && client.ObjectKeyFromObject(o.client) == key {
			o.client.DeepCopyInto(into)
			return nil
		}
	case *corev1.Secret:
		for i := range o.secrets {
			if client.ObjectKeyFromObject(&o.secrets[i]) == key {
				o.secrets[i].DeepCopyInto(into)
				return nil
			}
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
}

func (o *objects) List(context.Context, client.ObjectList, ...client.ListOption) error {
	return errors.New("nothing is listed")
}

func secret(name string, data map[string]string) corev1.Secret {
	s := corev1.Secret{ObjectMeta: metav1.ObjectMeta{
		Namespace: "team", Name: name, Labels: map[string]string{v1alpha1.LabelCredentials: ""},
	}}
	s.Data = map[string][]byte{}
	for key, value := range data {
		s.Data[key] = []byte(value)
	}
	return s
}

func scimClient(refs ...v1alpha1.SecretKeyRef) *v1alpha1.ScimClient {
	return &v1alpha1.ScimClient{
		ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "okta"},
		Spec:       v1alpha1.ScimClientSpec{Dialect: "okta", Tokens: refs},
	}
}

func TestReadTokens(t *testing.T) {
	unlabelled := secret("unlabelled", map[string]string{"token": "0123456789abcdef"})
	unlabelled.Labels = nil
	reader := &objects{secrets: []corev1.Secret{
		secret("good", map[string]string{"token": "0123456789abcdef", "other": "fedcba9876543210\r\n"}),
		secret("bad", map[string]string{"empty": "", "newline": "\n", "short": "0123456789abcde", "space": "0123456789 abcdef", "umlaut": "0123456789abcdeü"}),
		unlabelled,
	}}
	for _, tc := range []struct {
		name   string
		ref    v1alpha1.SecretKeyRef
		token  string
		reason string
	}{
		{"default key", v1alpha1.SecretKeyRef{Name: "good"}, "0123456789abcdef", ""},
		{"a newline at the end is not part of it", v1alpha1.SecretKeyRef{Name: "good", Key: "other"}, "fedcba9876543210", ""},
		{"no Secret", v1alpha1.SecretKeyRef{Name: "none"}, "", v1alpha1.ReasonSecretNotFound},
		{"no label", v1alpha1.SecretKeyRef{Name: "unlabelled"}, "", v1alpha1.ReasonSecretNotLabelled},
		{"no key", v1alpha1.SecretKeyRef{Name: "good", Key: "none"}, "", v1alpha1.ReasonSecretKeyMissing},
		{"empty", v1alpha1.SecretKeyRef{Name: "bad", Key: "empty"}, "", v1alpha1.ReasonInvalidConfiguration},
		{"only a newline", v1alpha1.SecretKeyRef{Name: "bad", Key: "newline"}, "", v1alpha1.ReasonInvalidConfiguration},
		{"short", v1alpha1.SecretKeyRef{Name: "bad", Key: "short"}, "", v1alpha1.ReasonInvalidConfiguration},
		{"space within", v1alpha1.SecretKeyRef{Name: "bad", Key: "space"}, "", v1alpha1.ReasonInvalidConfiguration},
		{"not ASCII", v1alpha1.SecretKeyRef{Name: "bad", Key: "umlaut"}, "", v1alpha1.ReasonInvalidConfiguration},
	} {
		t.Run(tc.name, func(t *testing.T) {
			hashes, problems, err := ReadTokens(t.Context(), reader, scimClient(tc.ref))
			if err != nil {
				t.Fatal(err)
			}
			if tc.reason == "" {
				if diff := cmp.Diff([][32]byte{HashToken(tc.token)}, hashes); diff != "" || len(problems) != 0 {
					t.Errorf("problems %v, hashes:\n%s", problems, diff)
				}
				return
			}
			if len(hashes) != 0 || len(problems) != 1 || problems[0].Reason != tc.reason || problems[0].Secret != tc.ref.Name {
				t.Fatalf("got %d tokens and %+v, want the reason %s", len(hashes), problems, tc.reason)
			}
			if strings.Contains(problems[0].Message, "0123456789") {
				t.Errorf("the message tells the token: %s", problems[0].Message)
			}
		})
	}
}

func TestBadTokenLeavesTheOthers(t *testing.T) {
	reader := &objects{secrets: []corev1.Secret{secret("good", map[string]string{"token": "0123456789abcdef"})}}
	hashes, problems, err := ReadTokens(t.Context(), reader, scimClient(v1alpha1.SecretKeyRef{Name: "none"}, v1alpha1.SecretKeyRef{Name: "good"}))
	if err != nil || len(hashes) != 1 || len(problems) != 1 {
		t.Errorf("%d tokens, problems %+v, error %v", len(hashes), problems, err)
	}
}

func TestSourceGivesTheClient(t *testing.T) {
	sc := scimClient(v1alpha1.SecretKeyRef{Name: "good"})
	sc.Spec.Suspend, sc.Spec.GroupNames, sc.Spec.TakeOver = true, v1alpha1.GroupNamesShared, v1alpha1.TakeOverAllowed
	source := &Source{Reader: &objects{client: sc, secrets: []corev1.Secret{secret("good", map[string]string{"token": "0123456789abcdef"})}}}
	got, err := source.Client(t.Context(), "team", "okta")
	if err != nil {
		t.Fatal(err)
	}
	if got.Dialect.Name() != "okta" || len(got.TokenHashes) != 1 || !got.Suspended || got.GroupNames != v1alpha1.GroupNamesShared || got.TakeOver != v1alpha1.TakeOverAllowed {
		t.Errorf("got %+v", got)
	}
}

func TestSourceTellsUnknownFromUnreadable(t *testing.T) {
	going := scimClient(v1alpha1.SecretKeyRef{Name: "good"})
	going.DeletionTimestamp = &metav1.Time{}
	going.DeletionTimestamp.Time = going.DeletionTimestamp.AddDate(1, 0, 0)
	for name, reader := range map[string]*objects{"absent": {}, "being deleted": {client: going}} {
		source := &Source{Reader: reader}
		if _, err := source.Client(t.Context(), "team", "okta"); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %v", name, err)
		}
	}
	source := &Source{Reader: &objects{err: errors.New("the cache has not started")}}
	if _, err := source.Client(t.Context(), "team", "okta"); err == nil || errors.Is(err, ErrUnknown) {
		t.Errorf("unreadable: %v", err)
	}
}
