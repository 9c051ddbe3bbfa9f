// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// PatchSchema is the schema URN of a PATCH body (RFC 7644 3.5.2).
const PatchSchema = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

// MaxPatchOperations limits the operations of one PATCH, path-less ones counted by the attributes in them; beyond it the answer is 413. An identity provider that
// sends 1,000 members in a batch may use one operation for each.
const MaxPatchOperations = 5000

// Patch is a parsed and type-checked PATCH body: a sequence of operations, each on one path.
type Patch struct {
	rt  *ResourceType
	ops []patchOp
}

type opKind string

const (
	opAdd     opKind = "add"
	opReplace opKind = "replace"
	opRemove  opKind = "remove"
)

// patchOp is an operation whose value is normalized: a list for a whole multi-valued attribute, one value for anything else, nil for no value.
type patchOp struct {
	kind  opKind
	path  *Path
	value any
	// listed marks a remove with a value: only the values listed go.
	listed bool
	// member is set instead of value for operations on the members of a group.
	member *MemberOp
	// source is the number of the operation in the body, counted from 1, for error texts.
	source int
}

// Empty reports whether there is nothing to do, as after dropping a password.
func (p *Patch) Empty() bool { return len(p.ops) == 0 }

// ParsePatch decodes and validates the body of a PATCH. Values are checked against the schema here, so what can be refused without the resource is refused
// first. A path-less operation becomes one operation for each attribute of its value; operations on a password are dropped.
func ParsePatch(body []byte, rt *ResourceType, o Options) (*Patch, error) {
	in, err := decodeObject(body)
	if err != nil {
		return nil, err
	}
	p := &patchParser{normalizer: normalizer{rt, o}}
	if err := p.checkSchema(in.Get("schemas")); err != nil {
		return nil, err
	}
	list, ok := in.Get("Operations").([]any)
	if !ok {
		return nil, InvalidSyntax("the body has to have an array \"Operations\" (RFC 7644 3.5.2)")
	}
	patch := &Patch{rt: rt, ops: make([]patchOp, 0, min(len(list), MaxPatchOperations))}
	for i, e := range list {
		ops, err := p.operation(e)
		if err != nil {
			return nil, inOperation(i+1, err)
		}
		for _, op := range ops {
			op.source = i + 1
			patch.ops = append(patch.ops, op)
		}
		if len(patch.ops) > MaxPatchOperations {
			return nil, NewError(http.StatusRequestEntityTooLarge, "a PATCH may change at most %d attributes or values one by one; send several", MaxPatchOperations)
		}
	}
	return patch, nil
}

// inOperation says in the detail which operation an error is about.
func inOperation(number int, err error) error {
	var e *Error
	if !errors.As(err, &e) || number == 0 {
		return err
	}
	located := *e
	located.Detail = fmt.Sprintf("operation %d: %s", number, e.Detail)
	return &located
}

type patchParser struct{ normalizer }

func (p *patchParser) checkSchema(v any) error {
	list, _ := v.([]any)
	for _, e := range list {
		if urn, ok := e.(string); ok && equalName(urn, PatchSchema) {
			return nil
		}
	}
	if p.opts.tolerates(MissingSchemas) {
		return nil
	}
	return InvalidSyntax("\"schemas\" has to name %s", PatchSchema)
}

func (p *patchParser) operation(v any) ([]patchOp, error) {
	in, ok := v.(*Object)
	if !ok {
		return nil, InvalidSyntax("expected an object, found %s", describe(v))
	}
	kind, err := p.kind(in.Get("op"))
	if err != nil {
		return nil, err
	}
	i := in.index("value")
	hasValue := i >= 0
	var value any
	if hasValue {
		value = in.fields[i].value
	}
	switch path := in.Get("path").(type) {
	case string:
		return p.withPath(kind, path, value, hasValue)
	case nil:
		return p.withoutPath(kind, value, hasValue)
	default:
		return nil, InvalidPath(0, "\"path\" has to be a string, found %s", describe(path))
	}
}

func (p *patchParser) kind(v any) (opKind, error) {
	s, _ := v.(string)
	kind := opKind(strings.ToLower(s))
	switch kind {
	case opAdd, opReplace, opRemove:
		if string(kind) == s || p.opts.tolerates(OperationCase) {
			return kind, nil
		}
	}
	return "", InvalidSyntax("\"op\" has to be \"add\", \"replace\" or \"remove\"")
}

