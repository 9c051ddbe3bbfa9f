// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mapping_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/mapping"
)

const enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"

func ada() map[string]any {
	return map[string]any{
		"userName": "Ada@corp.test",
		"active":   true,
		"name":     map[string]any{"givenName": "Ada", "familyName": "Lovelace"},
		"title":    "",
		"nickName": nil,
		"emails": []any{
			map[string]any{"value": "ada@home.test", "type": "home"},
			map[string]any{"value": "ada@corp.test", "type": "work", "primary": true},
		},
		"groups":   []any{},
		"level":    int64(7),
		"score":    1.5,
		enterprise: map[string]any{"department": "Engines"},
	}
}

// eval computes one attribute.
func eval(t *testing.T, expression string, user map[string]any) (value any, problem string) {
	t.Helper()
	p, _, err := mapping.Compile([]mapping.Attribute{{Name: "a", Expression: expression}})
	if err != nil {
		t.Fatalf("%s: %v", expression, err)
	}
	values, problems := p.Eval(user)
	if len(values)+len(problems) > 1 {
		t.Fatalf("values %v, problems %v", values, problems)
	}
	return values["a"], problems["a"]
}

func TestEval(t *testing.T) {
	for expression, want := range map[string]any{
		// What the user has.
		`user.userName`:                         "Ada@corp.test",
		`user.active`:                           true,
		`user.level`:                            int64(7),
		`user.score`:                            1.5,
		`user.name`:                             map[string]any{"givenName": "Ada", "familyName": "Lovelace"},
		`user.emails[1].value`:                  "ada@corp.test",
		`user["name"]["givenName"]`:             "Ada",
		`user["` + enterprise + `"].department`: "Engines",
		`user.emails`: []any{
			map[string]any{"value": "ada@home.test", "type": "home"}, map[string]any{"value": "ada@corp.test", "type": "work", "primary": true},
		},

		// What is no value.
		`null`:                                nil,
		`""`:                                  nil,
		`[]`:                                  nil,
		`{}`:                                  nil,
		`[null]`:                              nil,
		`{"value": null}`:                     nil,
		`user.title`:                          nil,
		`user.nickName`:                       nil,
		`user.groups`:                         nil,
		`user.displayName`:                    nil,
		`user.name.middleName`:                nil,
		`user.manager.value`:                  nil,
		`user.emails[2].value`:                nil,
		`user.emails[0].primary`:              nil,
		`user.groups[0]`:                      nil,
		`user["displayName"]`:                 nil,
		`user.displayName + "x"`:              nil,
		`has(user.manager.value) ? "a" : "b"`: nil,

		// What is one although it looks empty.
		`false`:          false,
		`0`:              int64(0),
		`0.0`:            0.0,
		`[""]`:           []any{""},
		`user.level < 5`: false,
		`[1, null, "x"]`: []any{int64(1), "x"},

		// Macros and operators.
		`has(user.title) ? "a" : "b"`: "a",
		`has(user.displayName) ? user.displayName : user.name.givenName + " " + user.name.familyName`: "Ada Lovelace",
		`user.emails.filter(e, e.type == "work").map(e, e.value)`:                                     []any{"ada@corp.test"},
		`user.emails.filter(e, has(e.primary) && e.primary)[0].value`:                                 "ada@corp.test",
		`[{"value": user.userName, "type": "work", "primary": true}]`:                                 []any{map[string]any{"value": "Ada@corp.test", "type": "work", "primary": true}},
		`"department" in user["` + enterprise + `"]`:                                                  true,
		`size(user.emails)`:                 int64(2),
		`user.level + 1`:                    int64(8),
		`5u`:                                int64(5),
		`b"abc"`:                            "YWJj",
		`timestamp("2026-01-02T03:04:05Z")`: "2026-01-02T03:04:05Z",

		// null beside a value of any type.
		`user.active ? null : ["a"]`:                              nil,
		`user.active ? ["a"] : null`:                              []any{"a"},
		`user.level > 9 ? "high" : user.level > 5 ? "mid" : null`: "mid",
		`user.level > 9 ? "high" : user.level > 8 ? "mid" : null`: nil,
		`user.active ? null : null`:                               nil,
		`(user.active ? user.title : null) == "" ? [1] : null`:    []any{int64(1)},

		// String functions.
		`user.userName.lowerAscii()`:               "ada@corp.test",
		`user.userName.upperAscii()`:               "ADA@CORP.TEST",
		`"  ä x ".trim()`:                          "ä x",
		`user.userName.split("@")[0]`:              "Ada",
		`"a,b,c".split(",", 2)`:                    []any{"a", "b,c"},
		`"a,b,c".split(",", 0)`:                    nil,
		`"a,b".split(",", -1)`:                     []any{"a", "b"},
		`"äbc".split("")`:                          []any{"ä", "b", "c"},
		`["a", "", "b"].join("-")`:                 "a--b",
		`["", "b"].join(",")`:                      ",b",
		`["a", "b"].join()`:                        "ab",
		`user.userName.replace("corp", "example")`: "Ada@example.test",
		`"aaaa".replace("a", "b", 2)`:              "bbaa",
		`"aaaa".replace("a", "b", 0)`:              "aaaa",
		`"ab".replace("", "-")`:                    "-a-b-",
		`"äbc".substring(1)`:                       "bc",
		`"äbc".substring(0, 2)`:                    "äb",
		`"äbc".substring(3)`:                       nil,
		`"äbäb".indexOf("b")`:                      int64(1),
		`"äbäb".lastIndexOf("b")`:                  int64(3),
		`"äb".indexOf("x")`:                        int64(-1),
		`"äb".charAt(1)`:                           "b",
		`"äb".charAt(2)`:                           nil,
		`user.userName.matches("^[A-Z]")`:          true,
		`user.userName.startsWith("Ada")`:          true,
	} {
		t.Run(expression, func(t *testing.T) {
			got, problem := eval(t, expression, ada())
			if problem != "" {
				t.Fatalf("problem: %s", problem)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("value (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEvalSaysWhatWentWrong(t *testing.T) {
	user := ada()
	user["long"] = strings.Repeat("secret ", 9000)
	var many []any
	for i := range 400 {
		many = append(many, fmt.Sprint("secret", i))
	}
	user["many"] = many
	for expression, want := range map[string]string{
		`user.name + 1`:                    "types do not fit",
		`user.emails.value`:                "types do not fit",
		`user.userName ? 1 : 2`:            "types do not fit",
		`user.level.split("x")`:            "types do not fit",
		`user.emails.join(",")`:            "types do not fit",
		`int(user.userName)`:               "cannot be converted",
		`timestamp(user.userName)`:         "cannot be converted",
		`user.level / 0`:                   "division by zero",
		`user.level % 0`:                   "division by zero",
		`user.level * 9223372036854775807`: "too large",
		`user.userName.substring(50)`:      "outside the string",
		`user.userName.charAt(-1)`:         "outside the string",
		`1.0 / 0.0`:                        "no form in JSON",
		`18446744073709551615u`:            "no form in JSON",
		`{1: "a"}`:                         "no form in JSON",
		`type(user)`:                       "no form in JSON",
		`duration("1h")`:                   "no form in JSON",

		// Nothing grows without bound.
		`user.long.replace("", user.long)`:                                "too large",
		`user.long.split("").join(user.long)`:                             "too large",
		`user.many.map(a, user.many.map(b, user.many.map(c, a + b + c)))`: "too much work",
		`user.many.map(a, user.long + a)`:                                 "too large",
		`user.many.all(a, user.long.upperAscii().contains("SECRET"))`:     "too much work",
		"[" + strings.Repeat("user.long, ", 17) + "1]":                    "too large",
	} {
		t.Run(expression, func(t *testing.T) {
			value, problem := eval(t, expression, user)
			if value != nil || !strings.Contains(problem, want) {
				t.Errorf("value %.100v, problem %q, want %q", value, problem, want)
			}
			for _, personal := range []string{"Ada", "corp.test", "secret"} {
				if strings.Contains(problem, personal) {
					t.Errorf("problem %q holds a value of the user", problem)
				}
			}
		})
	}
}

func TestCompileNamesWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct {
		attributes []mapping.Attribute
		want       []string
	}{
		"syntax":            {[]mapping.Attribute{{"title", "user."}}, []string{`attribute "title": 1:6: `, "Syntax error"}},
		"second line":       {[]mapping.Attribute{{"title", "user.a +\n  users.b"}}, []string{"2:3: undeclared reference to 'users'"}},
		"unknown function":  {[]mapping.Attribute{{"title", "lower(user.a)"}}, []string{"undeclared reference to 'lower'"}},
		"types":             {[]mapping.Attribute{{"title", `"a" + 1`}}, []string{"1:5: found no matching overload"}},
		"empty":             {[]mapping.Attribute{{"title", ""}}, []string{`attribute "title": 1:`}},
		"pattern":           {[]mapping.Attribute{{"title", `user.a.matches("(")`}}, []string{`attribute "title": 1:`}},
		"nesting":           {[]mapping.Attribute{{"title", strings.Repeat("user.a.map(x, ", 5) + "1" + strings.Repeat(")", 5)}}, []string{"nesting"}},
		"recursion":         {[]mapping.Attribute{{"title", strings.Repeat("(", 2000) + "1" + strings.Repeat(")", 2000)}}, []string{"recursion"}},
		"several, and fine": {[]mapping.Attribute{{"title", "user."}, {"locale", "user.locale"}, {"nickName", "x"}}, []string{`"title"`, `"nickName"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p, broken, err := mapping.Compile(tc.attributes)
			if err == nil || len(broken) == 0 {
				t.Fatalf("broken %v, error %v", broken, err)
			}
			values, problems := p.Eval(map[string]any{"locale": "de"})
			if len(values) != len(tc.attributes)-len(broken) || len(problems) > 0 {
				t.Errorf("the others give %v, %v", values, problems)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q does not say %q", err, want)
				}
			}
			if lines := strings.Split(err.Error(), "\n"); len(lines) > len(tc.attributes) {
				t.Errorf("more than a line for each attribute: %q", err)
			}
		})
	}
}

func TestMerge(t *testing.T) {
	profile := []mapping.Attribute{{"userName", "user.userName"}, {"title", "user.title"}, {"locale", "user.locale"}}
	for name, tc := range map[string]struct {
		overrides []v1alpha1.AttributeMapping
		want      []mapping.Attribute
	}{
		"none":                              {nil, profile},
		"replaces":                          {[]v1alpha1.AttributeMapping{{Name: "title", Expression: "user.nickName"}}, []mapping.Attribute{{"userName", "user.userName"}, {"title", "user.nickName"}, {"locale", "user.locale"}}},
		"replaces whatever the letter case": {[]v1alpha1.AttributeMapping{{Name: "TITLE", Expression: "1"}}, []mapping.Attribute{{"userName", "user.userName"}, {"title", "1"}, {"locale", "user.locale"}}},
		"removes":                           {[]v1alpha1.AttributeMapping{{Name: "title"}}, []mapping.Attribute{{"userName", "user.userName"}, {"locale", "user.locale"}}},
		"removes what is not there":         {[]v1alpha1.AttributeMapping{{Name: "x"}}, profile},
		"adds":                              {[]v1alpha1.AttributeMapping{{Name: "x", Expression: "1"}}, append(profile[:3:3], mapping.Attribute{Name: "x", Expression: "1"})},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, mapping.Merge(profile, tc.overrides)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if profile[1].Expression != "user.title" {
				t.Error("the profile was changed")
			}
		})
	}
}

func profileAttributes(t testing.TB, name string) []mapping.Attribute {
	t.Helper()
	profile, ok := profiles.Get(name)
	if !ok {
		t.Fatalf("no profile %s", name)
	}
	var attributes []mapping.Attribute
	for _, a := range profile.Attributes {
		attributes = append(attributes, mapping.Attribute{Name: a.Path, Expression: a.Expression})
	}
	return attributes
}

// Every built-in mapping compiles, and is no problem for users with much or little.
func TestBuiltInMappings(t *testing.T) {
	for _, name := range profiles.Names() {
		p, _, err := mapping.Compile(profileAttributes(t, name))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, user := range []map[string]any{ada(), {"userName": "ada"}, {"userName": "ada", "emails": []any{}, "name": map[string]any{}}, {}} {
			values, problems := p.Eval(user)
			if len(problems) > 0 {
				t.Errorf("%s: problems %v", name, problems)
			}
			if _, err := json.Marshal(values); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

func TestProgramsAreSafeForConcurrentUse(t *testing.T) {
	p, _, err := mapping.Compile(profileAttributes(t, "generic"))
	if err != nil {
		t.Fatal(err)
	}
	want, _ := p.Eval(ada())
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if got, _ := p.Eval(ada()); !cmp.Equal(want, got) {
					t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
				}
			}
		})
	}
	wg.Wait()
}

// Whatever compiles ends, and gives JSON or a reason.
func FuzzEval(f *testing.F) {
	for _, expression := range []string{
		`user.emails.filter(e, e.type == "work")[0].value.lowerAscii()`, `user.userName.replace("", user.userName).split("@").join("-")`, `{"a": [1, 2.5, user.name]}`,
		`user.userName.substring(1, 3) + user.userName.charAt(0)`, `string(timestamp("2026-01-01T00:00:00Z").getFullYear())`, `user.emails.map(e, e.value)`,
	} {
		f.Add(expression)
	}
	f.Fuzz(func(t *testing.T, expression string) {
		p, _, err := mapping.Compile([]mapping.Attribute{{Name: "a", Expression: expression}})
		if err != nil {
			return
		}
		values, problems := p.Eval(ada())
		if len(values)+len(problems) > 1 {
			t.Errorf("values %v and problems %v", values, problems)
		}
		data, err := json.Marshal(values)
		if err != nil {
			t.Fatal(err)
		}
		var back map[string]any
		if err := json.Unmarshal(data, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(len(values), len(back), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkEval(b *testing.B) {
	attributes := profileAttributes(b, "generic")
	if len(attributes) > 15 {
		attributes = attributes[:15]
	}
	p, _, err := mapping.Compile(attributes)
	if err != nil {
		b.Fatal(err)
	}
	user := ada()
	b.ReportAllocs()
	for b.Loop() {
		p.Eval(user)
	}
}

func BenchmarkCompile(b *testing.B) {
	attributes := profileAttributes(b, "generic")
	for b.Loop() {
		if _, _, err := mapping.Compile(attributes); err != nil {
			b.Fatal(err)
		}
	}
}
