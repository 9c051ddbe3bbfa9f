// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"maps"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

const (
	// ownerMemory is how long an owner is remembered: the cache shows it long before.
	ownerMemory = time.Minute
	// holdWait is the wait for an account that another call is at; ownerWait is the wait for its owner to give it up or rename it.
	holdWait  = 200 * time.Millisecond
	ownerWait = 2 * time.Second
)

// owners knows, of single accounts of the app by remote id, what the cache does not show yet. The lock of the App guards it.
type owners struct {
	// latest is whom an account was linked to.
	latest map[string]ownership
	// held are the accounts that calls are at; left is when such a call ended.
	held map[string]bool
	left map[string]time.Time
}

type ownership struct {
	user string
	uid  types.UID
	at   time.Time
}

func newOwners() owners {
	return owners{latest: map[string]ownership{}, held: map[string]bool{}, left: map[string]time.Time{}}
}

// hold keeps all other calls from an account until release: two users may be after it at once, who had its name and who has it now. since is
// when what is known of the account was read. An account that is held, or was since, has to be looked at again.
func (c *accountCall) hold(remoteID string, since time.Time) error {
	a := c.app
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.owners.held[remoteID] || a.owners.left[remoteID].After(since) {
		return &retryLater{after: holdWait}
	}
	a.owners.held[remoteID] = true
	c.held = append(c.held, remoteID)
	return nil
}

// release lets other calls at the accounts.
func (c *accountCall) release() {
	a := c.app
	now := a.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.owners.left, func(_ string, at time.Time) bool { return now.Sub(at) > ownerMemory })
	for _, remoteID := range c.held {
		delete(a.owners.held, remoteID)
		a.owners.left[remoteID] = now
	}
}

// own remembers who has an account until the cache shows it.
func (c *accountCall) own(remoteID string, active bool) {
	a, user := c.app, c.view.User
	now := a.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.owners.latest, func(_ string, o ownership) bool { return now.Sub(o.at) > ownerMemory })
	if active {
		a.owners.latest[remoteID] = ownership{user: user.Name, uid: user.UID, at: now}
	} else if a.owners.latest[remoteID].uid == user.UID {
		delete(a.owners.latest, remoteID)
	}
}

// otherOwner is another user who has the account, "" for none. One account has one owner. A user that is being deleted, or gone, owns
// nothing: its successor takes the account over.
func (c *accountCall) otherOwner(ctx context.Context, remoteID string) (string, error) {
	c.app.mu.Lock()
	latest, known := c.app.owners.latest[remoteID]
	c.app.mu.Unlock()
	if known && latest.uid != c.view.User.UID {
		key := c.user
		key.Name = latest.user
		lives, err := c.app.view.Lives(ctx, key, latest.uid)
		if err != nil || lives {
			return latest.user, err
		}
	}
	return c.app.view.Owner(ctx, c.app.config.Key, remoteID, c.key.Name)
}

// contested: the account that was found belongs to another user. Whoever is about to be renamed, or to lose it, is waited for; otherwise a
// person has to act.
func (c *accountCall) contested(ctx context.Context, owner string) error {
	key := c.user
	key.Name = owner
	_, theirs, err := c.app.view.Account(ctx, key, c.AppName)
	if err != nil {
		return err
	}
	if theirs != nil && theirs.Step.Action != "" {
		return &retryLater{after: ownerWait}
	}
	c.fail(v1alpha1.ReasonAccountConflict, "the account in the app belongs to ScimUser "+owner+
		"; one account has one owner: change the match attribute of one of them", false)
	return nil
}
