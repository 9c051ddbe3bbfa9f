// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

func TestSameTenant(t *testing.T) {
	one, two := [32]byte{1}, [32]byte{2}
	const url = "https://crm.test"
	for name, tc := range map[string]struct {
		a, b tenant
		want bool
	}{
		"the URL names the tenant":                     {tenant{url, true, one}, tenant{url, true, two}, true},
		"the URL names the tenant, a token is missing": {tenant{url, true, one}, tenant{url, true, [32]byte{}}, true},
		"another URL":                                    {tenant{url, true, one}, tenant{url + "/v2", true, one}, false},
		"one URL for all tenants, other token":           {tenant{url, false, one}, tenant{url, false, two}, false},
		"one URL for all tenants, same token":            {tenant{url, false, one}, tenant{url, false, one}, true},
		"one URL for all tenants, no token":              {tenant{baseURL: url}, tenant{baseURL: url}, false},
		"only one profile knows that the URL serves all": {tenant{url, true, one}, tenant{url, false, two}, false},
		"the same, with the same token":                  {tenant{url, true, one}, tenant{url, false, one}, true},
		"two that are not known":                         {tenant{credential: one}, tenant{credential: one}, false},
	} {
		if sameTenant(tc.a, tc.b) != tc.want || sameTenant(tc.b, tc.a) != tc.want {
			t.Errorf("%s: want %t", name, tc.want)
		}
	}
}

func TestBaseURLOfATenant(t *testing.T) {
	for name, tc := range map[string]struct{ profile, baseURL, want string }{
		"host in capitals":          {"generic", "https://CRM.test/SCIM", "https://crm.test/SCIM"},
		"default port":              {"generic", "https://crm.test:443/scim/", "https://crm.test/scim"},
		"another port":              {"generic", "https://crm.test:8443", "https://crm.test:8443"},
		"address with a port":       {"generic", "https://[::1]:443/scim", "https://[::1]/scim"},
		"base path of the profile":  {"r-service", "https://corp.r-service.test", "https://corp.r-service.test/scim/v2"},
		"the profile's own address": {"common-room", "", "https://api.commonroom.io/scim/v2"},
		"unusable":                  {"generic", "https://user:secret@crm.test", ""},
		"unknown profile":           {"nobody's", "https://crm.test", ""},
	} {
		app := pt.App("crm")
		app.Spec.Profile, app.Spec.SCIM.BaseURL = tc.profile, tc.baseURL
		if diff := cmp.Diff(tc.want, tenantURL(app).baseURL); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// landlord is a reconciler of which only the tenants are asked.
type landlord struct {
	Reconciler
	cache *pt.Cache
	woken []string
}

// cached is a client that reads from a cache and writes nothing.
type cached struct {
	client.Client
	*pt.Cache
}

func (c cached) Get(ctx context.Context, key client.ObjectKey, into client.Object, opts ...client.GetOption) error {
	return c.Cache.Get(ctx, key, into, opts...)
}

func (c cached) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	return c.Cache.List(ctx, list, opts...)
}

func newLandlord() *landlord {
	l := &landlord{cache: pt.NewCache()}
	l.Client = cached{Cache: l.cache}
	l.Wake = provisioner.Notify{App: func(key types.NamespacedName) { l.woken = append(l.woken, key.String()) }}
	l.Prober = NewProber(l.Wake.App)
	return l
}

// put makes an app that was created at a minute, with a token of its own unless given.
func (l *landlord) put(namespace, name, profile, token string, minute int) *v1alpha1.ScimApp {
	app := pt.App(name)
	app.Namespace, app.UID = namespace, types.UID(namespace+"/"+name)
	app.CreationTimestamp = metav1.NewTime(time.Date(2030, 1, 1, 0, minute, 0, 0, time.UTC))
	app.Spec.Profile, app.Spec.SCIM.BaseURL = profile, "https://crm.test"
	app.Spec.SCIM.Token = v1alpha1.SecretKeyRef{Name: name}
	secret := &corev1.Secret{Data: map[string][]byte{v1alpha1.DefaultSecretKey: []byte(token)}}
	secret.Namespace, secret.Name, secret.Labels = namespace, name, map[string]string{v1alpha1.LabelCredentials: "true"}
	l.cache.Put(secret)
	l.cache.Put(app)
	return app
}

// ask is what the reconcile of an app says about its tenant.
func (l *landlord) ask(t *testing.T, app *v1alpha1.ScimApp) string {
	t.Helper()
	s := &scope{key: client.ObjectKeyFromObject(app), app: app}
	if err := l.tenant(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	return s.invalid
}

func (l *landlord) take() []string {
	woken := l.woken
	l.woken = nil
	slices.Sort(woken)
	return slices.Compact(woken)
}

func TestYoungerAppOfATenantIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		profile, token string
		namespace      string
		minute         int
		want           string
	}{
		"same namespace":             {"generic", "b", "corp", 1, `the older ScimApp "first" `},
		"another namespace":          {"generic", "b", "other", 1, "a ScimApp of another namespace "},
		"created in the same second": {"generic", "b", "corp", 0, `the older ScimApp "first" `},
		"the older one":              {"generic", "b", "corp", -1, ""},
		"shared URL, other token":    {"common-room", "b", "corp", 1, ""},
		"shared URL, same token":     {"common-room", " a\n", "other", 1, "a ScimApp of another namespace "},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLandlord()
			first := l.put("corp", "first", tc.profile, "a", 0)
			second := l.put(tc.namespace, "second", tc.profile, tc.token, tc.minute)
			got := l.ask(t, second)
			if !strings.HasPrefix(got, tc.want) || (got == "") != (tc.want == "") {
				t.Errorf("the message is %q", got)
			}
			if tc.namespace != "corp" && strings.Contains(got, "first") {
				t.Errorf("a name of another namespace is in %q", got)
			}
			if got := l.ask(t, first); (got != "") != (tc.minute < 0) {
				t.Errorf("the first app says %q", got)
			}
		})
	}
}

