// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// bulkServer is a BulkExecutor that notes what it is asked, and answers as a server with nothing in it.
type bulkServer struct {
	steps []string
	last  int
	// fail gives the error of a step, or nil.
	fail func(BulkStep) *Error
	// there are the resources that were made by a POST and not removed by an undo.
	there map[string]bool
}

func (s *bulkServer) Do(step BulkStep) BulkReply {
	line := step.Method + " " + step.Path
	if step.IfMatch != "" {
		line += " if " + step.IfMatch
	}
	if step.Body != nil {
		line += " " + string(step.Body)
	}
	if step.Undo {
		line += " (undo)"
	}
	s.steps = append(s.steps, line)
	reply := BulkReply{Location: s.Location(step.Path)}
	if s.fail != nil {
		if reply.Err = s.fail(step); reply.Err != nil {
			reply.Status = reply.Err.Status
			return reply
		}
	}
	if s.there == nil {
		s.there = map[string]bool{}
	}
	switch step.Method {
	case methodPost:
		s.last++
		reply.ID = fmt.Sprintf("id%d", s.last)
		reply.Status, reply.Location = 201, s.Location(step.Path+"/"+reply.ID)
		s.there[reply.Location] = true
	case methodDelete:
		if step.Undo {
			delete(s.there, reply.Location)
		}
		reply.Status = 204
		return reply
	default:
		reply.Status = 200
	}
	reply.Version = fmt.Sprintf("v%d", len(s.steps))
	return reply
}

func (*bulkServer) Location(path string) string { return "https://x" + path }

// runBulk gives the steps and the results, each as "<bulkId or location>: <status> <detail>".
func runBulk(t *testing.T, s *bulkServer, body string) (steps, results []string) {
	t.Helper()
	b, err := ParseBulk([]byte(body), 100, Options{})
	if err != nil {
		t.Fatal(err)
	}
	answer := b.Run(s)
	for _, r := range answer.Operations {
		name := r.BulkID
		if name == "" {
			name = r.Location
		}
		line := name + ": " + r.Status
		if r.Response != nil {
			line += " " + r.Response.Detail
		}
		results = append(results, line)
	}
	return s.steps, results
}

func bulkBody(operations ...string) string {
	return `{"schemas": ["` + BulkRequestSchema + `"], "Operations": [` + strings.Join(operations, ", ") + `]}`
}

func post(bulkID, endpoint, data string) string {
	return fmt.Sprintf(`{"method": "POST", "bulkId": %q, "path": %q, "data": %s}`, bulkID, endpoint, data)
}

