// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package server_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// publishedAttribute is an attribute as /Schemas publishes it (RFC 7643 7).
type publishedAttribute struct {
	Name, Type, Mutability, Returned, Uniqueness string
	MultiValued, Required                        bool
	CaseExact                                    *bool
	CanonicalValues, ReferenceTypes              []string
	SubAttributes                                []publishedAttribute

	// urn is that of an extension, empty for the core schema.
	urn string
	// parent is that of a sub-attribute.
	parent *publishedAttribute
}

// path names the attribute in filters, in the paths of a PATCH, and in attributes and excludedAttributes.
func (a *publishedAttribute) path() string {
	switch {
	case a.parent != nil:
		return a.parent.path() + "." + a.Name
	case a.urn != "":
		return a.urn + ":" + a.Name
	}
	return a.Name
}

// top is the attribute that has no parent.
func (a *publishedAttribute) top() *publishedAttribute {
	if a.parent != nil {
		return a.parent
	}
	return a
}

func (a *publishedAttribute) writable() bool {
	return a.Mutability == "readWrite" || a.Mutability == "immutable"
}

// schemaWalk goes through all that the endpoint publishes of one resource type.
type schemaWalk struct {
	*endpoint
	resource   string
	path       string
	core       string
	attributes []*publishedAttribute
	// user is somebody to refer to.
	user string
	// n counts the values.
	n *int
}

func (w *schemaWalk) at(t *testing.T) *schemaWalk {
	e, c := *w.endpoint, *w
	e.t, c.endpoint = t, &e
	return &c
}

func (e *endpoint) walks() []*schemaWalk {
	e.t.Helper()
	user := e.do("POST", "/Users", strictUser("referred-to-"+rand.Text()+"@corp.test")).want(201).id()
	var types struct {
		Resources []struct {
			Name, Endpoint, Schema string
			SchemaExtensions       []struct{ Schema string }
		}
	}
	decodeInto(e.t, e.do("GET", "/ResourceTypes", "").want(200).raw, &types)
	var all []*schemaWalk
	n := new(int)
	for _, rt := range types.Resources {
		w := &schemaWalk{endpoint: e, resource: rt.Name, path: rt.Endpoint, core: rt.Schema, user: user, n: n}
		w.add(rt.Schema, "")
		for _, extension := range rt.SchemaExtensions {
			w.add(extension.Schema, extension.Schema)
		}
		all = append(all, w)
	}
	return all
}

func (w *schemaWalk) add(schema, urn string) {
	var s struct{ Attributes []*publishedAttribute }
	decodeInto(w.t, w.do("GET", "/Schemas/"+schema, "").want(200).raw, &s)
	for _, a := range s.Attributes {
		a.urn = urn
		for i := range a.SubAttributes {
			a.SubAttributes[i].parent = a
		}
		w.attributes = append(w.attributes, a)
	}
}

func decodeInto(t *testing.T, raw string, to any) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), to); err != nil {
		t.Fatal(err)
	}
}

// leaves are the attributes that have a value of their own: simple attributes, and the sub-attributes of complex ones.
func (w *schemaWalk) leaves() []*publishedAttribute {
	var all []*publishedAttribute
	for _, a := range w.attributes {
		if a.Type != "complex" {
			all = append(all, a)
		}
		for i := range a.SubAttributes {
			all = append(all, &a.SubAttributes[i])
		}
	}
	return all
}

// value is one of the attribute's type, without the array of a multi-valued one. No two calls give the same text.
func (w *schemaWalk) value(a *publishedAttribute) any {
	*w.n++
	text := fmt.Sprintf("Value-%s-%d-%s", a.Name, *w.n, w.user)
	switch a.Type {
	case "boolean":
		return true
	case "integer", "decimal":
		return *w.n
	case "dateTime":
		return "2026-01-31T08:00:00Z"
	case "binary":
		return base64.StdEncoding.EncodeToString([]byte(text))
	case "reference":
		return "https://example.com/" + text
	case "complex":
		o := map[string]any{}
		for i := range a.SubAttributes {
			if sub := &a.SubAttributes[i]; sub.writable() {
				o[sub.Name] = w.value(sub)
			}
		}
		return o
	}
	switch {
	case len(a.CanonicalValues) > 0:
		return a.CanonicalValues[0]
	case a.path() == "members.value" || strings.HasSuffix(a.path(), "manager.value"):
		return w.user
	}
	return text
}

