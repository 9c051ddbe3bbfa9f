// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/clients"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
)

// generating is a ScimClient that wants its token generated.
func generating(namespace string, change func(*v1alpha1.GenerateToken)) *v1alpha1.ScimClient {
	sc := newScimClient(namespace, "okta")
	sc.Spec.GenerateToken = &v1alpha1.GenerateToken{}
	if change != nil {
		change(sc.Spec.GenerateToken)
	}
	return sc
}

// world is a ScimClient with a generated token, and who looks at it.
type world struct {
	t         *testing.T
	admin     client.Client
	namespace string
	sc        *v1alpha1.ScimClient
}

func (w *world) secret() *corev1.Secret {
	w.t.Helper()
	secret := &corev1.Secret{}
	if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "okta-token"}, secret); err != nil {
		w.t.Fatal(err)
	}
	return secret
}

// stored are the tokens as the API server has them: the current one, and the former ones, the latest first.
func (w *world) stored() (token string, former []string) {
	w.t.Helper()
	generated, err := clients.ParseGenerated(w.secret())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, f := range generated.Former {
		former = append(former, f.Token)
	}
	return generated.Token, former
}

// annotate sets an annotation of the ScimClient, as kubectl does.
func (w *world) annotate(name, value string) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, name, value)
	if err := w.admin.Patch(w.t.Context(), w.sc.DeepCopy(), client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
		w.t.Fatal(err)
	}
}

// rotate asks for a rotation and waits until it is made.
func (w *world) rotate(value string) (token string, former []string) {
	w.t.Helper()
	before, _ := w.stored()
	w.annotate(v1alpha1.AnnotationRotateToken, value)
	await(w.t, "the token is another one", func() bool {
		token, former = w.stored()
		return token != before
	})
	return token, former
}

// condition gives the condition of the ScimClient, nil if it has none.
func (w *world) condition(name string) *metav1.Condition {
	w.t.Helper()
	if err := w.admin.Get(w.t.Context(), client.ObjectKeyFromObject(w.sc), w.sc); err != nil {
		w.t.Fatal(err)
	}
	return meta.FindStatusCondition(w.sc.Status.Conditions, name)
}

