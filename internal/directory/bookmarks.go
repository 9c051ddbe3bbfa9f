// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"container/list"
	"crypto/sha256"
	"sync"
	"time"
)

// position is how far a walk through a listing has come: the last row that it has passed. It does not move when rows before it come and go.
type position struct {
	// Type is the index of the row's type among those of the query.
	Type int `json:"t,omitempty"`
	// Created and Name are the row's key.
	Created int64  `json:"c"`
	Name    string `json:"n"`
	// Value is the row's value of the attribute that is sorted by, Present whether it has one.
	Present bool   `json:"p,omitempty"`
	Value   string `json:"v,omitempty"`
	// Served is how many rows the walk has been given.
	Served int `json:"s"`
}

func (p *position) key() *rowKey { return &rowKey{p.Created, p.Name} }

const (
	// bookmarkLife is longer than any identity provider works on a page.
	bookmarkLife = 10 * time.Minute
	// bookmarkHold is how long a bookmark that nobody has asked for keeps its row.
	bookmarkHold = 2 * time.Minute
	// maxBookmarks bounds the memory: a bookmark has some 300 bytes.
	maxBookmarks = 10000
)

// bookmarks remember where pages by index ended. RFC 7644 counts rows from the beginning, so that each row that is deleted from a page already read moves one row into it
// unseen. A request for the index at which a page of the same query ended is therefore taken for the next step of that walk, and goes on after the page's last row.
//
// Two walks of one client through the same query at the same time share their bookmarks: one that nobody has asked for yet keeps its row for a while, so that neither walk
// misses any, though one may get some twice. So may a walk that starts over within that time. It may be used by many goroutines at once.
type bookmarks struct {
	clock Clock

	mu      sync.Mutex
	entries map[bookmarkKey]*list.Element
	// order has the bookmarks by age, the oldest first.
	order list.List
}

type bookmarkKey struct {
	query      [sha256.Size]byte
	startIndex int
}

type bookmark struct {
	key  bookmarkKey
	at   position
	made time.Time
	// used says that a request has gone on from it.
	used bool
}

func newBookmarks(clock Clock) *bookmarks {
	return &bookmarks{clock: clock, entries: map[bookmarkKey]*list.Element{}}
}

// put remembers that the page before startIndex ended at the position.
func (b *bookmarks) put(query []byte, startIndex int, at position) {
	key := bookmarkKey{sha256.Sum256(query), startIndex}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	if e := b.entries[key]; e != nil {
		if old := e.Value.(*bookmark); !old.used && b.clock.Now().Sub(old.made) < bookmarkHold {
			return
		}
		b.drop(e)
	}
	b.entries[key] = b.order.PushBack(&bookmark{key: key, at: at, made: b.clock.Now()})
	if b.order.Len() > maxBookmarks {
		b.drop(b.order.Front())
	}
}

// get is nil where no page that ended before startIndex is remembered.
func (b *bookmarks) get(query []byte, startIndex int) *position {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expire()
	e := b.entries[bookmarkKey{sha256.Sum256(query), startIndex}]
	if e == nil {
		return nil
	}
	m := e.Value.(*bookmark)
	m.used = true
	at := m.at
	return &at
}

func (b *bookmarks) expire() {
	for e := b.order.Front(); e != nil && b.clock.Now().Sub(e.Value.(*bookmark).made) > bookmarkLife; e = b.order.Front() {
		b.drop(e)
	}
}

func (b *bookmarks) drop(e *list.Element) {
	delete(b.entries, e.Value.(*bookmark).key)
	b.order.Remove(e)
}
