// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// TestAppThatHangsSlowsNobodyElse: neither another app nor the endpoint.
func TestAppThatHangsSlowsNobodyElse(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	hangs, fast := d.App(t, "hangs", fakeapp.Generic, nil), d.App(t, "fast", fakeapp.Generic, nil)
	d.Mapping(t, "to-hangs", "hangs", inGroups("Team"))
	d.Mapping(t, "to-fast", "fast", inGroups("Team"))
	op := d.Run(t)
	d.AwaitReady(t, "hangs")
	d.AwaitReady(t, "fast")
	hangs.Inject(fakeapp.Fault{Hang: true})
	ids := pushUsers(t, op, 20)
	op.CreateGroup(t, "Team", ids...)
	harness.Eventually(t, "every worker of the app hangs", func() error {
		if n := hangs.Hanging(); n < 8 {
			return fmt.Errorf("%d calls hang", n)
		}
		return nil
	})
	late := op.CreateUser(t, "late@corp.test")
	op.CreateGroup(t, "Others", late)
	harness.Eventually(t, "the other app has all accounts", func() error {
		if n := len(fast.Users()); n != len(ids) {
			return fmt.Errorf("it has %d", n)
		}
		return nil
	})
	if n := len(hangs.Users()); n != 0 {
		t.Errorf("the app that hangs has %d accounts", n)
	}

	hangs.ClearFaults()
	awaitAll(t, d, ids, "hangs", v1alpha1.AccountActive)
	awaitAll(t, d, ids, "fast", v1alpha1.AccountActive)
	if n := len(hangs.Users()); n != len(ids) {
		t.Errorf("the app has %d accounts, want %d", n, len(ids))
	}
}

// oneByOne lets an app get a call at a time, so that none is under way when it asks to wait.
func oneByOne(app *v1alpha1.ScimApp) { app.Spec.Limits.Concurrency = 1 }

// TestRequestToWaitIsObeyedInEveryForm: as vendors send it, in headers and bodies.
func TestRequestToWaitIsObeyedInEveryForm(t *testing.T) {
	t.Parallel()
	const wait = 3 * time.Second
	forms := map[string]func(until time.Time) fakeapp.Answer{
		"seconds": func(time.Time) fakeapp.Answer {
			return fakeapp.Answer{Header: map[string]string{"Retry-After": strconv.Itoa(int(wait.Seconds()))}}
		},
		"HTTP date": func(until time.Time) fakeapp.Answer {
			return fakeapp.Answer{Header: map[string]string{"Retry-After": until.UTC().Format(http.TimeFormat)}}
		},
		"ISO 8601": func(until time.Time) fakeapp.Answer {
			return fakeapp.Answer{Header: map[string]string{"Retry-After": until.UTC().Format("2006-01-02T15:04:05.000Z")}}
		},
		"X-RateLimit-Reset": func(until time.Time) fakeapp.Answer {
			return fakeapp.Answer{Header: map[string]string{"X-RateLimit-Reset": strconv.FormatInt(until.Unix(), 10)}}
		},
		"waitMs": func(time.Time) fakeapp.Answer {
			return fakeapp.Answer{Body: fmt.Sprintf(`{"reason":"Rate limit exceeded","rateLimit":{"waitMs":%d}}`, wait.Milliseconds())}
		},
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, oneByOne)
			d.Mapping(t, "team", "crm", inGroups("Team"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			ids := pushUsers(t, op, 3)
			fake.ResetCalls()
			// A date has whole seconds: what it says is up to a second less. It is a while after the answer, or the answer asks for nothing.
			until := time.Now().Add(2 * wait).Truncate(time.Second)
			answer := form(until)
			answer.Status = http.StatusTooManyRequests
			fake.Inject(fakeapp.Fault{Op: fakeapp.UsersCreate, Times: 1, Answer: &answer})
			op.CreateGroup(t, "Team", ids...)
			awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
			var refused time.Time
			for _, call := range callsOf(fake, "") {
				switch {
				case call.Status == http.StatusTooManyRequests:
					refused = call.At
				case refused.IsZero():
				case call.At.Before(until) && call.At.Before(refused.Add(wait)):
					t.Errorf("%s was called %s after the app had asked to wait", call.Op, call.At.Sub(refused))
				}
			}
			if refused.IsZero() {
				t.Error("no call was refused")
			}
			if n := len(fake.Users()); n != len(ids) {
				t.Errorf("the app has %d accounts, want %d", n, len(ids))
			}
		})
	}
}

