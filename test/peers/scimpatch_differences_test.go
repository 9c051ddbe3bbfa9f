// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// patchDifference is a class of operations of which scim-patch makes something else. Nothing is excused but what the class describes: correct changes its
// result to what the class says is right, and then both have to be equal; excuses is for operations that one of the two refuses.
type patchDifference struct {
	name string
	// why says who is right, by which section of RFC 7643 or 7644.
	why     string
	correct func(c comparison, theirs map[string]any)
	excuses func(c comparison) bool
}

var patchDifferences = []patchDifference{
	{
		name: "extension without path", correct: moveExtension,
		why: "7643 3.3, 7644 3.5.2.1: the URN is the name of the extension's object. scim-patch takes its last part for an attribute.",
	},
	{
		name: "complex attribute without path", correct: mergeName,
		why: "7644 3.5.2.3: sub-attributes that are not specified are left unchanged. scim-patch replaces the object.",
	},
	{
		name: "one value of an absent list", correct: wrapObjects,
		why: "7643 2.4: a multi-valued attribute is an array. scim-patch makes an object of it.",
	},
	{
		name: "value that is there", correct: dropDuplicates,
		why: "7644 3.5.2.1: an add of a value that is there changes nothing; 7643 2.4: the same type and value should be there once. scim-patch appends.",
	},
	{
		name: "primary", correct: demote,
		why: "7644 3.5.2: a PATCH that makes a value primary makes the others not primary. scim-patch leaves them.",
	},
	{
		name: "replace of a selected value", correct: replaceSelected,
		why: "7644 3.5.2.3: the values that match are replaced. scim-patch merges. That what the filter asked for stays is ours.",
	},
	{
		name: "remove by value", correct: removeByValue,
		why: "Not in the RFC. Entra means the elements with that value; scim-patch removes those that are equal in all.",
	},
	{
		name: "value path that selects nothing", correct: createSelected,
		why: "7644 3.5.2.1: what does not exist is added; with the tolerance, by replace too. scim-patch does so for attr[filter].sub, and not for attr[filter].",
		excuses: func(c comparison) bool {
			if c.creates && strings.HasSuffix(c.op.path, "]") && c.theirError != "" {
				return c.ourError == nil && created(c) != nil
			}
			// Without the tolerance, or with a filter that describes no value, it is noTarget here, as for replace (3.5.2.3).
			return c.op.kind == "add" && strings.Contains(c.op.path, "[") && refusedWith(c, scim.ScimTypeNoTarget) && c.theirError == "" &&
				(!c.creates || cmp.Equal(normal(c.theirs), normal(c.before)))
		},
	},
	{
		name: "letter case in a filter",
		why:  "7643 4.1.2 with 7644 3.4.2.2: type has no caseExact, so \"WORK\" selects \"work\". scim-patch compares with letter case.",
		excuses: func(c comparison) bool {
			list, _ := c.before[c.op.attributes()[0]].([]any)
			return slices.ContainsFunc(list, func(e any) bool {
				kind := e.(map[string]any)["type"]
				return kind == "work" && strings.Contains(c.op.path, `"WORK"`) || kind == "WORK" && strings.Contains(c.op.path, `"work"`)
			})
		},
	},
	{
		name: "remove of what is not there",
		why:  "7644 3.5.2.2 has no error for it. scim-patch refuses a filter on an attribute without values.",
		excuses: func(c comparison) bool {
			return c.op.kind == "remove" && c.theirError != "" && c.ourError == nil && cmp.Equal(normal(c.ours), normal(c.before))
		},
	},
	{
		name: "remove of a required attribute",
		why:  "7644 3.5.2.2: 400 mutability. scim-patch knows no schema.",
		excuses: func(c comparison) bool {
			return c.op.kind == "remove" && c.op.path == "userName" && refusedWith(c, scim.ScimTypeMutability) && c.theirError == ""
		},
	},
	{
		name: "several primaries",
		why:  "7643 2.4: primary is true at most once, so an operation that makes it true on two values is refused. scim-patch does not look.",
		excuses: func(c comparison) bool {
			return strings.HasSuffix(c.op.path, ".primary") && refusedWith(c, scim.ScimTypeInvalidValue) && c.theirError == ""
		},
	},
}

func refusedWith(c comparison, scimType scim.ScimType) bool {
	var e *scim.Error
	return errors.As(c.ourError, &e) && e.ScimType == scimType
}

// explain gives the names of the classes that a difference belongs to, empty for none.
func explain(c comparison) string {
	for _, d := range patchDifferences {
		if d.excuses != nil && d.excuses(c) {
			return d.name
		}
	}
	if c.ourError != nil || c.theirError != "" {
		return ""
	}
	var names []string
	theirs := copied(c.theirs)
	for _, d := range patchDifferences {
		if d.correct == nil {
			continue
		}
		before := copied(theirs)
		if d.correct(c, theirs); !cmp.Equal(normal(before), normal(theirs)) {
			names = append(names, d.name)
		}
	}
	if !cmp.Equal(normal(c.ours), normal(theirs)) {
		return ""
	}
	return strings.Join(names, ", ")
}

func copied(m map[string]any) map[string]any {
	raw, err := json.Marshal(m)
	if err != nil {
		panic(err) // it came from JSON
	}
	var out map[string]any
	if err := json.Unmarshal(raw, &out); err != nil {
		panic(err)
	}
	return out
}