// whole is the value as it stands in a resource.
func (w *schemaWalk) whole(a *publishedAttribute, value any) any {
	if a.MultiValued {
		return []any{value}
	}
	return value
}

// body is a resource with the required attributes, and the one attribute (nil for none) with the value, nil for no value.
func (w *schemaWalk) body(a *publishedAttribute, value any) string {
	o := map[string]any{"schemas": []string{w.core}}
	for _, r := range w.attributes {
		if r.Required && r.urn == "" {
			o[r.Name] = w.whole(r, w.value(r))
		}
	}
	if a != nil {
		put(o, a, value)
		if a.urn != "" {
			o["schemas"] = []string{w.core, a.urn}
		}
	}
	return asJSON(w.t, o)
}

func put(o map[string]any, a *publishedAttribute, value any) {
	if a.urn != "" {
		inner := map[string]any{}
		o[a.urn] = inner
		o = inner
	}
	if value == nil {
		delete(o, a.Name)
		return
	}
	o[a.Name] = value
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// shown is the value of the attribute in an answer, nil for none.
func shown(a *answer, attribute *publishedAttribute) any {
	if attribute.urn != "" {
		return a.get(attribute.urn, attribute.Name)
	}
	return a.get(attribute.Name)
}

// within is value as the whole of the leaf's attribute: inside an object if the leaf is a sub-attribute.
func (w *schemaWalk) within(leaf *publishedAttribute, value any) any {
	if leaf.parent == nil {
		return w.whole(leaf, value)
	}
	o, _ := w.value(leaf.parent).(map[string]any)
	o[leaf.Name] = value
	return w.whole(leaf.parent, o)
}

// finds tells whether a filter selects the resource.
func (w *schemaWalk) finds(id, expression string) bool {
	w.t.Helper()
	a := w.do("GET", w.path+"?count=1000&attributes=id&filter="+url.QueryEscape(expression), "").want(200)
	list, _ := a.body["Resources"].([]any)
	for i := range list {
		if a.get("Resources", i, "id") == id {
			return true
		}
	}
	return false
}

func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsUpper(r) {
			return unicode.ToLower(r)
		}
		return unicode.ToUpper(r)
	}, s)
}

func TestWhatSchemasPublishIsWhatHappens(t *testing.T) {
	e := start(t, "strict")
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.GroupNames = v1alpha1.GroupNamesShared })
	for _, w := range e.walks() {
		t.Run(w.resource, w.check)
	}
	// /Schemas says something else of a client whose groups have unique names.
	e.change(func(sc *v1alpha1.ScimClient) { sc.Spec.GroupNames = v1alpha1.GroupNamesUnique })
	unique := 0
	for _, w := range e.walks() {
		for _, leaf := range w.leaves() {
			if leaf.Uniqueness != "none" && leaf.writable() {
				unique++
				w.at(t).checkUniqueness(leaf)
			}
		}
	}
	if unique != 2 {
		t.Errorf("%d attributes are unique, want userName and a group's displayName", unique)
	}
}