// TestRateLimitOfAVendorLosesNoAccount: the limits as the vendors have them, again and again.
func TestRateLimitOfAVendorLosesNoAccount(t *testing.T) {
	t.Parallel()
	const window = 2 * time.Second
	for _, flavour := range []fakeapp.Flavour{fakeapp.CommonRoom, fakeapp.RService} {
		t.Run(string(flavour), func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", flavour, oneByOne)
			d.Mapping(t, "team", "crm", inGroups("Team"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			ids := pushUsers(t, op, 12)
			fake.ResetCalls()
			fake.SetRateLimit(7, window)
			op.CreateGroup(t, "Team", ids...)
			awaitAll(t, d, ids, "crm", v1alpha1.AccountActive)
			var refused, after int
			for _, call := range callsOf(fake, "") {
				if call.Status == http.StatusTooManyRequests {
					refused++
					if after++; after > 1 {
						t.Error("a call was made before the time for which the app had asked")
					}
					continue
				}
				after = 0
			}
			if refused == 0 {
				t.Error("no call was refused")
			}
			if n := len(fake.Users()); n != len(ids) {
				t.Errorf("the app has %d accounts, want %d", n, len(ids))
			}
			if n := len(callsOf(fake, fakeapp.UsersCreate)); n > len(ids)+refused {
				t.Errorf("%d creates for %d accounts", n, len(ids))
			}
		})
	}
}

// TestFailureOfACreateNeverDoublesAnAccount: whether it was made or not, and even where the app shows it only later.
func TestFailureOfACreateNeverDoublesAnAccount(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		fault fakeapp.Fault
		lag   time.Duration
		// creates that the app may get for the one account.
		creates int
	}{
		"answer lost after the commit":    {fault: fakeapp.Fault{LoseAnswer: true, Times: 1}, creates: 1},
		"answer lost and reads trail":     {fault: fakeapp.Fault{LoseAnswer: true, Times: 1}, lag: 3 * time.Second, creates: 1},
		"500 before anything":             {fault: fakeapp.Fault{Answer: &fakeapp.Answer{Status: 500}, Times: 1}, creates: 2},
		"503 before anything":             {fault: fakeapp.Fault{Answer: &fakeapp.Answer{Status: 503}, Times: 1}, creates: 2},
		"answer is no JSON, nothing done": {fault: fakeapp.Fault{Answer: &fakeapp.Answer{Status: 200, Body: "<html>"}, Times: 1}, creates: 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := harness.NewDirectory(t)
			fake := d.App(t, "crm", fakeapp.Generic, nil)
			d.Mapping(t, "named", "crm", named("kim@corp.test"))
			op := d.Run(t)
			d.AwaitReady(t, "crm")
			test.fault.Op = fakeapp.UsersCreate
			fake.SetReadLag(test.lag)
			fake.Inject(test.fault)
			kim := op.CreateUser(t, "kim@corp.test")
			user := d.AwaitAccount(t, kim, "crm", v1alpha1.AccountActive)
			accounts := fake.Users()
			if len(accounts) != 1 || accounts[0].ID != user.Status.Account("crm").RemoteID {
				t.Errorf("the app has %+v, the status %+v", accounts, user.Status)
			}
			if n := fake.Counts()[fakeapp.UsersCreate]; n != test.creates {
				t.Errorf("%d creates, want %d", n, test.creates)
			}
		})
	}
}
