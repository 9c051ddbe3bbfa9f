// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package clients

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

var day0 = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

func hours(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }

func TestNewTokenHas256Bits(t *testing.T) {
	one, other := NewToken(), NewToken()
	raw, err := hex.DecodeString(one)
	if err != nil || len(raw) != 32 || one == other || faultOf(one) != "" {
		t.Errorf("%d bytes, error %v, fault %q", len(raw), err, faultOf(one))
	}
}

// write puts the tokens into a Secret and reads them again.
func write(t *testing.T, g *Generated, sc *v1alpha1.ScimClient) (*corev1.Secret, *Generated) {
	t.Helper()
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "team", Name: "okta-token", Labels: map[string]string{v1alpha1.LabelCredentials: ""}}}
	if err := g.Write(secret, sc); err != nil {
		t.Fatal(err)
	}
	read, err := ParseGenerated(secret)
	if err != nil {
		t.Fatal(err)
	}
	return secret, read
}

// TestLifeOfAGeneratedToken follows the tokens of two rotations through their times.
func TestLifeOfAGeneratedToken(t *testing.T) {
	sc := scimClient()
	spec := &v1alpha1.GenerateToken{Overlap: hours(24), ExpiresAfter: hours(24 * 90)}
	g := &Generated{}
	g.Rotate("the-first-token-of-all", "", day0)
	_, g = write(t, g, sc)
	g.Rotate("the-second-token-of-all", "a", day0.Add(time.Hour))
	_, g = write(t, g, sc)
	g.Rotate("the-third-token-of-all", "b", day0.Add(2*time.Hour))
	_, g = write(t, g, sc)
	for _, tc := range []struct {
		after    time.Duration
		accepted []string
		next     time.Duration
	}{
		{3 * time.Hour, []string{"the-third-token-of-all", "the-second-token-of-all", "the-first-token-of-all"}, 25 * time.Hour},
		{25*time.Hour - 1, []string{"the-third-token-of-all", "the-second-token-of-all", "the-first-token-of-all"}, 25 * time.Hour},
		{25 * time.Hour, []string{"the-third-token-of-all", "the-second-token-of-all"}, 26 * time.Hour},
		{26 * time.Hour, []string{"the-third-token-of-all"}, 2*time.Hour + 76*24*time.Hour},
		{2*time.Hour + 76*24*time.Hour, []string{"the-third-token-of-all"}, 2*time.Hour + 90*24*time.Hour},
		{2*time.Hour + 90*24*time.Hour, nil, 0},
	} {
		now := day0.Add(tc.after)
		var want [][32]byte
		for _, token := range tc.accepted {
			want = append(want, HashToken(token))
		}
		accepted, expired := g.hashes(spec, now)
		if diff := cmp.Diff(want, accepted); diff != "" || len(accepted)+len(expired) != 3 {
			t.Errorf("after %s: %d accepted and %d expired tokens, want %v", tc.after, len(accepted), len(expired), tc.accepted)
		}
		next, ok := g.Next(spec, now)
		if ok != (tc.next > 0) || ok && !next.Equal(day0.Add(tc.next)) {
			t.Errorf("after %s: the next change is after %s (%t), want %s", tc.after, next.Sub(day0), ok, tc.next)
		}
	}
	if until, ok := g.FormerUntil(spec); !ok || !until.Equal(day0.Add(26*time.Hour)) {
		t.Errorf("former tokens are accepted until %s", until)
	}
	if !g.Prune(spec, day0.Add(25*time.Hour)) || len(g.Former) != 1 || g.Prune(spec, day0.Add(25*time.Hour)) {
		t.Errorf("%d former tokens are left", len(g.Former))
	}
}

func TestRotationDoesNotProlongAnExpiringToken(t *testing.T) {
	spec := &v1alpha1.GenerateToken{Overlap: hours(24), ExpiresAfter: hours(48)}
	g := &Generated{}
	g.Rotate("the-first-token-of-all", "", day0)
	g.Rotate("the-second-token-of-all", "a", day0.Add(40*time.Hour))
	if accepted, _ := g.hashes(spec, day0.Add(47*time.Hour)); len(accepted) != 2 {
		t.Errorf("%d tokens are accepted before the former one expires", len(accepted))
	}
	if accepted, _ := g.hashes(spec, day0.Add(48*time.Hour)); len(accepted) != 1 {
		t.Errorf("%d tokens are accepted after the former one has expired", len(accepted))
	}
}

func TestWarningComesWithAQuarterOfTheLifeLeft(t *testing.T) {
	g := &Generated{Created: day0}
	for life, want := range map[int]time.Duration{4: 3 * time.Hour, 24 * 56: 42 * 24 * time.Hour, 24 * 365: 351 * 24 * time.Hour} {
		if at, ok := g.Warns(&v1alpha1.GenerateToken{ExpiresAfter: hours(life)}); !ok || at.Sub(day0) != want {
			t.Errorf("a life of %d h: the warning comes after %s, want %s", life, at.Sub(day0), want)
		}
	}
	if _, ok := g.Warns(&v1alpha1.GenerateToken{}); ok {
		t.Error("a token that never expires gives a warning")
	}
}

