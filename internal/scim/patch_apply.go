// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "slices"

// ApplyPatch applies the operations in sequence to a copy (RFC 7644 3.5.2): all of them, or an *Error and none. changed is false if the result is Equal to the
// resource. The resource has to carry its id, for clients that send it along.
//
// Where the RFC leaves a choice: remove of what is not there succeeds without change; replace of `attr[filter]` by an object keeps what the filter asked for
// (its eq terms) where the object does not say otherwise, so that it can be repeated; add of an element of the same type and value as an existing one updates
// that; an element of which no sub-attribute is left goes.
func ApplyPatch(r *Resource, p *Patch, o Options) (result *Resource, changed bool, err error) {
	a := applier{r: r.Clone(), opts: o}
	p, memberOps := SplitGroupPatch(p)
	for _, op := range p.ops {
		err := a.apply(op)
		if err == nil && a.r.obj.Len() > MaxNames {
			err = InvalidValue("the resource would have more than %d attributes", MaxNames)
		}
		if err != nil {
			return nil, false, inOperation(op.source, err)
		}
	}
	if err := checkRequired(a.r); err != nil {
		return nil, false, err
	}
	changed = !equalButMembers(a.r, r)
	if len(memberOps) > 0 {
		if next, delta := ApplyMemberOps(r.Members(), memberOps); !delta.Empty() {
			a.r.SetMembers(next)
			changed = true
		}
	}
	if !changed {
		return r.Clone(), false, nil
	}
	return a.r, true, nil
}

// applier changes its resource; values that the resource shares with others are replaced, never changed.
type applier struct {
	r    *Resource
	opts Options
}

func (a *applier) apply(op patchOp) error {
	ref := op.path.ref
	switch {
	case ref.name == "":
		a.r.obj = a.r.obj.with(ref.urn, a.wholeExtension(op))
		return nil
	case ref.attr != nil && ref.attr.Name == "id" && ref.urn == "":
		if op.value != a.r.obj.Get("id") {
			return Mutability("attribute \"id\" differs from the id of the resource, and cannot be changed")
		}
		return nil
	case ref.attr != nil && ref.attr.Name == "schemas" && ref.urn == "":
		return a.schemas(op)
	case ref.urn == "":
		next, err := a.change(op, a.r.obj.Get(ref.name))
		if err == nil {
			a.r.obj = a.r.obj.with(ref.name, next)
		}
		return err
	}
	// A path with an unknown URN may name an extension as a whole, which only the resource can tell.
	if whole := ref.String(); ref.attr == nil && a.r.obj.index(whole) >= 0 {
		a.r.obj = a.r.obj.with(whole, a.wholeExtension(patchOp{kind: op.kind, path: &Path{ref: attrRef{urn: whole}}, value: op.value}))
		return nil
	}
	extension, _ := a.r.obj.Get(ref.urn).(*Object)
	next, err := a.change(op, extension.Get(ref.name))
	if err != nil {
		return err
	}
	if extension = extension.with(ref.name, next); extension.Len() > MaxNames {
		return InvalidValue("extension %q would have more than %d attributes", clip(ref.urn), MaxNames)
	}
	a.r.obj = a.r.obj.with(ref.urn, objectOrNil(extension))
	return nil
}

// wholeExtension gives the new value of an extension: add and replace merge, as its attributes are independent of each other.
func (a *applier) wholeExtension(op patchOp) any {
	if op.kind == opRemove || op.value == nil {
		return nil
	}
	current, _ := a.r.obj.Get(op.path.ref.urn).(*Object)
	if more, ok := op.value.(*Object); ok {
		return merged(current, more)
	}
	return op.value
}

// schemas adds or replaces the URNs that the resource type does not have; the others follow from the data.
func (a *applier) schemas(op patchOp) error {
	if op.kind == opReplace {
		a.r.foreign = nil
	}
	list, _ := op.value.([]any)
	for _, urn := range list {
		if a.r.addForeign(urn) && !a.opts.tolerates(UnknownSchemas) {
			return unknownSchema(urn.(string))
		}
	}
	return nil
}

// change gives the new value of an attribute for its current one.
func (a *applier) change(op patchOp, current any) (any, error) {
	ref := op.path.ref
	switch {
	case ref.attr == nil:
		next := changeUnknown(op, current)
		list, _ := next.([]any)
		return next, checkCount(ref.String(), list)
	case ref.attr.MultiValued:
		list, _ := current.([]any)
		next, err := a.changeList(op, list)
		if err == nil {
			err = checkCount(ref.String(), next)
		}
		return listOrNil(next), err
	case ref.subName != "":
		o, _ := current.(*Object)
		next := objectOrNil(o.with(ref.subName, op.value))
		return next, checkImmutable(ref.attr, current, next)
	}
	next := changeSingle(op, ref.attr, current)
	return next, checkImmutable(ref.attr, current, next)
}

