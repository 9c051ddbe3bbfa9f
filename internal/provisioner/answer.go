// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/desired"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/scim"
)

const (
	messageNotShown   = "the app confirms the write and does not show the attribute, so it is not known whether it was applied. Look at an account in the app, and ask the vendor"
	messageNotApplied = "the app confirms the write of roles and does not show them: accounts may lack their roles. Look at an account in the app, and ask the vendor how it takes roles"
	messageDiffers    = "the app confirms the write and shows another value; it is not written again. Map the value that the app takes in spec.attributes, or ask the vendor"
	messageNormalized = "the app shows the value in another letter case, format or order. No action is needed"
)

// verdict is what the answer to a write shows of roles.
type verdict struct {
	// unconfirmed: the app does not show the roles that were written.
	unconfirmed bool
	// contradicts: it shows others, which are shown.
	contradicts bool
	shown       []string
}

// judge compares an answer with the attributes that were set. Roles are judged for the account; everything else is said once for the app. An answer that does not show an
// attribute is followed by one read, once per app and attribute.
func (c *accountCall) judge(ctx context.Context, id string, answer connector.User, names []string, values map[string]any) verdict {
	bodies := []map[string]any{answer.Attributes}
	hidden := hiddenIn(answer.Attributes, names)
	if read := c.readHidden(ctx, id, hidden, answer.Attributes != nil, values); read != nil {
		bodies = append(bodies, read)
	}
	var v verdict
	for _, name := range names {
		shown, ok := firstValue(bodies, name)
		switch {
		case name == c.App.RoleAttribute():
			v = c.judgeRoles(shown, ok)
		case ok:
			c.compare(name, values[name], shown)
		case c.worker.ledger.Hides(name):
			c.note(name, v1alpha1.FindingNotShown, messageNotShown)
		}
		if ok && !slices.Contains(hidden, name) {
			c.worker.ledger.ForgetReads(name)
		}
	}
	return v
}

// judgeRoles says whether the roles that the app shows are those that were written. It may give further ones by itself.
func (c *accountCall) judgeRoles(value any, shown bool) verdict {
	name := c.App.RoleAttribute()
	if !shown {
		hides := c.worker.ledger.Hides(name)
		if hides {
			c.note(name, v1alpha1.FindingNotApplied, messageNotApplied)
		}
		return verdict{unconfirmed: hides || c.knownHidden(name)}
	}
	roles := desired.RolesIn(value)
	if !hasRoles(roles, c.Desired.Roles) {
		return verdict{contradicts: true, shown: roles}
	}
	c.showsAttribute(name)
	return verdict{shown: roles}
}

func hasRoles(roles, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(role string) bool {
		return !slices.ContainsFunc(roles, func(have string) bool { return scim.Fold(have) == scim.Fold(role) })
	})
}

// compare compares a value that the app shows with the one that was written. A difference is not written again.
func (c *accountCall) compare(name string, written, shown any) {
	switch plan.Compare(written, shown) {
	case plan.Different:
		c.note(name, v1alpha1.FindingDiffers, messageDiffers)
	case plan.Normalized:
		c.note(name, v1alpha1.FindingNormalized, messageNormalized)
	default:
		c.showsAttribute(name)
	}
}

// showsAttribute says that the app shows an attribute as it was written. A value of another account that it refused may be refused still.
func (c *accountCall) showsAttribute(name string) {
	known := c.App.Finding(name)
	if known == nil || (known.Finding == v1alpha1.FindingValueRefused && !c.hashes().Refused(name)) {
		return
	}
	if c.worker.ledger.Shows(known) {
		c.worker.notify.App(c.worker.config.Key)
	}
}

// knownHidden reports whether it was found before that the app does not show an attribute.
func (c *accountCall) knownHidden(name string) bool {
	f := c.App.Finding(name)
	return f != nil && (f.Finding == v1alpha1.FindingNotApplied || f.Finding == v1alpha1.FindingNotShown)
}

// readHidden reads the account for attributes that an answer does not show, once per app and attribute, and returns what it shows. answered: there was a body, so a read that
// does not show an attribute either is not merely stale; nor is one that shows another attribute as it was written.
func (c *accountCall) readHidden(ctx context.Context, id string, hidden []string, answered bool, values map[string]any) map[string]any {
	unknown := slices.DeleteFunc(slices.Clone(hidden), c.knownHidden)
	if len(unknown) == 0 {
		return nil
	}
	if c.worker.reading.take(ctx) != nil {
		return nil
	}
	defer c.worker.reading.give()
	if !c.worker.ledger.ReadFor(unknown) {
		return nil
	}
	read, err := c.connector().GetUser(ctx, id)
	if err != nil {
		// The write was confirmed. The next account is read in place of this one.
		return nil
	}
	tells := answered
	for name, value := range values {
		shown, ok := connector.Value(read.Attributes, name)
		tells = tells || (ok && name != c.App.RoleAttribute() && plan.Compare(value, shown) != plan.Different && slices.Contains(hidden, name))
	}
	for _, name := range unknown {
		if _, shown := connector.Value(read.Attributes, name); shown || tells {
			c.worker.ledger.SetRead(name, shown)
		}
	}
	return read.Attributes
}

// hiddenIn returns those of the attributes that an answer does not show.
func hiddenIn(body map[string]any, names []string) []string {
	var hidden []string
	for _, name := range names {
		if _, shown := connector.Value(body, name); !shown {
			hidden = append(hidden, name)
		}
	}
	return hidden
}

func firstValue(bodies []map[string]any, name string) (any, bool) {
	for _, body := range bodies {
		if value, shown := connector.Value(body, name); shown {
			return value, true
		}
	}
	return nil, false
}
