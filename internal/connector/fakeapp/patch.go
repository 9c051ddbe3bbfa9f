// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"net/http"
	"reflect"
	"slices"
	"strings"
)

const (
	patchURN = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
	// patchURNCommon is what Common Room's API description has instead.
	patchURNCommon = "urn:ietf:params:scim:schemas:core:2.0:PatchOp"
	enterpriseURN  = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
)

// patched applies a PatchOp body (RFC 7644 3.5.2) to a copy of a document. Common Room takes operations without path only.
func patched(document, body map[string]any, pathless bool) (map[string]any, *answer) {
	schemas := stringsOf(body["schemas"])
	if !slices.Contains(schemas, patchURN) && !(pathless && slices.Contains(schemas, patchURNCommon)) {
		return nil, refuse("invalidSyntax", "schemas does not name PatchOp")
	}
	operations, ok := body[keyOf(body, "Operations")].([]any)
	if !ok || len(operations) == 0 {
		return nil, refuse("invalidSyntax", "Operations is missing")
	}
	for _, item := range operations {
		operation, _ := item.(map[string]any)
		op, _ := operation["op"].(string)
		path, _ := operation["path"].(string)
		if pathless && path != "" {
			return nil, refuse("invalidPath", "path is not supported")
		}
		if refused := apply(document, strings.ToLower(op), path, operation["value"]); refused != nil {
			return nil, refused
		}
	}
	return document, nil
}

func refuse(scimType, detail string) *answer {
	refused := scimError(http.StatusBadRequest, scimType, detail)
	return &refused
}

// apply does one operation.
func apply(document map[string]any, op, path string, value any) *answer {
	switch {
	case op != "add" && op != "replace" && op != "remove":
		return refuse("invalidSyntax", "op has to be add, replace or remove")
	case path == "" && op == "remove":
		return refuse("noTarget", "remove needs a path")
	case path == "":
		values, ok := value.(map[string]any)
		if !ok {
			return refuse("invalidValue", "an operation without path needs an object as value")
		}
		for name, inner := range values {
			if refused := apply(document, op, name, inner); refused != nil {
				return refused
			}
		}
		return nil
	}
	node, name, expression, sub, refused := resolve(document, path, op != "remove")
	if refused != nil {
		return refused
	}
	if node == nil {
		return nil // a removal from an extension that is not there
	}
	name = keyOf(node, name)
	if expression != "" {
		return applyFiltered(node, name, expression, sub, op, value)
	}
	if sub != "" {
		inner, ok := node[name].(map[string]any)
		if !ok {
			if op == "remove" {
				return nil
			}
			inner = map[string]any{}
			node[name] = inner
		}
		node, name = inner, keyOf(inner, sub)
	}
	set(node, name, op, value)
	return nil
}

// set does an operation on one attribute.
func set(node map[string]any, name, op string, value any) {
	if op == "remove" || isEmpty(value) && op == "replace" {
		delete(node, name)
		return
	}
	existing, isList := node[name].([]any)
	if op == "add" && isList {
		added, ok := value.([]any)
		if !ok {
			added = []any{value}
		}
		for _, item := range added {
			if !slices.ContainsFunc(existing, func(have any) bool { return reflect.DeepEqual(have, item) }) {
				existing = append(existing, copyValue(item))
			}
		}
		node[name] = existing
		return
	}
	before, wasObject := node[name].(map[string]any)
	if inner, ok := value.(map[string]any); ok && wasObject {
		node[name] = merged(before, inner)
		return
	}
	node[name] = copyValue(value)
}

// resolve splits a path: [urn:]name[filter].sub. It returns the object that holds the attribute; an extension is made when it is missing and make is true.
func resolve(document map[string]any, path string, make bool) (node map[string]any, name, expression, sub string, refused *answer) {
	head := path
	if open := strings.IndexByte(path, '['); open >= 0 {
		end := strings.LastIndexByte(path, ']')
		if end < open {
			return nil, "", "", "", refuse("invalidPath", "a bracket is not closed")
		}
		head, expression = path[:open], path[open+1:end]
		sub = strings.TrimPrefix(path[end+1:], ".")
	}
	node = document
	if colon := strings.LastIndexByte(head, ':'); colon >= 0 && !strings.EqualFold(head, enterpriseURN) {
		urn := head[:colon]
		head = head[colon+1:]
		if !strings.EqualFold(urn, userURN) && !strings.EqualFold(urn, groupURN) {
			inner, ok := document[keyOf(document, urn)].(map[string]any)
			if !ok && !make {
				return nil, head, "", "", nil
			}
			if !ok {
				inner = map[string]any{}
				document[urn] = inner
			}
			node = inner
		}
	} else if colon >= 0 {
		return document, head, "", "", nil
	}
	if expression == "" {
		head, sub, _ = strings.Cut(head, ".")
	}
	if head == "" {
		return nil, "", "", "", refuse("invalidPath", "the path names no attribute")
	}
	return node, head, expression, sub, nil
}

// applyFiltered does an operation on the values that a filter selects.
func applyFiltered(node map[string]any, name, expression, sub, op string, value any) *answer {
	matches, err := parseFilter(expression, nil)
	if err != nil {
		return refuse("invalidFilter", err.Error())
	}
	list, _ := node[name].([]any)
	var kept []any
	hit := false
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok || !matches.test(object) {
			kept = append(kept, item)
			continue
		}
		hit = true
		switch {
		case sub != "":
			set(object, keyOf(object, sub), op, value)
		case op == "remove":
			continue
		default:
			if inner, ok := value.(map[string]any); ok {
				item = merged(object, inner)
			}
		}
		kept = append(kept, item)
	}
	if !hit && op == "replace" {
		return refuse("noTarget", "the path selects nothing")
	}
	node[name] = kept
	return nil
}

// patchGroup11 applies R-Service's group PATCH: members given are added, those with "operation": "delete" are taken out (SCIM 1.1).
func patchGroup11(group *record, sent map[string]any) (map[string]any, *answer) {
	if _, given := sent["Operations"]; given {
		return nil, refuse("invalidSyntax", "Operations is not supported for groups")
	}
	wanted := merged(group.attributes, sent)
	list := memberList(group.members)
	entries, _ := sent["members"].([]any)
	for _, item := range entries {
		entry, _ := item.(map[string]any)
		same := func(have any) bool { return have.(map[string]any)["value"] == entry["value"] }
		if entry["operation"] == "delete" {
			list = slices.DeleteFunc(list, same)
		} else if !slices.ContainsFunc(list, same) {
			list = append(list, map[string]any{"value": entry["value"]})
		}
	}
	wanted["members"] = list
	return wanted, nil
}
