// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// FuzzBulk: no panic; every operation has one result, unless failOnErrors ended the request; no reference reaches the server unresolved; what a POST made is there
// if, and only if, its result says so. The bits of failures say which steps fail.
func FuzzBulk(f *testing.F) {
	for _, s := range []string{
		bulkBody(post("a", "/Users", `{"userName": "a"}`), post("g", "/Groups", `{"members": [{"value": "bulkId:a"}]}`)),
		bulkBody(post("a", "/Groups", groupA), post("b", "/Groups", groupB), `{"method": "PATCH", "path": "/Groups/bulkId:a", "data": {"path": "members[value eq \"bulkId:b\"]"}}`),
		bulkBody(post("a", "/Users", `{"x": "bulkId:c"}`), post("b", "/Users", `["bulkId:a"]`), post("c", "/Users", `{"y": {"z": "bulkId:b"}}`), post("d", "/Users", `"bulkId:d"`)),
		bulkBody(post("a", "/Users/bulkId:a", `{}`), post("b", "/Users/u/bulkId:a", `{}`)),
		bulkBody(`{"method": "PUT", "path": "/bulkId:a/bulkId:a", "data": {"x": "\"bulkId:a\" \"bulkId:b"}}`, post("a", "/Users", `{"bulkId:a": 1}`)),
		bulkBody(post("a", "/Users", `{"userName": "bulkId:b"}`), post("b", "/Users", `{"userName": "b", "title": "bulkId:a"}`)),
		`{"schemas": ["` + BulkRequestSchema + `"], "failOnErrors": 1, "Operations": [{"method": "DELETE", "path": "/Users/bulkId:none"}, {"method": "PUT", "path": "/Users/u", "data": 1}]}`,
	} {
		f.Add([]byte(s), uint64(0))
		f.Add([]byte(s), uint64(0b10110))
	}
	f.Fuzz(checkBulk)
}

func checkBulk(t *testing.T, body []byte, failures uint64) {
	b, err := ParseBulk(body, 50, Options{})
	if err != nil {
		refused(t, err)
		return
	}
	s := &bulkServer{}
	s.fail = func(step BulkStep) *Error {
		checkStep(t, step)
		if !step.Undo && failures>>(len(s.steps)%64)&1 == 1 {
			return NewError(503, "away")
		}
		return nil
	}
	checkBulkResults(t, b, s, b.Run(s))
}

func checkStep(t *testing.T, step BulkStep) {
	unresolved := func(id string) { t.Fatalf("%+v: the reference to %q is not resolved", step, id) }
	if _, id, ok := cutPathRef(step.Path); ok {
		unresolved(id)
	}
	if step.Body == nil {
		return
	}
	if !json.Valid(step.Body) {
		t.Fatalf("the body is no JSON: %s", step.Body)
	}
	// Names may have become equal by resolving.
	if data, err := decodeJSON(step.Body); err == nil {
		eachRef(data, unresolved)
	}
}

func checkBulkResults(t *testing.T, b *Bulk, s *bulkServer, answer *BulkResponse) {
	errors, made := 0, 0
	for _, r := range answer.Operations {
		if r.Response != nil {
			errors++
		}
		if r.Method != methodPost {
			continue
		}
		if (r.Location == "") != (r.Response != nil) {
			t.Fatalf("a POST with the location %q and the status %s", r.Location, r.Status)
		}
		if r.Response == nil {
			made++
			if !s.there[r.Location] {
				t.Fatalf("%s is acknowledged and not there", r.Location)
			}
		}
	}
	if made != len(s.there) {
		t.Fatalf("%d resources are there, %d were acknowledged", len(s.there), made)
	}
	if n := len(answer.Operations); n > len(b.ops) || n < len(b.ops) && (b.failOnErrors == 0 || errors < b.failOnErrors) {
		t.Fatalf("%d results of %d operations, with %d errors", n, len(b.ops), errors)
	}
	if !json.Valid(mustJSON(t, answer)) {
		t.Fatal("the answer is no JSON")
	}
}

// randomBulk is a request whose operations refer to each other at random.
func randomBulk(r *rand.Rand) string {
	n := 1 + r.IntN(12)
	ref := func() string { return fmt.Sprintf("bulkId:b%d", r.IntN(n+1)) }
	var operations []string
	for i := range n {
		data := `{"userName": "x"`
		for j := range r.IntN(3) {
			data += fmt.Sprintf(`, "a%d": [%q, {"value": %q}]`, j, ref(), ref())
		}
		data += "}"
		switch r.IntN(6) {
		case 0:
			operations = append(operations, fmt.Sprintf(`{"method": "PUT", "path": "/Users/%s", "data": %s}`, ref(), data))
		case 1:
			operations = append(operations, fmt.Sprintf(`{"method": "DELETE", "path": "/Groups/g%d"}`, r.IntN(2)))
		default:
			operations = append(operations, post(fmt.Sprintf("b%d", i), "/Users", data))
		}
	}
	body := bulkBody(operations...)
	if r.IntN(4) == 0 {
		body = strings.Replace(body, `"Operations"`, fmt.Sprintf(`"failOnErrors": %d, "Operations"`, 1+r.IntN(3)), 1)
	}
	return body
}

func TestBulkOfRandomReferencesLeavesNothingHalfMade(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	for range 3000 {
		body, failures := randomBulk(r), uint64(0)
		if r.IntN(2) == 0 {
			failures = r.Uint64() & r.Uint64()
		}
		checkBulk(t, []byte(body), failures)
		if t.Failed() {
			t.Fatalf("failures %b, body %s", failures, body)
		}
	}
}
