// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/kube"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

const (
	eventNotFound = ledger.EventNotFound
	// absenceRetry is the wait while it is not proven that a group is absent, and the shortest one for an account, whose wait grows with the attempts.
	absenceRetry = time.Minute

	messageAbsence = "the app answered that it does not have the %s, which is not proven yet; retrying. If this stays and the app does not have it, confirm that: "
)

// absent reports whether it is proven that the app does not have an account or group: it says so, still does after the settle time, a read by id or a lookup finds nothing, and it says so in
// the error form of its protocol, or answers for another account of ours. A 404 alone may come from a proxy, or from an app that is down.
//
// wait is the time until the next attempt while it is not proven. An error is about the app as a whole, or the lookup's.
func (w *Worker) absent(ctx context.Context, line *line, failure *connector.Error, except string, find func(context.Context) (bool, error)) (absent bool, wait time.Duration, err error) {
	if !w.testedLately() {
		if err := w.test(ctx); err != nil {
			return false, 0, err
		}
	}
	if wait := w.ledger.AbsentSince(line.id).Add(w.config.Settle).Sub(w.clock.Now()); wait > 0 {
		return false, wait, nil
	}
	found, err := find(ctx)
	if err != nil {
		return false, 0, err
	}
	if found {
		w.ledger.Present(line.id)
		return false, absenceRetry, nil
	}
	if failure.InProtocol {
		return true, 0, nil
	}
	other, err := w.view.OtherAccount(ctx, w.config.Key, except)
	if err != nil || other == "" {
		return false, absenceRetry, err
	}
	_, err = w.config.Connector.GetUser(ctx, other)
	if connector.Is(err, connector.NotFound) {
		return false, absenceRetry, nil
	}
	return err == nil, 0, err
}

// shows reports whether the app shows an account by its id, although it answered a write that it does not have it: a lookup by a name that was not written yet finds
// nothing. An inactive account is what a deletion may leave.
func (c *accountCall) shows(ctx context.Context, id string, failure *connector.Error) (bool, error) {
	if failure.Op == connector.OpGetUser {
		return false, nil
	}
	user, err := c.connector().GetUser(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return false, nil
	}
	deleted := c.Step.Action == v1alpha1.ActionDelete && user.ActiveShown && !user.Active
	return err == nil && !deleted, err
}

// shows is the same for a group.
func (c *groupCall) shows(ctx context.Context, id string, failure *connector.Error) (bool, error) {
	if failure.Op == connector.OpGetGroup {
		return false, nil
	}
	_, err := c.connector().GetGroup(ctx, id)
	if connector.Is(err, connector.NotFound) {
		return false, nil
	}
	return err == nil, err
}

// missing handles the answer that the app does not have the account of that id.
func (c *accountCall) missing(ctx context.Context, id string, failure *connector.Error) error {
	c.worker.ledger.Failed(c.id)
	absent, event, wait := true, ledger.EventAbsenceConfirmed, time.Duration(0)
	var err error
	if !c.absenceConfirmed(id) {
		event = eventNotFound
		absent, wait, err = c.worker.absent(ctx, c.line, failure, id, func(ctx context.Context) (bool, error) {
			if shown, err := c.shows(ctx, id, failure); shown || err != nil {
				return shown, err
			}
			found, err := c.findBy(ctx, c.App.MatchValue(c.Desired))
			return found != nil && found.ID == id, err
		})
	}
	switch {
	case err != nil:
		return err
	case !absent:
		c.alone = true
		c.failFor(v1alpha1.ReasonAbsenceUnproven, fmt.Sprintf(messageAbsence, "account")+annotate("scimuser", c.user.Name, v1alpha1.AnnotationConfirmAbsence, c.AppName, id),
			kube.Jitter(max(wait, kube.Backoff(c.attempts(), time.Second, accountRetryMax))))
	case c.Desired.Assigned && c.Desired.Active && !c.Desired.Deleted:
		c.vanished(event)
	case c.Step.Revocation && c.Unsettled != nil:
		// An earlier call of ours, whose answer was lost, has deleted it.
		c.drop("Deleted")
	case event == ledger.EventAbsenceConfirmed:
		c.drop(event)
	default:
		c.drop("")
	}
	return nil
}
