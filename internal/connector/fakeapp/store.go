// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	userURN  = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupURN = "urn:ietf:params:scim:schemas:core:2.0:Group"
	listURN  = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
)

// record is a stored user or group. Stored attributes are never changed in place: a change stores another map.
type record struct {
	id                string
	attributes        map[string]any // without id, meta, groups, members
	members           []string       // of a group: ids of users
	created, modified time.Time
}

// collection is the users or the groups, in the order of their creation.
type collection struct {
	kind          string // User, Group
	urn           string
	path          string
	nameAttribute string
	order         []*record
	byID          map[string]*record
	byName        map[string]*record // by the name in lower case
}

type store struct {
	mu            sync.Mutex
	flavour       flavour
	users, groups collection
	lastID        int
	file          string // where it is kept; empty: nowhere
}

func (s *store) init(f flavour) {
	s.flavour = f
	s.users = collection{kind: "User", urn: userURN, path: f.usersPath, nameAttribute: "userName", byID: map[string]*record{}, byName: map[string]*record{}}
	s.groups = collection{kind: "Group", urn: groupURN, path: f.groupsPath, nameAttribute: "displayName", byID: map[string]*record{}, byName: map[string]*record{}}
}

// insert adds a record whose id and name are free.
func (c *collection) insert(added *record) {
	c.order = append(c.order, added)
	c.byID[added.id], c.byName[nameOf(c, added.attributes)] = added, added
}

func nameOf(c *collection, attributes map[string]any) string {
	name, _ := attributes[c.nameAttribute].(string)
	return strings.ToLower(name)
}

func (s *store) newID(attributes map[string]any) string {
	s.lastID++
	switch {
	case s.flavour.idIsUserName:
		return nameOf(&s.users, attributes)
	case s.flavour.numericIDs:
		return strconv.Itoa(s.lastID)
	default:
		return strings.ToLower(rand.Text())
	}
}

// lookup finds a record by its id.
func (s *store) lookup(c *collection, id string) (*record, *answer) {
	if s.flavour.idIsUserName {
		id = strings.ToLower(id)
	}
	if found, ok := c.byID[id]; ok {
		return found, nil
	}
	missing := scimError(http.StatusNotFound, "", "No "+strings.ToLower(c.kind)+" found for "+strings.ToLower(c.kind)+": "+id)
	return nil, &missing
}

// create stores a new record.
func (s *store) create(c *collection, sent map[string]any) (answer, *record) {
	if refused := s.requireSchema(c, sent); refused != nil {
		return *refused, nil
	}
	attributes, members, refused := s.accept(c, sent, nil)
	if refused != nil {
		return *refused, nil
	}
	if _, taken := c.byName[nameOf(c, attributes)]; taken {
		return s.taken(c), nil
	}
	now := time.Now()
	added := &record{id: s.newID(attributes), attributes: attributes, members: members, created: now, modified: now}
	c.insert(added)
	return answer{status: http.StatusCreated, body: s.render(c, added, true)}, added
}

// requireSchema refuses a body that does not name its schema (RFC 7643 3).
func (s *store) requireSchema(c *collection, sent map[string]any) *answer {
	if s.flavour.idIsUserName || slices.Contains(stringsOf(sent["schemas"]), c.urn) {
		return nil
	}
	return refuse("invalidSyntax", "schemas does not name "+c.urn)
}

func (s *store) taken(c *collection) answer {
	if c == &s.users {
		return s.flavour.duplicate()
	}
	return scimError(http.StatusConflict, "uniqueness", "displayName is already in use")
}

func (s *store) get(c *collection, id string, since time.Time) (answer, *record) {
	found, missing := s.lookup(c, id)
	if missing != nil {
		return *missing, nil
	}
	if found.created.After(since) {
		return scimError(http.StatusNotFound, "", "No "+strings.ToLower(c.kind)+" found"), found
	}
	return answer{status: http.StatusOK, body: s.render(c, found, true)}, found
}

// replace is PUT: by RFC 7644 3.5.1 what is not given is gone; R-Service keeps it.
func (s *store) replace(c *collection, id string, sent map[string]any) (answer, *record) {
	found, missing := s.lookup(c, id)
	if missing != nil {
		return *missing, nil
	}
	if s.flavour.putMerges {
		if _, given := sent["members"]; !given && c == &s.groups {
			sent["members"] = memberList(found.members)
		}
		sent = merged(found.attributes, sent)
	} else if refused := s.requireSchema(c, sent); refused != nil {
		return *refused, found
	}
	return s.update(c, found, sent)
}

