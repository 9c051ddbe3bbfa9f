// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// shown is what For shows of an app's text.
func shown(text string, values ...string) string {
	e := &Error{AppText: text}
	_, after, _ := strings.Cut(e.For(values), "; the app says: ")
	return after
}

func TestNoValueOfTheUserIsShown(t *testing.T) {
	user := Personal(map[string]any{
		"userName": "jane.doe@corp.test", "nickName": "Al", "title": "Head of the Research Group", "displayName": "Jürgen Müßig", "userType": "Engineer",
		"name":  map[string]any{"familyName": "Doe-Smith", "givenName": "Jane", "formatted": "Jane Marie Doe van Dyck", "middleName": "Li Na"},
		"other": []any{"Sørensen", "Mueller", "李", "小龙", "1984-12-31", "+49 89 1234 567", 42.0, "007", json.Number("815"), true, nil, "de"},
	})
	tests := map[string]struct{ text, want string }{
		"an address of the user":        {"user jane.doe@corp.test exists", "user *** exists"},
		"another address":               {"held by <bob@other.test>.", "held by <***>."},
		"a name":                        {"Doe-Smith is taken", "*** is taken"},
		"a part of a name":              {"no room for Smith, sorry", "no room for ***, sorry"},
		"other letter case":             {"HEAD OF THE RESEARCH GROUP is unknown", "*** is unknown"},
		"the words of a title":          {"the research of the group is unknown to the head", "the research of the group is unknown to the head"},
		"a word in another word":        {"engineering is no engineer", "engineering is no ***"},
		"a short word":                  {"de is no locale", "de is no locale"},
		"a small word of a name":        {"the van of van Dyck", "the van of van ***"},
		"a short value as a word":       {"al, al is already taken", "***, *** is already taken"},
		"the local part":                {"jane.doe is taken", "*** is taken"},
		"two letters":                   {"Na Li knows national lists", "*** *** knows national lists"},
		"words in another order":        {"Doe, Jane Marie", "***, *** ***"},
		"more space between":            {"Jane  Marie\tDoe van\nDyck exists", "*** exists"},
		"umlauts":                       {"JÜRGEN MÜSSIG exists", "*** exists"},
		"umlauts that are combined":     {"Ju\u0308rgen exists", "*** exists"},
		"umlauts spelled out":           {"Juergen Muessig exists", "*** exists"},
		"umlauts without dots":          {"Jurgen Mussig exists", "*** exists"},
		"a name that was spelled out":   {"Müller exists", "*** exists"},
		"an o with a stroke":            {"Soerensen and Sorensen", "*** and ***"},
		"a script without spaces":       {"用户李小龙已存在", "用户***已存在"},
		"a birth date":                  {"born 1984-12-31, not 31.12.1984", "born ***, not ***"},
		"a birth date without dashes":   {"key 19841231 exists", "key *** exists"},
		"a telephone number":            {"phone (089) 1234567 or 0049-89-1234-567", "phone (*** or ***"},
		"a number of two digits":        {"level 42 of 142", "level *** of 142"},
		"a number with zeros":           {"agent 007 of 1007", "agent *** of ***"},
		"any number of four digits":     {"employee 4711 and 816", "employee *** and 816"},
		"a number of three digits":      {"employee 815", "employee ***"},
		"HTML entities":                 {"J&uuml;rgen &lt;x&gt;", "*** <x>"},
		"an escaped URL":                {"/Users?userName=jane.doe%40corp.test", "/Users?userName=***"},
		"JSON in a text":                {`{\"name\":\"M\u00fc\u00dfig\"}`, `{\"name\":\"***\"}`},
		"a value over two JSON fields":  {`{"given":"Jane","family":"Doe"}`, `{"given":"***","family":"***"}`},
		"control characters":            {"a\nb\x00c", "a b c"},
		"no value":                      {"the title is too long", "the title is too long"},
		"only a value":                  {"Doe", "***"},
		"half an escape is no surprise": {`x \ud800 %C3 y`, "x y"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := shown(test.text, user...); got != test.want {
				t.Errorf("shown = %q, want %q", got, test.want)
			}
		})
	}
}

