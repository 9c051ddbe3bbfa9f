// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package fakeapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// savedState is what an app keeps in its state file.
type savedState struct {
	LastID int           `json:"lastID"`
	Users  []savedRecord `json:"users"`
	Groups []savedRecord `json:"groups"`
}

type savedRecord struct {
	ID         string         `json:"id"`
	Attributes map[string]any `json:"attributes"`
	Members    []string       `json:"members,omitempty"`
	Created    time.Time      `json:"created"`
	Modified   time.Time      `json:"modified"`
}

// load reads the state file; one that does not exist is an empty app.
func (s *store) load(file string) error {
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("fakeapp: state: %w", err)
	}
	var saved savedState
	if err := json.Unmarshal(data, &saved); err != nil {
		return fmt.Errorf("fakeapp: state in %s: %w", file, err)
	}
	s.lastID = saved.LastID
	s.users.fill(saved.Users)
	s.groups.fill(saved.Groups)
	return nil
}

func (c *collection) fill(saved []savedRecord) {
	for _, r := range saved {
		c.insert(&record{id: r.ID, attributes: r.Attributes, members: r.Members, created: r.Created, modified: r.Modified})
	}
}

// save writes the state file, whole or not at all. The caller holds the lock.
func (s *store) save() error {
	data, err := json.Marshal(savedState{LastID: s.lastID, Users: s.users.saved(), Groups: s.groups.saved()})
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(s.file), ".fakeapp-*")
	if err != nil {
		return err
	}
	defer os.Remove(temporary.Name()) // of no use once it is renamed
	if _, err := temporary.Write(data); err != nil {
		temporary.Close()
		return err
	}
	if err := temporary.Close(); err != nil {
		return err
	}
	return os.Rename(temporary.Name(), s.file)
}

func (c *collection) saved() []savedRecord {
	records := make([]savedRecord, 0, len(c.order))
	for _, r := range c.order {
		records = append(records, savedRecord{ID: r.id, Attributes: r.attributes, Members: r.members, Created: r.created, Modified: r.modified})
	}
	return records
}
