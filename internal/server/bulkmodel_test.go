// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// bulkStep is one request, by itself or as an operation. References in it are written as bulkId:<number of the step>.
type bulkStep struct{ method, path, body string }

// randomSteps refer to steps before them alone, so that single requests can be sent in the same order.
func randomSteps(r *rand.Rand, n int) []bulkStep {
	var steps []bulkStep
	var users, groups []string
	some := func(list []string) string {
		if len(list) == 0 || r.IntN(12) == 0 {
			return "u-aaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaa"
		}
		return list[r.IntN(len(list))]
	}
	userName := func() string { return fmt.Sprintf("user%d@corp.test", r.IntN(6)) }
	for i := range n {
		ref := fmt.Sprintf("bulkId:%d", i)
		switch r.IntN(9) {
		case 0, 1, 2:
			steps = append(steps, bulkStep{"POST", "/Users", strictUser(userName())})
			users = append(users, ref)
		case 3, 4:
			steps = append(steps, bulkStep{"POST", "/Groups", strictGroup(fmt.Sprintf("group%d", r.IntN(5)), some(users), some(groups))})
			groups = append(groups, ref)
		case 5:
			steps = append(steps, bulkStep{"PATCH", "/Groups/" + some(groups), patchHead + fmt.Sprintf(
				`[{"op": "add", "path": "members", "value": [{"value": %q}]}, {"op": "remove", "path": "members[value eq \"%s\"]"}]}`, some(users), some(users))})
		case 6:
			steps = append(steps, bulkStep{"PATCH", "/Users/" + some(users), patchHead + fmt.Sprintf(`[{"op": "replace", "path": "title", "value": "t%d"}]}`, r.IntN(3))})
		case 7:
			steps = append(steps, bulkStep{"PUT", "/Users/" + some(users), strictUser(userName())})
		default:
			steps = append(steps, bulkStep{"DELETE", "/Users/" + some(users), ""})
		}
	}
	return steps
}

var bulkReference = regexp.MustCompile(`bulkId:(\d+)`)

// singly sends the steps one by one, and gives the statuses. A step that refers to one that failed is not sent: 409, as the bulk request has it.
func (e *endpoint) singly(steps []bulkStep) []string {
	ids := map[string]string{}
	var statuses []string
	for i, s := range steps {
		possible := true
		resolve := func(text string) string {
			return bulkReference.ReplaceAllStringFunc(text, func(ref string) string {
				id, ok := ids[ref]
				possible = possible && ok
				return id
			})
		}
		path, body := resolve(s.path), resolve(s.body)
		if !possible {
			statuses = append(statuses, s.method+" 409")
			continue
		}
		a := e.do(s.method, path, body)
		statuses = append(statuses, fmt.Sprintf("%s %d", s.method, a.status))
		if a.status == 201 {
			ids[fmt.Sprintf("bulkId:%d", i)] = a.id()
		}
	}
	return statuses
}

func (e *endpoint) inBulk(steps []bulkStep) []string {
	var operations []string
	for i, s := range steps {
		operations = append(operations, operation(s.method, fmt.Sprint(i), s.path, s.body))
	}
	return e.do("POST", "/Bulk", bulkOf(operations...)).want(200).statuses()
}

// state is what the endpoint shows, by names instead of ids.
func (e *endpoint) state() []string {
	e.t.Helper()
	names := map[string]string{}
	var all []string
	users := e.do("GET", "/Users?count=1000", "").want(200)
	for i := range users.body["Resources"].([]any) {
		name := fmt.Sprint(users.get("Resources", i, "userName"))
		names[fmt.Sprint(users.get("Resources", i, "id"))] = name
		all = append(all, fmt.Sprintf("%s %v", name, users.get("Resources", i, "title")))
	}
	groups := e.do("GET", "/Groups?count=1000", "").want(200)
	for i := range groups.body["Resources"].([]any) {
		names[fmt.Sprint(groups.get("Resources", i, "id"))] = fmt.Sprint(groups.get("Resources", i, "displayName"))
	}
	for i := range groups.body["Resources"].([]any) {
		var members []string
		list, _ := groups.get("Resources", i, "members").([]any)
		for j := range list {
			// A member that was deleted leaves its groups soon afterwards, by a controller that does not run here.
			if name := names[fmt.Sprint(groups.get("Resources", i, "members", j, "value"))]; name != "" {
				members = append(members, name)
			}
		}
		slices.Sort(members)
		all = append(all, fmt.Sprintf("%v: %s", groups.get("Resources", i, "displayName"), strings.Join(members, " ")))
	}
	slices.Sort(all)
	return all
}

func TestBulkEndsAsTheSingleRequestsDo(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 13))
	single, bulk := start(t, "strict"), start(t, "strict")
	for _, e := range []*endpoint{single, bulk} {
		// It is quicker so; users have unique names in any case.
		e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.GroupNames = v1alpha1.GroupNamesShared })
	}
	for round := range 8 {
		steps := randomSteps(r, 20)
		if diff := cmp.Diff(single.singly(steps), bulk.inBulk(steps)); diff != "" {
			t.Fatalf("round %d, statuses (-single +bulk):\n%s\n%v", round, diff, steps)
		}
		if diff := cmp.Diff(single.state(), bulk.state()); diff != "" {
			t.Fatalf("round %d, resources (-single +bulk):\n%s\n%v", round, diff, steps)
		}
	}
}