func await(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// begin runs the reconciler for a ScimClient with a generated token, and waits until it is Ready.
func begin(t *testing.T, clock clock.PassiveClock, change func(*v1alpha1.GenerateToken)) *world {
	t.Helper()
	w := &world{t: t, namespace: cptest.New(t).Namespace(t)}
	w.admin, _ = run(t, w.namespace, clock, nil)
	w.sc = generating(w.namespace, change)
	create(t, w.admin, w.sc)
	awaitReady(t, w.admin, w.sc, v1alpha1.ReasonSucceeded)
	return w
}

func TestTokenIsGeneratedOnce(t *testing.T) {
	w := begin(t, clock.RealClock{}, nil)
	secret := w.secret()
	if len(secret.Data) != 1 || len(secret.Data["token"]) != 64 {
		t.Errorf("the Secret has %d keys and a token of %d characters", len(secret.Data), len(secret.Data["token"]))
	}
	if _, labelled := secret.Labels[v1alpha1.LabelCredentials]; !labelled {
		t.Error("the Secret lacks the label")
	}
	if owner := metav1.GetControllerOf(secret); owner == nil || owner.UID != w.sc.UID || owner.Kind != "ScimClient" || owner.BlockOwnerDeletion != nil {
		t.Errorf("the Secret belongs to %+v", owner)
	}
	status := w.sc.Status.GeneratedToken
	if status == nil || status.SecretName != "okta-token" || status.ExpirationTime != nil || status.FormerAcceptedUntil != nil || time.Since(status.CreatedTime.Time) > time.Minute {
		t.Errorf("status %+v", status)
	}
	raw, err := json.Marshal(w.sc)
	if err != nil || strings.Contains(string(raw), string(secret.Data["token"])) {
		t.Errorf("the ScimClient tells the token, or %v", err)
	}
	// Another reconcile, and another operator, write nothing.
	run(t, w.namespace, clock.RealClock{}, nil)
	w.annotate(v1alpha1.AnnotationReconcile, "1")
	w.sc.Spec.Suspend = true
	if err := w.admin.Update(t.Context(), w.sc); err != nil {
		w.condition("")
		w.sc.Spec.Suspend = true
		if err := w.admin.Update(t.Context(), w.sc); err != nil {
			t.Fatal(err)
		}
	}
	awaitReady(t, w.admin, w.sc, v1alpha1.ReasonSuspended)
	if again := w.secret(); again.ResourceVersion != secret.ResourceVersion {
		t.Error("the Secret was written again")
	}
}

func TestRotationKeepsTheFormerTokenForTheOverlap(t *testing.T) {
	now := clocktesting.NewFakePassiveClock(time.Now())
	w := begin(t, now, func(g *v1alpha1.GenerateToken) { g.Overlap = &metav1.Duration{Duration: time.Hour} })
	first, _ := w.stored()
	second, former := w.rotate("2026-11-22")
	if len(former) != 1 || former[0] != first {
		t.Errorf("%d former tokens, or not the first one", len(former))
	}
	await(t, "the status tells of the former token", func() bool {
		w.condition("")
		return w.sc.Status.GeneratedToken.FormerAcceptedUntil != nil
	})
	// A rotation within the overlap leaves both.
	third, former := w.rotate("again")
	if len(former) != 2 || former[0] != second || former[1] != first {
		t.Errorf("%d former tokens, or not the second and the first", len(former))
	}
	// Neither the same value nor none at all asks for another one.
	w.annotate(v1alpha1.AnnotationRotateToken, "again")
	w.annotate(v1alpha1.AnnotationRotateToken, "")
	now.SetTime(now.Now().Add(time.Hour + time.Second))
	w.annotate(v1alpha1.AnnotationReconcile, "1")
	await(t, "the former tokens are gone", func() bool {
		token, left := w.stored()
		return token == third && len(left) == 0
	})
	if _, has := w.secret().Data["former"]; has {
		t.Error("the Secret still has the key of former tokens")
	}
	await(t, "the status tells of no former token", func() bool {
		w.condition("")
		return w.sc.Status.GeneratedToken.FormerAcceptedUntil == nil
	})
}

func TestFormerTokenIsGoneAfterTheOverlapByItself(t *testing.T) {
	w := begin(t, clock.RealClock{}, func(g *v1alpha1.GenerateToken) { g.Overlap = &metav1.Duration{Duration: 2 * time.Second} })
	token, _ := w.rotate("now")
	await(t, "the former token is gone", func() bool {
		current, former := w.stored()
		return current == token && len(former) == 0
	})
}

func TestRotationWithoutOverlapEndsTheFormerTokenAtOnce(t *testing.T) {
	w := begin(t, clock.RealClock{}, func(g *v1alpha1.GenerateToken) { g.Overlap = &metav1.Duration{} })
	if _, former := w.rotate("leaked"); len(former) != 0 {
		t.Errorf("%d former tokens", len(former))
	}
}

func TestSecretOfAPersonIsLeftAlone(t *testing.T) {
	for name, labelled := range map[string]bool{"with the label": true, "without the label": false} {
		t.Run(name, func(t *testing.T) {
			c, namespace := start(t)
			theirs := newSecret(namespace, "okta-token", labelled, "a-token-of-a-person")
			sc := generating(namespace, nil)
			create(t, c, theirs, sc)
			cond := awaitReady(t, c, sc, v1alpha1.ReasonSecretExists)
			if cond.Status != metav1.ConditionFalse || !strings.Contains(cond.Message, "okta-token") || !strings.Contains(cond.Message, "secretName") {
				t.Errorf("Ready is %s: %s", cond.Status, cond.Message)
			}
			sc.Annotations = map[string]string{v1alpha1.AnnotationRotateToken: "now"}
			sc.Spec.GroupNames = v1alpha1.GroupNamesShared
			if err := c.Update(t.Context(), sc); err != nil {
				t.Fatal(err)
			}
			awaitReady(t, c, sc, v1alpha1.ReasonSecretExists)
			w := &world{t: t, admin: c, namespace: namespace, sc: sc}
			if now := w.secret(); now.ResourceVersion != theirs.ResourceVersion {
				t.Errorf("the Secret was written: %v", now.Annotations)
			}
			// The cure of the condition: with the Secret out of the way, there is a token.
			if err := c.Delete(t.Context(), theirs); err != nil {
				t.Fatal(err)
			}
			if !labelled {
				w.annotate(v1alpha1.AnnotationReconcile, "1")
			}
			awaitReady(t, c, sc, v1alpha1.ReasonSucceeded)
		})
	}
}

func TestSecretsOfTwoClientsDoNotMix(t *testing.T) {
	w := begin(t, clock.RealClock{}, nil)
	other := newScimClient(w.namespace, "entra")
	other.Spec.Dialect = "entra"
	other.Spec.GenerateToken = &v1alpha1.GenerateToken{SecretName: "okta-token"}
	create(t, w.admin, other)
	awaitReady(t, w.admin, other, v1alpha1.ReasonSecretExists)
}

func TestDeletedSecretIsMadeAnewWithAnotherToken(t *testing.T) {
	w := begin(t, clock.RealClock{}, nil)
	first, _ := w.stored()
	if err := w.admin.Delete(t.Context(), w.secret()); err != nil {
		t.Fatal(err)
	}
	await(t, "there is another token", func() bool {
		secret := &corev1.Secret{}
		err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.namespace, Name: "okta-token"}, secret)
		return err == nil && string(secret.Data["token"]) != first
	})
}

