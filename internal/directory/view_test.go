// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// handClock moves by hand.
type handClock struct{ now time.Time }

func (c *handClock) Now() time.Time                       { return c.now }
func (c *handClock) After(time.Duration) <-chan time.Time { return nil }

// history is what etcd holds, and a watch of it that trails.
type history struct {
	api
	t       *testing.T
	random  *rand.Rand
	view    *view
	now     map[string]*v1alpha1.ScimUser
	version int
	// events wait to be delivered, in order.
	events []func()
	// late are own writes that this replica has not heard the answer of.
	late []func()
	// shows and hides are what the view has to show, or not to show, by UID: acknowledged writes.
	shows, hides map[types.UID]bool
	reads        int
}

func (h *history) Get(_ context.Context, key client.ObjectKey, obj client.Object) error {
	h.reads++
	u := h.now[key.Name]
	if u == nil {
		return apierrors.NewNotFound(schema.GroupResource{}, key.Name)
	}
	u.DeepCopyInto(obj.(*v1alpha1.ScimUser))
	return nil
}

// write stores a state of the user, whoever it is that writes.
func (h *history) write(u *v1alpha1.ScimUser) *v1alpha1.ScimUser {
	h.version++
	u = u.DeepCopy()
	u.ResourceVersion = strconv.Itoa(h.version)
	before := h.now[u.Name]
	h.now[u.Name] = u
	h.events = append(h.events, func() {
		if before == nil {
			h.view.shown(nil, u)
		} else {
			h.view.shown(before, u)
		}
	})
	return u
}

func (h *history) vanish(u *v1alpha1.ScimUser) {
	h.version++
	last := u.DeepCopy()
	last.ResourceVersion = strconv.Itoa(h.version)
	delete(h.now, u.Name)
	h.events = append(h.events, func() { h.view.vanished(last) })
}

// step is one thing that happens, by us or by another replica.
func (h *history) step(i int) {
	name := fmt.Sprintf("u%d", h.random.IntN(6))
	u := h.now[name]
	own := h.random.IntN(2) == 0
	switch {
	case u == nil:
		created := &v1alpha1.ScimUser{ObjectMeta: metav1.ObjectMeta{
			Name: name, UID: types.UID(fmt.Sprint("uid", i)), CreationTimestamp: metav1.NewTime(time.Unix(int64(i/20), 0)),
		}}
		created.Spec.ID, created.Spec.UserName = "id", name
		created = h.write(created)
		if own {
			h.acknowledge(func() { h.view.wrote(created) }, created, true)
		}
	case u.DeletionTimestamp != nil:
		h.vanish(u)
	case h.random.IntN(3) > 0:
		changed := h.write(u)
		if own {
			h.acknowledge(func() { h.view.wrote(changed) }, changed, true)
		}
	default:
		read := u
		if h.random.IntN(2) == 0 {
			gone := u.DeepCopy()
			gone.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
			h.write(gone)
		} else {
			h.vanish(u)
		}
		if own {
			h.acknowledge(func() { h.view.removed(read) }, read, false)
		}
	}
}

// acknowledge has the replica hear of its own write now or later: before or after the watch shows it, and what came after it.
func (h *history) acknowledge(hear func(), u *v1alpha1.ScimUser, shown bool) {
	h.late = append(h.late, func() {
		hear()
		if shown {
			h.shows[u.UID] = true
		} else {
			h.hides[u.UID] = true
		}
	})
}

func (h *history) shown() map[types.UID]string {
	rows, left := h.view.window(nil, 0, 1000)
	if left != len(rows) {
		h.t.Fatalf("%d rows are counted as %d", len(rows), left)
	}
	all := map[types.UID]string{}
	for _, obj := range rows {
		if _, twice := all[obj.GetUID()]; twice {
			h.t.Fatalf("%s is there twice", obj.GetUID())
		}
		all[obj.GetUID()] = obj.GetResourceVersion()
	}
	return all
}

// check holds what was acknowledged against what is shown.
func (h *history) check() {
	// As each listing does.
	h.view.verify(context.Background(), h)
	shown := h.shown()
	live := map[types.UID]bool{}
	for _, u := range h.now {
		live[u.UID] = u.DeletionTimestamp == nil
	}
	for uid := range h.shows {
		// Another replica may have deleted it since.
		if _, ok := shown[uid]; !ok && live[uid] && !h.hides[uid] {
			h.t.Fatalf("%s was written by this replica and is not shown", uid)
		}
	}
	for uid := range h.hides {
		if _, ok := shown[uid]; ok {
			h.t.Fatalf("%s was deleted by this replica and is shown", uid)
		}
	}
}

