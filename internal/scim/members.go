// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import "slices"

// Member is one member of a group (RFC 7643 4.2). A group's membership is a set of values (ids): everything else describes the member.
type Member struct {
	// Value is the id of the user or group.
	Value string
	// Type is "User", "Group", or "" where the client sent none, which means User until an object with that id says otherwise.
	Type string
	// Display and Ref are set by the server when it renders a group. What a client sends is ignored.
	Display string
	Ref     string
}

var membersAttribute = GroupSchema.Attribute("members")

// isMembers reports whether an attribute is the membership of a group.
func isMembers(rt *ResourceType, a *Attribute) bool {
	return a == membersAttribute && rt.Schema == GroupSchema
}

// Members gives the members of a group resource, each id once.
func (r *Resource) Members() []Member {
	list, _ := r.obj.Get("members").([]any)
	members := make([]Member, 0, len(list))
	for _, e := range list {
		o, _ := e.(*Object)
		m := Member{Value: textOf(o, "value"), Type: textOf(o, "type"), Display: textOf(o, "display"), Ref: textOf(o, "$ref")}
		if m.Value != "" {
			members = append(members, m)
		}
	}
	return distinct(members)
}

func textOf(o *Object, name string) string {
	s, _ := o.Get(name).(string)
	return s
}

// SetMembers replaces the members of a group resource. An empty list deletes the attribute.
func (r *Resource) SetMembers(members []Member) { r.obj = r.obj.with("members", membersValue(members)) }

func membersValue(members []Member) any {
	list := make([]any, len(members))
	for i, m := range members {
		list[i] = m.object()
	}
	return listOrNil(list)
}

func (m Member) object() *Object {
	fields := make([]field, 1, 2)
	fields[0] = field{"value", m.Value}
	for _, f := range [...]struct{ name, value string }{{"$ref", m.Ref}, {"display", m.Display}, {"type", m.Type}} {
		if f.value != "" {
			fields = append(fields, field{f.name, f.value})
		}
	}
	return &Object{fields}
}

// MemberOpKind is what a MemberOp does.
type MemberOpKind string

// The kinds of member operations.
const (
	// MembersAdd adds those of Members that are missing.
	MembersAdd MemberOpKind = "Add"
	// MembersRemove removes those of Members (by Value) that are there.
	MembersRemove MemberOpKind = "Remove"
	// MembersRemoveWhere removes those for which Where is true. It is the only kind that needs more than ids.
	MembersRemoveWhere MemberOpKind = "RemoveWhere"
	// MembersReplace makes the membership exactly Members.
	MembersReplace MemberOpKind = "Replace"
	// MembersClear removes all.
	MembersClear MemberOpKind = "Clear"
)

// MemberOp is one change of a group's membership, free of paths and of the rest of the group.
type MemberOp struct {
	Kind    MemberOpKind
	Members []Member
	// Where is set for MembersRemoveWhere.
	Where *MemberFilter
}

// MemberFilter selects members, as in `members[type eq "Group"]`.
type MemberFilter struct{ root node }

// Match reports whether the filter selects the member. A member without type is a User.
func (f *MemberFilter) Match(m Member) bool {
	if m.Type == "" {
		m.Type = UserType.Name
	}
	return matches(f.root, scope{element: m.object()})
}

// SplitGroupPatch separates what a PATCH does to the membership from what it does to the other attributes, so that a large group can be changed without loading
// its members. Both parts keep their sequence; they touch different attributes, so their order against each other does not matter.
func SplitGroupPatch(p *Patch) (attributes *Patch, members []MemberOp) {
	attributes = &Patch{rt: p.rt}
	for _, op := range p.ops {
		if op.member != nil {
			members = append(members, *op.member)
		} else {
			attributes.ops = append(attributes.ops, op)
		}
	}
	return attributes, members
}

// onMembers makes the operation on the members of a group.
func (p *patchParser) onMembers(op patchOp, v any) ([]patchOp, error) {
	ref := op.path.ref
	if ref.subName != "" || op.path.filter != nil && op.kind != opRemove {
		return nil, Mutability("a member cannot be changed in place (RFC 7643 8.7.1: %s is immutable); remove it and add another", op.path.ref)
	}
	if op.kind == opRemove && !op.listed {
		op.member = memberRemoval(op.path.filter)
		return []patchOp{op}, nil
	}
	members, err := p.members(v, op.kind != opReplace)
	if err != nil {
		return nil, err
	}
	list, isList := v.([]any)
	switch {
	case op.listed && len(members) == 0 && !(isList && len(list) == 0):
		return nil, InvalidValue("\"remove\" of \"members\": the value names no member; list the members as [{\"value\": \"<id>\"}]")
	case op.kind != opReplace && len(members) == 0:
		return nil, nil
	case op.listed:
		op.member = &MemberOp{Kind: MembersRemove, Members: members}
	case op.kind == opAdd:
		op.member = &MemberOp{Kind: MembersAdd, Members: members}
	default:
		op.member = &MemberOp{Kind: MembersReplace, Members: members}
	}
	return []patchOp{op}, nil
}

func memberRemoval(filter node) *MemberOp {
	if filter == nil {
		return &MemberOp{Kind: MembersClear}
	}
	ids, ok := anyOf(filter)
	if !ok {
		return &MemberOp{Kind: MembersRemoveWhere, Where: &MemberFilter{filter}}
	}
	members := make([]Member, len(ids))
	for i, id := range ids {
		members[i] = Member{Value: id}
	}
	return &MemberOp{Kind: MembersRemove, Members: distinct(members)}
}

// members reads a list of members; single allows one without the array. An entry that names no id is an error: to ignore it would lose a member.
func (n *normalizer) members(v any, single bool) ([]Member, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		var err error
		if list, err = n.asList(membersAttribute, "members", v, single); err != nil {
			return nil, err
		}
	}
	members := make([]Member, 0, len(list))
	for i, e := range list {
		m, err := n.member(i+1, e)
		if err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	return distinct(members), nil
}

func (n *normalizer) member(number int, v any) (Member, error) {
	if x, ok := n.fromJSONText(membersAttribute, v); ok {
		v = x
	}
	if id, ok := v.(string); ok && id != "" && n.opts.tolerates(ComplexAsString) {
		return Member{Value: id}, nil
	}
	o, ok := v.(*Object)
	if !ok {
		return Member{}, InvalidValue("attribute \"members\", entry %d: expected an object with \"value\", the id of the member, found %s", number, describe(v))
	}
	m := Member{}
	if m.Value, _ = o.Get("value").(string); m.Value == "" {
		return Member{}, InvalidValue("attribute \"members\", entry %d: \"value\" has to be the id of the member, a string, found %s", number, describe(o.Get("value")))
	}
	switch t := o.Get("type").(type) {
	case nil:
	case string:
		for _, known := range CoreResourceTypes() {
			if equalName(known.Name, t) {
				m.Type = known.Name
			}
		}
		if m.Type == "" && t != "" {
			return Member{}, InvalidValue("attribute \"members\", entry %d: \"type\" has to be User or Group", number)
		}
	default:
		return Member{}, InvalidValue("attribute \"members\", entry %d: \"type\" has to be a string, found %s", number, describe(t))
	}
	return m, nil
}

// distinct leaves the first of the members with one id. It works in place.
func distinct(members []Member) []Member {
	if len(members) < 2 {
		return members
	}
	seen := make(map[string]bool, len(members))
	return slices.DeleteFunc(members, func(m Member) bool {
		if seen[m.Value] {
			return true
		}
		seen[m.Value] = true
		return false
	})
}