func TestBulkReferencesAreResolvedInAnyOrder(t *testing.T) {
	const enterprise = `"` + EnterpriseUserSchemaID + `"`
	for _, tc := range []struct {
		name, body     string
		steps, results []string
	}{
		{
			"to what was made before",
			bulkBody(post("a", "/Users", `{"userName": "a"}`), post("g", "/Groups", `{"members": [{"value": "bulkId:a"}]}`)),
			[]string{`POST /Users {"userName":"a"}`, `POST /Groups {"members":[{"value":"id1"}]}`},
			[]string{"a: 201", "g: 201"},
		},
		{
			"to what is made later; the others keep their order",
			bulkBody(post("g", "/Groups", `{"members": [{"value": "bulkId:a"}]}`), `{"method": "DELETE", "path": "/Users/u"}`, post("a", "/Users", `{"userName": "a"}`)),
			[]string{`DELETE /Users/u`, `POST /Users {"userName":"a"}`, `POST /Groups {"members":[{"value":"id1"}]}`},
			[]string{"g: 201", "https://x/Users/u: 204", "a: 201"},
		},
		{
			"in the path, in a value, in the filter of a path, in JSON text, and in a name",
			bulkBody(
				`{"method": "PATCH", "path": "/Groups/bulkId:g", "version": "W/\"1\"", "data": {"Operations": [{"op": "remove", "path": "members[value eq \"bulkId:a\"]"},
					{"op": "add", "path": "members", "value": [{"value": "bulkId:a"}, "bulkId:a", "{\"value\": \"bulkId:a\"}"]}, {"op": "add", "value": {"members[value eq \"bulkId:a\"].x": 1}}]}}`,
				`{"method": "PUT", "path": "/Users/bulkId:a", "data": {`+enterprise+`: {"manager": "bulkId:g"}}}`,
				post("g", "/Groups", `{}`), post("a", "/Users", `{"n": [null, {}, [], 1.50]}`)),
			[]string{
				`POST /Groups {}`, `POST /Users {"n":[null,{},[],1.50]}`,
				`PATCH /Groups/id1 if W/"1" {"Operations":[{"op":"remove","path":"members[value eq \"id2\"]"},` +
					`{"op":"add","path":"members","value":[{"value":"id2"},"id2","{\"value\": \"id2\"}"]},{"op":"add","value":{"members[value eq \"id2\"].x":1}}]}`,
				`PUT /Users/id2 {` + enterprise + `:{"manager":"id1"}}`,
			},
			[]string{"https://x/Groups/id1: 200", "https://x/Users/id2: 200", "g: 201", "a: 201"},
		},
		{
			"operations on one resource keep their order",
			bulkBody(`{"method": "PATCH", "path": "/Groups/g", "data": {"add": "bulkId:a"}}`, `{"method": "PATCH", "path": "/Groups/g/", "data": {"remove": 1}}`,
				post("a", "/Users", `{}`)),
			[]string{`POST /Users {}`, `PATCH /Groups/g {"add":"id1"}`, `PATCH /Groups/g {"remove":1}`},
			[]string{"https://x/Groups/g: 200", "https://x/Groups/g: 200", "a: 201"},
		},
		{
			"operations of a PATCH without what is around them",
			bulkBody(`{"method": "PATCH", "path": "/Users/u", "data": [{"op": "remove", "path": "nickName"}]}`, `{"method": "PUT", "path": "/Users/v", "data": [1]}`),
			[]string{`PATCH /Users/u {"schemas":["` + PatchSchema + `"],"Operations":[{"op":"remove","path":"nickName"}]}`, `PUT /Users/v [1]`},
			[]string{"https://x/Users/u: 200", "https://x/Users/v: 200"},
		},
		{
			"to nothing",
			bulkBody(post("g", "/Groups", `{"members": [{"value": "bulkId:nobody"}]}`), `{"method": "DELETE", "path": "/Users/bulkId:nobody"}`,
				`{"method": "PUT", "bulkId": "p", "path": "/Users/u", "data": {"manager": "bulkId:p"}}`),
			nil,
			[]string{
				`g: 400 it refers to bulkId "nobody", which no POST of this request has`, `: 400 it refers to bulkId "nobody", which no POST of this request has`,
				`p: 400 it refers to bulkId "p", which no POST of this request has`,
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			steps, results := runBulk(t, &bulkServer{}, tc.body)
			if diff := cmp.Diff(tc.steps, steps); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.results, results); diff != "" {
				t.Errorf("results (-want +got):\n%s", diff)
			}
		})
	}
}

// failing fails the steps whose line begins so.
func failing(method, part string, err *Error) func(BulkStep) *Error {
	return func(s BulkStep) *Error {
		if s.Method == method && strings.Contains(s.Path+" "+string(s.Body), part) {
			return err
		}
		return nil
	}
}