// check sends requests for every attribute of the resource type.
func (w *schemaWalk) check(t *testing.T) {
	t.Run("what the server works out", func(t *testing.T) { w.at(t).checkWorkedOut() })
	if a := w.do("POST", w.path, "{}"); a.status == 405 {
		// Roles and entitlements are there to be read.
		for _, leaf := range w.leaves() {
			if leaf.Mutability != "readOnly" {
				t.Errorf("%s is published as %s, and %s takes no POST", leaf.path(), leaf.Mutability, w.path)
			}
		}
		return
	}
	for _, a := range w.attributes {
		t.Run(a.path(), func(t *testing.T) {
			w := w.at(t)
			switch a.Mutability {
			case "readOnly":
				w.checkReadOnly(a)
			case "writeOnly":
				w.checkWriteOnly(a)
			default:
				w.checkWritable(a)
				w.checkReturned(a)
				w.checkCardinality(a)
			}
		})
	}
	for _, leaf := range w.leaves() {
		if !leaf.writable() || !leaf.top().writable() {
			continue
		}
		t.Run(leaf.path()+" as a value", func(t *testing.T) {
			w := w.at(t)
			w.checkType(leaf)
			w.checkCase(leaf)
			w.checkUniqueness(leaf)
			w.checkRequired(leaf)
			w.checkCanonicalValues(leaf)
		})
	}
}

// checkWorkedOut: every readOnly attribute is shown once there is what it tells of, and can be searched for, or is refused in a filter.
func (w *schemaWalk) checkWorkedOut() {
	user := w.do("POST", "/Users", asJSON(w.t, map[string]any{
		"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User", enterpriseURN}, "userName": "worked-out-" + w.resource,
		enterpriseURN: map[string]any{"manager": map[string]any{"value": w.user}},
	})).want(201).id()
	group := w.do("POST", "/Groups", strictGroup("group of "+w.resource, user)).want(201).id()
	got := func() *answer { return w.do("GET", "/Users/"+user, "").want(200) }
	switch w.resource {
	case "User":
		eventually(w.t, "the user has its group", func() bool { return got().body["groups"] != nil })
	case "Group":
		got = func() *answer { return w.do("GET", "/Groups/"+group, "").want(200) }
	default:
		return
	}
	a := got()
	for _, leaf := range w.leaves() {
		if leaf.Mutability != "readOnly" {
			continue
		}
		value := shown(a, leaf.top())
		if list, ok := value.([]any); ok && len(list) > 0 {
			value = list[0]
		}
		if o, ok := value.(map[string]any); ok && leaf.parent != nil {
			value = o[leaf.Name]
		}
		if value == nil {
			w.t.Errorf("%s is published, and not shown in %s", leaf.path(), a.raw)
			continue
		}
		expression := leaf.path() + " eq " + asJSON(w.t, value)
		if leaf.Type == "reference" {
			w.do("GET", w.path+filter(expression), "").refused(400, "invalidFilter", leaf.Name, "use the id")
			w.send("GET", fmt.Sprint(value), "", "Authorization", "Bearer "+w.token).want(200)
		} else if !w.finds(a.id(), expression) {
			w.t.Errorf("%s does not find it", expression)
		}
	}
}

// checkReadOnly: ignored in POST and PUT, refused in PATCH (RFC 7643 7).
func (w *schemaWalk) checkReadOnly(a *publishedAttribute) {
	sent := map[string]any{}
	for _, sub := range a.SubAttributes {
		sent[sub.Name] = "sent-by-the-client"
	}
	made := w.do("POST", w.path, w.body(a, w.whole(a, sent))).want(201)
	replaced := w.do("PUT", w.path+"/"+made.id(), w.body(a, w.whole(a, sent))).want(200)
	if all := made.raw + replaced.raw; strings.Contains(all, "sent-by-the-client") {
		w.t.Errorf("a value of a readOnly attribute was taken: %s", all)
	}
	op := `{"op": "replace", "path": "` + a.path() + `", "value": ` + asJSON(w.t, w.whole(a, sent)) + `}`
	w.do("PATCH", w.path+"/"+made.id(), patchHead+"["+op+"]}").refused(400, "mutability", a.Name)
}

