// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package scim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func ids(members []Member) []string {
	list := make([]string, 0, len(members))
	for _, m := range members {
		list = append(list, m.Value)
	}
	return list
}

func group(t testing.TB, members ...string) *Resource {
	r := stored(t, GroupType, `{"id":"g1","displayName":"eng"}`)
	list := make([]Member, len(members))
	for i, id := range members {
		list[i] = Member{Value: id}
	}
	r.SetMembers(list)
	return r
}

// membersAfter applies a PATCH to a group in both ways, with the members loaded and as operations on a list, and checks that they agree.
func membersAfter(t testing.TB, r *Resource, o Options, body string) (after []string, changed bool) {
	t.Helper()
	result, changed := patched(t, r, o, body)
	p, err := ParsePatch([]byte(body), GroupType, o)
	if err != nil {
		t.Fatal(err)
	}
	attributes, ops := SplitGroupPatch(p)
	next, delta := ApplyMemberOps(r.Members(), ops)
	if diff := cmp.Diff(ids(result.Members()), ids(next)); diff != "" {
		t.Errorf("loaded and split differ:\n%s", diff)
	}
	without := r.Clone()
	without.Delete("members")
	_, attributesChanged, err := ApplyPatch(without, attributes, o)
	if err != nil {
		t.Fatal(err)
	}
	if changed != (attributesChanged || !delta.Empty()) {
		t.Errorf("changed is %v, split says %v and %+v", changed, attributesChanged, delta)
	}
	return ids(result.Members()), changed
}

func TestMemberOperations(t *testing.T) {
	for _, test := range []struct {
		name   string
		before []string
		ops    []string
		want   []string // nil: unchanged
	}{
		{"add", []string{"u1"}, []string{`{"op":"add","path":"members","value":[{"value":"u2"},{"value":"u3"}]}`}, []string{"u1", "u2", "u3"}},
		{"add of one without array", nil, []string{`{"op":"add","path":"members","value":{"value":"u2"}}`}, []string{"u2"}},
		{"add of a member", []string{"u1"}, []string{`{"op":"add","path":"members","value":[{"value":"u1","display":"x","type":"User"}]}`}, nil},
		{"add of the same twice", []string{"u1"}, []string{`{"op":"add","path":"members","value":[{"value":"u2"},{"value":"u2"}]}`}, []string{"u1", "u2"}},
		{"add of none", []string{"u1"}, []string{`{"op":"add","path":"members","value":[]}`, `{"op":"add","path":"members","value":null}`}, nil},
		{"path-less add", []string{"u1"}, []string{`{"op":"add","value":{"members":[{"value":"u2"}]}}`}, []string{"u1", "u2"}},
		{"add by URN-qualified path", nil, []string{`{"op":"add","path":"urn:ietf:params:scim:schemas:core:2.0:Group:Members","value":[{"value":"u2"}]}`}, []string{"u2"}},
		{"remove by filter", []string{"u1", "u2", "u3"}, []string{`{"op":"remove","path":"members[value eq \"u2\"]"}`}, []string{"u1", "u3"}},
		{"remove by filter with or", []string{"u1", "u2", "u3"}, []string{`{"op":"remove","path":"members[value eq \"u2\" or value eq \"u9\" or value eq \"u1\"]"}`}, []string{"u3"}},
		{"remove by another filter", []string{"u1", "u2", "x3"}, []string{`{"op":"remove","path":"members[value sw \"u\"]"}`}, []string{"x3"}},
		{"remove of users", []string{"u1", "u2"}, []string{`{"op":"remove","path":"members[type eq \"user\"]"}`}, []string{}},
		{"remove of groups", []string{"u1", "u2"}, []string{`{"op":"remove","path":"members[type eq \"Group\"]"}`}, nil},
		{"remove of a non-member", []string{"u1"}, []string{`{"op":"remove","path":"members[value eq \"u2\"]"}`}, nil},
		{"ids have a letter case", []string{"u1"}, []string{`{"op":"remove","path":"members[value eq \"U1\"]"}`}, nil},
		{"remove of all", []string{"u1", "u2"}, []string{`{"op":"remove","path":"members"}`}, []string{}},
		{"replace", []string{"u1", "u2"}, []string{`{"op":"replace","path":"members","value":[{"value":"u3"},{"value":"u2"}]}`}, []string{"u2", "u3"}},
		{"replace by the same in another order", []string{"u1", "u2"}, []string{`{"op":"replace","path":"members","value":[{"value":"u2"},{"value":"u1"}]}`}, nil},
		{"replace by none", []string{"u1", "u2"}, []string{`{"op":"replace","path":"members","value":[]}`}, []string{}},
		{"replace by null", []string{"u1", "u2"}, []string{`{"op":"replace","path":"members","value":null}`}, []string{}},
		{"in sequence", []string{"u1"}, []string{
			`{"op":"add","path":"members","value":[{"value":"u2"}]}`, `{"op":"remove","path":"members[value eq \"u1\"]"}`,
			`{"op":"add","path":"members","value":[{"value":"u1"}]}`, `{"op":"remove","path":"members[value eq \"u2\"]"}`,
		}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			after, changed := membersAfter(t, group(t, test.before...), strictly(t), patchBody(test.ops...))
			want := test.want
			if want == nil {
				want = test.before
			}
			if diff := cmp.Diff(append([]string{}, want...), after); diff != "" {
				t.Error(diff)
			}
			if changed != (test.want != nil) {
				t.Errorf("changed is %v", changed)
			}
		})
	}
}

