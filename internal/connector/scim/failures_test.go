// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scimconn

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/egress"
)

// profileFor returns the profile that fits a flavour.
func profileFor(t *testing.T, flavour fakeapp.Flavour) profiles.Profile {
	t.Helper()
	return profileOf(t, map[fakeapp.Flavour]string{
		fakeapp.Generic: "generic", fakeapp.CommonRoom: "common-room", fakeapp.RService: "r-service",
	}[flavour])
}

func eachFlavour(t *testing.T, test func(t *testing.T, app *fakeapp.App, profile profiles.Profile)) {
	for _, flavour := range []fakeapp.Flavour{fakeapp.Generic, fakeapp.CommonRoom, fakeapp.RService} {
		t.Run(string(flavour), func(t *testing.T) {
			test(t, startApp(t, flavour), profileFor(t, flavour))
		})
	}
}

func TestCredentialTestHasNoSideEffects(t *testing.T) {
	eachFlavour(t, func(t *testing.T, app *fakeapp.App, profile profiles.Profile) {
		c := connect(t, app, profile)
		if err := c.Test(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantCalls(t, app, fakeapp.UsersList)
		app.RotateToken("another-token")
		e := failureOf(t, c.Test(t.Context()), connector.Credentials)
		if e.Retriable() || e.Scope() != connector.ScopeApp {
			t.Errorf("policy of %v: retriable %t, scope %s", e, e.Retriable(), e.Scope())
		}
		fresh := connect(t, app, profile, func(o *Options) { o.Token = " another-token\n" })
		if err := fresh.Test(t.Context()); err != nil {
			t.Errorf("with the new token: %v", err)
		}
	})
}

func TestCredentialTestAgainstSomethingElse(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.BaseURL = strings.TrimSuffix(o.BaseURL, "/scim/v2") + "/elsewhere" })
	e := failureOf(t, c.Test(t.Context()), connector.NotFound)
	if e.Scope() != connector.ScopeApp {
		t.Errorf("a missing endpoint is the scope of %s", e.Scope())
	}
	c = connect(t, app, profileOf(t, "generic"))
	app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 200, Body: "<html>Please log in</html>"}})
	wantKind(t, c.Test(t.Context()), connector.UnexpectedAnswer)
}

func TestAPlanThatLacksSCIMIsNoBadToken(t *testing.T) {
	eachFlavour(t, func(t *testing.T, app *fakeapp.App, profile profiles.Profile) {
		app.Inject(fakeapp.Fault{Answer: &fakeapp.Answer{Status: 403, Body: `{"reason":"Your plan does not include SCIM"}`}})
		e := failureOf(t, connect(t, app, profile).Test(t.Context()), connector.Forbidden)
		if e.AppText != "Your plan does not include SCIM" || strings.Contains(e.Error(), "plan") || e.Retriable() {
			t.Errorf("error = %v, retriable %t", e, e.Retriable())
		}
	})
}

func TestRateLimitsAreObeyedInEveryVendorsForm(t *testing.T) {
	eachFlavour(t, func(t *testing.T, app *fakeapp.App, profile profiles.Profile) {
		c := connect(t, app, profile)
		app.SetRateLimit(1, time.Minute)
		if err := c.Test(t.Context()); err != nil {
			t.Fatal(err)
		}
		e := failureOf(t, c.Test(t.Context()), connector.RateLimited)
		if e.Status != http.StatusTooManyRequests || e.RetryAfter < 55*time.Second || e.RetryAfter > time.Minute {
			t.Errorf("error = %v, wait %v", e, e.RetryAfter)
		}
		// Until then the app is left alone.
		app.ResetCalls()
		e = failureOf(t, c.Test(t.Context()), connector.RateLimited)
		if e.Status != 0 || e.RetryAfter < 50*time.Second || e.Sent {
			t.Errorf("error = %+v", e)
		}
		wantCalls(t, app)
	})
}

func TestRateLimitEndsWhenTheAppSaidSo(t *testing.T) {
	app := startApp(t, fakeapp.CommonRoom)
	clock := &fakeClock{now: time.Now()}
	c := connect(t, app, profileFor(t, fakeapp.CommonRoom), func(o *Options) { o.Clock = clock.Now })
	app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 429, Body: `{"rateLimit":{"waitMs":30000}}`}})
	wantKind(t, c.Test(t.Context()), connector.RateLimited)
	wantKind(t, c.Test(t.Context()), connector.RateLimited)
	clock.add(30 * time.Second)
	if err := c.Test(t.Context()); err != nil {
		t.Errorf("after the wait: %v", err)
	}
}

type fakeClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *fakeClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func TestOurOwnLimiterWaitsShortlyAndRefusesLongWaits(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.Limits = connector.Limits{PerSecond: 20, Burst: 1} })
	for range 3 {
		if err := c.Test(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	slow := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.Limits = connector.Limits{PerSecond: 0.1, Burst: 1} })
	if err := slow.Test(t.Context()); err != nil {
		t.Fatal(err)
	}
	app.ResetCalls()
	for range 3 { // refused calls do not use up the budget of later ones
		e := failureOf(t, slow.Test(t.Context()), connector.RateLimited)
		if e.RetryAfter <= 2*time.Second || e.RetryAfter > 10*time.Second || e.Status != 0 {
			t.Errorf("error = %v, wait %v", e, e.RetryAfter)
		}
	}
	wantCalls(t, app)
	hourly := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.Limits = connector.Limits{PerSecond: 100, Burst: 100, PerHour: 4} })
	for range 2 {
		if err := hourly.Test(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if e := failureOf(t, hourly.Test(t.Context()), connector.RateLimited); e.RetryAfter < 25*time.Minute {
		t.Errorf("wait = %v, want about half an hour", e.RetryAfter)
	}
}

func TestALostAnswerIsAnUnknownOutcome(t *testing.T) {
	eachFlavour(t, func(t *testing.T, app *fakeapp.App, profile profiles.Profile) {
		c := connect(t, app, profile)
		if err := c.Test(t.Context()); err != nil { // so that the lost call goes over a connection that is reused
			t.Fatal(err)
		}
		app.ResetCalls()
		app.Inject(fakeapp.Fault{Op: fakeapp.UsersCreate, Times: 1, LoseAnswer: true})
		_, err := c.CreateUser(t.Context(), jane(nil))
		if e := failureOf(t, err, connector.Unreachable); !e.UnknownOutcome() || !e.Retriable() {
			t.Errorf("policy of %v: unknown %t, retriable %t", e, e.UnknownOutcome(), e.Retriable())
		}
		// The request is not repeated behind the caller's back, and the account is found.
		wantCalls(t, app, fakeapp.UsersCreate)
		found, err := c.FindUsers(t.Context(), "userName", "jane.doe@corp.test")
		if err != nil || len(found) != 1 {
			t.Errorf("FindUsers = %v, %v", found, err)
		}
	})
}

func TestALostReadBeforeAWriteIsAKnownOutcome(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic", func(p *profiles.Profile) { p.SCIM.UserUpdate = profiles.Put }))
	created := create(t, c, jane(nil))
	app.Inject(fakeapp.Fault{Op: fakeapp.UsersGet, LoseAnswer: true})
	_, err := c.UpdateUser(t.Context(), created.ID, connector.Change{Set: connector.Attributes{"title": "X"}})
	if e := failureOf(t, err, connector.Unreachable); e.UnknownOutcome() {
		t.Errorf("%v has an unknown outcome although nothing was written", e)
	}
}

func TestTimeouts(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.Limits.Timeout = 2 * time.Second })
	created := create(t, c, jane(nil))
	app.Inject(fakeapp.Fault{Hang: true})
	if e := failureOf(t, c.Test(t.Context()), connector.Timeout); e.UnknownOutcome() || e.Detail != "no answer in time" {
		t.Errorf("error = %v", e)
	}
	_, err := c.SetActive(t.Context(), created.ID, false, nil)
	if e := failureOf(t, err, connector.Timeout); !e.UnknownOutcome() {
		t.Errorf("%v has a known outcome", e)
	}
	app.ClearFaults()
	if err := c.Test(t.Context()); err != nil {
		t.Errorf("after the app came back: %v", err)
	}
}

func TestACancelledCallEndsAtOnce(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	app.Inject(fakeapp.Fault{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- c.Test(ctx) }()
	cancel()
	select {
	case err := <-done:
		wantKind(t, err, connector.Timeout)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%v is no context.Canceled", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the call goes on")
	}
}

func TestAnAppThatRefusesConnectionsAndComesBack(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	if err := app.Refuse(true); err != nil {
		t.Fatal(err)
	}
	_, err := c.CreateUser(t.Context(), jane(nil))
	if e := failureOf(t, err, connector.Unreachable); e.UnknownOutcome() || e.Detail != "connection refused" {
		t.Errorf("error = %v, unknown %t", e, e.UnknownOutcome())
	}
	if err := app.Refuse(false); err != nil {
		t.Fatal(err)
	}
	create(t, c, jane(nil))
}