// checkWriteOnly: accepted, and never returned or found.
func (w *schemaWalk) checkWriteOnly(a *publishedAttribute) {
	if a.Returned != "never" {
		w.t.Errorf("writeOnly, but returned %s", a.Returned)
	}
	value, _ := w.value(a).(string)
	made := w.do("POST", w.path+"?attributes="+a.Name, w.body(a, value)).want(201)
	op := patchHead + `[{"op": "replace", "path": "` + a.path() + `", "value": "` + value + `"}]}`
	for _, b := range []*answer{made, w.do("PATCH", w.path+"/"+made.id(), op).want(200), w.do("GET", w.path+"/"+made.id()+"?attributes="+a.Name, "").want(200)} {
		if b.body[a.Name] != nil || strings.Contains(b.raw, value) {
			w.t.Errorf("returned: %s", b.raw)
		}
	}
	if strings.Contains(w.everything(), value) {
		w.t.Error("the value was stored")
	}
	w.do("GET", w.path+filter(a.path()+` eq "x"`), "").want(403)
}

// checkWritable: what is sent is kept, readOnly sub-attributes left out, and a PATCH changes and removes it.
func (w *schemaWalk) checkWritable(a *publishedAttribute) {
	value := w.value(a)
	made := w.do("POST", w.path, w.body(a, w.whole(a, withReadOnly(a, value)))).want(201)
	at := w.path + "/" + made.id()
	w.wantShown(w.do("GET", at, "").want(200), a, value)

	// In a PUT.
	value = w.value(a)
	w.do("PUT", at, w.body(a, w.whole(a, withReadOnly(a, value)))).want(200)
	w.wantShown(w.do("GET", at, "").want(200), a, value)

	// In a PATCH.
	value = w.value(a)
	op := map[string]any{"op": "replace", "path": a.path(), "value": w.whole(a, value)}
	w.patch(at, op)
	w.wantShown(w.do("GET", at, "").want(200), a, value)
	w.checkSubMutability(at, a, value)
	remove := patchHead + `[{"op": "remove", "path": "` + a.path() + `"}]}`
	if a.Required {
		w.do("PATCH", at, remove).refused(400, "mutability", a.Name)
		return
	}
	if status := w.do("PATCH", at, remove).status; status != 200 && status != 204 {
		w.t.Errorf("removing it: status %d", status)
	}
	if left := shown(w.do("GET", at, "").want(200), a); left != nil && a.Name != "active" {
		w.t.Errorf("%v is left after its removal", left)
	}
}

func (w *schemaWalk) patch(at string, op map[string]any) {
	w.t.Helper()
	if a := w.do("PATCH", at, patchHead+"["+asJSON(w.t, op)+"]}"); a.status != 200 && a.status != 204 {
		w.t.Fatalf("PATCH %v: status %d\n%s", op, a.status, a.raw)
	}
}

// withReadOnly adds values to the readOnly sub-attributes, which have to be ignored.
func withReadOnly(a *publishedAttribute, value any) any {
	in, ok := value.(map[string]any)
	if !ok {
		return value
	}
	out := map[string]any{}
	for name, v := range in {
		out[name] = v
	}
	for _, sub := range a.SubAttributes {
		if sub.Mutability == "readOnly" {
			out[sub.Name] = "https://example.com/sent-by-the-client"
		}
	}
	return out
}

// wantShown compares the attribute with the value that was sent, but for readOnly sub-attributes.
func (w *schemaWalk) wantShown(got *answer, a *publishedAttribute, value any) {
	w.t.Helper()
	v := shown(got, a)
	if list, ok := v.([]any); ok != a.MultiValued || a.MultiValued && len(list) != 1 {
		w.t.Errorf("shown as %v, multiValued is %v", v, a.MultiValued)
		return
	} else if a.MultiValued {
		v = list[0]
	}
	if o, ok := v.(map[string]any); ok {
		for _, sub := range a.SubAttributes {
			if sub.Mutability != "readOnly" {
				continue
			}
			if strings.Contains(fmt.Sprint(o[sub.Name]), "sent-by-the-client") {
				w.t.Errorf("%s is readOnly, and shown as sent", sub.path())
			}
			if ref, ok := o[sub.Name].(string); ok && sub.Type == "reference" {
				w.send("GET", ref, "", "Authorization", "Bearer "+w.token).want(200)
			}
			delete(o, sub.Name)
		}
	}
	if x, y := asJSON(w.t, value), asJSON(w.t, v); x != y {
		w.t.Errorf("sent %s, shown %s", x, y)
	}
}