func (p *patchParser) withPath(kind opKind, path string, value any, hasValue bool) ([]patchOp, error) {
	if isPassword(path) {
		return nil, nil
	}
	switch {
	case kind == opRemove && hasValue:
		return p.removeListed(path, value)
	case kind != opRemove && !hasValue:
		return nil, InvalidValue("an operation %q has to have a value; to clear the attribute send \"remove\"", kind)
	}
	return p.onPath(kind, path, value, fromPath)
}

// withoutPath expands a path-less operation (RFC 7644 3.5.2.1, 3.5.2.3).
func (p *patchParser) withoutPath(kind opKind, value any, hasValue bool) ([]patchOp, error) {
	if kind == opRemove {
		return nil, NoTarget("\"remove\" has to have a path (RFC 7644 3.5.2.2)")
	}
	if !hasValue {
		return nil, InvalidValue("an operation %q without path has to have a value", kind)
	}
	in, ok := value.(*Object)
	if s, isText := value.(string); isText && p.opts.Dialect.Allows(ComplexAsJSONText) {
		if x, err := decodeJSON([]byte(s)); err == nil {
			if in, ok = x.(*Object); ok {
				p.opts.tolerates(ComplexAsJSONText)
			}
		}
	}
	if !ok {
		return nil, InvalidValue("the value of an operation without path has to be an object with attributes, found %s", describe(value))
	}
	var ops []patchOp
	for _, f := range in.fields {
		more, err := p.key(kind, f.name, f.value)
		if err != nil {
			return nil, err
		}
		ops = append(ops, more...)
	}
	return ops, nil
}

// key makes operations of one key of a path-less value.
func (p *patchParser) key(kind opKind, name string, v any) ([]patchOp, error) {
	if s := p.rt.extension(name); s != nil {
		return p.extensionKey(kind, s, v)
	}
	if isForeignExtension(p.rt, name, v) {
		if !p.opts.tolerates(UnknownSchemas) {
			return nil, unknownSchema(name)
		}
		return []patchOp{{kind: kind, path: &Path{ref: attrRef{urn: name}}, value: compact(v)}}, nil
	}
	if p.rt.core(name) == nil && isFlatKey(p.rt, name) && !p.opts.tolerates(FlatKeys) {
		return nil, flatKey(name)
	}
	return p.onPath(kind, name, v, fromKey)
}

// extensionKey makes operations of the attributes of an extension: the object is a container, so attributes that it does not mention stay.
func (p *patchParser) extensionKey(kind opKind, s *Schema, v any) ([]patchOp, error) {
	if v == nil {
		return []patchOp{{kind: opRemove, path: &Path{ref: attrRef{urn: s.ID}}}}, nil
	}
	in, ok := v.(*Object)
	if !ok {
		return nil, InvalidValue("extension %q: expected an object, found %s", s.ID, describe(v))
	}
	var ops []patchOp
	for _, f := range in.fields {
		more, err := p.onPath(kind, s.ID+":"+f.name, f.value, fromKey)
		if err != nil {
			return nil, err
		}
		ops = append(ops, more...)
	}
	return ops, nil
}

// origin is where a path comes from, which decides about read-only attributes in it.
type origin int

const (
	// fromPath is "path" of an operation: the client means to change just this.
	fromPath origin = iota
	// fromKey is a key of a path-less value, where clients send what they have.
	fromKey
	// fromResource is a key of a POST or PUT, where read-only attributes are ignored.
	fromResource
)

// onPath makes the operation on one path, its value normalized. No operation is the answer where there is nothing to do.
func (p *patchParser) onPath(kind opKind, text string, v any, from origin) ([]patchOp, error) {
	if isPassword(text) {
		return nil, nil
	}
	path, err := ParsePath(text, p.rt, p.opts)
	if err != nil {
		return nil, err
	}
	op := patchOp{kind: kind, path: path}
	ref := path.ref
	if ref.name == "" {
		return p.onExtension(op, v)
	}
	if done, err := p.checkMutability(kind, ref, from); done || err != nil {
		return nil, err
	}
	if ref.attr == nil {
		op.value = compact(v)
		return []patchOp{op}, nil
	}
	if isMembers(p.rt, ref.attr) {
		return p.onMembers(op, v)
	}
	if op.value, err = p.targetValue(path, v, kind == opAdd); err != nil {
		return nil, err
	}
	if kind != opRemove && path.filter == nil && ref.subName == "" && ref.attr.Required && ref.urn == "" && ref.attr.Name != "schemas" {
		if op.value == nil {
			return nil, missing(ref.attr)
		}
		if err := checkName(ref.attr, op.value); err != nil {
			return nil, err
		}
	}
	return []patchOp{op}, nil
}