func TestBulkOperationsFailWithWhatTheyReferTo(t *testing.T) {
	s := &bulkServer{fail: failing("POST", "bad", Uniqueness("taken"))}
	steps, results := runBulk(t, s, bulkBody(
		post("c", "/Groups", `{"members": [{"value": "bulkId:b"}]}`), post("b", "/Groups", `{"members": [{"value": "bulkId:a"}]}`),
		post("a", "/Users", `{"userName": "bad"}`), `{"method": "DELETE", "path": "/Users/bulkId:a"}`, `{"method": "DELETE", "path": "/Users/u"}`))
	if want := []string{`POST /Users {"userName":"bad"}`, `DELETE /Users/u`}; !slices.Equal(steps, want) {
		t.Errorf("steps %q", steps)
	}
	want := []string{
		`c: 409 it refers to bulkId "b", whose operation failed; send both again`, `b: 409 it refers to bulkId "a", whose operation failed; send both again`,
		`a: 409 taken`, `: 409 it refers to bulkId "a", whose operation failed; send both again`, "https://x/Users/u: 204",
	}
	if diff := cmp.Diff(want, results); diff != "" {
		t.Error(diff)
	}
}

func TestBulkStopsAfterFailOnErrors(t *testing.T) {
	body := `{"schemas": ["` + BulkRequestSchema + `"], "failOnErrors": 2, "Operations": [` + strings.Join([]string{
		post("a", "/Users", `"bad"`), post("b", "/Users", `{}`), post("c", "/Users", `"bad"`), post("d", "/Users", `{}`), `{"method": "DELETE", "path": "/Users/u"}`,
	}, ",") + `]}`
	_, results := runBulk(t, &bulkServer{fail: failing("POST", "bad", InvalidValue("bad"))}, body)
	if diff := cmp.Diff([]string{"a: 400 bad", "b: 201", "c: 400 bad"}, results); diff != "" {
		t.Error(diff)
	}
}

const (
	groupA = `{"displayName": "A", "members": [{"value": "u"}, {"value": "bulkId:b", "type": "Group"}]}`
	groupB = `{"displayName": "B", "members": [{"value": "bulkId:a", "type": "Group"}]}`
)

func TestBulkCircleIsMadeAndThenCompleted(t *testing.T) {
	s := &bulkServer{}
	steps, results := runBulk(t, s, bulkBody(post("a", "/Groups", groupA), `{"method": "PATCH", "path": "/Groups/bulkId:a", "data": {}}`, post("b", "/Groups", groupB)))
	want := []string{
		`POST /Groups {"displayName":"A","members":[{"value":"u"}]}`,
		`POST /Groups {"displayName":"B","members":[{"value":"id1","type":"Group"}]}`,
		`PUT /Groups/id1 if v1 {"displayName":"A","members":[{"value":"u"},{"value":"id2","type":"Group"}]}`,
		`PATCH /Groups/id1 {}`,
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a: 201", "https://x/Groups/id1: 200", "b: 201"}, results); diff != "" {
		t.Error(diff)
	}
}

func TestBulkCircleOfUsersLeavesOutTheAttributeInItsExtension(t *testing.T) {
	const enterprise = EnterpriseUserSchemaID
	user := func(manager string) string {
		return `{"userName": "x", "` + enterprise + `": {"department": "D", "manager": ` + manager + `}}`
	}
	steps, results := runBulk(t, &bulkServer{}, bulkBody(post("a", "/Users", user(`{"value": "bulkId:a", "displayName": "A"}`)), post("b", "/Users", user(`"bulkId:b"`))))
	want := []string{
		`POST /Users {"userName":"x","` + enterprise + `":{"department":"D"}}`,
		`PUT /Users/id1 if v1 {"userName":"x","` + enterprise + `":{"department":"D","manager":{"value":"id1","displayName":"A"}}}`,
		`POST /Users {"userName":"x","` + enterprise + `":{"department":"D"}}`,
		`PUT /Users/id2 if v3 {"userName":"x","` + enterprise + `":{"department":"D","manager":"id2"}}`,
	}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"a: 201", "b: 201"}, results); diff != "" {
		t.Error(diff)
	}
}

