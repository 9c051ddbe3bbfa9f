// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// double breaks a promise on purpose.
type double struct {
	name string
	// rules are those of which one has to be found broken.
	rules []string
	focus focus
	// api stands between a replica and the API server, front between the clients and a replica. One of them is nil.
	api   func() meddler
	front func() func(replica int, next http.RoundTripper) http.RoundTripper
}

// The checks of the model tests are worth something only if they find what is broken.
func TestABrokenEndpointIsFound(t *testing.T) {
	p := startPair(t)
	for _, b := range doubles {
		t.Run(b.name, func(t *testing.T) {
			w := newWorkload(t, p)
			w.focus = b.focus
			if b.front != nil {
				w.d.front = b.front()
			} else {
				meddle := b.api()
				for _, r := range p.replicas {
					r.meddle.Store(&meddle)
					t.Cleanup(func() { r.meddle.Store(nil) })
				}
			}
			var found []violation
			// Whether it comes to the worst is a matter of chance: a broken promise has a few seconds to show.
			for range 8 {
				w.run(t.Context(), time.Second)
				if found = w.verdict(); slices.ContainsFunc(found, b.breaks) {
					return
				}
			}
			rules := map[string]int{}
			for _, v := range found {
				rules[v.rule]++
			}
			t.Errorf("seed %d: nothing of %q was found broken in %d requests, but %v", w.seed, b.rules, len(w.events), rules)
		})
	}
}

func (b double) breaks(v violation) bool { return slices.Contains(b.rules, v.rule) }

var doubles = []double{
	{name: "a member is dropped on conflict", rules: []string{ruleGroup}, focus: onGroups, api: func() meddler { return overwrites }},
	{name: "reads come from a cache", rules: []string{ruleUser, ruleUserName}, focus: onUsers, api: staleReads},
	{name: "a delete is forgotten", rules: []string{ruleUser, ruleGroup}, api: func() meddler { return forgottenDelete }},
	{name: "a name is checked, then taken", rules: []string{ruleUserName}, focus: onUsers, api: func() meddler { return slotsAtRandom }},
	{name: "half of a PATCH is done", rules: []string{ruleUser}, focus: onUsers, api: func() meddler { return withoutTitle }},
	{name: "a listing lacks a row", rules: []string{ruleListing}, focus: onUsers, front: lackingRow},
	{name: "a listing shows what was deleted", rules: []string{ruleListing}, focus: onUsers, front: deletedRow},
	{name: "a listing is out of order", rules: []string{ruleOrder}, focus: onUsers, front: swappedRows},
	{name: "a page lacks a row", rules: []string{ruleListing}, focus: onUsers, front: lackingRowOfPage},
	{name: "operations are done from the last to the first", rules: []string{ruleUser, ruleGroup, ruleUserName, ruleDisplayName}, focus: onBulk, front: reversedBulk},
	{name: "operations after the last error are done", rules: []string{ruleUser, ruleGroup, ruleUserName, ruleDisplayName}, focus: onBulk, front: endlessBulk},
	{name: "the ETag is none of the content", rules: []string{ruleETag}, focus: onUsers, front: changingETag},
	{name: "an error is answered for a success", rules: []string{ruleUser, ruleGroup, ruleUserName, ruleDisplayName}, front: falseConflict},
}

// isWrite is whether a request of a replica changes an object of a kind, and no status.
func isWrite(r *http.Request, method, resource string) bool {
	return r.Method == method && strings.Contains(r.URL.Path, "/"+resource) && !strings.HasSuffix(r.URL.Path, "/status")
}

// rewritten sends a request on with another body.
func rewritten(next http.RoundTripper, r *http.Request, change func(object map[string]any)) (*http.Response, error) {
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil {
		return nil, fmt.Errorf("no JSON: %w", err)
	}
	change(object)
	if raw, err = json.Marshal(object); err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	r.GetBody = nil
	return next.RoundTrip(r)
}

func metadata(object map[string]any) map[string]any {
	m, _ := object["metadata"].(map[string]any)
	return m
}

