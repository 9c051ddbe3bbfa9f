// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// tenant is the customer's part of an app, as far as a ScimApp says which one it is.
type tenant struct {
	// baseURL is normalized; "" if it is not known.
	baseURL string
	// inURL: the profile says that the base URL names the tenant.
	inURL bool
	// credential is the hash of the token; zero if it is not known. It stays in memory.
	credential [sha256.Size]byte
}

// sameTenant reports whether two ScimApps manage the same accounts. If one URL serves all tenants, only an equal credential says so. A profile that
// knows this of its app takes precedence over one that assumes the opposite, such as the generic one.
func sameTenant(a, b tenant) bool {
	switch {
	case a.baseURL == "" || a.baseURL != b.baseURL:
		return false
	case a.inURL && b.inURL:
		return true
	default:
		return a.credential == b.credential && a.credential != [sha256.Size]byte{}
	}
}

// before reports whether a ScimApp is the older one, and so keeps the tenant.
func before(a, b *v1alpha1.ScimApp) bool {
	return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name)) < 0
}

// tenantOf reads what a ScimApp says about its tenant. What cannot be used leaves the tenant unknown: the phases that need it report that.
func (r *Reconciler) tenantOf(ctx context.Context, app *v1alpha1.ScimApp) (tenant, error) {
	t := tenantURL(app)
	if t.baseURL == "" {
		return t, nil
	}
	token, err := kube.SecretValue(ctx, r.Client, app.Namespace, app.Spec.SCIM.Token)
	var problem *kube.SecretProblem
	if err != nil && !errors.As(err, &problem) {
		return t, err
	}
	if word := strings.TrimSpace(string(token)); word != "" {
		t.credential = sha256.Sum256([]byte(word))
	}
	return t, nil
}

// tenantURL is the part of the tenant that follows from the spec.
func tenantURL(app *v1alpha1.ScimApp) tenant {
	profile, ok := profiles.Get(app.Spec.Profile)
	if !ok {
		return tenant{}
	}
	baseURL, err := connector.NormalizeBaseURL(cmp.Or(app.Spec.SCIM.BaseURL, profile.DefaultBaseURL), profile.BasePath)
	if err != nil {
		return tenant{}
	}
	return tenant{baseURL: withoutDefaultPort(baseURL), inURL: profile.TenantInURL}
}

func withoutDefaultPort(baseURL string) string {
	parsed, err := url.Parse(baseURL)
	if err != nil {
		return baseURL
	}
	if port := map[string]string{"https": "443", "http": "80"}[parsed.Scheme]; parsed.Port() == port {
		parsed.Host = strings.TrimSuffix(parsed.Host, ":"+port)
	}
	return parsed.String()
}

// tenant refuses a ScimApp if an older one, in any namespace and even if suspended, manages its tenant: the older one keeps the accounts until it
// is deleted.
func (r *Reconciler) tenant(ctx context.Context, s *scope) error {
	own, err := r.tenantOf(ctx, s.app)
	if err != nil {
		return err
	}
	// The claim is recorded before the others are read: of two concurrent reconciles, one sees the other's claim.
	wake, version := r.tenants.claim(s.app, own)
	for _, key := range wake {
		r.Wake.App(key)
	}
	if r.tenants.alone(s.key, version) {
		return nil
	}
	holder, err := r.holder(ctx, s.app, own)
	if err != nil {
		return err
	}
	if holder == nil {
		r.tenants.free(s.key, version)
		return nil
	}
	r.tenants.block(s.key, client.ObjectKeyFromObject(holder))
	// A ScimApp that released the tenant before the line above has enqueued no other.
	again, err := r.holder(ctx, s.app, own)
	if err != nil {
		return err
	}
	if again == nil || again.UID != holder.UID {
		s.soon(time.Second)
	}
	if s.invalid == "" {
		s.invalid, s.invalidReason = conflict(s.app, holder), v1alpha1.ReasonTenantConflict
	}
	return nil
}

// holder is the oldest ScimApp that manages the app's tenant and is older than the app; nil if there is none.
func (r *Reconciler) holder(ctx context.Context, app *v1alpha1.ScimApp, own tenant) (*v1alpha1.ScimApp, error) {
	if own.baseURL == "" {
		return nil, nil
	}
	var list v1alpha1.ScimAppList
	if err := r.Client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the ScimApps of all namespaces: %w", err)
	}
	var holder *v1alpha1.ScimApp
	for i := range list.Items {
		other := &list.Items[i]
		if !before(other, app) || holder != nil && before(holder, other) || tenantURL(other).baseURL != own.baseURL {
			continue
		}
		theirs, err := r.tenantOf(ctx, other)
		if err != nil {
			return nil, err
		}
		if sameTenant(own, theirs) {
			holder = other
		}
	}
	return holder, nil
}

// conflict is the message for the younger ScimApp. Names of another namespace are not for its owner to see.
func conflict(app, holder *v1alpha1.ScimApp) string {
	name := "a ScimApp of another namespace"
	if holder.Namespace == app.Namespace {
		name = fmt.Sprintf("the older ScimApp %q", holder.Name)
	}
	return name + " manages the accounts of this tenant; this one makes no call until the other is deleted or has another tenant. Correct spec.scim, or delete one of them"
}

// release frees the tenant of a deleted ScimApp.
func (r *Reconciler) release(key types.NamespacedName) {
	for _, blocked := range r.tenants.drop(key) {
		r.Wake.App(blocked)
	}
}