// targetValue normalizes a value for what the path ends in.
func (p *patchParser) targetValue(path *Path, v any, single bool) (any, error) {
	ref := path.ref
	switch {
	case ref.subName != "" && ref.sub == nil:
		return compact(v), nil
	case ref.subName != "":
		return p.value(ref.sub, ref.String(), v, false)
	case path.filter != nil:
		return p.single(ref.attr, ref.String(), v)
	}
	return p.value(ref.attr, ref.String(), v, single)
}

// onExtension makes the operation on an extension as a whole.
func (p *patchParser) onExtension(op patchOp, v any) ([]patchOp, error) {
	if op.kind == opRemove {
		return []patchOp{op}, nil
	}
	if s := p.rt.extension(op.path.ref.urn); s != nil {
		return p.extensionKey(op.kind, s, v)
	}
	op.value = compact(v)
	if _, ok := op.value.(*Object); !ok && op.value != nil {
		return nil, InvalidValue("extension %q: expected an object, found %s", clip(op.path.ref.urn), describe(v))
	}
	return []patchOp{op}, nil
}

// checkMutability refuses what may not be changed; done means that the operation is ignored instead. An id is let through: it is compared when the patch is
// applied.
func (p *patchParser) checkMutability(kind opKind, ref attrRef, from origin) (done bool, err error) {
	a := ref.attr
	if a == nil {
		return false, nil
	}
	readOnly := a.Mutability == ReadOnly || ref.sub != nil && ref.sub.Mutability == ReadOnly
	switch {
	case a.Name == "id" && ref.urn == "" && from != fromResource && kind != opRemove:
		return false, nil
	case readOnly && from == fromResource:
		return true, nil
	case readOnly && from == fromKey && p.opts.tolerates(ReadOnlyInPatch):
		return true, nil
	case readOnly:
		return false, Mutability("attribute %q is read-only: the server sets it; leave it out", ref)
	case a.Mutability == WriteOnly:
		return true, nil
	case kind == opRemove && a.Required && ref.subName == "":
		return false, Mutability("attribute %q is required and cannot be removed", ref)
	}
	return false, nil
}

// removeListed makes the operation for a remove with a value. What cannot be read is an error, never a removal of everything.
func (p *patchParser) removeListed(text string, v any) ([]patchOp, error) {
	path, err := ParsePath(text, p.rt, p.opts)
	if err != nil {
		return nil, err
	}
	ref := path.ref
	if ref.attr == nil || !ref.attr.MultiValued || ref.subName != "" || path.filter != nil {
		// There is one target, or a filter that chooses: the value adds nothing.
		return p.onPath(opRemove, text, nil, fromPath)
	}
	if _, err := p.checkMutability(opRemove, ref, fromPath); err != nil {
		return nil, err
	}
	if v == nil {
		return nil, InvalidValue("\"remove\" of %q has a value that is null; leave \"value\" out to remove all values, or list those to remove", ref)
	}
	if !p.opts.tolerates(RemoveByValue) {
		return nil, InvalidSyntax("\"remove\" takes no value; select the values with a filter, as in %s[value eq \"...\"]", ref)
	}
	op := patchOp{kind: opRemove, path: path, listed: true}
	if isMembers(p.rt, ref.attr) {
		return p.onMembers(op, v)
	}
	if op.value, err = p.value(ref.attr, ref.String(), v, true); err != nil {
		return nil, err
	}
	if list, ok := v.([]any); op.value == nil && (!ok || len(list) > 0) {
		return nil, InvalidValue("\"remove\" of %q: the value names nothing that could be removed", ref)
	}
	return []patchOp{op}, nil
}
