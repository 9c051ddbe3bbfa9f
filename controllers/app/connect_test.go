// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	scimconn "github.com/scim-operator/scim-operator/internal/connector/scim"
	"github.com/scim-operator/scim-operator/internal/desired"
	pt "github.com/scim-operator/scim-operator/internal/desired/desiredtest"
	"github.com/scim-operator/scim-operator/internal/ledger"
	"github.com/scim-operator/scim-operator/internal/provisioner"
)

// switchboard is a reconciler whose apps are connectors of a test, by their token. A wake-up of an app reconciles its connection at once.
type switchboard struct {
	*landlord
	t    *testing.T
	apps map[string]*tested
}

func newSwitchboard(t *testing.T, apps map[string]*tested) *switchboard {
	t.Helper()
	b := &switchboard{landlord: newLandlord(), t: t, apps: apps}
	b.Clock = clock.RealClock{}
	b.View = desired.NewView(b.cache, ledger.NewBook(clock.RealClock{}))
	b.Metrics = provisioner.NewMetrics(prometheus.NewRegistry(), clock.RealClock{})
	b.Apps = provisioner.NewRegistry(b.View, clock.RealClock{}, logr.Discard(), b.Metrics)
	nobody := func(types.NamespacedName) {}
	b.Wake, b.WakeLater = provisioner.Notify{User: nobody, Group: nobody, App: nobody}, nobody
	b.Prober = NewProber(nobody)
	b.Apps.SetNotify(b.Wake)
	b.NewConnector = func(options scimconn.Options) (connector.Connector, error) { return apps[options.Token], nil }
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	t.Cleanup(cancel)
	go func() { _ = b.Prober.Start(ctx) }()
	go func() { _ = b.Apps.Start(ctx) }()
	synctest.Wait()
	return b
}

// connects reconciles the connection of an app as it is in the cache, says what the status says of it, and whether it runs. The reconcile has
// to take no time.
func (b *switchboard) connects(app *v1alpha1.ScimApp) string {
	b.t.Helper()
	b.cache.Put(app)
	s := &scope{key: client.ObjectKeyFromObject(app), app: app}
	began := time.Now()
	for _, phase := range []func(context.Context, *scope) error{b.configuration, b.address, b.tenant, b.connect} {
		if err := phase(b.t.Context(), s); err != nil {
			b.t.Fatal(err)
		}
	}
	if took := time.Since(began); took > 0 {
		b.t.Errorf("the reconcile waited %s", took)
	}
	setStatus(s, b.stateOf(s))
	synctest.Wait()
	if b.Apps.Get(s.key) != nil {
		return short(app, v1alpha1.ConditionCredentialsValid) + ", runs"
	}
	return short(app, v1alpha1.ConditionCredentialsValid)
}

func (b *switchboard) want(what, got, want string) {
	b.t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		b.t.Errorf("%s: %s", what, diff)
	}
}

const (
	untested = "Unknown NotTested"
	runs     = "True Succeeded, runs"
)

func TestReconcileDoesNotWaitForAnApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSwitchboard(t, map[string]*tested{"hangs": {}, "good": {takes: time.Second}})
		app := b.put("corp", "crm", "generic", "hangs", 0)
		b.want("a new app", b.connects(app), untested)
		pass(testTimeout / 2)
		b.want("while it hangs", b.connects(app), untested)

		b.put("corp", "crm", "generic", "good", 0)
		b.want("a new token", b.connects(app), untested)
		if got := b.apps["hangs"].state(); got != "began true, closed true" {
			t.Errorf("the test of the old token: %s", got)
		}
		pass(time.Second)
		b.want("once it is accepted", b.connects(app), runs)
	})
}

func TestSuspensionEndsATestAndTheAppAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSwitchboard(t, map[string]*tested{"hangs": {}, "good": {takes: time.Second}})
		app := b.put("corp", "crm", "generic", "hangs", 0)
		b.connects(app)
		app.Spec.Suspend = true
		b.want("while it is tested", b.connects(app), "Unknown Suspended")
		if got := b.apps["hangs"].state(); got != "began true, closed true" {
			t.Errorf("the test: %s", got)
		}

		app.Spec.Suspend = false
		b.put("corp", "crm", "generic", "good", 0)
		b.connects(app)
		pass(time.Second)
		b.want("resumed", b.connects(app), runs)
		app.Spec.Suspend = true
		b.want("while it runs", b.connects(app), "Unknown Suspended")
	})
}

func TestAppRunsOnWhileTheSameCredentialsAreTestedAgain(t *testing.T) {
	for name, change := range map[string]func(*v1alpha1.ScimApp){
		"a person asks": func(app *v1alpha1.ScimApp) { app.Annotations = map[string]string{v1alpha1.AnnotationReconcile: "1"} },
		"other limits": func(app *v1alpha1.ScimApp) {
			app.Generation++
			app.Spec.Limits = &v1alpha1.AppLimits{Concurrency: 2}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newSwitchboard(t, map[string]*tested{"good": {takes: time.Second}})
				app := b.put("corp", "crm", "generic", "good", 0)
				b.connects(app)
				pass(time.Second)
				b.want("at first", b.connects(app), runs)
				former := b.Apps.Get(client.ObjectKeyFromObject(app))
				change(app)
				b.want("while it is tested", b.connects(app), runs)
				pass(time.Second)
				// The former app is stopped, the next reconcile starts its successor.
				b.connects(app)
				b.want("in the end", b.connects(app), runs)
				if b.Apps.Get(client.ObjectKeyFromObject(app)) == former {
					t.Error("the app was not started anew")
				}
			})
		})
	}
}

func TestFailedTestStopsTheAppAndIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rejects := &tested{takes: time.Second, err: &connector.Error{Op: connector.OpTest, Kind: connector.Credentials, Status: 401, AppText: "Janet Doe"}}
		b := newSwitchboard(t, map[string]*tested{"good": {takes: time.Second}, "bad": rejects})
		app := b.put("corp", "crm", "generic", "good", 0)
		b.connects(app)
		pass(time.Second)
		b.want("at first", b.connects(app), runs)
		b.put("corp", "crm", "generic", "bad", 0)
		b.want("while the new token is tested", b.connects(app), untested)
		pass(time.Second)
		b.want("once it is rejected", b.connects(app), "False CredentialsRejected")
		for _, condition := range app.Status.Conditions {
			if strings.Contains(condition.Message, "Janet") {
				t.Errorf("%s shows what the app said: %s", condition.Type, condition.Message)
			}
		}
		rejects.err = nil
		b.want("before it is due again", b.connects(app), "False CredentialsRejected")
		if rejects.state() != "began true, closed true" {
			t.Error("the connector of a failed test is left open")
		}
		pass(2 * testRetryBase)
		b.want("while it is tested again", b.connects(app), "False CredentialsRejected")
		pass(time.Second)
		b.want("in the end", b.connects(app), runs)
	})
}

func TestCredentialTestWaitsForAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSwitchboard(t, map[string]*tested{"good": {takes: time.Second}})
		app := b.put("corp", "crm", "generic", "good", 0)
		app.Status.BaseURL = app.Spec.SCIM.BaseURL
		app.Status.PausedUntil = ptr.To(metav1.NewTime(time.Now().Add(time.Minute)))
		b.want("during the pause", b.connects(app), untested)
		pass(time.Minute - time.Second)
		b.connects(app)
		if got := b.apps["good"].state(); got != "began false, closed false" {
			t.Errorf("the app was called during the pause: %s", got)
		}
		pass(2 * time.Second)
		b.connects(app)
		pass(time.Second)
		b.want("after it", b.connects(app), runs)
	})
}

