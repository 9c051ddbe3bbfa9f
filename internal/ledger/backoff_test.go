// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/scim-operator/scim-operator/internal/ledger"
)

func in(d time.Duration) *metav1.Time {
	at := metav1.NewTime(start.Add(d))
	return &at
}

func TestWaitIsForTheSameAttempt(t *testing.T) {
	role, leaver := ledger.AttemptOf("Update", 1), ledger.AttemptOf("Deactivate", 1)
	if role == leaver || role == ledger.AttemptOf("Update", 2) || ledger.AttemptOf("a", "b") == ledger.AttemptOf("ab") || role != ledger.AttemptOf("Update", 1) {
		t.Fatal("digests of attempts")
	}
	for name, tc := range map[string]struct {
		before  func(*process)
		what    ledger.Attempt
		changed bool
		next    *metav1.Time
		want    time.Duration
	}{
		"nothing to wait for":                            {nil, role, false, nil, 0},
		"after a restart, the entry waits":               {nil, role, false, in(time.Minute), time.Minute},
		"after a restart, the entry is of another step":  {nil, role, true, in(time.Minute), 0},
		"what failed":                                    {func(p *process) { p.Tried(kim, role) }, role, false, in(time.Minute), time.Minute},
		"another change than the one that failed":        {func(p *process) { p.Tried(kim, role) }, leaver, false, in(time.Minute), 0},
		"another change, though the status is of it too": {func(p *process) { p.Wait(kim, role, false, in(time.Minute)) }, leaver, false, in(time.Minute), 0},
		"a change that was made since":                   {func(p *process) { p.Tried(kim, role); p.Settled(kim) }, leaver, false, in(time.Minute), time.Minute},
		"it is over":                                     {func(p *process) { p.Tried(kim, role); p.pass(time.Hour) }, role, false, in(time.Hour), 0},
		"a clock that was ahead":                         {nil, role, false, in(1000 * time.Hour), ledger.MaxWait},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			if tc.before != nil {
				tc.before(p)
			}
			if got := p.Wait(kim, tc.what, tc.changed, tc.next); got != tc.want {
				t.Errorf("wait %v, want %v", got, tc.want)
			}
		})
	}
}

func TestWaitForATimeOfAClockThatWasAheadEnds(t *testing.T) {
	p := newProcess(t)
	next, what := in(1000*time.Hour), ledger.AttemptOf("a")
	for range 7 {
		if p.Wait(kim, what, false, next) <= 0 {
			t.Fatal("the wait ends too early")
		}
		p.pass(ledger.MaxWait / 7)
	}
	if got := p.Wait(kim, what, false, next); got > 0 {
		t.Errorf("another wait of %v after %v", got, ledger.MaxWait)
	}
}

func TestFailuresAreCountedInARow(t *testing.T) {
	p := newProcess(t)
	if p.Failures(kim) != 0 {
		t.Error("failures of nothing")
	}
	for want := range int32(3) {
		if got := p.CountFailure(kim); got != want+1 {
			t.Errorf("%d failures, want %d", got, want+1)
		}
	}
	if p.Failures(kim) != 3 {
		t.Errorf("%d failures", p.Failures(kim))
	}
	for range 2000 {
		p.CountFailure(kim)
	}
	if p.Failures(kim) != 1000 {
		t.Errorf("%d failures are counted", p.Failures(kim))
	}
	p.ClearFailures(kim)
	p.ClearFailures(staff)
	p.empty("the app answered")
}

func TestUserWhoWaitsForAnAccountIsWoken(t *testing.T) {
	p := newProcess(t)
	lee := ledger.ID{Kind: ledger.Account, UID: "uid-lee"}
	p.WaitFor(kim, "kim", "uid-max")
	p.WaitFor(lee, "lee", "uid-max")
	if names := p.Wake("uid-other"); len(names) > 0 || p.Woken(kim) != 0 {
		t.Errorf("%v are woken by somebody else", names)
	}
	if names := p.Wake("uid-max"); !slices.Equal(names, []string{"kim", "lee"}) || p.Woken(kim) != 1 {
		t.Errorf("%v are woken", names)
	}
	if names := p.Wake("uid-max"); len(names) > 0 {
		t.Errorf("%v are woken twice", names)
	}
	p.Settled(kim)
	p.Settled(lee)
	if names := p.Wake(""); len(names) > 0 || p.Woken(kim) != 0 {
		t.Errorf("%v wait for nobody", names)
	}
	p.empty("nobody waits")
}

func TestLatestPauseWins(t *testing.T) {
	p := newProcess(t)
	if !p.PausedUntil().IsZero() {
		t.Error("paused from the start")
	}
	p.Pause(start.Add(time.Hour))
	p.Pause(start.Add(time.Minute))
	if got := p.PausedUntil(); !got.Equal(start.Add(time.Hour)) {
		t.Errorf("paused until %v", got)
	}
}

// A back-off is for one attempt, and ends with its time or with the account in sync.
func TestBackOffIsForOneAttempt(t *testing.T) {
	for name, tc := range map[string]struct {
		attempt ledger.Attempt
		step    time.Duration
		settled bool
		want    time.Duration
	}{
		"the same attempt":       {attempt: ledger.AttemptOf("update"), want: time.Minute},
		"the same attempt later": {attempt: ledger.AttemptOf("update"), step: 20 * time.Second, want: 40 * time.Second},
		"another attempt":        {attempt: ledger.AttemptOf("deactivate")},
		"it is over":             {attempt: ledger.AttemptOf("update"), step: time.Minute},
		"in sync meanwhile":      {attempt: ledger.AttemptOf("update"), settled: true},
	} {
		t.Run(name, func(t *testing.T) {
			clock := clocktesting.NewFakeClock(start)
			l := ledger.NewBook(clock).Ledger(types.NamespacedName{Name: "crm"})
			id := ledger.ID{Kind: ledger.Account, UID: "1"}
			l.BackOff(id, ledger.AttemptOf("update"), clock.Now().Add(time.Minute))
			clock.Step(tc.step)
			if tc.settled {
				l.Settled(id)
			}
			if got := l.BackOffLeft(id, tc.attempt); got != tc.want {
				t.Errorf("the wait is %s, want %s", got, tc.want)
			}
			if l.Len() > 0 && tc.want == 0 && tc.attempt == ledger.AttemptOf("update") {
				t.Error("an entry is left")
			}
		})
	}
}
