// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"fmt"
	"hash/maphash"
	"net/http"
	"strings"

	"github.com/anishathalye/porcupine"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// userView is what a client sees of a user.
type userView struct {
	userName string
	active   bool
	title    string
	// family is the family name.
	family string
	// external is the client's own externalId.
	external string
}

// seenUser is a user in an answer.
type seenUser struct {
	userView
	id, mark, etag, created string
}

func seeUser(row map[string]any) seenUser {
	str := func(name string) string { s, _ := row[name].(string); return s }
	active, _ := row["active"].(bool)
	name, _ := row["name"].(map[string]any)
	family, _ := name["familyName"].(string)
	etag, created := metaOf(row)
	return seenUser{
		userView: userView{userName: str("userName"), active: active, title: str("title"), family: family, external: str("externalId")},
		id:       str("id"), mark: str("nickName"), etag: etag, created: created,
	}
}

func metaOf(row map[string]any) (etag, created string) {
	meta, _ := row["meta"].(map[string]any)
	etag, _ = meta["version"].(string)
	created, _ = meta["created"].(string)
	return etag, created
}

// userChange is what a write asks for. What is nil is not mentioned.
type userChange struct {
	userName, title, family, external *string
	active                            *bool
	// ifMatch is what the client takes the user to be.
	ifMatch *userView
}

// userState is a user.
type userState struct {
	phase    phase
	owner    int
	userName string
	active   bool
	title    string
	family   string
	external [3]string
}

type phase int

const (
	unborn phase = iota
	live
	gone
)

func (s userState) seenBy(client int) userView {
	return userView{userName: s.userName, active: s.active, title: s.title, family: s.family, external: s.external[client]}
}

// after is the user as a POST, PUT or PATCH leaves it.
func (s userState) after(e *event) userState {
	next := s
	if e.verb == create {
		next = userState{phase: live, owner: e.client, active: true}
	}
	if e.verb != patch {
		// What a PUT does not mention is cleared, but for active.
		next.title, next.family, next.external[e.client] = "", "", ""
	}
	set := func(to *string, value *string) {
		if value != nil {
			*to = *value
		}
	}
	set(&next.userName, e.user.userName)
	set(&next.title, e.user.title)
	set(&next.family, e.user.family)
	set(&next.external[e.client], e.user.external)
	if e.user.active != nil {
		next.active = *e.user.active
	}
	return next
}

// userModel says which answers a user may give.
func userModel() porcupine.Model {
	return model(userState{}, func(s userState, e *event) []userState {
		switch {
		case e.verb == create:
			return when(s.phase == unborn && shown(e, s.after(e)), s.after(e))
		case s.phase != live:
			return when(e.status == http.StatusNotFound || e.status == 0, s)
		case e.verb == remove:
			return s.deleted(e)
		case e.verb == put || e.verb == patch:
			return s.changed(e)
		default:
			return when(e.status == http.StatusOK && shown(e, s), s)
		}
	})
}

// shown is whether the answer shows the user, if it shows one.
func shown(e *event, s userState) bool {
	return len(e.seenUsers) == 0 || e.seenUsers[0].userView == s.seenBy(e.client)
}

func (s userState) matches(e *event) bool {
	return e.user.ifMatch == nil || *e.user.ifMatch == s.seenBy(e.client)
}

func (s userState) owned(e *event) bool { return s.owner == e.client || idps[e.client].takeOver }

func (s userState) deleted(e *event) []userState {
	after := s
	after.phase = gone
	allowed := s.matches(e) && s.owned(e)
	switch e.status {
	case 0:
		if allowed {
			return []userState{s, after}
		}
		return []userState{s}
	case http.StatusPreconditionFailed:
		return when(!s.matches(e), s)
	case http.StatusForbidden:
		return when(s.matches(e) && !s.owned(e), s)
	}
	return when(e.ok() && allowed, after)
}

func (s userState) changed(e *event) []userState {
	after := s.after(e)
	nothing := after == s
	after.owner = e.client
	allowed := s.matches(e) && (nothing || s.owned(e))
	if nothing {
		after = s
	}
	renames := scim.Fold(after.userName) != scim.Fold(s.userName)
	switch e.status {
	case 0:
		if allowed {
			return []userState{s, after}
		}
		return []userState{s}
	case http.StatusPreconditionFailed:
		return when(!s.matches(e), s)
	case http.StatusForbidden:
		return when(s.matches(e) && !nothing && !s.owned(e), s)
	case http.StatusConflict:
		return when(allowed && renames, s)
	}
	return when(e.ok() && allowed && shown(e, after), after)
}

// when gives the state if the condition holds, and otherwise that there is none.
func when[S any](ok bool, s S) []S {
	if !ok {
		return nil
	}
	return []S{s}
}

// progress is a state, and the operations of bulk requests that were done and that others come after.
type progress[S comparable] struct {
	state S
	done  string
}

// next are what an event makes of the state, if it is its turn.
func (p progress[S]) next(e *event, step func(S, *event) []S) []any {
	if e.after != 0 {
		before := fmt.Sprintf("<%d>", e.after)
		if !strings.Contains(p.done, before) {
			return nil
		}
		p.done = strings.Replace(p.done, before, "", 1)
	}
	if e.awaited {
		p.done += fmt.Sprintf("<%d>", e.number)
	}
	var next []any
	for _, s := range step(p.state, e) {
		next = append(next, progress[S]{s, p.done})
	}
	return next
}

// model makes a model of states that can be compared, whose input is an event.
func model[S comparable](first S, step func(S, *event) []S) porcupine.Model {
	seed := maphash.MakeSeed()
	m := porcupine.NondeterministicModel{
		Init:              func() []any { return []any{progress[S]{state: first}} },
		Step:              func(state, input, _ any) []any { return state.(progress[S]).next(input.(*event), step) },
		Hash:              func(state any) uint64 { return maphash.Comparable(seed, state.(progress[S])) },
		DescribeOperation: func(input, _ any) string { return input.(*event).String() },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
	return m.ToModel()
}