func changeSingle(op patchOp, attr *Attribute, current any) any {
	if op.kind == opRemove || op.value == nil {
		return nil
	}
	o, isObject := current.(*Object)
	if more, ok := op.value.(*Object); ok && isObject && attr.Type == TypeComplex {
		return merged(o, more)
	}
	return op.value
}

// changeUnknown works without a schema: what is an array is multi-valued.
func changeUnknown(op patchOp, current any) any {
	if op.path.ref.subName != "" {
		o, _ := current.(*Object)
		return objectOrNil(o.with(op.path.ref.subName, op.value))
	}
	list, isList := current.([]any)
	if op.kind != opAdd || !isList || op.value == nil {
		return op.value
	}
	more, ok := op.value.([]any)
	if !ok {
		more = []any{op.value}
	}
	if len(list)+len(more) > 2*MaxValues {
		return slices.Concat(list, more)
	}
	list = slices.Clone(list)
	for _, e := range more {
		if !containsValue(nil, list, e) {
			list = append(list, e)
		}
	}
	return list
}

// changeList gives the new elements of a multi-valued attribute.
func (a *applier) changeList(op patchOp, current []any) ([]any, error) {
	ref := op.path.ref
	if op.path.filter != nil || ref.subName != "" {
		return a.changeSelected(op, current)
	}
	values, _ := op.value.([]any)
	switch {
	case op.kind == opReplace:
		return values, nil
	case op.kind == opAdd:
		return addValues(ref.attr, current, values), nil
	case op.listed:
		return slices.DeleteFunc(slices.Clone(current), func(e any) bool { return isListed(ref.attr, values, e) }), nil
	}
	return nil, nil
}

// addValues appends what is not there yet. If one of the new values is primary, the others are not any more (RFC 7644 3.5.2).
func addValues(attr *Attribute, current, values []any) []any {
	list := slices.Clone(current)
	for _, v := range values {
		at := slices.IndexFunc(list, func(e any) bool { return equalValues(attr, e, v) })
		if at < 0 {
			at = slices.IndexFunc(list, func(e any) bool { return sameSlot(attr, e, v) })
		}
		if at < 0 {
			at = len(list)
			list = append(list, v)
		} else if o, ok := list[at].(*Object); ok {
			list[at] = merged(o, v.(*Object))
		}
		if isPrimary(v) {
			demoteOthers(list, func(i int) bool { return i == at })
		}
	}
	return list
}

// sameSlot reports whether a new element has the type and value of an existing one, of which there should be one only (RFC 7643 2.4).
func sameSlot(attr *Attribute, existing, added any) bool {
	e, ok1 := existing.(*Object)
	n, ok2 := added.(*Object)
	if !ok1 || !ok2 {
		return false
	}
	for _, name := range [...]string{"value", "type"} {
		sub := attr.Sub(name)
		if sub == nil || n.Get(name) == nil || !sameText(sub, e.Get(name), n.Get(name)) {
			return false
		}
	}
	return true
}

// demoteOthers sets primary to false where it is true, but for the elements to keep. list is changed, its elements are not.
func demoteOthers(list []any, keep func(i int) bool) {
	for i, e := range list {
		if !keep(i) && isPrimary(e) {
			list[i] = e.(*Object).with("primary", false)
		}
	}
}

// isListed reports whether a listed removal names the element: by its "value" where the list gives one, else as a whole.
func isListed(attr *Attribute, listed []any, element any) bool {
	return slices.ContainsFunc(listed, func(v any) bool {
		o, ok1 := v.(*Object)
		e, ok2 := element.(*Object)
		if sub := attr.defaultSub(); ok1 && ok2 && sub != nil && o.Get(sub.Name) != nil {
			return sameText(sub, o.Get(sub.Name), e.Get(sub.Name))
		}
		return equalValues(attr, v, element)
	})
}

// sameText compares as a filter with eq would: with regard to letter case or not, as the schema says.
func sameText(a *Attribute, x, y any) bool {
	s, ok1 := x.(string)
	t, ok2 := y.(string)
	if ok1 && ok2 && !a.CaseExact {
		return Fold(s) == Fold(t)
	}
	return x == y
}

// changeSelected works on the elements that the path selects: those of its filter, or all for attr.sub.
func (a *applier) changeSelected(op patchOp, current []any) ([]any, error) {
	ref := op.path.ref
	var list []any
	touched, changed := map[int]bool{}, map[int]bool{}
	selected := 0
	for _, e := range current {
		if op.path.filter != nil && !matches(op.path.filter, scope{element: e}) {
			list = append(list, e)
			continue
		}
		selected++
		next, err := changeElement(op, e)
		if err != nil {
			return nil, err
		}
		if next == nil {
			continue
		}
		touched[len(list)], changed[len(list)] = true, !equalValues(ref.attr, e, next)
		list = append(list, next)
	}
	if op.path.filter != nil && ref.subName == "" {
		list, touched = withoutCopies(ref.attr, list, touched, changed)
	}
	if selected == 0 && op.kind != opRemove && op.value != nil {
		e, err := a.create(op)
		if err != nil {
			return nil, err
		}
		touched[len(list)] = true
		list = append(list, e)
	}
	return list, a.settlePrimary(ref, list, touched)
}