func TestSecondAppOfATenantIsNotCalled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSwitchboard(t, map[string]*tested{"first": {takes: time.Second}, "second": {takes: time.Second}})
		second := b.put("corp", "second", "generic", "second", 1)
		b.connects(second)
		pass(time.Second)
		b.want("alone", b.connects(second), runs)
		b.apps["second"] = &tested{takes: time.Second}

		first := b.put("corp", "first", "generic", "first", 0)
		b.connects(first)
		b.want("beside an older one", b.connects(second), untested)
		pass(time.Second)
		b.want("the older one", b.connects(first), runs)
		b.want("beside the older one that runs", b.connects(second), untested)
		pass(time.Hour)
		b.connects(second)
		if got := b.apps["second"].state(); got != "began false, closed false" {
			t.Errorf("the app was called: %s", got)
		}
		if ready := short(second, v1alpha1.ConditionReady); ready != "False "+v1alpha1.ReasonTenantConflict {
			t.Errorf("Ready is %s", ready)
		}
	})
}

// What waited for other credentials is reconciled: every user and group of the namespace, those first who may have a revocation.
func TestNewTokenWakesUsersAndGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newSwitchboard(t, map[string]*tested{"old": {takes: time.Second}, "new": {takes: time.Second}})
		var woken []string
		wake := func(key types.NamespacedName) { woken = append(woken, key.Name) }
		b.Wake = provisioner.Notify{User: wake, Group: wake, App: func(types.NamespacedName) {}}
		b.WakeLater = func(key types.NamespacedName) { woken = append(woken, key.Name+" later") }
		leaver := pt.User("kim")
		leaver.Spec.Active = new(bool)
		for _, object := range []client.Object{leaver, pt.User("lee"), pt.Group("sales")} {
			b.cache.Put(object)
		}
		for _, token := range []string{"old", "new"} {
			app := b.put(pt.Namespace, "crm", "generic", token, 0)
			b.connects(app)
			if len(woken) > 0 {
				t.Errorf("before the token %q was tested, %q were woken", token, woken)
			}
			pass(time.Second)
			b.want("with the token "+token, b.connects(app), runs)
			slices.Sort(woken)
			if diff := cmp.Diff([]string{"kim", "lee later", "sales"}, woken); diff != "" {
				t.Errorf("woken (-want +got):\n%s", diff)
			}
			woken = nil
		}
	})
}

// The app itself asked to wait, not the former token.
func TestNewTokenDoesNotEndAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limited := &tested{takes: time.Second, err: &connector.Error{Op: connector.OpTest, Kind: connector.RateLimited, Status: 429, RetryAfter: time.Minute}}
		b := newSwitchboard(t, map[string]*tested{"limited": limited, "new": {takes: time.Second}, "elsewhere": {takes: time.Second}})
		app := b.put("corp", "crm", "generic", "limited", 0)
		b.connects(app)
		pass(time.Second)
		b.connects(app)
		b.put("corp", "crm", "generic", "new", 0)
		b.connects(app)
		pass(time.Minute - time.Second)
		b.connects(app)
		if got := b.apps["new"].state(); got != "began false, closed false" {
			t.Errorf("the app was called during the pause: %s", got)
		}
		b.put("corp", "crm", "generic", "elsewhere", 0)
		app.Spec.SCIM.BaseURL = "https://elsewhere.test"
		b.connects(app)
		pass(time.Second)
		b.want("at another address", b.connects(app), runs)
	})
}

func TestStatusIsNotDecidedOnAnObjectOlderThanTheLastWrite(t *testing.T) {
	l := newLandlord()
	app := l.put("corp", "crm", "generic", "t", 0)
	for version, want := range map[string]bool{"9": true, "10": false, "11": false} {
		written := app.DeepCopy()
		written.ResourceVersion = "10"
		l.wrote(written)
		app.ResourceVersion = version
		if got := l.stale(app); got != want {
			t.Errorf("version %s is stale: %t", version, got)
		}
	}
}
