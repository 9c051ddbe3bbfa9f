// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connector

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// evidence says how clearly a text names an attribute. Only the names with the clearest evidence count: a text that quotes one attribute mentions others in passing.
type evidence int

const (
	noEvidence evidence = iota
	// byParent: it names only what the attribute is a part of: name for name.givenName, or the extension's URN.
	byParent
	// byContext: an English word that may be an attribute, beside words that speak of attributes: "the field title", "title is too long".
	byContext
	// bySpelling: a word that is no English: userName, user_name, name.givenName, a URN.
	bySpelling
	// byQuotes: 'title', "title", [title].
	byQuotes
)

var (
	// afterName is what stands in brackets behind a name: a filter, an index, or the name of a sub-attribute.
	afterName    = regexp.MustCompile(`([\w$])\[([^\[\]]*)\]`)
	subAttribute = regexp.MustCompile(`^["'](\w+)["']$`)
	// attributeWord is a word, an attribute's path, or a URN with or without a path.
	attributeWord = regexp.MustCompile(`[A-Za-z$](?:[\w$]|[.:-][\w$])*`)
	// choices begin the list of what the app would take.
	choices = regexp.MustCompile(`(?i)\b(?:be one of|(?:supported|allowed|valid|permitted|known|available|possible|accepted|expected|writable)` +
		` (?:attributes?|fields?|paths?|values?|propert(?:y|ies)|keys?|parameters?)(?: names?)?(?: are| is)?(?: one of)?\s*:?)`)
)

// wrappers are what some apps put before the path: their name for the resource or for the request.
var wrappers = wordSet("user group resource scimuser body value data operations request attributes $")

// Words beside an attribute's name that tell it from the same word in a sentence.
var (
	before = wordSet(`attribute attributes path paths field fields property parameter target column key named modify change update set replace remove add clear
		unsupported unknown invalid immutable readonly duplicate unrecognized missing undefined for of`)
	after = wordSet(`attribute field property parameter path value values address is are was has have does must cannot can't can should may not already needs
		contains exceeds too isn't aren't doesn't hasn't`)
	fillers = wordSet("name named with the a is value primary user's")
)

func wordSet(list string) map[string]bool {
	set := map[string]bool{}
	for word := range strings.FieldsSeq(list) {
		set[word] = true
	}
	return set
}

// namedAttributes returns those of the paths of a request that the app's refusal names, in their order. values are the values of the request, which may be the same
// words.
func namedAttributes(body []byte, paths, values []string) []string {
	if len(paths) == 0 {
		return nil
	}
	if named := matching(paths, func(m matcher) evidence { return m.inFields(body) }); named != nil {
		return named
	}
	text := withoutValues(explanation(body), values)
	if at := choices.FindStringIndex(text); at != nil && !strings.HasSuffix(strings.ToLower(text[:at[0]]), "not ") {
		text = text[:at[0]]
	}
	words := wordsOf(text)
	return matching(paths, func(m matcher) evidence { return m.inText(words) })
}

// matching returns the paths with the clearest evidence.
func matching(paths []string, find func(matcher) evidence) []string {
	var named []string
	clearest := byParent
	for _, path := range paths {
		found := find(matcher{path: foldName(path), unique: uniqueLeaf(path, paths)})
		if found > clearest {
			clearest, named = found, nil
		}
		if found == clearest {
			named = append(named, path)
		}
	}
	return named
}

// uniqueLeaf reports whether no other path ends in the same name.
func uniqueLeaf(path string, paths []string) bool {
	same := 0
	for _, other := range paths {
		if leaf(foldName(other)) == leaf(foldName(path)) {
			same++
		}
	}
	return same == 1
}