// TestRestoredTokenIsTheSame has a Secret from a backup, which names a ScimClient of another UID as its owner.
func TestRestoredTokenIsTheSame(t *testing.T) {
	c, namespace := start(t)
	sc := generating(namespace, nil)
	sc.Annotations = map[string]string{v1alpha1.AnnotationRotateToken: "before the backup"}
	restored := newSecret(namespace, "okta-token", true, "a-token-from-the-backup")
	restored.Annotations = map[string]string{
		v1alpha1.AnnotationGeneratedFor: "okta", v1alpha1.AnnotationTokenCreated: "2026-01-02T03:04:05Z", v1alpha1.AnnotationRotatedFor: "before the backup",
	}
	restored.OwnerReferences = []metav1.OwnerReference{ownerReference(&v1alpha1.ScimClient{ObjectMeta: metav1.ObjectMeta{Name: "okta", UID: "gone"}})}
	create(t, c, restored, sc)
	awaitReady(t, c, sc, v1alpha1.ReasonSucceeded)
	w := &world{t: t, admin: c, namespace: namespace, sc: sc}
	await(t, "the Secret belongs to the ScimClient", func() bool {
		owner := metav1.GetControllerOf(w.secret())
		return owner != nil && owner.UID == sc.UID
	})
	if token, former := w.stored(); token != "a-token-from-the-backup" || len(former) != 0 || len(w.secret().OwnerReferences) != 1 {
		t.Errorf("the token is another one, with %d former ones", len(former))
	}
	if got := sc.Status.GeneratedToken.CreatedTime.UTC().Format(time.RFC3339); got != "2026-01-02T03:04:05Z" {
		t.Errorf("created %s", got)
	}
}