// withoutCopies leaves out the elements that an operation made equal to another one. It gives the rest, and which of these were touched.
func withoutCopies(attr *Attribute, list []any, touched, changed map[int]bool) (rest []any, stillTouched map[int]bool) {
	stillTouched = map[int]bool{}
	for i, e := range list {
		if changed[i] && (containsValue(attr, rest, e) || unchangedCopy(attr, list, changed, i)) {
			continue
		}
		stillTouched[len(rest)] = touched[i]
		rest = append(rest, e)
	}
	return rest, stillTouched
}

// unchangedCopy reports whether an element after the one at i is equal to it, and was so before.
func unchangedCopy(attr *Attribute, list []any, changed map[int]bool, i int) bool {
	for j := i + 1; j < len(list); j++ {
		if !changed[j] && equalValues(attr, list[i], list[j]) {
			return true
		}
	}
	return false
}

// settlePrimary makes the element that an operation made primary the only one.
func (a *applier) settlePrimary(ref attrRef, list []any, touched map[int]bool) error {
	chosen := -1
	for i, e := range list {
		if !touched[i] || !isPrimary(e) {
			continue
		}
		if chosen >= 0 && !a.opts.tolerates(MultiplePrimaries) {
			return InvalidValue("attribute %q: primary may be true on one value only", ref.top())
		}
		if chosen < 0 {
			chosen = i
		}
	}
	if chosen >= 0 {
		demoteOthers(list, func(i int) bool { return i == chosen })
	}
	return nil
}

// changeElement gives the new form of one selected element; nil if nothing is left of it.
func changeElement(op patchOp, element any) (any, error) {
	ref := op.path.ref
	o, isObject := element.(*Object)
	var next any
	switch {
	case ref.subName != "" && isObject:
		next = objectOrNil(o.with(ref.subName, op.value))
	case op.kind == opRemove || op.value == nil:
		return nil, nil
	case op.kind == opAdd && isObject:
		next = merged(o, op.value.(*Object))
	default:
		next = op.value
		if more, ok := op.value.(*Object); ok {
			next = completed(op, more)
		}
	}
	return next, checkImmutable(ref.attr, element, next)
}

// completed adds what the eq terms of the filter ask for to an element that does not mention it.
func completed(op patchOp, o *Object) *Object {
	fields, ok := template(op.path.filter)
	if !ok {
		return o
	}
	return merged(&Object{fields}, o)
}

// create makes the element that a value path selects in vain. For attr.sub without filter RFC 7644 3.5.2.3 has it so: a target without value is added.
func (a *applier) create(op patchOp) (any, error) {
	ref := op.path.ref
	var o *Object
	if op.path.filter != nil {
		fields, ok := template(op.path.filter)
		if !ok || !a.opts.tolerates(ReplaceCreatesTarget) {
			return nil, NoTarget("no value of %q matches the filter of the path; add the value first", ref.top())
		}
		for _, f := range fields {
			o = o.with(f.name, f.value)
		}
	}
	if ref.subName != "" {
		return o.with(ref.subName, op.value), nil
	}
	if more, ok := op.value.(*Object); ok {
		return merged(o, more), nil
	}
	return op.value, nil
}

// merged gives an object with the fields of both; those of more win.
func merged(o, more *Object) *Object {
	if o.Len() == 0 {
		return more
	}
	for _, f := range more.fields {
		o = o.with(f.name, f.value)
	}
	return o
}

func containsValue(attr *Attribute, list []any, v any) bool {
	return slices.ContainsFunc(list, func(e any) bool { return equalValues(attr, e, v) })
}

// checkImmutable refuses a change of an immutable attribute, or of an immutable sub-attribute, that has a value (RFC 7643 7).
func checkImmutable(a *Attribute, before, after any) error {
	if before == nil {
		return nil
	}
	if a.Mutability == Immutable && !equalValues(a, before, after) {
		return Mutability("attribute %q is immutable: it cannot be changed once it has a value", a.Name)
	}
	o, ok1 := before.(*Object)
	n, ok2 := after.(*Object)
	if !ok1 || !ok2 {
		return nil
	}
	for _, sub := range a.SubAttributes {
		if v := o.Get(sub.Name); sub.Mutability == Immutable && v != nil && !equalValues(sub, v, n.Get(sub.Name)) {
			return Mutability("attribute \"%s.%s\" is immutable: it cannot be changed once it has a value", a.Name, sub.Name)
		}
	}
	return nil
}