// leaf is the last name of a folded path.
func leaf(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// foldName brings the spellings of a path together: givenName, given_name; URN:name, URN.name.
func foldName(name string) string {
	name = strings.NewReplacer("_", "", "-", "", ":", ".").Replace(strings.ToLower(name))
	for _, core := range []string{schemaUser, schemaGroup} {
		name = strings.TrimPrefix(name, strings.ReplaceAll(strings.ToLower(core), ":", ".")+".")
	}
	for {
		first, rest, more := strings.Cut(name, ".")
		if !more || !wrappers[first] {
			return name
		}
		name = rest
	}
}

// matcher finds one path.
type matcher struct {
	path string
	// unique: no other path of the request ends in the same name, so that the name alone tells which.
	unique bool
}

// most is the clearest evidence that a folded name can be: where it is the path, or a part of its value, any; where the path is a part of it, byParent.
func (m matcher) most(name string) evidence {
	urn, isExtension := strings.CutSuffix(m.path, "."+leaf(m.path))
	switch {
	case name == m.path, strings.HasPrefix(name, m.path+"."), m.unique && name == leaf(m.path):
		return byQuotes
	case strings.HasPrefix(m.path, "urn.") && isExtension && urn == name, !strings.HasPrefix(m.path, "urn.") && strings.HasPrefix(m.path, name+"."):
		return byParent
	default:
		return noEvidence
	}
}

// inFields looks where apps name an attribute apart from their text.
func (m matcher) inFields(body []byte) evidence {
	clearest := noEvidence
	for _, name := range fieldsOf(body) {
		clearest = max(clearest, m.most(foldName(afterName.ReplaceAllString(name, "$1"))))
	}
	return clearest
}

// inText looks for the path in the words of a text.
func (m matcher) inText(words []word) evidence {
	clearest := noEvidence
	for i, w := range words {
		name := foldName(w.text)
		switch most := m.most(name); {
		case most > noEvidence:
			clearest = max(clearest, min(most, w.evidence(words, i, i)))
		case name+"s" == m.path:
			clearest = max(clearest, min(byContext, w.evidence(words, i, i)))
		case i+1 < len(words) && !w.closed:
			if name += foldName(words[i+1].text); name == m.path || name+"s" == m.path {
				clearest = max(clearest, min(byContext, w.evidence(words, i, i+1)))
			}
		}
	}
	return clearest
}

// word is a word of a text.
type word struct {
	text string
	// quoted: in quotes or brackets. closed: more than space follows. colon: that is a colon.
	quoted, closed, colon bool
}

func wordsOf(text string) []word {
	text = afterName.ReplaceAllStringFunc(text, func(match string) string {
		parts := afterName.FindStringSubmatch(match)
		if sub := subAttribute.FindStringSubmatch(parts[2]); sub != nil {
			return parts[1] + "." + sub[1]
		}
		return parts[1]
	})
	var words []word
	for _, at := range attributeWord.FindAllStringIndex(text, -1) {
		previous, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		next, _ := utf8.DecodeRuneInString(text[at[1]:])
		if isWord(previous) || isWord(next) {
			continue // a part of a word in another script
		}
		w := word{text: text[at[0]:at[1]], closed: !unicode.IsSpace(next), colon: next == ':'}
		w.quoted = strings.ContainsRune("[(<{", previous) || strings.ContainsRune("])>}", next) || strings.ContainsRune("'\"`‘’“”«»", previous) && strings.ContainsRune("'\"`‘’“”«»", next)
		if strings.HasPrefix(text[at[1]:], "'t ") || strings.HasPrefix(text[at[1]:], "'s ") {
			w.text, w.closed, w.quoted = text[at[0]:at[1]+2], false, false
		}
		words = append(words, w)
	}
	return words
}

// evidence says how clearly the words from first to last are the name of an attribute.
func (w word) evidence(words []word, first, last int) evidence {
	switch {
	case w.quoted:
		return byQuotes
	case strings.ContainsAny(w.text, "._:") || strings.ContainsFunc(w.text[1:], unicode.IsUpper) && strings.ContainsFunc(w.text, unicode.IsLower):
		return bySpelling
	}
	end := words[last]
	isName := strings.EqualFold(w.text, "name")
	if end.colon && !isName || !end.closed && last+1 < len(words) && after[strings.ToLower(words[last+1].text)] && !isName {
		return byContext
	}
	if isName && (end.colon || last+1 < len(words) && words[last+1].quoted) {
		return noEvidence // "the attribute with the name 'x'"
	}
	for i := first - 1; i >= 0; i-- {
		switch previous := strings.ReplaceAll(strings.ToLower(words[i].text), "-", ""); {
		case before[previous]:
			return byContext
		case !fillers[previous]:
			return noEvidence
		}
	}
	return noEvidence
}

// maxBlanked bounds the values of the request that are looked for in one text.
const maxBlanked = 200

// withoutValues blanks the values of the request in a text: one of them may be a word that is also an attribute. A text that has too many of them is not read.
func withoutValues(text string, values []string) string {
	if len(text) > MaxAppText || len(values) > maxNeedles {
		return ""
	}
	lower, blanked := strings.ToLower(text), 0
	// A value may be a part of another one.
	longestFirst := slices.SortedStableFunc(slices.Values(values), func(a, b string) int { return len(b) - len(a) })
	for _, value := range longestFirst {
		if utf8.RuneCountInString(value) < 2 || !strings.Contains(lower, strings.ToLower(value)) {
			continue
		}
		if blanked++; blanked > maxBlanked {
			return ""
		}
		if whole, err := regexp.Compile(`(?i)(^|[^\w])` + regexp.QuoteMeta(value) + `($|[^\w])`); err == nil {
			text = whole.ReplaceAllString(text, "$1$2")
		}
	}
	return text
}

// fieldsOf returns the names of attributes that stand apart from an error's text: {"path": "title"}, {"errors": [{"field": "title"}, ["title", "is too long"]]},
// {"detail": [{"loc": ["body", "title"]}]}.
func fieldsOf(body []byte) []string {
	var answer map[string]any
	if json.Unmarshal(body, &answer) != nil {
		return nil
	}
	names := fieldNames(nil, answer)
	for key, value := range answer {
		object, isObject := value.(map[string]any)
		switch {
		case isObject && strings.EqualFold(key, "errors"):
			for name := range object { // {"errors": {"title": ["is too long"]}}
				names = append(names, name)
			}
			names = fieldNames(names, object)
		case isObject:
			names = fieldNames(names, object)
		default:
			names = listedNames(names, value)
		}
	}
	slices.Sort(names)
	return names
}

// listedNames appends the names of a list of errors.
func listedNames(names []string, value any) []string {
	list, _ := value.([]any)
	for _, item := range list {
		switch v := item.(type) {
		case map[string]any:
			names = fieldNames(names, v)
		case []any:
			if len(v) == 2 {
				if name, ok := v[0].(string); ok {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// fieldNames appends the names that the fields of one object give.
func fieldNames(names []string, object map[string]any) []string {
	for _, key := range []string{"path", "failedPath", "field", "fieldName", "attribute", "attributeName", "attributePath", "property", "propertyName", "propertyPath", "param", "pointer", "loc"} {
		switch v := object[key].(type) {
		case string:
			names = append(names, strings.ReplaceAll(strings.Trim(v, "/#"), "/", "."))
		case []any:
			var parts []string
			for _, part := range v {
				if name, ok := part.(string); ok {
					parts = append(parts, name)
				}
			}
			names = append(names, strings.Join(parts, "."))
		}
	}
	return names
}