// TestWholeValuesNeverSurviveAndTheWordsOfTheAppDo puts random values of a person into sentences of an app.
func TestWholeValuesNeverSurviveAndTheWordsOfTheAppDo(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	person := []string{
		"jane.doe@corp.test", "Jane", "Doe", "Jane Doe", "Head of the Department", "R&D", "O'Neill", "Nguyễn Văn An", "Zoë", "E-4711-x", "d0e", "Boss", "Łukasz", "王小明",
		"Müller-Lüdenscheidt", "the deputy of the head",
	}
	words := strings.Fields("the user of this title has no value for an attribute that is required in head office department a deputy")
	around := []string{" ", " '", "' ", ", ", ": \"", "\" (", ") ", ".\n", "="}
	for range 3000 {
		var text, kept strings.Builder
		text.WriteString("Error")
		for range 1 + random.IntN(6) {
			separator := around[random.IntN(len(around))]
			word := words[random.IntN(len(words))]
			text.WriteString(separator + word + separator + person[random.IntN(len(person))] + separator)
			kept.WriteString(word + " ")
		}
		got := shown(text.String(), person...)
		for _, value := range person {
			if survives(strings.ToLower(got), strings.ToLower(value)) {
				t.Fatalf("%q of %q survives in %q", value, text.String(), got)
			}
		}
		if strings.HasSuffix(got, "...") {
			continue // it was cut
		}
		rest := got
		for word := range strings.FieldsSeq(kept.String()) {
			_, after, there := strings.Cut(rest, word)
			if !there {
				t.Fatalf("%q of %q is lost in %q", word, text.String(), got)
			}
			rest = after
		}
	}
}

func TestALongTextIsCutBetweenWordsAfterRedacting(t *testing.T) {
	if got := shown(strings.Repeat("word ", 60)); got != strings.TrimSpace(strings.Repeat("word ", 51))+"..." {
		t.Errorf("cut to %q", got)
	}
	if got := shown(strings.Repeat("ü", 5000)); got != "..." {
		t.Errorf("one long word is cut to %q", got)
	}
	// A value at each position around the bounds, of what is shown and of what is kept.
	for _, bound := range []int{maxShown, MaxAppText} {
		for offset := -12; offset <= 2; offset++ {
			filler := strings.Repeat(". ", bound)[:bound+offset]
			for _, value := range []string{"Janet Doe", "Doe", "Müller", "jane%40corp.test"} {
				e := &Error{AppText: appText([]byte(`{"detail":"`+filler+value+` is taken"}`), "")}
				got := e.For([]string{"Janet Doe", "Doe", "Müller", "jane@corp.test"})
				if strings.ContainsAny(strings.TrimSuffix(got, " is taken"), "JDMjü") {
					t.Errorf("%q, %d from the bound of %d: shows %q", value, offset, bound, got[max(0, len(got)-40):])
				}
			}
		}
	}
	e := &Error{AppText: strings.Repeat("***", MaxAppText) + " Jan"}
	if got := e.For([]string{"Jane"}); strings.Contains(got, "Jan") {
		t.Errorf("shows %q", got)
	}
}

func TestTooManyValuesHideTheWholeText(t *testing.T) {
	var values []string
	for i := range maxNeedles + 1 {
		values = append(values, fmt.Sprint("value", i))
	}
	if got := (&Error{Kind: Invalid, AppText: "hello"}).For(values); got != "Invalid" {
		t.Errorf("text = %q", got)
	}
}