func TestMembersCannotBeChangedInPlace(t *testing.T) {
	for _, op := range []string{
		`{"op":"replace","path":"members[value eq \"u1\"].type","value":"x"}`,
		`{"op":"replace","path":"members[value eq \"u1\"].value","value":"u2"}`,
		`{"op":"add","path":"members[value eq \"u1\"]","value":{"type":"Group"}}`,
		`{"op":"replace","path":"members[value eq \"u1\"]","value":{"value":"u2"}}`,
		`{"op":"replace","path":"members.value","value":"u2"}`,
		`{"op":"remove","path":"members.type"}`,
		`{"op":"remove","path":"members[value eq \"u1\"].value"}`,
	} {
		isError(t, refusedPatch(t, group(t, "u1"), leniently(t), patchBody(op)), 400, ScimTypeMutability, "members")
	}
}

func TestUnreadableMembersAreRefused(t *testing.T) {
	for _, value := range []string{
		`[{"display":"x"}]`, `[{"value":""}]`, `[{"value":null}]`, `[{"value":5}]`, `[{"value":{"value":"u1"}}]`, `[5]`, `[null]`, `[[{"value":"u1"}]]`, `5`, `true`,
		`[{"value":"u2","type":"Robot"}]`, `[{"value":"u2","type":5}]`, `["{\"value\":"]`, `"[{\"value\":5}]"`,
	} {
		for _, op := range []string{`{"op":"add","path":"members","value":#}`, `{"op":"replace","path":"members","value":#}`, `{"op":"replace","value":{"members":#}}`} {
			body := patchBody(replaceHash(op, value))
			if value == `["{\"value\":"]` {
				continue // A string that is no JSON is an id, as Entra's dialect has it.
			}
			isError(t, refusedPatch(t, group(t, "u1"), leniently(t), body), 400, ScimTypeInvalidValue, "members")
		}
		if value == `["{\"value\":"]` {
			continue
		}
		_, err := ParseResource([]byte(`{"displayName":"x","members":`+value+`}`), GroupType, leniently(t))
		isError(t, asError(t, err), 400, ScimTypeInvalidValue, "members")
	}
}

func replaceHash(s, value string) string {
	i := slices.Index([]byte(s), '#')
	return s[:i] + value + s[i+1:]
}

func TestMembersKeepOnlyWhatIdentifiesThem(t *testing.T) {
	r := parsed(t, GroupType, strictly(t), `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"x","members":[
	  {"value":"u1","$ref":"https://x.test/Users/u1","display":"Kim","type":"user"},{"value":"u1"},{"value":"g2","type":"GROUP","other":1},{"value":"u3","type":null,"$ref":null}]}`)
	sameJSON(t, r, `{"displayName":"x","members":[{"value":"u1","type":"User"},{"value":"g2","type":"Group"},{"value":"u3"}]}`)
	want := []Member{{Value: "u1", Type: "User"}, {Value: "g2", Type: "Group"}, {Value: "u3"}}
	if diff := cmp.Diff(want, r.Members()); diff != "" {
		t.Error(diff)
	}
	r.SetMembers([]Member{{Value: "u1", Type: "User", Display: "Kim", Ref: "https://x.test/Users/u1"}})
	sameJSON(t, r, `{"displayName":"x","members":[{"value":"u1","type":"User","display":"Kim","$ref":"https://x.test/Users/u1"}]}`)
	r.SetMembers(nil)
	sameJSON(t, r, `{"displayName":"x"}`)
}