// patch is PATCH in the form that the vendor takes.
func (s *store) patch(c *collection, id string, sent map[string]any) (answer, *record) {
	found, missing := s.lookup(c, id)
	if missing != nil {
		return *missing, nil
	}
	var wanted map[string]any
	var refused *answer
	switch {
	case s.flavour.putMerges && c == &s.groups:
		wanted, refused = patchGroup11(found, sent)
	default:
		wanted, refused = patched(s.document(c, found), sent, s.flavour.idIsUserName)
	}
	if refused != nil {
		return *refused, found
	}
	if s.flavour.idIsUserName && !strings.EqualFold(nameOf(c, wanted), found.id) {
		// A changed address is another account; the one of the old address stays (S34).
		created, added := s.create(c, wanted)
		if created.status == http.StatusCreated {
			created.status = http.StatusOK
		}
		return created, added
	}
	return s.update(c, found, wanted)
}

// update stores the wanted state of a record.
func (s *store) update(c *collection, found *record, wanted map[string]any) (answer, *record) {
	attributes, members, refused := s.accept(c, wanted, found)
	if refused != nil {
		return *refused, found
	}
	if holder, taken := c.byName[nameOf(c, attributes)]; taken && holder != found {
		return s.taken(c), found
	}
	if !reflect.DeepEqual(attributes, found.attributes) || !slices.Equal(members, found.members) {
		delete(c.byName, nameOf(c, found.attributes))
		found.attributes, found.members, found.modified = attributes, members, time.Now()
		c.byName[nameOf(c, attributes)] = found
	}
	return answer{status: http.StatusOK, body: s.render(c, found, true)}, found
}

func (s *store) delete(c *collection, id string) (answer, *record) {
	found, missing := s.lookup(c, id)
	if missing != nil {
		return *missing, nil
	}
	switch {
	case s.flavour.deleteDeactivates && c == &s.groups:
		// "Removes all members" is all that R-Service says of it.
		found.members, found.modified = nil, time.Now()
	case s.flavour.deleteDeactivates:
		found.attributes = merged(found.attributes, map[string]any{"active": false})
		found.modified = time.Now()
	default:
		s.forget(c, found)
	}
	return answer{status: http.StatusNoContent}, found
}

// forget removes a record for good.
func (s *store) forget(c *collection, gone *record) {
	delete(c.byID, gone.id)
	delete(c.byName, nameOf(c, gone.attributes))
	c.order = slices.DeleteFunc(c.order, func(r *record) bool { return r == gone })
	for _, group := range s.groups.order {
		group.members = slices.DeleteFunc(group.members, func(id string) bool { return id == gone.id })
	}
}

// list is GET of a collection, with filter and paging.
func (s *store) list(c *collection, query url.Values, since time.Time) answer {
	start, count := positive(query.Get("startIndex"), 1), s.flavour.defaultCount
	if value := query.Get("count"); value != "" {
		count = min(positive(value, 0), s.flavour.maxCount)
	}
	rows, refused := s.matching(c, query.Get("filter"))
	if refused != nil {
		return *refused
	}
	rows = slices.DeleteFunc(rows, func(r *record) bool {
		return r.created.After(since) || !s.flavour.listsInactive && r.attributes["active"] == false
	})
	page := rows[min(start-1, len(rows)):min(start-1+count, len(rows))]
	resources := make([]any, 0, len(page))
	for _, row := range page {
		resources = append(resources, s.render(c, row, s.flavour.listsShowMembers))
	}
	return answer{status: http.StatusOK, body: map[string]any{
		"schemas": []string{listURN}, "totalResults": len(rows), "startIndex": start, "itemsPerPage": len(page), "Resources": resources,
	}}
}

