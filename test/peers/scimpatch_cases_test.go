// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// generator makes random resources and operations of the core schemas. Names of attributes and values are few, so that operations meet what is there.
type generator struct{ *rand.Rand }

func (g *generator) chance(oneIn int) bool { return g.IntN(oneIn) == 0 }

func pick[T any](g *generator, of ...T) T { return of[g.IntN(len(of))] }

func (g *generator) word() string { return pick(g, "a", "b", "C d", "x.y@corp.test", "ü") }

func (g *generator) kind() string { return pick(g, "work", "home", "other") }

// resource is a user or a group as a server has it.
func (g *generator) resource() (*scim.ResourceType, map[string]any) {
	if g.chance(4) {
		return scim.GroupType, map[string]any{"id": "g1", "displayName": g.word(), "members": g.members()}
	}
	user := map[string]any{"id": "u1", "userName": g.word(), "active": g.chance(2)}
	if g.chance(2) {
		user["name"] = g.name()
	}
	for _, name := range []string{"displayName", "title"} {
		if g.chance(2) {
			user[name] = g.word()
		}
	}
	for _, name := range plurals {
		if g.chance(2) {
			user[name] = g.values(name)
		}
	}
	if g.chance(2) {
		user[scim.EnterpriseUserSchemaID] = map[string]any{"department": g.word(), "manager": map[string]any{"value": g.word()}}
	}
	return scim.UserType, user
}

// plurals are multi-valued attributes, with and without a sub-attribute "value".
var plurals = []string{"emails", "phoneNumbers", "addresses"}

func (g *generator) name() map[string]any {
	name := map[string]any{"givenName": g.word()}
	if g.chance(2) {
		name["familyName"] = g.word()
	}
	return name
}

// subOf is the sub-attribute that says what an element of the attribute is.
func subOf(attribute string) string {
	if attribute == "addresses" {
		return "locality"
	}
	return "value"
}

// otherOf is one more sub-attribute of its elements.
func otherOf(attribute string) string {
	if attribute == "addresses" {
		return "country"
	}
	return "display"
}

func (g *generator) element(attribute string) map[string]any {
	e := map[string]any{subOf(attribute): g.word()}
	if !g.chance(4) {
		e["type"] = g.kind()
	}
	return e
}

// values are up to three elements, of which one may be primary; none is there twice.
func (g *generator) values(attribute string) []any {
	var list []any
	for range 1 + g.IntN(3) {
		e := g.element(attribute)
		if !slices.ContainsFunc(list, func(x any) bool { return sameSlot(x, e) }) {
			list = append(list, e)
		}
	}
	if g.chance(2) {
		list[g.IntN(len(list))].(map[string]any)["primary"] = true
	}
	return list
}

// sameSlot reports whether two elements have one type and value. A type has no letter case.
func sameSlot(x, y any) bool {
	a, b := x.(map[string]any), y.(map[string]any)
	return strings.EqualFold(fmt.Sprint(a["type"]), fmt.Sprint(b["type"])) && a["value"] == b["value"] && a["locality"] == b["locality"]
}

func (g *generator) members() []any {
	list := []any{}
	for _, id := range []string{"u1", "u2", "u3", "u4"} {
		if g.chance(2) {
			list = append(list, map[string]any{"value": id})
		}
	}
	return list
}

func (g *generator) operation(rt *scim.ResourceType, before map[string]any) operation {
	if rt == scim.GroupType {
		return g.onGroup()
	}
	return pick(g, g.onSingle, g.onName, g.onExtension, g.onPlural, g.onPlural, g.onSelected, g.onSelected, func() operation { return g.byValue(before) }, g.pathless)()
}

func (g *generator) onGroup() operation {
	id := pick(g, "u1", "u2", "u3", "u4", "u5")
	return pick(g,
		operation{"replace", "displayName", g.word()},
		operation{"add", "externalId", g.word()},
		operation{"remove", "externalId", nil},
		operation{"add", "members", []any{map[string]any{"value": id}}},
		operation{"add", "members", g.members()},
		operation{"replace", "members", g.members()},
		operation{"remove", "members", nil},
		operation{"remove", `members[value eq "` + id + `"]`, nil},
		operation{"remove", `members[value eq "` + id + `" or value eq "u1"]`, nil},
		operation{"remove", "members", []any{map[string]any{"value": id}}},
		operation{"replace", "", map[string]any{"displayName": g.word(), "members": g.members()}},
		operation{"add", "", map[string]any{"members": g.members()}},
	)
}

