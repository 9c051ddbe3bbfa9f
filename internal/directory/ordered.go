// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"cmp"
	"slices"
	"sort"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// rowKey is the place of an object in listings: by creation, then by name. It never changes while the object exists, so that a walk that goes on after a key neither
// misses nor repeats an object, whatever is created and deleted meanwhile.
type rowKey struct {
	// created is in seconds since 1970, which is all that Kubernetes keeps.
	created int64
	name    string
}

func keyOf(obj client.Object) rowKey {
	return rowKey{obj.GetCreationTimestamp().Unix(), obj.GetName()}
}

func (k rowKey) compare(other rowKey) int {
	if c := cmp.Compare(k.created, other.created); c != 0 {
		return c
	}
	return cmp.Compare(k.name, other.name)
}

type line struct {
	rowKey
	obj client.Object
}

// blockSize is the most rows of a block.
const blockSize = 512

// ordered are rows in the order of their keys, in blocks: finding a row takes O(log n), putting, removing and counting those before it a step for each block
// besides, of which 100,000 rows have a few hundred. It is not safe for concurrent use.
type ordered struct {
	// blocks are never empty.
	blocks [][]line
	n      int
}

// find gives the block and the index in it where the row of the key is, or would be put.
func (o *ordered) find(k rowKey) (block, index int, found bool) {
	block = sort.Search(len(o.blocks), func(i int) bool {
		rows := o.blocks[i]
		return rows[len(rows)-1].compare(k) >= 0
	})
	if block == len(o.blocks) {
		if block == 0 {
			return 0, 0, false
		}
		return block - 1, len(o.blocks[block-1]), false
	}
	index, found = slices.BinarySearchFunc(o.blocks[block], k, func(r line, k rowKey) int { return r.compare(k) })
	return block, index, found
}

// get is nil where there is no row of the key.
func (o *ordered) get(k rowKey) client.Object {
	if b, i, found := o.find(k); found {
		return o.blocks[b][i].obj
	}
	return nil
}

// put adds a row, or replaces the one of the same key.
func (o *ordered) put(obj client.Object) {
	r := line{keyOf(obj), obj}
	b, i, found := o.find(r.rowKey)
	switch {
	case found:
		o.blocks[b][i] = r
		return
	case len(o.blocks) == 0:
		o.blocks = [][]line{{r}}
	case len(o.blocks[b]) < blockSize:
		o.blocks[b] = slices.Insert(o.blocks[b], i, r)
	case i == blockSize && b == len(o.blocks)-1:
		// What is created comes last: blocks that will not grow again are left full.
		o.blocks = append(o.blocks, []line{r})
	default:
		half := slices.Clone(o.blocks[b][blockSize/2:])
		clear(o.blocks[b][blockSize/2:])
		o.blocks[b] = o.blocks[b][:blockSize/2]
		if i > blockSize/2 {
			half = slices.Insert(half, i-blockSize/2, r)
		} else {
			o.blocks[b] = slices.Insert(o.blocks[b], i, r)
		}
		o.blocks = slices.Insert(o.blocks, b+1, half)
	}
	o.n++
}

// remove takes the row of the key away if there is one.
func (o *ordered) remove(k rowKey) {
	b, i, found := o.find(k)
	if !found {
		return
	}
	o.n--
	o.blocks[b] = slices.Delete(o.blocks[b], i, i+1)
	if len(o.blocks[b]) == 0 {
		o.blocks = slices.Delete(o.blocks, b, b+1)
		return
	}
	o.join(b)
	if b > 0 {
		o.join(b - 1)
	}
}

// join makes one block of two that are small.
func (o *ordered) join(b int) {
	if b+1 < len(o.blocks) && len(o.blocks[b])+len(o.blocks[b+1]) <= blockSize/2 {
		o.blocks[b] = append(o.blocks[b], o.blocks[b+1]...)
		o.blocks = slices.Delete(o.blocks, b+1, b+2)
	}
}

// window gives up to n rows after the key (from the beginning where it is nil), past the first skip of them, and how many rows there are after the key.
func (o *ordered) window(after *rowKey, skip, n int) (objects []client.Object, left int) {
	b, i := 0, 0
	left = o.n
	if after != nil && len(o.blocks) > 0 {
		var found bool
		if b, i, found = o.find(*after); found {
			i++
		}
		left -= o.before(b) + i
	}
	// skip is what a client asks for, and may be anything.
	if skip >= left {
		return nil, left
	}
	n = min(n, left-skip)
	objects = make([]client.Object, 0, n)
	for ; len(objects) < n; b, i = b+1, 0 {
		rows := o.blocks[b][i:]
		if skip >= len(rows) {
			skip -= len(rows)
			continue
		}
		for _, r := range rows[skip:min(len(rows), skip+n-len(objects))] {
			objects = append(objects, r.obj)
		}
		skip = 0
	}
	return objects, left
}

// before counts the rows of the blocks before one.
func (o *ordered) before(block int) int {
	n := 0
	for _, rows := range o.blocks[:block] {
		n += len(rows)
	}
	return n
}