// checkSubMutability: a readOnly or immutable sub-attribute cannot be changed in place, any other can.
func (w *schemaWalk) checkSubMutability(at string, a *publishedAttribute, value any) {
	o, _ := value.(map[string]any)
	for i := range a.SubAttributes {
		sub := &a.SubAttributes[i]
		path := sub.path()
		if v, ok := o["value"].(string); ok && a.MultiValued {
			path = a.path() + `[value eq "` + v + `"].` + sub.Name
		}
		next := w.value(sub)
		if next == o[sub.Name] && sub.Type == "string" {
			next = swapCase(fmt.Sprint(next)) + "x"
		}
		body := patchHead + "[" + asJSON(w.t, map[string]any{"op": "replace", "path": path, "value": next}) + "]}"
		if sub.writable() && sub.Mutability != "immutable" {
			if got := w.do("PATCH", at, body); got.status != 200 {
				w.t.Errorf("PATCH of %s: status %d\n%s", path, got.status, got.raw)
			}
			if sub.Name == "value" {
				o["value"] = next
			}
			continue
		}
		w.do("PATCH", at, body).refused(400, "mutability")
	}
}

// checkReturned: by default, and as attributes and excludedAttributes ask.
func (w *schemaWalk) checkReturned(a *publishedAttribute) {
	if a.Returned != "default" {
		w.t.Fatalf("returned %s, for which there is no check", a.Returned)
	}
	id := w.do("POST", w.path, w.body(a, w.whole(a, w.value(a)))).want(201).id()
	for _, query := range []string{"", "?attributes=" + url.QueryEscape(a.path()), "?attributes=" + url.QueryEscape(strings.ToUpper(a.path()))} {
		if shown(w.do("GET", w.path+"/"+id+query, "").want(200), a) == nil {
			w.t.Errorf("not returned with %q", query)
		}
	}
	for _, query := range []string{"?excludedAttributes=" + url.QueryEscape(a.path()), "?attributes=meta"} {
		got := w.do("GET", w.path+"/"+id+query, "").want(200)
		if shown(got, a) != nil || got.id() != id || got.get("schemas", 0) != w.core {
			w.t.Errorf("with %q: %s", query, got.raw)
		}
	}
	for i := range a.SubAttributes {
		sub := &a.SubAttributes[i]
		if !sub.writable() {
			continue
		}
		only := asJSON(w.t, shown(w.do("GET", w.path+"/"+id+"?attributes="+url.QueryEscape(sub.path()), "").want(200), a))
		without := asJSON(w.t, shown(w.do("GET", w.path+"/"+id+"?excludedAttributes="+url.QueryEscape(sub.path()), "").want(200), a))
		if name := `"` + sub.Name + `":`; strings.Count(only, `":`) != 1 || !strings.Contains(only, name) || strings.Contains(without, name) {
			w.t.Errorf("%s alone is %s, without it %s", sub.path(), only, without)
		}
	}
}

// checkCardinality: an array for a multi-valued attribute, none for another.
func (w *schemaWalk) checkCardinality(a *publishedAttribute) {
	one := w.value(a)
	if !a.MultiValued {
		w.do("POST", w.path, w.body(a, []any{one, w.value(a)})).refused(400, "invalidValue", a.Name)
		return
	}
	w.do("POST", w.path, w.body(a, one)).refused(400, "invalidValue", a.Name, "array")
	other, ok := w.value(a).(map[string]any)
	if ok {
		delete(other, "primary")
	}
	if a.Name == "members" {
		other["value"] = "another"
	}
	got := shown(w.do("POST", w.path, w.body(a, []any{one, other})).want(201), a)
	if list, _ := got.([]any); len(list) != 2 {
		w.t.Errorf("two values are shown as %v", got)
	}
}