func (g *generator) onSingle() operation {
	path := pick(g, "displayName", "title", "userName", "urn:ietf:params:scim:schemas:core:2.0:User:nickName")
	switch pick(g, "add", "replace", "remove") {
	case "remove":
		return operation{"remove", path, nil}
	case "add":
		return operation{"add", path, g.word()}
	}
	if g.chance(3) {
		return operation{"replace", "active", g.chance(2)}
	}
	return operation{"replace", path, g.word()}
}

func (g *generator) onName() operation {
	return pick(g,
		operation{pick(g, "add", "replace"), "name", g.name()},
		operation{pick(g, "add", "replace"), "name.familyName", g.word()},
		operation{"remove", pick(g, "name", "name.givenName", "name.familyName"), nil},
	)
}

func (g *generator) onExtension() operation {
	attribute := scim.EnterpriseUserSchemaID + ":" + pick(g, "department", "employeeNumber", "manager.value")
	return pick(g, operation{pick(g, "add", "replace"), attribute, g.word()}, operation{"remove", attribute, nil})
}

// onPlural is about a multi-valued attribute as a whole.
func (g *generator) onPlural() operation {
	attribute := pick(g, plurals...)
	return pick(g,
		operation{"add", attribute, g.values(attribute)},
		operation{"add", attribute, []any{g.element(attribute)}},
		operation{"replace", attribute, g.values(attribute)},
		operation{"remove", attribute, nil},
		operation{pick(g, "add", "replace"), attribute + "." + subOf(attribute), g.word()},
		operation{"remove", attribute + ".type", nil},
	)
}

func (g *generator) filter(attribute string) string {
	return pick(g,
		`type eq "`+g.kind()+`"`,
		`type eq "`+g.kind()+`"`,
		subOf(attribute)+` eq "`+g.word()+`"`,
		`primary eq true`,
		`type eq "`+g.kind()+`" and `+subOf(attribute)+` sw "a"`,
		`type eq "`+g.kind()+`" or primary eq true`,
		`not (type eq "`+g.kind()+`")`,
		`type pr`,
		`type eq "WORK"`,
	)
}

// onSelected is about elements that a filter selects.
func (g *generator) onSelected() operation {
	attribute := pick(g, plurals...)
	path := attribute + "[" + g.filter(attribute) + "]"
	return pick(g,
		operation{"remove", path, nil},
		operation{"replace", path + "." + subOf(attribute), g.word()},
		operation{"replace", path + "." + otherOf(attribute), g.word()},
		operation{"add", path + "." + subOf(attribute), g.word()},
		operation{"replace", path + ".primary", true},
		operation{"remove", path + ".type", nil},
		operation{pick(g, "add", "replace"), path, g.element(attribute)},
	)
}

// byValue removes elements that are there.
func (g *generator) byValue(before map[string]any) operation {
	attribute := pick(g, plurals...)
	list, _ := before[attribute].([]any)
	if len(list) == 0 {
		return g.onPlural()
	}
	return operation{"remove", attribute, []any{pick(g, list...)}}
}

func (g *generator) pathless() operation {
	value := map[string]any{}
	for range 1 + g.IntN(3) {
		switch attribute := pick(g, append([]string{"displayName", "title", "name", "active", scim.EnterpriseUserSchemaID}, plurals...)...); attribute {
		case "name":
			value[attribute] = g.name()
		case "active":
			value[attribute] = g.chance(2)
		case scim.EnterpriseUserSchemaID:
			value[attribute] = map[string]any{"department": g.word()}
		case "displayName", "title":
			value[attribute] = g.word()
		default:
			value[attribute] = g.values(attribute)
		}
	}
	return operation{pick(g, "add", "replace"), "", value}
}