// overwrites writes a group over what others wrote meanwhile, where the API server refuses to.
func overwrites(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if !isWrite(r, http.MethodPut, "scimgroups/") {
		return next.RoundTrip(r)
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	again := func() *http.Request {
		c := r.Clone(r.Context())
		c.Body = io.NopCloser(bytes.NewReader(raw))
		return c
	}
	// Conflicts shall be many.
	time.Sleep(30 * time.Millisecond)
	resp, err := next.RoundTrip(again())
	if err != nil || resp.StatusCode != http.StatusConflict {
		return resp, err
	}
	_ = resp.Body.Close()
	read := r.Clone(r.Context())
	read.Method, read.Body, read.ContentLength, read.URL.RawQuery = http.MethodGet, nil, 0, ""
	if resp, err = next.RoundTrip(read); err != nil {
		return nil, err
	}
	var current map[string]any
	err = json.NewDecoder(resp.Body).Decode(&current)
	_ = resp.Body.Close()
	if err != nil {
		return nil, err
	}
	return rewritten(next, again(), func(object map[string]any) {
		metadata(object)["resourceVersion"] = metadata(current)["resourceVersion"]
	})
}

// staleReads answers reads of users with what they were half a second ago.
func staleReads() meddler {
	var mu sync.Mutex
	type kept struct {
		at     time.Time
		status int
		header http.Header
		body   []byte
	}
	cache := map[string]kept{}
	return func(next http.RoundTripper, r *http.Request) (*http.Response, error) {
		if !isWrite(r, http.MethodGet, "scimusers/") {
			return next.RoundTrip(r)
		}
		mu.Lock()
		k, ok := cache[r.URL.Path]
		mu.Unlock()
		if !ok || time.Since(k.at) > 500*time.Millisecond {
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				return nil, err
			}
			k = kept{at: time.Now(), status: resp.StatusCode, header: resp.Header, body: body}
			mu.Lock()
			cache[r.URL.Path] = k
			mu.Unlock()
		}
		return &http.Response{
			StatusCode: k.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: k.header.Clone(), Request: r,
			Body: io.NopCloser(bytes.NewReader(k.body)), ContentLength: int64(len(k.body)),
		}, nil
	}
}

// forgottenDelete says that objects are deleted, and leaves them.
func forgottenDelete(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if !isWrite(r, http.MethodDelete, "scim") {
		return next.RoundTrip(r)
	}
	body := `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success"}`
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}, nil
}

// slotsAtRandom stores each user under a name of its own, so that two creates do not meet.
func slotsAtRandom(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if !isWrite(r, http.MethodPost, "scimusers") {
		return next.RoundTrip(r)
	}
	return rewritten(next, r, func(object map[string]any) {
		metadata(object)["name"] = fmt.Sprintf("u-any-%d", time.Now().UnixNano())
	})
}

// withoutTitle stores changes of users without their title.
func withoutTitle(next http.RoundTripper, r *http.Request) (*http.Response, error) {
	if !isWrite(r, http.MethodPut, "scimusers/") {
		return next.RoundTrip(r)
	}
	return rewritten(next, r, func(object map[string]any) {
		if spec, ok := object["spec"].(map[string]any); ok {
			delete(spec, "title")
		}
	})
}

type frontFunc func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f frontFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

type front = func(replica int, next http.RoundTripper) http.RoundTripper

// answering lets a function change the answers to some requests.
func answering(which func(*http.Request) bool, change func(body map[string]any, resp *http.Response)) front {
	return func(_ int, next http.RoundTripper) http.RoundTripper {
		return frontFunc(func(r *http.Request) (*http.Response, error) {
			resp, err := next.RoundTrip(r)
			if err != nil || !which(r) {
				return resp, err
			}
			raw, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil {
				return nil, err
			}
			var body map[string]any
			if json.Unmarshal(raw, &body) == nil {
				change(body, resp)
				if raw, err = json.Marshal(body); err != nil {
					return nil, err
				}
			}
			resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
			return resp, nil
		})
	}
}

// isListing is a query for all users.
func isListing(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/Users") && r.URL.Query().Get("filter") == ""
}

// lackingRow takes the last row out of listings.
func lackingRow() func(int, http.RoundTripper) http.RoundTripper {
	return answering(isListing, func(body map[string]any, _ *http.Response) {
		if rows, _ := body["Resources"].([]any); len(rows) > 0 {
			body["Resources"] = rows[:len(rows)-1]
		}
	})
}