// checkType: a value of another type is refused, with the name.
func (w *schemaWalk) checkType(leaf *publishedAttribute) {
	wrong := map[string][]any{
		"string": {17, true, map[string]any{"x": "y"}}, "reference": {17, true}, "boolean": {"perhaps", 1}, "binary": {17, "no base64!"}, "dateTime": {17, "yesterday"},
		"integer": {"1", 1.5}, "decimal": {"1"},
	}[leaf.Type]
	if wrong == nil {
		w.t.Fatalf("type %s, for which there is no check", leaf.Type)
	}
	for _, value := range wrong {
		w.do("POST", w.path, w.body(leaf.top(), w.within(leaf, value))).refused(400, "invalidValue", leaf.Name)
	}
}

// checkCase: eq goes by letter case where caseExact is true, and not where it is false.
func (w *schemaWalk) checkCase(leaf *publishedAttribute) {
	value := w.value(leaf)
	id := w.do("POST", w.path, w.body(leaf.top(), w.within(leaf, value))).want(201).id()
	text, isText := value.(string)
	if (leaf.CaseExact != nil) != isText {
		w.t.Errorf("caseExact of a %s is %v", leaf.Type, leaf.CaseExact)
	}
	if !w.finds(id, leaf.path()+" eq "+asJSON(w.t, value)) || !w.finds(id, leaf.path()+" pr") {
		w.t.Errorf("%s eq %v does not find it, or pr", leaf.path(), value)
	}
	if !isText {
		return
	}
	if found := w.finds(id, leaf.path()+" eq "+asJSON(w.t, swapCase(text))); found == *leaf.CaseExact {
		w.t.Errorf("caseExact is %v, and the value in another letter case is found: %v", *leaf.CaseExact, found)
	}
	if w.finds(id, leaf.path()+` eq "another value"`) {
		w.t.Error("another value finds it")
	}
}

// checkUniqueness: a second resource with the value, in another letter case where that does not count.
func (w *schemaWalk) checkUniqueness(leaf *publishedAttribute) {
	value := w.value(leaf)
	w.do("POST", w.path, w.body(leaf.top(), w.within(leaf, value))).want(201)
	if text, ok := value.(string); ok && leaf.Uniqueness != "none" && !*leaf.CaseExact {
		value = swapCase(text)
	}
	again := w.do("POST", w.path, w.body(leaf.top(), w.within(leaf, value)))
	switch leaf.Uniqueness {
	case "none":
		again.want(201)
	case "server":
		again.refused(409, "uniqueness", leaf.Name)
	default:
		w.t.Errorf("uniqueness %s, for which there is no check", leaf.Uniqueness)
	}
}

// checkRequired: a resource without it, or a value without the sub-attribute.
func (w *schemaWalk) checkRequired(leaf *publishedAttribute) {
	var without any
	if leaf.parent != nil {
		o, _ := w.value(leaf.parent).(map[string]any)
		delete(o, leaf.Name)
		without = w.whole(leaf.parent, o)
	}
	a := w.do("POST", w.path, w.body(leaf.top(), without))
	if leaf.Required {
		a.refused(400, "invalidValue", leaf.Name)
	} else {
		a.want(201)
	}
}

// checkCanonicalValues: each of them is taken as it is. They are suggestions (RFC 7643 7); of members.type there are no others.
func (w *schemaWalk) checkCanonicalValues(leaf *publishedAttribute) {
	values := leaf.CanonicalValues
	if len(values) > 0 && leaf.path() != "members.type" {
		values = append(slices.Clone(values), "of our own")
	}
	for _, value := range values {
		a := w.do("POST", w.path, w.body(leaf.top(), w.within(leaf, value))).want(201)
		if !strings.Contains(asJSON(w.t, shown(a, leaf.top())), asJSON(w.t, value)) {
			w.t.Errorf("%s is shown as %v", value, shown(a, leaf.top()))
		}
	}
	if leaf.path() == "members.type" {
		w.do("POST", w.path, w.body(leaf.top(), w.within(leaf, "of our own"))).refused(400, "invalidValue", "type")
	}
}
