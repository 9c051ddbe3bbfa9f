// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/scim-operator/scim-operator/internal/mapping"
)

// withRoles is a user as Okta pushes one with roles.
func withRoles(values ...string) map[string]any {
	user := ada()
	roles := make([]any, len(values))
	for i, value := range values {
		roles[i] = map[string]any{"value": value, "display": "Display of " + value}
	}
	user["roles"] = roles
	return user
}

func TestConditionHolds(t *testing.T) {
	for expression, want := range map[string]bool{
		`user.roles.exists(r, r.value == "common-room.admin")`:                         true,
		`user.roles.exists(r, r.value == "common-room.owner")`:                         false,
		`user.roles.exists(r, r.value.startsWith("common-room."))`:                     true,
		`user.entitlements.exists(e, e.value == "licence")`:                            false,
		`user["` + enterprise + `"].department == "Engines"`:                           true,
		`user["` + enterprise + `"].department in ["Engines", "Sales"] && user.active`: true,
		`user["` + enterprise + `"].costCenter == "4711"`:                              false,
		`user.userName.endsWith("@corp.test")`:                                         true,
		`user.userName.lowerAscii() == "ada@corp.test"`:                                true,
		`user.active`:                            true,
		`!user.active`:                           false,
		`true`:                                   true,
		`has(user.title)`:                        true,
		`has(user.displayName)`:                  false,
		`user.displayName == "x" || user.active`: true,
		`user.nickName`:                          false,
		`user.active ? null : true`:              false,
		`user.emails.all(e, e.value.endsWith(".test"))`:                                 true,
		`user.emails.exists_one(e, has(e.primary) && e.primary)`:                        true,
		`user.roles.exists(r, r.primary == true || r.value == "common-room.admin")`:     true,
		`user.displayName != "x"`:                                                       false, // a user without displayName does not have another one
		`!has(user.displayName) || user.displayName != "x"`:                             true,
		`timestamp("2026-01-02T03:04:05Z") < timestamp("2027-01-01T00:00:00Z")`:         true,
		`user.roles.map(r, r.value).exists(v, v in ["common-room.admin", "other.one"])`: true,
	} {
		condition, err := mapping.CompileCondition(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if got, problem := condition.Holds(withRoles("other.viewer", "common-room.admin")); got != want || problem != "" {
			t.Errorf("%s: %v, problem %q; want %v", expression, got, problem, want)
		}
	}
}

// What fails is not true, and says why without anything of the user.
func TestConditionThatFailsDoesNotHold(t *testing.T) {
	for expression, want := range map[string]string{
		`user.userName`:                      "neither true nor false",
		`user.level + 1 == 8 && user.level`:  "the types do not fit",
		`user.userName > 5`:                  "the types do not fit",
		`user.name.startsWith("A")`:          "the types do not fit",
		`user.level / 0 == 1`:                "division by zero",
		`user.userName.substring(99) == "x"`: "a position is outside the string",
		`timestamp(user.userName) > timestamp("2026-01-02T03:04:05Z")`: "a value cannot be converted",
	} {
		condition, err := mapping.CompileCondition(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		holds, problem := condition.Holds(ada())
		if holds || !strings.Contains(problem, want) || strings.Contains(problem, "Ada") {
			t.Errorf("%s: %v, problem %q; want %q", expression, holds, problem, want)
		}
	}
}

func TestCompileConditionSaysWhereAndWhy(t *testing.T) {
	for expression, want := range map[string]string{
		`usr.roles`:                        "1:1: undeclared reference to 'usr'",
		"user.active &&\n  zz":             "2:3: undeclared reference to 'zz'",
		`user.roles.exists(r, `:            "1:22: Syntax error",
		`"admin"`:                          "1:1: the expression is neither true nor false: it gives string",
		`user.roles.map(r, r.value)`:       "1:1: the expression is neither true nor false: it gives list",
		`user.userName.matches("(")`:       "1:23: invalid matches argument",
		`user.active == 1 ? "a" : "b"`:     "it gives string",
		strings.Repeat("(", 200) + "true":  "1:",
		`user.roles.exists(r, r.no("x"))`:  "1:26: undeclared reference to 'no'",
		`user.roles.exists_two(r, r == 1)`: "1:",
	} {
		if _, err := mapping.CompileCondition(expression); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", expression, err, want)
		}
	}
}

// A look through as many roles as a user can have is possible, one through each pair of them is stopped.
func TestConditionsAreBounded(t *testing.T) {
	var values []string
	for i := range 1024 {
		values = append(values, fmt.Sprintf("some-app.role-%d", i))
	}
	user := withRoles(values...)
	for expression, want := range map[string]string{
		`user.roles.exists(r, r.value == "no-such-role")`:                                  "",
		`user.roles.exists(r, r.value.lowerAscii() == "no-such-role")`:                     "",
		`user.roles.exists(r, user.roles.exists(q, q.value + "x" == r.value))`:             "the expression takes too much work",
		`user.roles.map(r, user.roles.map(q, q.value + r.value)).size() == 1`:              "the expression takes too much work",
		`user.roles.all(a, user.roles.all(b, user.roles.all(c, a.value != b.value + "")))`: "",
	} {
		condition, err := mapping.CompileCondition(expression)
		if err != nil {
			t.Errorf("%s: %v", expression, err)
			continue
		}
		if holds, problem := condition.Holds(user); holds || problem != want {
			t.Errorf("%s: %v, problem %q; want %q", expression, holds, problem, want)
		}
	}
}

func BenchmarkConditionHolds(b *testing.B) {
	condition, err := mapping.CompileCondition(`user.roles.exists(r, r.value == "common-room.admin")`)
	if err != nil {
		b.Fatal(err)
	}
	user := withRoles("other.viewer", "common-room.admin")
	b.ReportAllocs()
	for b.Loop() {
		if holds, _ := condition.Holds(user); !holds {
			b.Fatal("does not hold")
		}
	}
}