// swappedRows exchanges the first two rows of what is sorted.
func swappedRows() func(int, http.RoundTripper) http.RoundTripper {
	isSorted := func(r *http.Request) bool { return r.URL.Query().Get("sortBy") != "" }
	return answering(isSorted, func(body map[string]any, _ *http.Response) {
		if rows, _ := body["Resources"].([]any); len(rows) > 1 {
			rows[0], rows[1] = rows[1], rows[0]
		}
	})
}

// lackingRowOfPage takes the first row out of every page but the first.
func lackingRowOfPage() func(int, http.RoundTripper) http.RoundTripper {
	isPage := func(r *http.Request) bool { return r.URL.Query().Get("startIndex") > "1" }
	return answering(isPage, func(body map[string]any, _ *http.Response) {
		if rows, _ := body["Resources"].([]any); len(rows) > 0 {
			body["Resources"] = rows[1:]
		}
	})
}

// bulkWith lets functions change bulk requests and their answers.
func bulkWith(ask func(body map[string]any), change func(asked, body map[string]any)) front {
	return func(replica int, next http.RoundTripper) http.RoundTripper {
		return frontFunc(func(r *http.Request) (*http.Response, error) {
			if !strings.HasSuffix(r.URL.Path, "/Bulk") {
				return next.RoundTrip(r)
			}
			var asked map[string]any
			answered := answering(func(*http.Request) bool { return true }, func(body map[string]any, _ *http.Response) { change(asked, body) })
			return rewritten(answered(replica, next), r, func(body map[string]any) {
				asked = maps.Clone(body)
				ask(body)
			})
		})
	}
}

func reversedBulk() func(int, http.RoundTripper) http.RoundTripper {
	reverse := func(body map[string]any) {
		list, _ := body["Operations"].([]any)
		slices.Reverse(list)
	}
	return bulkWith(reverse, func(_, body map[string]any) { reverse(body) })
}

// endlessBulk does all operations, and answers as if failOnErrors had ended the request.
func endlessBulk() func(int, http.RoundTripper) http.RoundTripper {
	return bulkWith(func(body map[string]any) { delete(body, "failOnErrors") }, func(asked, body map[string]any) {
		most, limited := asked["failOnErrors"].(float64)
		results, _ := body["Operations"].([]any)
		for i, result := range results {
			if result, ok := result.(map[string]any); ok && result["response"] != nil {
				if most--; limited && most == 0 {
					body["Operations"] = results[:i+1]
				}
			}
		}
	})
}

// deletedRow adds to listings every row that they ever had.
func deletedRow() func(int, http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	ever := map[string]any{}
	return answering(isListing, func(body map[string]any, _ *http.Response) {
		mu.Lock()
		defer mu.Unlock()
		rows, _ := body["Resources"].([]any)
		now := map[string]bool{}
		for _, row := range rows {
			if row, ok := row.(map[string]any); ok {
				id := fmt.Sprint(row["id"])
				now[id], ever[id] = true, row
			}
		}
		for id, row := range ever {
			if !now[id] {
				rows = append(rows, row)
			}
		}
		body["Resources"] = rows
	})
}

// changingETag gives each answer an ETag of its own.
func changingETag() func(int, http.RoundTripper) http.RoundTripper {
	single := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.Contains(r.URL.Path, "/Users/")
	}
	return answering(single, func(body map[string]any, _ *http.Response) {
		if meta, ok := body["meta"].(map[string]any); ok {
			meta["version"] = fmt.Sprintf(`W/"%d"`, time.Now().UnixNano())
		}
	})
}

// falseConflict answers 409 for creates and renames that took place.
func falseConflict() func(int, http.RoundTripper) http.RoundTripper {
	writes := func(r *http.Request) bool { return r.Method == http.MethodPut }
	return answering(writes, func(body map[string]any, resp *http.Response) {
		if resp.StatusCode == http.StatusOK {
			clear(body)
			body["scimType"] = "uniqueness"
			resp.StatusCode = http.StatusConflict
		}
	})
}