func moveExtension(c comparison, theirs map[string]any) {
	at := strings.LastIndexByte(scim.EnterpriseUserSchemaID, ':')
	wrong, ok := theirs[scim.EnterpriseUserSchemaID[:at]].(map[string]any)
	if !ok {
		return
	}
	delete(theirs, scim.EnterpriseUserSchemaID[:at])
	now, _ := c.before[scim.EnterpriseUserSchemaID].(map[string]any)
	more, _ := wrong[scim.EnterpriseUserSchemaID[at+1:]].(map[string]any)
	theirs[scim.EnterpriseUserSchemaID] = merged(now, more)
}

func mergeName(c comparison, theirs map[string]any) {
	if c.op.path != "" {
		return
	}
	if more, ok := c.op.value.(map[string]any)["name"].(map[string]any); ok {
		now, _ := c.before["name"].(map[string]any)
		theirs["name"] = merged(now, more)
	}
}

func wrapObjects(_ comparison, theirs map[string]any) {
	for _, name := range plurals {
		if o, ok := theirs[name].(map[string]any); ok {
			theirs[name] = []any{o}
		}
	}
}

// dropDuplicates merges an element into an earlier one of the same type and value, if both have them, and leaves equal ones out.
func dropDuplicates(c comparison, theirs map[string]any) {
	if c.op.kind != "add" {
		return
	}
	for _, name := range c.op.attributes() {
		list, _ := theirs[name].([]any)
		old, _ := c.before[name].([]any)
		switch {
		case list == nil:
		case strings.Contains(c.op.path, "["):
			theirs[name] = withoutMadeCopies(old, list)
		default:
			theirs[name] = withoutAddedCopies(old, list)
		}
	}
}

// withoutAddedCopies is about what stands after the elements of before.
func withoutAddedCopies(old, list []any) (out []any) {
	for i, e := range list {
		o, isObject := e.(map[string]any)
		at := slices.IndexFunc(out, func(x any) bool { return cmp.Equal(x, e) })
		if at < 0 && isObject && o["type"] != nil && o["value"] != nil {
			at = slices.IndexFunc(out, func(x any) bool { return sameSlot(x, e) })
		}
		switch {
		case at < 0 || i < len(old):
			out = append(out, e)
		case isObject:
			out[at] = merged(out[at].(map[string]any), o)
		}
	}
	return out
}

// withoutMadeCopies is about elements that the operation changed.
func withoutMadeCopies(old, list []any) (out []any) {
	changed := func(i int) bool { return i >= len(old) || !cmp.Equal(old[i], list[i]) }
	for i, e := range list {
		copied := slices.ContainsFunc(out, func(x any) bool { return cmp.Equal(x, e) })
		for j := i + 1; j < len(list); j++ {
			copied = copied || !changed(j) && cmp.Equal(list[j], e)
		}
		if !changed(i) || !copied {
			out = append(out, e)
		}
	}
	return out
}

// demote takes primary from the elements that had it before, if the operation gave it to another.
func demote(c comparison, theirs map[string]any) {
	for _, name := range plurals {
		list, _ := theirs[name].([]any)
		old, _ := c.before[name].([]any)
		var had, got []map[string]any
		for i, e := range list {
			o, ok := e.(map[string]any)
			switch {
			case !ok || o["primary"] != true:
			case i < len(old) && old[i].(map[string]any)["primary"] == true:
				had = append(had, o)
			default:
				got = append(got, o)
			}
		}
		if len(got) == 1 {
			for _, o := range had {
				o["primary"] = false
			}
		}
	}
}

// replaceSelected takes our value of the attribute: it is checked to hold, for each element that scim-patch changed, what the operation's value says.
func replaceSelected(c comparison, theirs map[string]any) {
	if c.op.kind != "replace" || !strings.HasSuffix(c.op.path, "]") {
		return
	}
	name := c.op.attributes()[0]
	old, _ := c.before[name].([]any)
	mine, _ := c.ours[name].([]any)
	value, _ := c.op.value.(map[string]any)
	for _, e := range mine {
		if slices.ContainsFunc(old, func(x any) bool { return cmp.Equal(x, e) }) {
			continue
		}
		for sub, v := range value {
			if e.(map[string]any)[sub] != v {
				return
			}
		}
	}
	theirs[name] = c.ours[name]
}

func removeByValue(c comparison, theirs map[string]any) {
	listed, ok := c.op.value.([]any)
	if !ok || c.op.kind != "remove" {
		return
	}
	name := c.op.attributes()[0]
	list, _ := theirs[name].([]any)
	theirs[name] = slices.DeleteFunc(slices.Clone(list), func(e any) bool {
		return slices.ContainsFunc(listed, func(x any) bool {
			v := x.(map[string]any)["value"]
			return v != nil && v == e.(map[string]any)["value"]
		})
	})
}

// createSelected puts in the element that the operation describes.
func createSelected(c comparison, theirs map[string]any) {
	if c.op.kind != "add" || !strings.HasSuffix(c.op.path, "]") || !c.creates {
		return
	}
	if e := created(c); e != nil {
		name := c.op.attributes()[0]
		old, _ := c.before[name].([]any)
		theirs[name] = append(slices.Clone(old), e)
	}
}

// created is the element that our result has more than there was, if it has all that the operation's value says.
func created(c comparison) any {
	name := c.op.attributes()[0]
	old, _ := c.before[name].([]any)
	mine, _ := c.ours[name].([]any)
	if len(mine) != len(old)+1 {
		return nil
	}
	last := mine[len(old)].(map[string]any)
	for sub, v := range c.op.value.(map[string]any) {
		if last[sub] != v {
			return nil
		}
	}
	return last
}
