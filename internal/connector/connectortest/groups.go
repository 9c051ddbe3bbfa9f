// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package connectortest

import (
	"context"
	"slices"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// FindGroups implements connector.Connector.
func (s *Script) FindGroups(_ context.Context, displayName string) ([]connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.next(connector.OpFindGroups); err != nil || s.Hidden {
		return nil, err
	}
	var found []connector.Group
	for _, group := range s.Groups {
		if scim.Fold(group.DisplayName) == scim.Fold(displayName) {
			found = append(found, group)
		}
	}
	return found, nil
}

// GetGroup implements connector.Connector.
func (s *Script) GetGroup(_ context.Context, id string) (connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, err := s.next(connector.OpGetGroup); err != nil {
		return connector.Group{}, err
	}
	group := s.Group(id)
	if group == nil {
		return connector.Group{}, NotFound(connector.OpGetGroup)
	}
	return s.shown(*group), nil
}

// shown is a group as the app shows it.
func (s *Script) shown(group connector.Group) connector.Group {
	group = shownGroup(group)
	if s.HideMembers {
		group.Members = nil
	}
	return group
}

func shownGroup(group connector.Group) connector.Group {
	group.Members = slices.Clone(group.Members)
	return group
}

// CreateGroup implements connector.Connector.
func (s *Script) CreateGroup(_ context.Context, group connector.Group) (connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	effect, err := s.next(connector.OpCreateGroup)
	group.ID, group.MembersKnown = "group-"+group.DisplayName, true
	if effect {
		s.Groups = append(s.Groups, shownGroup(group))
	}
	if err != nil {
		return connector.Group{}, err
	}
	return group, nil
}

// UpdateGroup implements connector.Connector.
func (s *Script) UpdateGroup(_ context.Context, id string, change connector.GroupChange) (connector.Group, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	effect, err := s.next(connector.OpUpdateGroup)
	group := s.Group(id)
	switch {
	case err != nil && (!effect || group == nil):
		return connector.Group{}, err
	case group == nil:
		return connector.Group{}, NotFound(connector.OpUpdateGroup)
	}
	if change.DisplayName != "" {
		group.DisplayName = change.DisplayName
	}
	if len(change.Add)+len(change.Remove) == 0 && change.Want != nil {
		group.Members = slices.Clone(change.Want)
	}
	for _, member := range change.Add {
		if !s.HideMembers || !slices.Contains(group.Members, member) {
			group.Members = append(group.Members, member)
		}
	}
	group.Members = slices.DeleteFunc(group.Members, func(m connector.Member) bool { return slices.Contains(change.Remove, m) })
	if err != nil {
		return connector.Group{}, err
	}
	return s.shown(*group), nil
}

// DeleteGroup implements connector.Connector.
func (s *Script) DeleteGroup(_ context.Context, id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	effect, err := s.next(connector.OpDeleteGroup)
	missing := s.Group(id) == nil
	if effect {
		s.Groups = slices.DeleteFunc(s.Groups, func(g connector.Group) bool { return g.ID == id })
	}
	if err == nil && missing {
		return NotFound(connector.OpDeleteGroup)
	}
	return err
}
