// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// manualTime is a time that a test moves.
type manualTime struct {
	mu  sync.Mutex
	now time.Time
}

func newManualTime() *manualTime {
	return &manualTime{now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (m *manualTime) Now() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.now
}

func (m *manualTime) advance(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = m.now.Add(d)
}

func account(name string) Key { return Key{Kind: KindAccount, Name: name} }

// take picks all that may be worked on now, and says after each that it is done.
func take(q *queue) []string {
	var names []string
	for {
		key, _, ok := q.pick()
		if !ok {
			return names
		}
		names = append(names, key.Name)
		q.done(key)
	}
}

func TestQueueServesUrgentClassesFirst(t *testing.T) {
	q := newQueue(100, newManualTime().Now)
	q.add(account("joiner"), ClassJoiner, "", 0)
	q.add(account("change"), ClassChange, "", 0)
	q.add(account("leaver"), ClassRevocation, "", 0)
	if diff := cmp.Diff([]string{"leaver", "change", "joiner"}, take(q)); diff != "" {
		t.Error(diff)
	}
}

func TestQueueGivesEveryClassAShare(t *testing.T) {
	q := newQueue(1000, newManualTime().Now)
	for i := range 100 {
		q.add(account(fmt.Sprintf("leaver-%d", i)), ClassRevocation, "", 0)
		q.add(account(fmt.Sprintf("change-%d", i)), ClassChange, "", 0)
		q.add(account(fmt.Sprintf("joiner-%d", i)), ClassJoiner, "", 0)
	}
	served := map[string]int{}
	for range 4 * share {
		key, _, ok := q.pick()
		if !ok {
			t.Fatal("nothing to work on")
		}
		served[key.Name[:6]]++
		q.done(key)
	}
	if diff := cmp.Diff(map[string]int{"leaver": 24, "change": 4, "joiner": 4}, served); diff != "" {
		t.Error(diff)
	}
}

func TestQueueKeepsAKeyOnceWithTheMoreUrgentClassAndEarlierTime(t *testing.T) {
	now := newManualTime()
	q := newQueue(100, now.Now)
	q.add(account("kim"), ClassJoiner, "kim", time.Hour)
	q.add(account("other"), ClassChange, "", 0)
	q.add(account("kim"), ClassRevocation, "", time.Minute)
	q.add(account("kim"), ClassJoiner, "", 2*time.Minute)
	if diff := cmp.Diff([classes]int{1, 1, 0}, q.depth()); diff != "" {
		t.Error(diff)
	}
	if word := q.waiting[account("kim")].exclusive; word != "kim" {
		t.Errorf("the exclusive word is %q", word)
	}
	if diff := cmp.Diff([]string{"other"}, take(q)); diff != "" {
		t.Error(diff)
	}
	now.advance(time.Minute)
	if diff := cmp.Diff([]string{"kim"}, take(q)); diff != "" {
		t.Error(diff)
	}
}

func TestQueueNeverRunsKeysWithTheSameWordTogether(t *testing.T) {
	q := newQueue(100, newManualTime().Now)
	q.add(account("leaver"), ClassRevocation, "kim@corp.test", 0)
	q.add(account("successor"), ClassJoiner, "kim@corp.test", 0)
	q.add(account("other"), ClassJoiner, "other@corp.test", 0)
	first, _, _ := q.pick()
	second, _, _ := q.pick()
	if first.Name != "leaver" || second.Name != "other" {
		t.Fatalf("got %s and %s", first.Name, second.Name)
	}
	if key, _, ok := q.pick(); ok {
		t.Fatalf("%s runs beside the leaver", key.Name)
	}
	q.done(second)
	if key, _, ok := q.pick(); ok {
		t.Fatalf("%s runs beside the leaver", key.Name)
	}
	q.done(first)
	if key, _, ok := q.pick(); !ok || key.Name != "successor" {
		t.Errorf("got %s, %t", key.Name, ok)
	}
}

func TestQueueWorksAgainOnAKeyThatWasAddedMeanwhile(t *testing.T) {
	q := newQueue(100, newManualTime().Now)
	q.add(account("kim"), ClassChange, "kim", 0)
	key, _, _ := q.pick()
	q.add(account("kim"), ClassChange, "kim", 0)
	if _, _, ok := q.pick(); ok {
		t.Fatal("the key runs twice at once")
	}
	q.done(key)
	if diff := cmp.Diff([]string{"kim"}, take(q)); diff != "" {
		t.Error(diff)
	}
}

func TestQueueBoundsEachClassAndAsksForAScanWhenThereIsRoom(t *testing.T) {
	q := newQueue(4, newManualTime().Now)
	for i := range 4 {
		if !q.add(account(fmt.Sprint(i)), ClassJoiner, "", 0) {
			t.Fatalf("%d was refused", i)
		}
	}
	if q.add(account("one too many"), ClassJoiner, "", 0) {
		t.Error("the class has no bound")
	}
	if !q.add(account("0"), ClassJoiner, "", 0) {
		t.Error("a key that is there was refused")
	}
	if !q.add(account("leaver"), ClassRevocation, "", 0) {
		t.Error("joiners keep a leaver out")
	}
	var rescans []bool
	for {
		key, _, ok := q.pick()
		if !ok {
			break
		}
		rescans = append(rescans, q.done(key))
	}
	if diff := cmp.Diff([]bool{false, false, true, false, false}, rescans); diff != "" {
		t.Error(diff)
	}
}

// A promise that changed: good credentials end the wait for them, and no pause that the app asked for.
func TestQueuePausesAndUnblocks(t *testing.T) {
	now := newManualTime()
	q := newQueue(100, now.Now)
	q.add(account("kim"), ClassChange, "", 0)
	q.pause(now.Now().Add(time.Minute))
	q.pause(now.Now().Add(time.Second))
	q.block(now.Now().Add(time.Hour))
	if _, wait, ok := q.pick(); ok || wait != time.Hour {
		t.Errorf("the wait is %s", wait)
	}
	q.unblock()
	if _, wait, ok := q.pick(); ok || wait != time.Minute {
		t.Errorf("the pause lasts %s", wait)
	}
	if q.busy(account("kim")) {
		t.Error("an outcome is expected of a queue that pauses")
	}
	now.advance(time.Minute)
	if !q.busy(account("kim")) {
		t.Error("no outcome is expected")
	}
	if diff := cmp.Diff([]string{"kim"}, take(q)); diff != "" {
		t.Error(diff)
	}
}

func TestQueueLetsOnlyRevocationsOutWhileTheLimitIsReached(t *testing.T) {
	now := newManualTime()
	q := newQueue(100, now.Now)
	q.add(account("joiner"), ClassJoiner, "", 0)
	q.add(account("change"), ClassChange, "", 0)
	q.add(account("leaver"), ClassRevocation, "", 0)
	q.throttle(now.Now().Add(time.Second))
	key, _, _ := q.pick()
	if key.Name != "leaver" || !q.urgent(key) {
		t.Errorf("%s is let out", key.Name)
	}
	if _, wait, ok := q.pick(); ok || wait != time.Second {
		t.Errorf("the wait is %s", wait)
	}
	now.advance(time.Second)
	if diff := cmp.Diff([]string{"change", "joiner"}, take(q)); diff != "" {
		t.Error(diff)
	}
	if q.urgent(account("joiner")) {
		t.Error("a joiner is urgent")
	}
}

func TestQueueIsBusyWithWhatRunsOrIsDue(t *testing.T) {
	now := newManualTime()
	q := newQueue(100, now.Now)
	q.add(account("due"), ClassChange, "", 0)
	q.add(account("later"), ClassChange, "", time.Minute)
	key, _, _ := q.pick()
	for name, want := range map[string]bool{"due": true, "later": false, "unknown": false} {
		if got := q.busy(account(name)); got != want {
			t.Errorf("%s: busy is %t", name, got)
		}
	}
	q.again(key, time.Minute)
	q.done(key)
	if q.busy(key) {
		t.Error("a key that waits for its time is busy")
	}
}

func TestQueueGivesNothingOutOnceItIsStopped(t *testing.T) {
	q := newQueue(100, time.Now)
	q.add(account("kim"), ClassChange, "", 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if key, ok := q.next(ctx); ok {
		t.Errorf("got %s", key.Name)
	}
}

// TestQueueLosesNothingUnderManyWorkers: each key is worked on at least once after it was last added, no word twice at a time.
func TestQueueLosesNothingUnderManyWorkers(t *testing.T) {
	const keys, workers, rounds = 200, 8, 20
	q := newQueue(keys, time.Now)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var (
		mu      sync.Mutex
		added   = map[Key]int{}
		seen    = map[Key]int{}
		running = map[string]bool{}
		group   sync.WaitGroup
	)
	word := func(key Key) string { return key.Name[len(key.Name)-1:] }
	for range workers {
		group.Go(func() {
			for {
				key, ok := q.next(ctx)
				if !ok {
					return
				}
				mu.Lock()
				if running[word(key)] {
					t.Errorf("the word %s runs twice", word(key))
				}
				running[word(key)] = true
				seen[key] = added[key]
				mu.Unlock()
				mu.Lock()
				running[word(key)] = false
				mu.Unlock()
				q.done(key)
			}
		})
	}
	for round := range rounds {
		for i := range keys {
			key := account(fmt.Sprint(i))
			mu.Lock()
			added[key]++
			mu.Unlock()
			q.add(key, Class((i+round)%int(classes)), word(key), time.Duration(i%3)*time.Millisecond)
		}
	}
	for {
		mu.Lock()
		missing := cmp.Diff(added, seen)
		mu.Unlock()
		if missing == "" {
			break
		}
		if ctx.Err() != nil {
			t.Fatalf("lost (-added +seen):\n%s", missing)
		}
		time.Sleep(time.Millisecond)
	}
	cancel()
	group.Wait()
}

func BenchmarkQueuePickBehindTenThousandDelayedKeys(b *testing.B) {
	q := newQueue(20_000, time.Now)
	for i := range 10_000 {
		q.add(account(fmt.Sprint(i)), ClassRevocation, "", time.Hour)
	}
	for b.Loop() {
		q.add(account("kim"), ClassJoiner, "", 0)
		key, _, ok := q.pick()
		if !ok {
			b.Fatal("nothing to work on")
		}
		q.done(key)
	}
}

func BenchmarkQueueTenThousandReadyKeys(b *testing.B) {
	for b.Loop() {
		q := newQueue(10_000, time.Now)
		for i := range 10_000 {
			q.add(account(fmt.Sprint(i)), ClassJoiner, "", 0)
		}
		for {
			key, _, ok := q.pick()
			if !ok {
				break
			}
			q.done(key)
		}
	}
}