// matching returns a new slice of the records that a filter lets through.
func (s *store) matching(c *collection, expression string) ([]*record, *answer) {
	if expression == "" {
		return slices.Clone(c.order), nil
	}
	matches, err := parseFilter(expression, s.flavour.filterable)
	if err != nil {
		return nil, refuse("invalidFilter", err.Error())
	}
	if matches.name == strings.ToLower(c.nameAttribute) && matches.operator == "eq" {
		if found, ok := c.byName[strings.ToLower(matches.value)]; ok {
			return []*record{found}, nil
		}
		return nil, nil
	}
	var rows []*record
	for _, row := range c.order {
		if matches.test(s.document(c, row)) {
			rows = append(rows, row)
		}
	}
	return rows, nil
}

func positive(value string, otherwise int) int {
	n, err := strconv.Atoi(value)
	if err != nil || n < otherwise {
		return otherwise
	}
	return n
}

// document is a record as filters and patches see it.
func (s *store) document(c *collection, r *record) map[string]any {
	document := copyMap(r.attributes)
	document["id"] = r.id
	if c == &s.groups {
		document["members"] = memberList(r.members)
	}
	return document
}

// render is a record as the app shows it.
func (s *store) render(c *collection, r *record, showMembers bool) map[string]any {
	shown := copyMap(r.attributes)
	shown["id"] = r.id
	schemas := []string{c.urn}
	for key := range shown {
		if strings.HasPrefix(key, "urn:") {
			schemas = append(schemas, key)
		}
	}
	slices.Sort(schemas[1:])
	shown["schemas"] = schemas
	location := s.flavour.basePath + c.path + "/" + url.PathEscape(r.id)
	if s.flavour.locationHost != "" {
		location = "https://" + s.flavour.locationHost + location
	}
	shown["meta"] = map[string]any{
		"resourceType": c.kind, "location": location,
		"created": r.created.UTC().Format(time.RFC3339Nano), "lastModified": r.modified.UTC().Format(time.RFC3339Nano),
	}
	if c == &s.groups && showMembers && len(r.members) > 0 {
		shown["members"] = s.memberViews(r)
	}
	if c == &s.users && showMembers && c.path == "/Users" {
		if groups := s.groupsOf(r.id); len(groups) > 0 {
			shown["groups"] = groups
		}
	}
	return shown
}

func (s *store) memberViews(group *record) []any {
	views := make([]any, 0, len(group.members))
	for _, id := range group.members {
		view := map[string]any{"value": id, "type": "User"}
		if user, ok := s.users.byID[id]; ok {
			if name, ok := user.attributes["displayName"].(string); ok {
				view["display"] = name
			}
		}
		views = append(views, view)
	}
	return views
}

func (s *store) groupsOf(id string) []any {
	var groups []any
	for _, group := range s.groups.order {
		if slices.Contains(group.members, id) {
			groups = append(groups, map[string]any{"value": group.id, "display": group.attributes["displayName"]})
		}
	}
	return groups
}

// accept checks what is to be stored, takes out what callers cannot set, and splits off the members.
func (s *store) accept(c *collection, sent map[string]any, existing *record) (map[string]any, []string, *answer) {
	attributes := copyMap(sent)
	for _, name := range []string{"id", "schemas", "meta", "groups", "password"} {
		delete(attributes, name)
	}
	attributes = withoutEmpty(attributes)
	if c == &s.users {
		var before map[string]any
		if existing != nil {
			before = existing.attributes
		}
		return attributes, nil, s.flavour.validate(attributes, before)
	}
	if name, ok := attributes["displayName"].(string); !ok || strings.TrimSpace(name) == "" {
		return nil, nil, invalid("displayName is required")
	}
	members, refused := s.members(attributes["members"])
	delete(attributes, "members")
	return attributes, members, refused
}

// members reads a list of members; each has to be a user of the app.
func (s *store) members(value any) ([]string, *answer) {
	list, ok := value.([]any)
	if value != nil && !ok {
		return nil, invalid("members is not a list")
	}
	var members []string
	seen := map[string]bool{}
	for i, item := range list {
		member, _ := item.(map[string]any)
		id, _ := member["value"].(string)
		if _, known := s.users.byID[id]; !known {
			return nil, invalid(fmt.Sprintf("members[%d] is no user of this app", i))
		}
		if !seen[id] {
			seen[id] = true
			members = append(members, id)
		}
	}
	return members, nil
}

func memberList(ids []string) []any {
	list := make([]any, 0, len(ids))
	for _, id := range ids {
		list = append(list, map[string]any{"value": id})
	}
	return list
}