func TestRefusedAppIsWokenWhenItsTenantIsFree(t *testing.T) {
	for name, free := range map[string]func(*landlord, *testing.T, *v1alpha1.ScimApp){
		"the holder is deleted": func(l *landlord, _ *testing.T, first *v1alpha1.ScimApp) {
			l.cache.Remove(first)
			l.release(client.ObjectKeyFromObject(first))
		},
		"the holder has another address": func(l *landlord, t *testing.T, first *v1alpha1.ScimApp) {
			first.Spec.SCIM.BaseURL = "https://other.test"
			l.cache.Put(first)
			l.ask(t, first)
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLandlord()
			first := l.put("corp", "first", "generic", "a", 0)
			second := l.put("other", "second", "generic", "b", 1)
			if l.ask(t, first) != "" || l.ask(t, second) == "" {
				t.Fatal("the second app is not refused")
			}
			first.Spec.Suspend = true
			l.cache.Put(first)
			l.ask(t, first)
			l.take()
			if l.ask(t, second) == "" {
				t.Error("a suspended app does not hold its tenant")
			}
			free(l, t, first)
			if diff := cmp.Diff([]string{"other/second"}, l.take()); diff != "" {
				t.Errorf("woken: %s", diff)
			}
			if got := l.ask(t, second); got != "" {
				t.Errorf("the second app says %q", got)
			}
		})
	}
}

func TestAppThatRunsIsWokenWhenAnOlderOneClaimsItsTenant(t *testing.T) {
	l := newLandlord()
	first := l.put("corp", "first", "common-room", "a", 0)
	second := l.put("corp", "second", "common-room", "b", 1)
	if l.ask(t, first) != "" || l.ask(t, second) != "" {
		t.Fatal("apps of different tenants are refused")
	}
	l.take()
	l.put("corp", "first", "common-room", "b", 0)
	l.ask(t, first)
	if diff := cmp.Diff([]string{"corp/second"}, l.take()); diff != "" {
		t.Errorf("woken: %s", diff)
	}
	if l.ask(t, second) == "" {
		t.Error("the second app runs on with the same token")
	}
	l.ask(t, first)
	if woken := l.take(); len(woken) > 0 {
		t.Errorf("nothing changed, and %v were woken", woken)
	}
}
