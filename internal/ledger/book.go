// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// Book is the ledgers of all apps, and what this process remembers of users and groups as a whole. It is made for one term of leadership.
type Book struct {
	// Users and Groups are the statuses that the cache does not show yet.
	Users  *Written[v1alpha1.ScimUserStatus]
	Groups *Written[v1alpha1.ScimGroupStatus]

	clock clock.PassiveClock

	mu      sync.Mutex
	started time.Time
	ledgers map[types.NamespacedName]*Ledger
	// behind are the users whose spec was newer than their status when this process took over; nil until they were listed.
	behind map[types.UID]bool
	// creating are the users whose create in an app was announced then; nil until they were listed.
	creating map[types.NamespacedName]map[types.UID]bool
	// since is when something began that a user or group waits for.
	since map[Since]time.Time
	// writing are the users whose status is being decided and written.
	writing map[types.NamespacedName]bool
}

// Since names a wait of a user or group.
type Since struct {
	UID types.UID
	// For: what it waits for.
	For string
}

// NewBook makes an empty book.
func NewBook(clk clock.PassiveClock) *Book {
	return &Book{
		Users: newWritten[v1alpha1.ScimUserStatus](), Groups: newWritten[v1alpha1.ScimGroupStatus](),
		clock: clk, started: clk.Now(), ledgers: map[types.NamespacedName]*Ledger{}, since: map[Since]time.Time{},
		writing: map[types.NamespacedName]bool{},
	}
}

// Now is the time by which the ledgers count.
func (b *Book) Now() time.Time { return b.clock.Now() }

// Ledger returns the ledger of an app.
func (b *Book) Ledger(app types.NamespacedName) *Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	l := b.ledgers[app]
	if l == nil {
		l = newLedger(b.clock, b.started)
		if b.creating != nil {
			l.inherited = b.creatingIn(app)
		}
		b.ledgers[app] = l
	}
	return l
}

// ForgetApp drops the ledger of an app that does not exist any more.
func (b *Book) ForgetApp(app types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.ledgers, app)
}

// Namespace returns the ledgers of a namespace by app.
func (b *Book) Namespace(namespace string) map[string]*Ledger {
	b.mu.Lock()
	defer b.mu.Unlock()
	ledgers := map[string]*Ledger{}
	for app, l := range b.ledgers {
		if app.Namespace == namespace {
			ledgers[app.Name] = l
		}
	}
	return ledgers
}

// Begin takes over: users are those that the cache has when the first decision is made.
func (b *Book) Begin(users func() ([]v1alpha1.ScimUser, error)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.behind != nil {
		return nil
	}
	list, err := users()
	if err != nil {
		return err
	}
	b.behind, b.started = map[types.UID]bool{}, b.clock.Now()
	b.creating = map[types.NamespacedName]map[types.UID]bool{}
	for i := range list {
		user := &list[i]
		if len(user.Status.Accounts) > 0 && user.Status.ObservedGeneration != user.Generation {
			b.behind[user.UID] = true
		}
		for j := range user.Status.Accounts {
			if account := &user.Status.Accounts[j]; account.State == v1alpha1.AccountCreating {
				creating := b.creatingIn(types.NamespacedName{Namespace: user.Namespace, Name: account.App})
				creating[user.UID] = true
			}
		}
	}
	for app, l := range b.ledgers {
		l.begin(b.started, b.creatingIn(app))
	}
	return nil
}

func (b *Book) creatingIn(app types.NamespacedName) map[types.UID]bool {
	if b.creating[app] == nil {
		b.creating[app] = map[types.UID]bool{}
	}
	return b.creating[app]
}

// Behind reports whether the user's spec was newer than its status when this process took over, and nothing was adopted of it yet.
func (b *Book) Behind(uid types.UID) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.behind[uid]
}

// Adopted says that the operations of all accounts of the user were taken over.
func (b *Book) Adopted(uid types.UID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.behind, uid)
}

// BeginWrite says that a user's status is decided and written from now on, until EndWrite: operations that begin later may be missing in it. No call may be made meanwhile
// that the status has to tell of.
func (b *Book) BeginWrite(user types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writing[user] = true
}

// EndWrite says that the status is written, or will not be.
func (b *Book) EndWrite(user types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.writing, user)
}

// Writes reports whether a user's status is being decided and written.
func (b *Book) Writes(user types.NamespacedName) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writing[user]
}

// Since returns when a wait began; it begins now if it has not.
func (b *Book) Since(wait Since) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.since[wait]; !ok {
		b.since[wait] = b.clock.Now()
	}
	return b.since[wait]
}

// End ends a wait.
func (b *Book) End(wait Since) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.since, wait)
}

// Written holds the statuses that this process wrote and the cache does not show yet. Decisions are made on them; otherwise a call would be made twice in the moment
// between a write and its event.
type Written[S any] struct {
	mu      sync.Mutex
	entries map[types.NamespacedName]written[S]
}

type written[S any] struct {
	uid             types.UID
	resourceVersion string
	status          *S
}

func newWritten[S any]() *Written[S] {
	return &Written[S]{entries: map[types.NamespacedName]written[S]{}}
}

// Put keeps a status that was written, with the resourceVersion that it got.
func (w *Written[S]) Put(object client.Object, status *S) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.entries[client.ObjectKeyFromObject(object)] = written[S]{uid: object.GetUID(), resourceVersion: object.GetResourceVersion(), status: status}
}

// Newer returns the status that this process wrote if the cached object is older than it, nil otherwise; it is then forgotten.
func (w *Written[S]) Newer(cached client.Object) *S {
	key := client.ObjectKeyFromObject(cached)
	w.mu.Lock()
	defer w.mu.Unlock()
	have, ok := w.entries[key]
	if !ok {
		return nil
	}
	if have.uid != cached.GetUID() || !kube.OlderThan(cached, have.resourceVersion) {
		delete(w.entries, key)
		return nil
	}
	return have.status
}

// Forget drops the status of an object that does not exist any more.
func (w *Written[S]) Forget(key types.NamespacedName) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.entries, key)
}