func TestServerErrors(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 503, Header: map[string]string{"Retry-After": "7"}}})
	_, err := c.CreateUser(t.Context(), jane(nil))
	if e := failureOf(t, err, connector.ServerError); e.RetryAfter != 7*time.Second || e.UnknownOutcome() {
		t.Errorf("error = %v, wait %v, unknown %t", e, e.RetryAfter, e.UnknownOutcome())
	}
	if blocked := time.Until(c.BlockedUntil()); blocked <= 0 || blocked > 7*time.Second {
		t.Errorf("blocked for %v, want 7s", blocked)
	}
	c = connect(t, app, profileOf(t, "generic")) // another one, that the app asked for nothing
	// A create that is answered with something unreadable may have happened.
	app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 201, Body: ""}})
	_, err = c.CreateUser(t.Context(), jane(nil))
	if e := failureOf(t, err, connector.Unconfirmed); !e.UnknownOutcome() || !e.Retriable() || e.Scope() != connector.ScopeAccount {
		t.Errorf("%v: unknown outcome %t, retriable %t, scope %s", e, e.UnknownOutcome(), e.Retriable(), e.Scope())
	}
	app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 204}})
	if user, err := c.UpdateUser(t.Context(), "7", connector.Change{Set: connector.Attributes{"title": "X"}}); err != nil || user.ID != "7" {
		t.Errorf("a PATCH answered with 204: %+v, %v", user, err)
	}
	for _, active := range []bool{true, false} {
		app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 204}})
		user, err := c.SetActive(t.Context(), "7", active, nil)
		if diff := cmp.Diff(connector.User{ID: "7", Active: active}, user); diff != "" || err != nil {
			t.Errorf("SetActive(%t) answered with 204: %v (-want +got):\n%s", active, err, diff)
		}
	}
}

func TestOnlyTheGivenAuthorityIsTrusted(t *testing.T) {
	app, other := startApp(t, fakeapp.Generic), startApp(t, fakeapp.Generic)
	for name, ca := range map[string][]byte{"another app's": other.CA(), "the system's": nil} {
		t.Run(name, func(t *testing.T) {
			c := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.CABundle = ca })
			e := failureOf(t, c.Test(t.Context()), connector.Unreachable)
			if e.Detail != "the server's certificate is signed by an unknown authority" || e.Sent {
				t.Errorf("error = %+v", e)
			}
		})
	}
}

