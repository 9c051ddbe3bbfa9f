// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package provisioner

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/bounded"
	"github.com/scim-operator/scim-operator/internal/connector"
)

// maxWrites bounds the requests by which one step finds the attributes that the app refuses: the first one, one without the attributes that are known, and halves of
// some 60 attributes.
const maxWrites = 10

// attributeWrite writes attributes of an account, and leaves out those that the app refuses.
type attributeWrite struct {
	c *accountCall
	// call is Create, or Update also for a reactivation.
	call v1alpha1.AccountAction
	// send makes one request with these attributes.
	send func(ctx context.Context, names []string) (connector.User, error)
	// fallback writes attributes after a refusal that names none.
	fallback func(ctx context.Context, names []string, refusal error) error

	writes int
	// user is the last answer. taken are the attributes that the app has accepted, and refused those that it has not, with the refusal.
	user    connector.User
	passed  bool
	taken   []string
	refused map[string]*connector.Error
}

// write sends the attributes, without those that the app refuses by name. An error is one of the whole account: the app refuses an attribute that every account needs, or
// no request was accepted.
func (w *attributeWrite) write(ctx context.Context, names []string) error {
	w.refused = map[string]*connector.Error{}
	err := w.try(ctx, names)
	for refusesData(err) && !w.c.Step.Revocation {
		blamed := w.blamed(connector.AsError(err), names)
		if len(blamed) == 0 {
			return w.fallback(ctx, names, err)
		}
		if needed := w.needed(blamed); len(needed) > 0 || w.writes >= maxWrites {
			w.c.refused = needed
			return err
		}
		for _, name := range blamed {
			w.refused[name] = connector.AsError(err)
		}
		if names = without(names, blamed); len(names) == 0 && w.call == v1alpha1.ActionUpdate && w.c.Step.Action == v1alpha1.ActionUpdate {
			return nil
		}
		err = w.try(ctx, names)
	}
	return err
}

// try makes one request.
func (w *attributeWrite) try(ctx context.Context, names []string) error {
	w.writes++
	user, err := w.send(ctx, names)
	if err == nil {
		w.user, w.passed, w.c.wroteSome = user, true, true
		w.taken = append(w.taken, names...)
	}
	return err
}

// refusesData reports whether the app refused what a request says of the account, which certainly had no effect.
func refusesData(err error) bool {
	failure := connector.AsError(err)
	return failure != nil && failure.Kind == connector.Invalid && failure.Status != 0
}

// aboutAttribute are the keywords of RFC 7644 table 9 by which an app refuses an attribute, whatever its value. invalidValue is about the value.
var aboutAttribute = []string{"invalidPath", "noTarget", "mutability"}

// blamed returns those of the attributes that a refusal names. The only one of a request is named by what the refusal is about.
func (w *attributeWrite) blamed(failure *connector.Error, names []string) []string {
	var blamed []string
	for _, name := range names {
		if slices.Contains(failure.Attributes, name) {
			blamed = append(blamed, name)
		}
	}
	if len(blamed) > 0 || len(names) != 1 {
		return blamed
	}
	if slices.Contains(aboutAttribute, failure.ScimType) || failure.ScimType == "invalidValue" || len(w.known(names)) > 0 {
		return names
	}
	return nil
}

// needed returns those of the names without which an account is not written.
func (w *attributeWrite) needed(names []string) []string {
	profile := w.c.App.Profile
	var needed []string
	for _, name := range names {
		if name == profile.MatchAttribute || slices.Contains(profile.RequiredAttributes, name) || (profile.Roles.Required && name == w.c.App.RoleAttribute()) {
			needed = append(needed, name)
		}
	}
	return needed
}

// only sends the few attributes without which access would be wrong: the rest is written by an update of its own, which finds what the app refuses.
func (w *attributeWrite) only(few ...string) func(context.Context, []string, error) error {
	return func(ctx context.Context, names []string, refusal error) error {
		kept := slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(few, name) })
		if len(kept) == len(names) || w.writes >= maxWrites {
			return refusal
		}
		return w.try(ctx, kept)
	}
}

