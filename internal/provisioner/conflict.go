// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/scim"
)

const (
	// maxNamesListed bounds the rows that are read to find an account of another spelling.
	maxNamesListed = 10_000
	// namesTimeout bounds the time of that, and namesMemory is how long the result is used.
	namesTimeout = 15 * time.Second
	namesMemory  = 10 * time.Minute
	// emailPath is the path by which an account is looked up that has the user's e-mail address.
	emailPath = "emails.value"
)

// adopt links an account that was found at a time, or says why not.
func (c *accountCall) adopt(ctx context.Context, found *connector.User, looked time.Time) error {
	if reason, message := c.refusal(found); reason != "" {
		c.fail(reason, message, false)
		return nil
	}
	if err := c.hold(found.ID, looked); err != nil {
		return err
	}
	owner, err := c.otherOwner(ctx, found.ID)
	switch {
	case err != nil:
		return err
	case owner != nil:
		c.contested(owner)
	default:
		c.link(found)
	}
	return nil
}

// conflicted handles the answer to a create that another account has a unique value of it. That is an account that the lookup does not show: of another spelling, in an app whose
// filter compares letter case, or with the same e-mail address; or the lookup is stale.
func (c *accountCall) conflicted(ctx context.Context, failure *connector.Error) error {
	// What is found now was made by somebody else.
	c.worker.ledger.Refused(c.id)
	looked := c.worker.clock.Now()
	found, err := c.findOtherwise(ctx, true)
	if err != nil {
		return err
	}
	if found != nil {
		return c.adopt(ctx, found, looked)
	}
	c.failFor(v1alpha1.ReasonAccountConflict, "the app refuses the account because another one has a value that must be unique, and lookups by userName and e-mail address do not find it: "+
		failure.For(c.personal())+". Change the value in the app or in the identity provider; looked up again later", kube.Jitter(c.conflictWait()))
	return nil
}

// conflictWait is the wait after a conflict: a stale lookup shows the account soon, and anything else needs a person.
func (c *accountCall) conflictWait() time.Duration {
	switch c.attempts() {
	case 0:
		return accountRetryBase
	case 1:
		return accountRetryBase + c.worker.config.Settle
	default:
		return personRetry
	}
}

// findOtherwise looks for an account that the lookup by the match attribute does not show, and that stands in the way of a create; nil for none. byEmail: one with the same e-mail
// address counts.
func (c *accountCall) findOtherwise(ctx context.Context, byEmail bool) (*connector.User, error) {
	if c.App.Profile.SCIM.Lookup != profiles.LookupFilter || c.App.Profile.MatchAttribute != "userName" {
		return nil, nil
	}
	value := c.App.MatchValue(c.Desired)
	folded := scim.Fold(value)
	if folded != value {
		if found, err := c.findBy(ctx, folded); found != nil || err != nil {
			return found, refusesLookup(err)
		}
	}
	if byEmail {
		if found, err := c.findByEmail(ctx); found != nil || err != nil {
			return found, err
		}
	}
	id, err := c.worker.names.id(ctx, c.worker, c.connector(), folded)
	if id == "" || err != nil {
		return nil, err
	}
	user, err := c.connector().GetUser(ctx, id)
	if err != nil || scim.Fold(user.UserName) != scim.Fold(connector.BoundText(value)) {
		return nil, refusesLookup(err)
	}
	return &user, nil
}

// findByEmail finds the account that has the user's e-mail address, nil if there is not exactly one. One of the user's own name goes first.
func (c *accountCall) findByEmail(ctx context.Context) (*connector.User, error) {
	emails := valuesAt(c.Desired.Values["emails"])
	if len(emails) == 0 {
		return nil, nil
	}
	users, err := c.connector().FindUsers(ctx, emailPath, emails[0])
	if err != nil {
		return nil, refusesLookup(err)
	}
	if i := slices.IndexFunc(users, func(user connector.User) bool { return c.named(&user) }); i >= 0 {
		return &users[i], nil
	}
	if len(users) != 1 {
		return nil, nil
	}
	return &users[0], nil
}

// valuesAt returns the values of a multi-valued attribute, the primary one first.
func valuesAt(attribute any) []string {
	var values []string
	list, _ := attribute.([]any)
	for _, item := range list {
		object, _ := item.(map[string]any)
		value, _ := object["value"].(string)
		switch primary, _ := object["primary"].(bool); {
		case value == "":
		case primary:
			values = slices.Insert(values, 0, value)
		default:
			values = append(values, value)
		}
	}
	return values
}

// refusesLookup drops an error that says no more than that the app does not answer such a lookup.
func refusesLookup(err error) error {
	switch connector.KindOf(err) {
	case connector.Invalid, connector.Unsupported, connector.UnexpectedAnswer, connector.NotFound, connector.ServerError, connector.Forbidden, connector.Conflict:
		return nil
	default:
		return err
	}
}

// remoteNames are the folded userNames of the accounts of an app, as they were last listed. Many creates may meet an account of another spelling, and the rows are read once for
// all.
type remoteNames struct {
	// turn is held while they are listed.
	turn   turn
	listed time.Time
	// ids by a hash of the name, empty where several accounts have it.
	ids map[[sha256.Size]byte]string
}

var errEnoughNames = errors.New("enough names are listed")

// id returns the id of the account that has a folded name, empty for none.
func (n *remoteNames) id(ctx context.Context, w *Worker, app connector.Connector, folded string) (string, error) {
	if err := n.turn.take(ctx); err != nil {
		return "", err
	}
	defer n.turn.give()
	if n.ids == nil || w.clock.Since(n.listed) >= namesMemory {
		if err := n.list(ctx, w, app); err != nil {
			return "", err
		}
	}
	return n.ids[sha256.Sum256([]byte(folded))], nil
}

// list reads the accounts of the app, as many as fit. A listing that fails is not repeated at once, and what it gave is used.
func (n *remoteNames) list(ctx context.Context, w *Worker, app connector.Connector) error {
	bounded, cancel := context.WithTimeout(ctx, namesTimeout)
	defer cancel()
	n.listed, n.ids = w.clock.Now(), map[[sha256.Size]byte]string{}
	rows := 0
	err := app.ListUsers(bounded, func(user connector.User) error {
		if rows++; rows > maxNamesListed {
			return errEnoughNames
		}
		key := sha256.Sum256([]byte(scim.Fold(user.UserName)))
		if _, several := n.ids[key]; several {
			n.ids[key] = ""
		} else {
			n.ids[key] = user.ID
		}
		return nil
	})
	if errors.Is(err, errEnoughNames) || (bounded.Err() != nil && ctx.Err() == nil) {
		return nil
	}
	return refusesLookup(err)
}