// Whatever order the answers of own writes and the events of the watch come in: an acknowledged write is shown, an acknowledged deletion is not, and when the watch has
// caught up, what is shown is what is there, and nothing is remembered.
func TestViewShowsWhatWasAcknowledgedAndEndsWithTheTruth(t *testing.T) {
	for seed := range uint64(300) {
		clock := &handClock{now: time.Unix(1000, 0)}
		h := &history{
			t: t, random: rand.New(rand.NewPCG(seed, 1)), view: newView(clock), now: map[string]*v1alpha1.ScimUser{},
			shows: map[types.UID]bool{}, hides: map[types.UID]bool{},
		}
		for i := range 200 {
			switch n := h.random.IntN(10); {
			case n < 4:
				h.step(i)
			case n < 7 && len(h.events) > 0:
				h.events[0]()
				h.events = h.events[1:]
			case len(h.late) > 0:
				// Answers of requests that run at once come in any order.
				k := h.random.IntN(len(h.late))
				h.late[k]()
				h.late = append(h.late[:k], h.late[k+1:]...)
			}
			clock.now = clock.now.Add(100 * time.Millisecond)
			h.check()
		}
		for len(h.events)+len(h.late) > 0 {
			if len(h.late) > 0 && (len(h.events) == 0 || h.random.IntN(2) == 0) {
				h.late[0]()
				h.late = h.late[1:]
			} else {
				h.events[0]()
				h.events = h.events[1:]
			}
		}
		clock.now = clock.now.Add(2 * oldWrite)
		h.check()
		shown := h.shown()
		for _, u := range h.now {
			if version, ok := shown[u.UID]; u.DeletionTimestamp == nil && (!ok || version != u.ResourceVersion) {
				t.Fatalf("seed %d: %s is shown with version %q instead of %s", seed, u.UID, version, u.ResourceVersion)
			} else if ok && u.DeletionTimestamp != nil {
				t.Fatalf("seed %d: %s is shown though it goes", seed, u.UID)
			}
			delete(shown, u.UID)
		}
		h.view.sweep()
		if len(shown) > 0 || len(h.view.own) > 0 || len(h.view.names) != h.view.rows.n || len(h.view.passed) > 0 || len(h.view.gone) > 0 {
			t.Fatalf("seed %d: %d users too many, %d writes and %d deletions remembered", seed, len(shown), len(h.view.own), len(h.view.gone))
		}
	}
}

// A listing asks the API server about nothing while the watch is merely behind, however many writes there are, and once about a write that the watch has passed.
func TestViewAsksOnlyAboutWritesThatTheWatchHasPassed(t *testing.T) {
	clock := &handClock{now: time.Unix(1000, 0)}
	h := &history{t: t, view: newView(clock), now: map[string]*v1alpha1.ScimUser{}}
	newUser := func(i int) *v1alpha1.ScimUser {
		u := rowObject(int64(i), fmt.Sprint("u", i)).(*v1alpha1.ScimUser)
		u.UID, u.Spec.ID, u.Spec.UserName = types.UID(u.Name), "id", u.Name
		return h.write(u)
	}
	for i := range 500 {
		h.view.wrote(newUser(i))
	}
	verify := func(want int) {
		t.Helper()
		h.reads = 0
		h.view.verify(context.Background(), h)
		if h.reads != want {
			t.Errorf("%d reads, want %d", h.reads, want)
		}
	}
	verify(0)
	lost := newUser(1000)
	h.vanish(lost)
	for _, event := range h.events {
		event()
	}
	verify(0)
	h.view.wrote(lost)
	if _, left := h.view.window(nil, 0, 0); left != 501 {
		t.Error(left)
	}
	verify(1)
	verify(0)
	if _, left := h.view.window(nil, 0, 0); left != 500 {
		t.Error(left)
	}
}

// A watch that was interrupted tells of what vanished meanwhile by its last known state.
func TestViewForgetsWhatVanishedUnseen(t *testing.T) {
	s := newViews(&handClock{now: time.Unix(1000, 0)})
	u := rowObject(1, "u1").(*v1alpha1.ScimUser)
	u.Namespace, u.UID, u.ResourceVersion, u.Spec.ID, u.Spec.UserName = "ns", "1", "5", "id", "kim"
	feed := s.handler()
	feed.OnAdd(u, true)
	pending := u.DeepCopy()
	pending.Name, pending.UID, pending.ResourceVersion = "u2", "2", "7"
	s.wrote(pending)
	if _, left := s.of(u, "ns").window(nil, 0, 0); left != 2 {
		t.Fatal(left)
	}
	feed.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "ns/u1", Obj: u})
	feed.OnAdd(pending, false)
	feed.OnDelete(pending)
	if _, left := s.of(u, "ns").window(nil, 0, 0); left != 0 || len(s.of(u, "ns").own) != 0 {
		t.Error(left)
	}
	// What no longer has an id, or is not admitted, is no row either.
	feed.OnAdd(u, false)
	unadmitted := u.DeepCopy()
	unadmitted.Spec.ID = ""
	feed.OnUpdate(u, unadmitted)
	if _, left := s.of(u, "ns").window(nil, 0, 0); left != 0 {
		t.Error(left)
	}
}

// unfilled is a watch that has not shown all yet.
type unfilled struct{ done chan struct{} }

func (unfilled) Name() string            { return "unfilled" }
func (u unfilled) Done() <-chan struct{} { return u.done }

// A replica that has not heard of all users yet answers no listing from those that it has.
func TestListingsWaitUntilAllIsListed(t *testing.T) {
	d := syntheticDirectory(t, 3)
	watch := unfilled{make(chan struct{})}
	d.store.views.synced = []toolscache.DoneChecker{watch}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	all := Query{Page: scim.Page{StartIndex: 1, Count: 10}}
	_, err := d.List(ctx, scim.UserType, all)
	wantStatus(t, err, 503)
	if d.store.Synced(ctx) == nil {
		t.Error("it counts as synced")
	}
	close(watch.done)
	if len(ids(t, d, scim.UserType, all)) != 3 || d.store.Synced(t.Context()) != nil {
		t.Error("it still waits")
	}
}