func TestRedirects(t *testing.T) {
	app, other := startApp(t, fakeapp.Generic), startApp(t, fakeapp.Generic)
	trustBoth := func(o *Options) { o.CABundle = append(append([]byte{}, app.CA()...), other.CA()...) }
	c := connect(t, app, profileOf(t, "generic"), trustBoth)
	redirect := func(status int, location string) fakeapp.Fault {
		return fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: status, Header: map[string]string{"Location": location}}}
	}
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run("to another host "+strconv.Itoa(status), func(t *testing.T) {
			app.Inject(redirect(status, other.URL()+"/Users"))
			e := failureOf(t, c.Test(t.Context()), connector.UnexpectedAnswer)
			if !strings.HasPrefix(e.Detail, "the app redirects to host 127.0.0.1:") {
				t.Errorf("detail = %q", e.Detail)
			}
			wantCalls(t, other)
		})
		t.Run("of a write "+strconv.Itoa(status), func(t *testing.T) {
			app.Inject(redirect(status, app.URL()+"/Users"))
			app.ResetCalls()
			_, err := c.CreateUser(t.Context(), jane(nil))
			wantKind(t, err, connector.UnexpectedAnswer)
			wantCalls(t, app, fakeapp.UsersCreate)
		})
	}
	t.Run("of a read on the same host", func(t *testing.T) {
		app.Inject(redirect(307, app.URL()+"/Users?count=1"))
		if err := c.Test(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// Whoever writes the base URL must not reach the inside of the machine: not by an address, not by a name that resolves to one.
func TestAddressesThatMustNotBeReached(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	inside := func(o *Options) { o.Egress = egress.New(nil, nil) }
	options := Options{Profile: profileOf(t, "generic"), BaseURL: app.URL(), Token: app.Token(), CABundle: app.CA(), Limits: fast}
	inside(&options)
	_, err := New(options)
	if want := "base URL: 127.0.0.1 is a loopback address, which is not reached unless the administrator allows it (--allowed-addresses)"; err == nil || err.Error() != want {
		t.Errorf("by address: error = %v, want %s", err, want)
	}
	c := connect(t, app, profileOf(t, "generic"), inside, func(o *Options) { o.BaseURL = strings.Replace(app.URL(), "127.0.0.1", "localhost", 1) })
	e := failureOf(t, c.Test(t.Context()), connector.Unreachable)
	if !strings.Contains(e.Detail, "is a loopback address") || e.Sent {
		t.Errorf("by name: error = %+v", e)
	}
	wantCalls(t, app)
}

func TestAnAnswerThatIsTooLarge(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.Limits.MaxAnswerBytes = 1000 })
	app.Inject(fakeapp.Fault{Times: 1, Answer: &fakeapp.Answer{Status: 200, Body: `{"x":"` + strings.Repeat("y", 1000) + `"}`}})
	e := failureOf(t, c.Test(t.Context()), connector.UnexpectedAnswer)
	if e.Detail != "the answer is larger than 1000 bytes" {
		t.Errorf("detail = %q", e.Detail)
	}
	if err := c.Test(t.Context()); err != nil {
		t.Errorf("an answer of ordinary size: %v", err)
	}
}

func TestRequestsCarryWhatTheAppWants(t *testing.T) {
	headers := make(chan http.Header, 1)
	server := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("X-Method-And-URI", r.Method+" "+r.RequestURI)
		headers <- r.Header
		_, _ = w.Write([]byte(`{"totalResults":0}`))
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(func() { _ = server.Close() })

	var observed []string
	c, err := New(Options{
		Profile: profileOf(t, "common-room", func(p *profiles.Profile) {
			p.SCIM.AuthWord, p.SCIM.Headers = "Access-Token", map[string]string{"X-Account": "acme"}
			p.SCIM.Lookup, p.SCIM.Quote = profiles.LookupFilter, '\''
		}),
		BaseURL: "http://" + listener.Addr().String() + "/scim/v2", Token: testToken, Limits: fast, UserAgent: "scim-operator/1.2",
		Observe: func(op string, status int, took time.Duration, err error) {
			observed = append(observed, fmt.Sprint(op, " ", status, " ", took > 0, " ", err))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.FindUsers(t.Context(), "userName", "o'hara+x@corp.test"); err != nil {
		t.Fatal(err)
	}
	got := <-headers
	want := map[string]string{
		"Authorization":    "Access-Token " + testToken,
		"X-Account":        "acme",
		"User-Agent":       "scim-operator/1.2",
		"Accept":           "application/scim+json, application/json",
		"X-Method-And-Uri": `GET /scim/v2/users?count=100&filter=userName%20eq%20%27o%5C%27hara%2Bx%40corp.test%27&startIndex=1`,
	}
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, got.Get(name), value)
		}
	}
	if diff := cmp.Diff([]string{"FindUsers 200 true <nil>"}, observed); diff != "" {
		t.Errorf("observed (-want +got):\n%s", diff)
	}
}

func TestProxy(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	connects := make(chan string, 1)
	proxy := &http.Server{ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connects <- r.Method + " " + r.Host
		w.WriteHeader(http.StatusBadGateway)
	})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = proxy.Serve(listener) }()
	t.Cleanup(func() { _ = proxy.Close() })

	c := connect(t, app, profileOf(t, "generic"), func(o *Options) { o.ProxyURL = "http://" + listener.Addr().String() })
	wantKind(t, c.Test(t.Context()), connector.Unreachable)
	host := strings.TrimSuffix(strings.TrimPrefix(app.URL(), "https://"), "/scim/v2")
	if got, want := <-connects, "CONNECT "+host; got != want {
		t.Errorf("the proxy was asked to %q, want %q", got, want)
	}
	wantCalls(t, app)
}

func TestConfigurationErrors(t *testing.T) {
	tests := map[string]struct {
		change func(*Options)
		want   string
	}{
		"no base URL":         {func(o *Options) { o.BaseURL = "" }, "base URL is missing"},
		"plain http":          {func(o *Options) { o.BaseURL = "http://app.example.com" }, "want https"},
		"no token":            {func(o *Options) { o.Token = " \n" }, "the token is empty"},
		"a token of two":      {func(o *Options) { o.Token = "first\nsecond" }, "line break"},
		"no certificate":      {func(o *Options) { o.CABundle = []byte("hello") }, "CA bundle"},
		"a strange proxy URL": {func(o *Options) { o.ProxyURL = "socks9://me:secret@proxy" }, "proxy URL"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			options := Options{Profile: profileOf(t, "generic"), BaseURL: "https://app.example.com", Token: testToken}
			test.change(&options)
			_, err := New(options)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error = %v, want one about %q", err, test.want)
			}
		})
	}
	c, err := New(Options{Profile: profileOf(t, "common-room"), Token: testToken})
	if err != nil {
		t.Fatalf("Common Room needs a token only: %v", err)
	}
	c.Close()
}

func TestConcurrentUse(t *testing.T) {
	app := startApp(t, fakeapp.Generic)
	c := connect(t, app, profileOf(t, "generic"))
	var group sync.WaitGroup
	for i := range 40 {
		group.Go(func() {
			user := jane(connector.Attributes{"userName": fmt.Sprintf("u%d@corp.test", i%20)})
			if _, err := c.CreateUser(t.Context(), user); err != nil && !connector.Is(err, connector.Conflict) {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if users := app.Users(); len(users) != 20 {
		t.Errorf("%d accounts, want 20", len(users))
	}
}