func TestAnErrorShowsNothingOfTheRequestOrTheApp(t *testing.T) {
	const detail = `{"detail":"Jane of jane.doe@corp.test, user 2819c223, born 31.12.84, has secret-token-1 and no role viewer","scimType":"%s"}`
	for scimType, summary := range map[string]string{
		"invalidvalue": "CreateUser: Invalid (status 400, invalidValue)",
		"Jane Doe":     "CreateUser: Invalid (status 400)",
	} {
		client := clientOf(t, answering(http.StatusBadRequest, fmt.Sprintf(detail, scimType)), nil)
		client.options.Authorization = "Bearer secret-token-1"
		_, err := client.Do(t.Context(), HTTPRequest{
			Op: OpCreateUser, Method: http.MethodPost, Path: "/Users", Personal: []string{"2819c223"},
			Body: map[string]any{
				"schemas": []any{"has"}, "name": map[string]any{"givenName": "Jane"},
				"Operations": []any{map[string]any{"op": "no", "path": `members[value eq "viewer"]`}}, "level": 84, "list": []any{31, 12},
			},
		})
		e := AsError(err)
		if e == nil || err.Error() != summary || e.Summary() != summary {
			t.Fatalf("error = %v, want %s", err, summary)
		}
		if got, want := e.For(nil), summary+"; the app says: *** of ***, user ***, born ***, has *** and no role ***"; got != want {
			t.Errorf("for the user: %q, want %q", got, want)
		}
		if strings.Contains(e.AppText, "secret-token") {
			t.Errorf("the credential is kept: %q", e.AppText)
		}
	}
}

func TestAnErrorOfAHugeRequestHasNoTextOfTheApp(t *testing.T) {
	client := clientOf(t, answering(http.StatusBadRequest, `{"detail":"Jane"}`), nil)
	_, err := client.Do(t.Context(), HTTPRequest{
		Op: OpUpdateGroup, Method: http.MethodPut, Path: "/Groups/1", Body: map[string]any{"x": strings.Repeat("y", maxSentBytes)},
	})
	if e := AsError(err); e == nil || e.AppText != "" || e.Kind != Invalid {
		t.Errorf("error = %+v", err)
	}
}

// FuzzNoValueOfTheUserSurvives: whatever the app says, For shows none of the values: one of several words nowhere, one word not as a word.
func FuzzNoValueOfTheUserSurvives(f *testing.F) {
	f.Add("user jane.doe@corp.test exists", "jane.doe@corp.test", "Jane")
	f.Add("JÜRGEN Mu\u0308ller 1984-12-31", "Jürgen", "19841231")
	f.Add("abJanetab cd", "Janet", "ab")
	f.Add("%4aane &#74;ane \\u004aane", "Jane", "x")
	f.Add(strings.Repeat("x ", 130)+"Doe", "Doe", "Do")
	f.Add("李小龙", "李", "小龙")
	f.Fuzz(func(t *testing.T, text, first, second string) {
		got := strings.TrimSuffix(shown(text, first, second), "...")
		if n := utf8.RuneCountInString(got); n > maxShown+3 {
			t.Errorf("%d characters are shown", n)
		}
		for _, value := range []string{first, second} {
			if survives(strings.ToLower(got), strings.ToLower(value)) {
				t.Errorf("%q of %q shows %q", got, text, value)
			}
		}
	})
}

// survives looks for a value in lower case by the plainest means.
func survives(text, value string) bool {
	value = strings.TrimSpace(value)
	if utf8.RuneCountInString(value) <= 2 {
		return false // an initial, or a word like "of"
	}
	if !strings.ContainsFunc(value, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) }) || strings.Contains(value, "*") || !utf8.ValidString(value) {
		return false
	}
	for at := 0; ; {
		i := strings.Index(text[at:], value)
		if i < 0 {
			return false
		}
		start, end := at+i, at+i+len(value)
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if strings.ContainsFunc(value, func(r rune) bool { return !isWord(r) }) && utf8.RuneCountInString(value) > shortValue || !isWord(before) && !isWord(after) {
			return true
		}
		at = start + 1
	}
}