func TestExpiryIsWarnedOfAndThenNotReady(t *testing.T) {
	created := time.Now().Truncate(time.Second)
	now := clocktesting.NewFakePassiveClock(created)
	w := begin(t, now, func(g *v1alpha1.GenerateToken) { g.ExpiresAfter = &metav1.Duration{Duration: 100 * time.Hour} })
	if cond := w.condition(v1alpha1.ConditionTokenExpiring); cond != nil {
		t.Errorf("a new token: %+v", cond)
	}
	if at := w.sc.Status.GeneratedToken.ExpirationTime; at == nil || !at.Time.Equal(created.Add(100*time.Hour)) {
		t.Errorf("status.generatedToken.expirationTime %v", at)
	}
	reach := func(after time.Duration, reason string) *metav1.Condition {
		t.Helper()
		now.SetTime(created.Add(after))
		w.annotate(v1alpha1.AnnotationReconcile, after.String())
		var cond *metav1.Condition
		await(t, "TokenExpiring "+reason, func() bool {
			cond = w.condition(v1alpha1.ConditionTokenExpiring)
			return cond != nil && cond.Reason == reason
		})
		return cond
	}
	soon := reach(75*time.Hour, v1alpha1.ReasonTokenExpiresSoon)
	if ready := w.condition(v1alpha1.ConditionReady); ready.Status != metav1.ConditionTrue || soon.Status != metav1.ConditionTrue {
		t.Errorf("Ready is %s, TokenExpiring %s", ready.Status, soon.Status)
	}
	expired := reach(100*time.Hour, v1alpha1.ReasonTokenExpired)
	awaitReady(t, w.admin, w.sc, v1alpha1.ReasonTokenExpired)
	for _, cond := range []*metav1.Condition{soon, expired} {
		if strings.ContainsAny(cond.Message, "0123456789") {
			t.Errorf("the message holds a time: %s", cond.Message)
		}
	}
	if _, former := w.rotate("expired"); len(former) != 0 {
		t.Errorf("%d former tokens are left of an expired one", len(former))
	}
	awaitReady(t, w.admin, w.sc, v1alpha1.ReasonSucceeded)
	if cond := w.condition(v1alpha1.ConditionTokenExpiring); cond != nil {
		t.Errorf("after the rotation: %+v", cond)
	}
}

// TestLookComesAgainWhenTheTimeIsThere has what a fake clock cannot show: the delay that the reconciler asks for.
func TestLookComesAgainWhenTheTimeIsThere(t *testing.T) {
	created := time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	g := &clients.Generated{Token: "a-token-that-is-long", Created: created}
	spec := &v1alpha1.GenerateToken{ExpiresAfter: &metav1.Duration{Duration: 100 * time.Hour}}
	for after, want := range map[time.Duration]time.Duration{0: 75 * time.Hour, 75 * time.Hour: 25 * time.Hour, 100 * time.Hour: 0} {
		f := &findings{now: created.Add(after), generateToken: spec, generated: g}
		if got := f.next(); got != want {
			t.Errorf("after %s: looks again in %s, want %s", after, got, want)
		}
	}
	f := &findings{now: created, generateToken: spec, generated: g, issuer: &clients.IssuerReport{Next: time.Minute}}
	if got := f.next(); got != time.Minute {
		t.Errorf("looks again in %s", got)
	}
}

// TestRightsOfTheRoleSuffice makes and rotates a token with the rights of config/rbac/role.yaml and no others.
func TestRightsOfTheRoleSuffice(t *testing.T) {
	env := cptest.New(t)
	namespace := env.Namespace(t)
	config, err := env.AddUser("operator-of-" + namespace)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := client.New(env.Config, client.Options{Scheme: clientgoscheme.Scheme})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "config", "rbac", "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.ClusterRole{}
	// The first document is the ClusterRole; what follows is for the operator's own namespace.
	first, _, _ := strings.Cut(strings.TrimPrefix(string(text), "---\n"), "\n---\n")
	if err := yaml.UnmarshalStrict([]byte(first), role); err != nil {
		t.Fatal(err)
	}
	role.Name = namespace
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "operator"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: namespace},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "operator-of-" + namespace}},
	}
	create(t, admin, role, binding)
	w := &world{t: t, namespace: namespace, sc: generating(namespace, func(g *v1alpha1.GenerateToken) { g.Overlap = &metav1.Duration{Duration: time.Second} })}
	w.admin, _ = runAs(t, config, namespace, clock.RealClock{}, nil)
	create(t, w.admin, w.sc)
	awaitReady(t, w.admin, w.sc, v1alpha1.ReasonSucceeded)
	w.rotate("now")
	await(t, "the former token is gone", func() bool { _, former := w.stored(); return len(former) == 0 })

	// Without the right to write Secrets, the condition says so, and the cure works.
	role.Rules = slices.DeleteFunc(role.Rules, func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "secrets") })
	role.Rules = append(role.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "watch"}})
	rules := role.Rules
	if err := admin.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	second := newScimClient(namespace, "second")
	second.Spec.GenerateToken = &v1alpha1.GenerateToken{}
	create(t, w.admin, second)
	if cond := awaitReady(t, w.admin, second, v1alpha1.ReasonSecretNotWritable); !strings.Contains(cond.Message, "create and update on secrets") {
		t.Errorf("the message %q does not say what is missing", cond.Message)
	}
	role.Rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"create", "update"}})
	if err := admin.Update(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	awaitReady(t, w.admin, second, v1alpha1.ReasonSucceeded)
}