func TestBulkCircleThatCannotBeClosedLeavesNothing(t *testing.T) {
	for _, tc := range []struct {
		name string
		fail func(BulkStep) *Error
		body string
		want []string
		left int
	}{
		{
			"the second is refused", failing("POST", `"B"`, Uniqueness("taken")), bulkBody(post("a", "/Groups", groupA), post("b", "/Groups", groupB)),
			[]string{`a: 409 it was made, and removed again: bulkId "b", to which it refers in a circle, failed`, "b: 409 taken"}, 0,
		},
		{
			"the first is refused", failing("POST", `"A"`, Uniqueness("taken")), bulkBody(post("a", "/Groups", groupA), post("b", "/Groups", groupB)),
			[]string{"a: 409 taken", `b: 409 it refers, in a circle, to bulkId "a", whose operation failed`}, 0,
		},
		{
			"the completion is refused", failing("PUT", "", NewError(412, "changed")), bulkBody(post("a", "/Groups", groupA), post("b", "/Groups", groupB)),
			[]string{
				`a: 409 it was made, and removed again: the references in the circle could not be added to bulkId "a": changed`,
				`b: 409 it was made, and removed again: the references in the circle could not be added to bulkId "a": changed`,
			}, 0,
		},
		{
			"the reference is in a required attribute", nil, bulkBody(post("a", "/Users", `{"userName": "bulkId:b"}`), post("b", "/Users", `{"userName": "x", "title": "bulkId:a"}`)),
			[]string{`a: 409 attribute "userName" refers, in a circle, to what can only be made afterwards, and is required`, `b: 409 it refers, in a circle, to bulkId "a", whose operation failed`}, 0,
		},
		{
			"one of them refers to what failed, too", failing("POST", "/Users", InvalidValue("bad")),
			bulkBody(post("a", "/Groups", groupA), post("b", "/Groups", `{"members": ["bulkId:a", "bulkId:u"]}`), post("u", "/Users", `{}`), post("d", "/Groups", `{"members": ["bulkId:a"]}`)),
			[]string{
				`a: 409 it was made, and removed again: bulkId "b", to which it refers in a circle, failed`, `b: 409 it refers to bulkId "u", whose operation failed; send both again`,
				"u: 400 bad", `d: 409 it refers to bulkId "a", whose operation failed; send both again`,
			}, 0,
		},
		{
			"the request ends before", failing("POST", "/Users", InvalidValue("bad")),
			strings.Replace(bulkBody(post("a", "/Groups", groupA), post("u", "/Users", `{}`), post("b", "/Groups", groupB)), `"Operations"`, `"failOnErrors": 1, "Operations"`, 1),
			[]string{`a: 409 it was made, and removed again: the request ended, by failOnErrors, before what it refers to was made`, "u: 400 bad"}, 0,
		},
		{
			"and cannot be removed either", func(s BulkStep) *Error {
				if s.Method != methodPost {
					return NewError(503, "away")
				}
				return nil
			}, bulkBody(post("a", "/Groups", groupA), post("b", "/Groups", groupB)),
			[]string{
				`a: 409 it was made as https://x/Groups/id1, is not complete, and could not be removed again (away): the references in the circle could not be added to bulkId "a": away`,
				`b: 409 it was made as https://x/Groups/id2, is not complete, and could not be removed again (away): the references in the circle could not be added to bulkId "a": away`,
			}, 2,
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &bulkServer{fail: tc.fail}
			_, results := runBulk(t, s, tc.body)
			if diff := cmp.Diff(tc.want, results); diff != "" {
				t.Error(diff)
			}
			if len(s.there) != tc.left {
				t.Errorf("left: %v", s.there)
			}
		})
	}
}

