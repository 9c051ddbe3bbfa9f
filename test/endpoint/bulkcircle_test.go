// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"errors"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
)

// circleMark begins the marks of groups that a bulk request makes members of each other. As groups are deleted at any time, the model knows nothing of such members.
const circleMark = markPrefix + "circle-"

// What the errors of a circle begin with.
const (
	saysUndone   = "it was made, and removed again"
	saysLeft     = "it was made as "
	saysNotTried = "it refers, in a circle, to bulkId "
)

// addCircle adds two groups that are members of each other.
func (w *workload) addCircle(b *bulk, like *event, d draw) {
	one, other := w.newOperation(b, like, true, create), w.newOperation(b, like, true, create)
	one.partner, other.partner = other, one
	for i, o := range []*operation{one, other} {
		name := spelled(fmt.Sprintf("group %d", (d.name+i)%groupNames), d.spelling)
		ids := slices.Concat(w.some(d), b.joiners)
		o.mark = fmt.Sprintf("%s%d", circleMark, o.seq)
		o.request = request{method: http.MethodPost, path: "/Groups", body: w.groupBody(o.event, d, name, o.mark, append(ids, bulkRef+o.partner.bulkID))}
		o.group.members = []memberChange{{"replace", ids}}
	}
}

func (o *operation) detail() string {
	if !o.failed() {
		return ""
	}
	return fmt.Sprint(o.result.Response["detail"])
}

// undone: it was made, and fell with its circle.
func (o *operation) undone() bool {
	return o.partner != nil && (strings.HasPrefix(o.detail(), saysUndone) || strings.HasPrefix(o.detail(), saysLeft))
}

// alone: it failed, or succeeded, by itself.
func (o *operation) alone() bool { return !o.undone() && !strings.HasPrefix(o.detail(), saysNotTried) }

// endsCircle: it is the second one of its circle.
func (o *operation) endsCircle(done []*operation) bool {
	return o.partner != nil && slices.Contains(done, o.partner)
}

// undoneHere counts those of a circle that have fallen.
func (o *operation) undoneHere() int {
	n := 0
	for _, half := range []*operation{o, o.partner} {
		if half.undone() {
			n++
		}
	}
	return n
}

// tookHalf puts what became of one half of a circle that did not come about into the history: it was not tried, or it was there for a while.
func (w *workload) tookHalf(o *operation) error {
	if o.result.Status != fmt.Sprint(http.StatusConflict) || o.partner.result != nil && !o.partner.failed() {
		return errors.New("the halves of a circle do not stand and fall together")
	}
	if !o.undone() {
		return nil
	}
	o.resolve()
	o.status = http.StatusCreated
	removal := w.removal(o)
	if url, left := strings.CutPrefix(o.detail(), saysLeft); left {
		url, _, _ = strings.Cut(url, ",")
		o.id = path.Base(url)
		removal.id = o.id
		w.pool(o.event)
	} else {
		// Somebody else may have deleted it first.
		o.undo, removal.undo, removal.bounded = true, true, true
		w.undone.Store(o.mark, true)
	}
	o.removal = removal
	w.add(o.event)
	return nil
}

// removal is what undoes one half of a circle. Nobody knows whether it took effect.
func (w *workload) removal(o *operation) *event {
	return &event{
		groups: true, verb: remove, id: bulkRef + o.bulkID, worker: o.worker, replica: o.replica, client: o.client, seq: int(w.seq.Add(1)),
		call: o.call, ret: o.ret, bulk: o.bulk, about: "undo of " + o.about,
	}
}

// remove puts the removal of what has fallen with its circle into the history.
func (w *workload) remove(operations ...*operation) {
	for _, o := range operations {
		if o.removal != nil {
			w.add(o.removal)
			o.removal = nil
		}
	}
}