// TestTwoOperatorsRotateOnce has two that both believe to lead.
func TestTwoOperatorsRotateOnce(t *testing.T) {
	w := begin(t, clock.RealClock{}, nil)
	run(t, w.namespace, clock.RealClock{}, nil)
	var made []string
	for n := range 6 {
		token, former := w.rotate(fmt.Sprint(n))
		if made = append(made, token); len(former) != len(made) {
			t.Fatalf("%d former tokens after %d rotations", len(former), len(made))
		}
	}
}

// TestCrashAtAnyWrite stops the operator before and after each of its writes, in every order of the two, and starts another one that reads the same.
func TestCrashAtAnyWrite(t *testing.T) {
	for _, lost := range []bool{false, true} {
		for n := 1; n <= 4; n++ {
			t.Run(fmt.Sprintf("write %d, answer lost %t", n, lost), func(t *testing.T) {
				t.Parallel()
				namespace := cptest.New(t).Namespace(t)
				crash := &crashing{at: int64(n), after: lost}
				admin, stop := run(t, namespace, clock.RealClock{}, func(r *Reconciler) { crash.Client = r.Client; r.Client = crash })
				sc := generating(namespace, nil)
				create(t, admin, sc)
				w := &world{t: t, admin: admin, namespace: namespace, sc: sc}
				seen := map[string]bool{}
				look := func() {
					secret := &corev1.Secret{}
					if err := admin.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "okta-token"}, secret); err == nil {
						seen[string(secret.Data["token"])] = true
					}
				}
				await(t, "the crash, or a token", func() bool { look(); return crash.crashed.Load() || len(seen) > 0 })
				w.annotate(v1alpha1.AnnotationRotateToken, "once")
				await(t, "the crash, or a rotation", func() bool { look(); return crash.crashed.Load() || len(seen) > 1 })
				stop()
				look()
				run(t, namespace, clock.RealClock{}, nil)
				awaitReady(t, admin, sc, v1alpha1.ReasonSucceeded)
				await(t, "the rotation is made", func() bool {
					look()
					return w.secret().Annotations[v1alpha1.AnnotationRotatedFor] == "once"
				})
				look()
				token, former := w.stored()
				all := map[string]bool{token: true}
				for _, f := range former {
					all[f] = true
				}
				if len(former) > 1 || !maps.Equal(all, seen) {
					t.Errorf("%d former tokens; %d tokens were seen and %d are left", len(former), len(seen), len(all))
				}
			})
		}
	}
}

// crashing lets nothing through from its n-th write on, or from after it.
type crashing struct {
	client.Client
	at      int64
	after   bool
	writes  atomic.Int64
	crashed atomic.Bool
}

var errCrashed = errors.New("crashed")

func (c *crashing) write(do func() error) error {
	n := c.writes.Add(1)
	if n < c.at {
		return do()
	}
	var err error
	if n == c.at && c.after {
		err = do()
	}
	c.crashed.Store(true)
	return errors.Join(err, errCrashed)
}

func (c *crashing) Create(ctx context.Context, o client.Object, opts ...client.CreateOption) error {
	return c.write(func() error { return c.Client.Create(ctx, o, opts...) })
}

func (c *crashing) Update(ctx context.Context, o client.Object, opts ...client.UpdateOption) error {
	return c.write(func() error { return c.Client.Update(ctx, o, opts...) })
}

func (c *crashing) Status() client.SubResourceWriter {
	return crashingStatus{c.Client.Status(), c}
}

type crashingStatus struct {
	client.SubResourceWriter
	c *crashing
}

func (s crashingStatus) Patch(ctx context.Context, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
	return s.c.write(func() error { return s.SubResourceWriter.Patch(ctx, o, p, opts...) })
}