// TestNetMemberOpsAgreesWithApplying: a delta that was made without the members has the same effect as the operations.
func TestNetMemberOpsAgreesWithApplying(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	some := func() []Member {
		var list []Member
		for range rnd.IntN(4) {
			list = append(list, Member{Value: fmt.Sprint("u", rnd.IntN(6))})
		}
		return distinct(list)
	}
	kinds := []MemberOpKind{MembersAdd, MembersRemove, MembersAdd, MembersRemove, MembersReplace, MembersClear}
	for range 20_000 {
		current := some()
		var ops []MemberOp
		for range rnd.IntN(6) {
			op := MemberOp{Kind: kinds[rnd.IntN(len(kinds))]}
			if op.Kind != MembersClear {
				op.Members = some()
			}
			ops = append(ops, op)
		}
		next, effective := ApplyMemberOps(current, ops)
		delta, ok := NetMemberOps(ops)
		if !ok {
			t.Fatal("not ok")
		}
		byDelta, again := ApplyMemberOps(current, delta.Ops())
		less := func(x, y []string) string { slices.Sort(x); slices.Sort(y); return cmp.Diff(x, y) }
		if diff := less(ids(next), ids(byDelta)); diff != "" {
			t.Fatalf("%v, %+v: %s", ids(current), ops, diff)
		}
		if len(effective.Add) != len(again.Add) || len(effective.Remove) != len(again.Remove) || effective.All {
			t.Fatalf("%+v: %+v, %+v", ops, effective, again)
		}
		digest := DigestMembers(current)
		for _, m := range effective.Add {
			digest.Add(m.Value)
		}
		for _, id := range effective.Remove {
			digest.Remove(id)
		}
		if digest != DigestMembers(next) {
			t.Fatal("the digest kept up by the delta differs")
		}
	}
	if _, ok := NetMemberOps([]MemberOp{{Kind: MembersRemoveWhere}}); ok {
		t.Error("a filter cannot be netted")
	}
	if (MembershipDelta{All: true}).Empty() || !(MembershipDelta{}).Empty() {
		t.Error("Empty is wrong")
	}
}

func TestDeltaOfAReplaceNeedsNoMembers(t *testing.T) {
	p, err := ParsePatch([]byte(patchBody(
		`{"op":"add","path":"members","value":[{"value":"u0"}]}`,
		`{"op":"replace","value":{"id":"g1","displayName":"eng2","members":[{"value":"u1"},{"value":"u2"}]}}`,
		`{"op":"remove","path":"members[value eq \"u2\"]"}`,
		`{"op":"add","path":"members","value":[{"value":"u3"}]}`,
	)), GroupType, strictly(t))
	if err != nil {
		t.Fatal(err)
	}
	attributes, ops := SplitGroupPatch(p)
	delta, ok := NetMemberOps(ops)
	if want := (MembershipDelta{All: true, Add: []Member{{Value: "u1"}, {Value: "u3"}}}); !ok || !cmp.Equal(want, delta) {
		t.Errorf("%v, %+v", ok, delta)
	}
	result, changed, err := ApplyPatch(stored(t, GroupType, `{"id":"g1","displayName":"eng"}`), attributes, strictly(t))
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	sameJSON(t, result, `{"id":"g1","displayName":"eng2"}`)
}

// TestLargeMembershipsTakeLinearTime fails by a wide margin if the work grows with the product of the list and the operations.
func TestLargeMembershipsTakeLinearTime(t *testing.T) {
	current := make([]Member, 100_000)
	for i := range current {
		current[i] = Member{Value: fmt.Sprint("u", i)}
	}
	var ops []MemberOp
	for i := range 5_000 {
		ops = append(ops, MemberOp{Kind: MembersRemove, Members: []Member{{Value: fmt.Sprint("u", 7*i)}}}, MemberOp{Kind: MembersAdd, Members: []Member{{Value: fmt.Sprint("v", i)}}})
	}
	start := time.Now()
	next, delta := ApplyMemberOps(current, ops)
	if len(next) != 100_000 || len(delta.Add) != 5_000 || len(delta.Remove) != 5_000 {
		t.Errorf("%d members, %d added, %d removed", len(next), len(delta.Add), len(delta.Remove))
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}