func TestFormerTokensAreBounded(t *testing.T) {
	g := &Generated{}
	for i := range 40 {
		g.Rotate(fmt.Sprintf("token-number-%08d", i), fmt.Sprint(i), day0)
	}
	_, g = write(t, g, scimClient())
	if len(g.Former) != maxFormer || g.Token != "token-number-00000039" || g.Former[0].Token != "token-number-00000038" {
		t.Errorf("%d former tokens of which the latest is not token-38", len(g.Former))
	}
}

func TestAnnotationAsksForOneRotation(t *testing.T) {
	sc := scimClient()
	g := &Generated{RotatedFor: "1"}
	for value, want := range map[string]bool{"": false, "1": false, "2": true} {
		sc.Annotations = map[string]string{v1alpha1.AnnotationRotateToken: value}
		if got := g.Wanted(sc); got != want {
			t.Errorf("the value %q: %t", value, got)
		}
	}
	sc.Annotations = nil
	if g.Wanted(sc) {
		t.Error("taking the annotation away asks for a rotation")
	}
}

func TestGeneratedSecretThatAPersonChanged(t *testing.T) {
	g := &Generated{}
	g.Rotate("a-token-that-is-long", "", day0)
	g.Rotate("a-newer-token-that-is-long", "a", day0)
	for name, tc := range map[string]struct {
		change func(*corev1.Secret)
		reason string
		token  string
	}{
		"the token taken out": {func(s *corev1.Secret) { delete(s.Data, "token") }, v1alpha1.ReasonSecretKeyMissing, ""},
		"another token":       {func(s *corev1.Secret) { s.Data["token"] = []byte("one-of-my-own-choice\n") }, "", "one-of-my-own-choice"},
		"a token too short":   {func(s *corev1.Secret) { s.Data["token"] = []byte("short") }, v1alpha1.ReasonInvalidConfiguration, ""},
		"former tokens that are none": {
			func(s *corev1.Secret) { s.Data[formerKey] = []byte("a-token-that-is-long") }, v1alpha1.ReasonInvalidConfiguration, "a-newer-token-that-is-long",
		},
		"no date": {func(s *corev1.Secret) {
			delete(s.Annotations, v1alpha1.AnnotationTokenCreated)
			s.CreationTimestamp = metav1.NewTime(day0.Add(-time.Hour))
		}, "", "a-newer-token-that-is-long"},
	} {
		t.Run(name, func(t *testing.T) {
			secret, _ := write(t, g, scimClient())
			tc.change(secret)
			read, err := ParseGenerated(secret)
			var problem *Problem
			if errors.As(err, &problem) != (tc.reason != "") || problem != nil && problem.Reason != tc.reason || read.Token != tc.token {
				t.Errorf("token %q, error %v, want the reason %q", read.Token, err, tc.reason)
			}
			if problem != nil && strings.Contains(problem.Message, "that-is-long") {
				t.Errorf("the message tells a token: %s", problem.Message)
			}
			if read.Created.After(day0) {
				t.Errorf("created %s", read.Created)
			}
		})
	}
}

func TestSourceGivesGeneratedTokens(t *testing.T) {
	sc := scimClient()
	sc.Spec.GenerateToken = &v1alpha1.GenerateToken{Overlap: hours(1), ExpiresAfter: hours(10)}
	g := &Generated{}
	g.Rotate("a-token-that-is-long", "", day0)
	g.Rotate("a-newer-token-that-is-long", "a", day0)
	ours, _ := write(t, g, sc)
	theirs := ours.DeepCopy()
	delete(theirs.Annotations, v1alpha1.AnnotationGeneratedFor)
	another := ours.DeepCopy()
	another.Annotations[v1alpha1.AnnotationGeneratedFor] = "entra"
	unlabelled := ours.DeepCopy()
	unlabelled.Labels = nil
	for name, tc := range map[string]struct {
		secret            *corev1.Secret
		after             time.Duration
		accepted, expired int
	}{
		"both":                    {ours, time.Minute, 2, 0},
		"after the overlap":       {ours, time.Hour, 1, 1},
		"after both have expired": {ours, 10 * time.Hour, 0, 2},
		"a person's Secret":       {theirs, 0, 0, 0},
		"another client's Secret": {another, 0, 0, 0},
		"a Secret without label":  {unlabelled, 0, 0, 0},
		"a Secret not yet made":   {&corev1.Secret{}, 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			source := &Source{Reader: &objects{client: sc, secrets: []corev1.Secret{*tc.secret}}, Now: func() time.Time { return day0.Add(tc.after) }}
			config, err := source.Client(t.Context(), "team", "okta")
			if err != nil || len(config.TokenHashes) != tc.accepted || len(config.ExpiredHashes) != tc.expired {
				t.Errorf("%d accepted and %d expired tokens, error %v", len(config.TokenHashes), len(config.ExpiredHashes), err)
			}
		})
	}
}
