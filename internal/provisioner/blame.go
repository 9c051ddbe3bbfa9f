// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"sync"

	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

const (
	// appFailing is the number of accounts and groups for which one operation fails, with no good answer in between, that make it a failure of the app.
	appFailing = 3
	// maxFailing bounds what is remembered of each operation.
	maxFailing = 64
)

// evidence is what the answers of an app say about its operations. It tells an app that fails from one that fails for the data of a single account.
type evidence struct {
	mu sync.Mutex
	// events counts the answers, so that their order is known.
	events uint64
	ops    map[string]*operationEvidence
}

// operationEvidence is about one operation of the connector.
type operationEvidence struct {
	// good is the last good answer.
	good uint64
	// failing is the first of the failures in a row, for each account and group.
	failing map[ledger.ID]uint64
}

func (e *evidence) operation(op string) *operationEvidence {
	if e.ops == nil {
		e.ops = map[string]*operationEvidence{}
	}
	if e.ops[op] == nil {
		e.ops[op] = &operationEvidence{failing: map[ledger.ID]uint64{}}
	}
	e.events++
	return e.ops[op]
}

// succeeded notes a good answer.
func (e *evidence) succeeded(op string, id ledger.ID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.operation(op)
	known.good = e.events
	delete(known.failing, id)
}

// failed notes a failure. repeated: it is not the first one in a row for this account or group. others: the operation was answered well for another one since the first. failing
// is the number of accounts and groups for which it has failed since the last good answer.
func (e *evidence) failed(op string, id ledger.ID) (repeated, others bool, failing int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.operation(op)
	since, repeated := known.failing[id]
	if !repeated && len(known.failing) < maxFailing {
		known.failing[id] = e.events
	}
	for _, at := range known.failing {
		if at > known.good {
			failing++
		}
	}
	return repeated, repeated && known.good > since, failing
}

// blames reports whether a failure is that of the account or group alone: the app has failed for it before, and answers for another one.
func (w *Worker) blames(ctx context.Context, id ledger.ID, failure *connector.Error, remoteID string) bool {
	repeated, others, failing := w.evidence.failed(failure.Op, id)
	switch failure.Kind {
	case connector.Unreachable, connector.Timeout:
		// Nobody has answered: the cause is hardly the data.
		return false
	default:
		return repeated && (others || (failing < appFailing && w.answersForAnother(ctx, remoteID)))
	}
}

// answersForAnother reports whether the app answers a read of another account of ours.
func (w *Worker) answersForAnother(ctx context.Context, except string) bool {
	now := w.clock.Now()
	w.mu.Lock()
	lately := now.Sub(w.unprobed) < testMemory
	w.mu.Unlock()
	if lately {
		return false
	}
	other, err := w.view.OtherAccount(ctx, w.config.Key, except)
	if err != nil || other == "" {
		return false
	}
	if _, err := w.config.Connector.GetUser(ctx, other); err != nil {
		w.mu.Lock()
		w.unprobed = now
		w.mu.Unlock()
		return false
	}
	return true
}

// witness is a connector that notes the good answers of its operations.
type witness struct {
	connector.Connector
	evidence *evidence
	line     *line
}

// seen notes an answer, and returns it. A refusal that concerns one account shows that the operation works.
func seen[T any](c *witness, op string, answer T, err error) (T, error) {
	if failure := connector.AsError(err); err == nil || (failure != nil && failure.Scope() == connector.ScopeAccount) {
		c.evidence.succeeded(op, c.line.id)
	}
	return answer, err
}

// FindUsers implements connector.Connector.
func (c *witness) FindUsers(ctx context.Context, attribute, value string) ([]connector.User, error) {
	users, err := c.Connector.FindUsers(ctx, attribute, value)
	return seen(c, connector.OpFindUsers, users, err)
}

// GetUser implements connector.Connector.
func (c *witness) GetUser(ctx context.Context, id string) (connector.User, error) {
	user, err := c.Connector.GetUser(ctx, id)
	return seen(c, connector.OpGetUser, user, err)
}

// CreateUser implements connector.Connector.
func (c *witness) CreateUser(ctx context.Context, attributes connector.Attributes) (connector.User, error) {
	user, err := c.Connector.CreateUser(ctx, attributes)
	return seen(c, connector.OpCreateUser, user, err)
}

// UpdateUser implements connector.Connector.
func (c *witness) UpdateUser(ctx context.Context, id string, change connector.Change) (connector.User, error) {
	user, err := c.Connector.UpdateUser(ctx, id, change)
	return seen(c, connector.OpUpdateUser, user, err)
}

// SetActive implements connector.Connector.
func (c *witness) SetActive(ctx context.Context, id string, active bool, full connector.Attributes) (connector.User, error) {
	user, err := c.Connector.SetActive(ctx, id, active, full)
	return seen(c, connector.OpSetActive, user, err)
}

// DeleteUser implements connector.Connector.
func (c *witness) DeleteUser(ctx context.Context, id string) error {
	_, err := seen(c, connector.OpDeleteUser, struct{}{}, c.Connector.DeleteUser(ctx, id))
	return err
}

// FindGroups implements connector.Connector.
func (c *witness) FindGroups(ctx context.Context, displayName string) ([]connector.Group, error) {
	groups, err := c.Connector.FindGroups(ctx, displayName)
	return seen(c, connector.OpFindGroups, groups, err)
}

// GetGroup implements connector.Connector.
func (c *witness) GetGroup(ctx context.Context, id string) (connector.Group, error) {
	group, err := c.Connector.GetGroup(ctx, id)
	return seen(c, connector.OpGetGroup, group, err)
}

// CreateGroup implements connector.Connector.
func (c *witness) CreateGroup(ctx context.Context, group connector.Group) (connector.Group, error) {
	created, err := c.Connector.CreateGroup(ctx, group)
	return seen(c, connector.OpCreateGroup, created, err)
}

// UpdateGroup implements connector.Connector.
func (c *witness) UpdateGroup(ctx context.Context, id string, change connector.GroupChange) (connector.Group, error) {
	group, err := c.Connector.UpdateGroup(ctx, id, change)
	return seen(c, connector.OpUpdateGroup, group, err)
}

// DeleteGroup implements connector.Connector.
func (c *witness) DeleteGroup(ctx context.Context, id string) error {
	_, err := seen(c, connector.OpDeleteGroup, struct{}{}, c.Connector.DeleteGroup(ctx, id))
	return err
}
