// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

func rowObject(created int64, name string) client.Object {
	u := &v1alpha1.ScimUser{}
	u.Name, u.CreationTimestamp = name, metav1.NewTime(time.Unix(created, 0))
	return u
}

// Random changes to the blocks give the same windows as a plain sorted slice.
func TestOrderedRowsAreThoseOfASortedSlice(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var o ordered
	var plain []line
	compare := func(a, b line) int { return a.compare(b.rowKey) }
	for step := range 12000 {
		obj := rowObject(int64(random.IntN(300)), fmt.Sprintf("u%d", random.IntN(20)))
		r := line{keyOf(obj), obj}
		at, found := slices.BinarySearchFunc(plain, r, compare)
		// It grows at first, and shrinks to nothing at the end.
		if random.IntN(12000) > step-2000 {
			o.put(obj)
			if found {
				plain[at] = r
			} else {
				plain = slices.Insert(plain, at, r)
			}
		} else {
			o.remove(r.rowKey)
			if found {
				plain = slices.Delete(plain, at, at+1)
			}
		}
		if o.n != len(plain) {
			t.Fatalf("step %d: %d rows instead of %d", step, o.n, len(plain))
		}
		if step%10 != 0 {
			continue
		}
		after := &rowKey{int64(random.IntN(300)), fmt.Sprintf("u%d", random.IntN(20))}
		rest, found := slices.BinarySearchFunc(plain, *after, func(r line, k rowKey) int { return r.compare(k) })
		if found {
			rest++
		}
		if random.IntN(4) == 0 {
			after, rest = nil, 0
		}
		skip, n := random.IntN(1500), random.IntN(1500)
		got, left := o.window(after, skip, n)
		want := plain[rest:]
		if left != len(want) {
			t.Fatalf("step %d: %d rows are left instead of %d", step, left, len(want))
		}
		want = want[min(skip, len(want)):]
		want = want[:min(n, len(want))]
		if len(got) != len(want) {
			t.Fatalf("step %d: a window of %d rows instead of %d", step, len(got), len(want))
		}
		for i := range got {
			if got[i] != want[i].obj {
				t.Fatalf("step %d: row %d is another one", step, i)
			}
		}
	}
}

// A directory that empties from its beginning does not keep hundreds of nearly empty blocks.
func TestOrderedBlocksStayFew(t *testing.T) {
	var o ordered
	for i := range 50000 {
		o.put(rowObject(int64(i), "u"))
	}
	if full := 50000/blockSize + 1; len(o.blocks) != full {
		t.Errorf("%d blocks of rows that came in order, instead of %d", len(o.blocks), full)
	}
	for i := range 50000 {
		if i%50 != 0 {
			o.remove(rowKey{int64(i), "u"})
		}
	}
	if o.n != 1000 || len(o.blocks) > 12 {
		t.Errorf("%d rows in %d blocks", o.n, len(o.blocks))
	}
	if objects, left := o.window(nil, 1<<62, 10); objects != nil || left != 1000 {
		t.Error(len(objects), left)
	}
}