func TestBulkRequestIsRefusedAsAWhole(t *testing.T) {
	for _, tc := range []struct {
		name, body, detail string
		status             int
		scimType           ScimType
	}{
		{"no JSON", `{`, "JSON, position 2", 400, ScimTypeInvalidSyntax},
		{"no schemas", `{"Operations": []}`, BulkRequestSchema, 400, ScimTypeInvalidSyntax},
		{"no operations", `{"schemas": ["` + BulkRequestSchema + `"]}`, `"Operations"`, 400, ScimTypeInvalidSyntax},
		{"operation is no object", bulkBody(`1`), "operation 1", 400, ScimTypeInvalidSyntax},
		{"no method", bulkBody(`{"path": "/Users/u"}`), `"method"`, 400, ScimTypeInvalidSyntax},
		{"method in another case", bulkBody(`{"method": "delete", "path": "/Users/u"}`), `"method"`, 400, ScimTypeInvalidSyntax},
		{"another method", bulkBody(`{"method": "GET", "path": "/Users/u"}`), `"method"`, 400, ScimTypeInvalidSyntax},
		{"no path", bulkBody(`{"method": "DELETE"}`), `"path"`, 400, ScimTypeInvalidSyntax},
		{"whole URL", bulkBody(`{"method": "DELETE", "path": "https://x/Users/u"}`), `"path"`, 400, ScimTypeInvalidSyntax},
		{"query", bulkBody(`{"method": "DELETE", "path": "/Users/u?x"}`), `"path"`, 400, ScimTypeInvalidSyntax},
		{"reference in the path of a POST", bulkBody(post("a", "/Users/bulkId:a", `{}`)), `"path" of a POST`, 400, ScimTypeInvalidSyntax},
		{"no data", bulkBody(`{"method": "PUT", "path": "/Users/u", "data": null}`), `"data"`, 400, ScimTypeInvalidSyntax},
		{"POST without bulkId", bulkBody(`{"method": "POST", "path": "/Users", "data": {}}`), `"bulkId"`, 400, ScimTypeInvalidSyntax},
		{"bulkId is a number", bulkBody(`{"method": "DELETE", "bulkId": 1, "path": "/Users/u"}`), `"bulkId"`, 400, ScimTypeInvalidSyntax},
		{"bulkId twice", bulkBody(post("a", "/Users", `{}`), `{"method": "DELETE", "bulkId": "a", "path": "/Users/u"}`), `operation 2: "bulkId" "a"`, 400, ScimTypeInvalidSyntax},
		{"failOnErrors is no number", `{"schemas": ["` + BulkRequestSchema + `"], "failOnErrors": "1", "Operations": []}`, `"failOnErrors"`, 400, ScimTypeInvalidValue},
		{"failOnErrors is 0", `{"schemas": ["` + BulkRequestSchema + `"], "failOnErrors": 0, "Operations": []}`, `"failOnErrors"`, 400, ScimTypeInvalidValue},
		{"too many", bulkBody(`1`, `1`, `1`), "maxOperations is 2", 413, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ParseBulk([]byte(tc.body), 2, Options{})
			refused(t, err)
			e := err.(*Error) //nolint:errorlint // refused has looked.
			if e.Status != tc.status || e.ScimType != tc.scimType || !strings.Contains(e.Detail, tc.detail) {
				t.Errorf("%+v", e)
			}
		})
	}
	if _, err := ParseBulk([]byte(`{"Operations": []}`), 2, Options{Dialect: NewDialect("", MissingSchemas)}); err != nil {
		t.Errorf("without schemas, where that is tolerated: %v", err)
	}
}

func TestBulkResponseHasTheFormOfTheRFC(t *testing.T) {
	got := string(mustJSON(t, &BulkResponse{}))
	if want := `{"schemas":["` + BulkResponseSchema + `"],"Operations":[]}`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	got = string(mustJSON(t, &BulkResponse{Operations: []BulkResult{{Location: "l", Method: "POST", BulkID: "b", Version: "v", Status: "400", Response: InvalidValue("x")}}}))
	if want := `{"location":"l","method":"POST","bulkId":"b","version":"v","status":"400","response":`; !strings.Contains(got, want) {
		t.Errorf("%s", got)
	}
}
