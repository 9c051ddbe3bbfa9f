// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func filter(expression string) string { return "&filter=" + url.QueryEscape(expression) }

// query is the path of a query for users.
func query(expression string) string { return "/Users?count=1000" + filter(expression) }

// parameters of a query.
func parameters(q request) (path string, values url.Values) {
	path, raw, _ := strings.Cut(q.path, "?")
	values, err := url.ParseQuery(raw)
	if err != nil {
		panic(err)
	}
	return path, values
}

// searched is the same query by POST (RFC 7644 3.4.3).
func searched(q request) request {
	path, values := parameters(q)
	body := map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:SearchRequest"}}
	for name := range values {
		switch value := values.Get(name); name {
		case "count", "startIndex":
			body[name] = json.Number(value)
		case "excludedAttributes":
			body[name] = []string{value}
		default:
			body[name] = value
		}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return request{method: http.MethodPost, path: path + "/.search", body: string(raw)}
}

// page is the query for one page.
func page(q request, start, size int) request {
	path, values := parameters(q)
	values.Set("startIndex", strconv.Itoa(start))
	values.Set("count", strconv.Itoa(size))
	return request{method: http.MethodGet, path: path + "?" + values.Encode()}
}

// listUsers is a listing, with and without a filter.
func (w *workload) listUsers(e *event, d draw) request {
	e.verb = list
	var conditions []string
	switch d.more[4] % 5 {
	case 0:
		e.user.active = ptr.To(d.more[0]%2 == 0)
		conditions = append(conditions, fmt.Sprintf("active eq %t", *e.user.active))
	case 1:
		e.user.title = ptr.To(fmt.Sprintf("common %d", d.value%2))
		conditions = append(conditions, fmt.Sprintf("title eq %q", *e.user.title))
	case 2:
		e.user.external = ptr.To(fmt.Sprintf("x%d", d.more[1]%9))
		conditions = append(conditions, fmt.Sprintf("externalId eq %q", *e.user.external))
	}
	return e.arranged(d, "/Users", conditions, "", "userName", "title", "name.familyName", "active")
}

func listGroups(e *event, d draw) request {
	e.verb = list
	q := e.arranged(d, "/Groups", nil, "", "displayName")
	if d.more[4]%2 == 0 {
		q.path += "&excludedAttributes=members"
	}
	return q
}

// arranged is a listing in one of the orders, in one piece or in pages.
func (e *event) arranged(d draw, path string, conditions []string, orders ...string) request {
	values := url.Values{"count": {"1000"}}
	if e.sortBy = orders[d.name%len(orders)]; e.sortBy != "" {
		values.Set("sortBy", e.sortBy)
	}
	if e.descending = e.sortBy != "" && d.more[2]%2 == 0; e.descending {
		values.Set("sortOrder", "descending")
	}
	if d.more[3]%2 == 0 {
		e.pageSize = 5 + d.value%30
		// A condition that is always true makes the query one that nobody else walks through at the same time.
		conditions = append(conditions, fmt.Sprintf(`not (externalId eq "walk %d")`, e.seq))
	}
	if len(conditions) > 0 {
		values.Set("filter", strings.Join(conditions, " and "))
	}
	return request{method: http.MethodGet, path: path + "?" + values.Encode()}
}

// walk goes through a listing by index, a page at a time. at gives the request for the page from an index on.
func (w *workload) walk(ctx context.Context, e *event, at func(start int) request) {
	life := w.d.replicas[e.replica].current()
	// What was seen counts even if the walk does not come to its end.
	defer w.add(e)
	total := 1
	for start := 1; start <= total; start += e.pageSize {
		next := *e
		next.seenUsers, next.seenGroups = nil, nil
		a, ok := w.ask(ctx, &next, at(start))
		if start == 1 {
			e.call = next.call
		}
		e.ret, e.status, e.about = next.ret, next.status, "the pages up to "+next.about
		if !ok {
			return
		}
		e.seenUsers, e.seenGroups = append(e.seenUsers, next.seenUsers...), append(e.seenGroups, next.seenGroups...)
		number, _ := a.json["totalResults"].(float64)
		total = int(number)
	}
	if life != w.d.replicas[e.replica].current() {
		e.status = 0 // a replica that was started again does not know where pages ended
		return
	}
	if seen := len(e.seenUsers) + len(e.seenGroups); seen != total {
		w.violated(ruleListing, "%d rows were seen, and totalResults is %d: %s", seen, total, e)
	}
}

// row is the place of a resource in a listing: its value of what is sorted by, then its creation, then the name of its object.
type row struct{ value, created, name string }

func (e *event) rows() []row {
	var rows []row
	for _, s := range e.seenUsers {
		value := map[string]string{"userName": s.userName, "title": s.title, "name.familyName": s.family, "active": strconv.FormatBool(s.active)}[e.sortBy]
		rows = append(rows, rowOf(value, s.created, s.id))
	}
	for _, s := range e.seenGroups {
		value := map[string]string{"displayName": s.displayName}[e.sortBy]
		rows = append(rows, rowOf(value, s.created, s.id))
	}
	return rows
}

func rowOf(value, created, id string) row {
	name, _, _ := v1alpha1.SplitSCIMID(id)
	return row{scim.Fold(value), created, name}
}

// compare is the order of docs/endpoint.md and RFC 7644 3.4.2.3.
func (e *event) compare(a, b row) int {
	byValue := cmp.Compare(a.value, b.value)
	if (a.value == "") != (b.value == "") {
		byValue = -byValue // without a value, last
	}
	if e.descending {
		byValue = -byValue
	}
	return cmp.Or(byValue, cmp.Compare(a.created, b.created), cmp.Compare(a.name, b.name))
}

// outOfOrder looks for a row that is not after the one before it.
func (e *event) outOfOrder() []violation {
	rows := e.rows()
	for i := range rows {
		if i > 0 && e.compare(rows[i-1], rows[i]) >= 0 {
			return []violation{{ruleOrder, fmt.Sprintf("row %d, %v, is not after %v in %s", i+1, rows[i], rows[i-1], e)}}
		}
	}
	return nil
}

// listings: what a replica lists is not behind what it acknowledged, shows nothing twice, and stands in the order that was asked for.
func listings(events []*event) []violation {
	parts := byResource(events)
	for id, part := range parts {
		parts[id] = slices.DeleteFunc(slices.Clone(part), func(e *event) bool { return !e.write() })
	}
	var found []violation
	for _, l := range events {
		if l.verb == list && l.status == http.StatusOK {
			found = append(found, l.behind(parts)...)
			found = append(found, l.twice(parts)...)
			found = append(found, l.outOfOrder()...)
		}
	}
	return found
}

// twice looks for a resource, or a userName, that a listing shows more than once.
func (e *event) twice(writes map[string][]*event) []violation {
	var found []violation
	ids, names := map[string]bool{}, map[string]string{}
	see := func(id, name string) {
		if ids[id] && !e.moved(writes[id]) {
			found = append(found, violation{ruleUnique, fmt.Sprintf("%s stands twice in %s", id, e)})
		}
		// A name may have passed to another between two pages.
		if other := names[name]; other != "" && other != id && e.pageSize == 0 {
			found = append(found, violation{ruleUnique, fmt.Sprintf("%s and %s have one name in %s", other, id, e)})
		}
		ids[id], names[name] = true, id
	}
	for _, s := range e.seenUsers {
		see(s.id, scim.Fold(s.userName))
	}
	for _, s := range e.seenGroups {
		see(s.id, s.id) // groups of several clients may have one name
	}
	return found
}

// moved is whether a resource may have changed its place in the order while the pages were read: then it may come twice, or not at all. What
// another replica has written may be seen late.
func (e *event) moved(writes []*event) bool {
	return e.pageSize > 0 && e.sortBy != "" && slices.ContainsFunc(writes, func(w *event) bool {
		return (w.ok() || w.status == 0) && w.call <= e.ret && (w.end() >= e.call || w.replica != e.replica)
	})
}

// behind compares a listing with what its replica acknowledged before.
func (e *event) behind(writes map[string][]*event) []violation {
	rows := map[string]any{}
	for _, s := range e.seenUsers {
		rows[s.id] = s
	}
	for _, s := range e.seenGroups {
		rows[s.id] = s
	}
	var found []violation
	for _, id := range slices.Sorted(maps.Keys(writes)) {
		part := writes[id]
		if len(part) == 0 || part[0].groups != e.groups {
			continue
		}
		row, listed := rows[id]
		if text := e.judge(part, row, listed); text != "" {
			found = append(found, violation{ruleListing, fmt.Sprintf("%s %s\nin %s\nThe writes:\n%s", id, text, e, excerpt(part))})
		}
	}
	return found
}

// judge is what is wrong with the place of one resource in a listing, "" if nothing is.
func (e *event) judge(writes []*event, row any, listed bool) string {
	var last *event
	created, deleting := false, false
	moved := e.moved(writes)
	for _, w := range writes {
		mine := w.ok() && w.replica == e.replica && w.ret < e.call
		switch {
		case w.verb == remove && mine:
			if listed {
				return "was deleted before, but is shown"
			}
			return ""
		case w.verb == remove && (w.ok() || w.status == 0 || w.status == http.StatusNotFound) && w.call < e.ret:
			deleting = true
		case w.verb == create && mine:
			created = true
		}
		if mine && w.fresh && len(w.seenUsers) == 1 && (last == nil || w.call > last.ret) {
			last = w
		}
	}
	if deleting || !created && last == nil {
		return ""
	}
	everybody := e.user == userChange{} && e.name == ""
	if created && everybody && !listed && !moved {
		return "was created before, but is missing"
	}
	if last == nil || !settled(writes, last, e) || e.user.external != nil && e.client != last.client {
		return ""
	}
	want := last.seenUsers[0]
	selects := e.selects(want)
	switch {
	case selects && !listed:
		return fmt.Sprintf("is missing, though it is %+v", want.userView)
	case !selects && listed:
		return fmt.Sprintf("is shown, though it is %+v", want.userView)
	case !listed:
		return ""
	}
	got := row.(seenUser).userView
	if e.client != last.client {
		got.external = want.external
	}
	if got != want.userView {
		return fmt.Sprintf("is shown as %+v, though it is %+v", got, want.userView)
	}
	return ""
}

// settled is whether a write is certainly the last one that a listing may see.
func settled(writes []*event, last, listing *event) bool {
	for _, w := range writes {
		if w != last && (w.ok() || w.status == 0) && w.end() >= last.call && w.call <= listing.ret {
			return false
		}
	}
	return true
}

// selects is whether a listing's filter takes the user.
func (e *event) selects(u seenUser) bool {
	switch {
	case e.user.active != nil:
		return u.active == *e.user.active
	case e.user.title != nil:
		return u.title == *e.user.title
	case e.user.external != nil:
		return u.external == *e.user.external
	}
	return true
}