// isolate finds the attributes that the app refuses without naming them: those that are known first, then by halves. What is accepted on the way is written.
func (w *attributeWrite) isolate(ctx context.Context, names []string, refusal error) error {
	if known := w.known(names); len(known) > 0 && len(known) < len(names) {
		err := w.try(ctx, without(names, known))
		if err == nil {
			return w.refuse(known, refusal)
		}
		if !refusesData(err) {
			return err
		}
	}
	bad, rest := names, []string(nil)
	var suspects []string
	for len(bad) > 0 && w.writes < maxWrites {
		if len(bad) == 1 {
			suspects = append(suspects, bad[0])
			if bad, rest = rest, nil; len(bad) == 0 {
				break
			}
			switch err := w.try(ctx, bad); {
			case err == nil:
				bad = nil
			case !refusesData(err):
				return err
			}
			continue
		}
		half := bad[:len(bad)/2]
		switch err := w.try(ctx, half); {
		case err == nil:
			bad = bad[len(half):]
		case refusesData(err):
			bad, rest = half, append(rest, bad[len(half):]...)
		default:
			return err
		}
	}
	if len(bad) == 1 && !slices.Contains(suspects, bad[0]) {
		suspects = append(suspects, bad[0])
	}
	if !w.passed {
		// It is not the one attribute that the app refuses, but the account.
		return refusal
	}
	return w.refuse(suspects, refusal)
}

// known returns those of the attributes that the app has refused before.
func (w *attributeWrite) known(names []string) []string {
	var known []string
	for _, name := range names {
		if f := w.c.App.Finding(name); f != nil && (f.Finding == v1alpha1.FindingRefused || f.Finding == v1alpha1.FindingValueRefused) && len(w.needed([]string{name})) == 0 {
			known = append(known, name)
		}
	}
	return known
}

func (w *attributeWrite) refuse(names []string, refusal error) error {
	if needed := w.needed(names); len(needed) > 0 {
		w.c.refused = needed
		return refusal
	}
	for _, name := range names {
		w.refused[name] = connector.AsError(refusal)
	}
	return nil
}

// rejected returns the mapped attributes that were refused, sorted, and makes them known.
func (w *attributeWrite) rejected() []string {
	var names []string
	for name, failure := range w.refused {
		finding := v1alpha1.FindingValueRefused
		advice := "change the value in the identity provider, or the mapping in spec.attributes"
		// A filter of the path finds nothing in one account, and something in another.
		ofOne := failure.ScimType == "noTarget" && strings.Contains(name, "[")
		if slices.Contains(aboutAttribute, failure.ScimType) && !ofOne {
			finding = v1alpha1.FindingRefused
			advice = "remove it from spec.attributes, or have the app take it and annotate this ScimApp with " + v1alpha1.AnnotationReconcile
		}
		w.c.note(name, finding, fmt.Sprintf("the app refuses it (%s); it is left out. %s", statusOf(failure), strings.ToUpper(advice[:1])+advice[1:]), w.call)
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func statusOf(failure *connector.Error) string {
	if failure.ScimType == "" {
		return fmt.Sprintf("status %d", failure.Status)
	}
	return fmt.Sprintf("status %d, %s", failure.Status, failure.ScimType)
}

// maxFindingMessage is for AttributeFinding.message, in bytes of JSON.
const maxFindingMessage = 256

// note records what an answer says about an attribute, for all accounts. It is said once.
func (c *accountCall) note(name string, finding v1alpha1.Finding, message string, calls ...v1alpha1.AccountAction) {
	source := c.App.MappingOf(name, finding)
	if source == "" {
		return
	}
	found := v1alpha1.AttributeFinding{
		Name: name, Finding: finding, Since: metav1.NewTime(c.worker.clock.Now()).Rfc3339Copy(), Mapping: source,
		Message: bounded.Cut(message, maxFindingMessage), Calls: calls,
	}
	if c.worker.ledger.Find(found, c.App.Finding(name)) {
		c.worker.notify.App(c.worker.config.Key)
	}
}

// without returns the names that are not in others.
func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return slices.Contains(others, name) })
}
