// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"fmt"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/catalogue"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/mapping"
	"github.com/scim-operator/scim-operator/internal/plan"
	"github.com/scim-operator/scim-operator/internal/resource"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// App is a ScimApp made ready for decisions: its profile, its features, its compiled attribute mapping.
type App struct {
	Object  *v1alpha1.ScimApp
	Profile profiles.Profile

	program *mapping.Program
	// mapped are the attributes that the program computes.
	mapped   map[string]bool
	features map[v1alpha1.Feature]bool
	roles    catalogue.Roles
	// protected are the folded userNames that are never touched.
	protected map[string]bool
}

// InvalidError is what is wrong with the configuration of an app. It is for a person and names the field.
type InvalidError struct{ Err error }

// Error implements error.
func (e *InvalidError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *InvalidError) Unwrap() error { return e.Err }

// CompileApp checks a ScimApp against its profile. The error is an *InvalidError.
func CompileApp(app *v1alpha1.ScimApp) (*App, error) {
	compiled, err := compileApp(app)
	if err != nil {
		return nil, &InvalidError{Err: err}
	}
	return compiled, nil
}

func compileApp(app *v1alpha1.ScimApp) (*App, error) {
	profile, ok := profiles.Get(app.Spec.Profile)
	if !ok {
		return nil, fmt.Errorf("spec.profile: %q is not known; there are %s", app.Spec.Profile, strings.Join(profiles.Names(), ", "))
	}
	if profile.BaseURLRequired && app.Spec.SCIM.BaseURL == "" {
		return nil, fmt.Errorf("spec.scim.baseURL is required: %s has an address for each customer", profile.Title)
	}
	a := &App{
		Object: app, Profile: profile, features: map[v1alpha1.Feature]bool{}, roles: catalogue.RolesOf(app, profile), protected: map[string]bool{},
		mapped: map[string]bool{},
	}
	for _, feature := range app.Spec.Features {
		if !profile.Supports(string(feature)) {
			return nil, fmt.Errorf("spec.features: %s cannot do %s; it can do %s", profile.Title, feature, strings.Join(profile.Features, ", "))
		}
		a.features[feature] = true
	}
	if _, unknown := assignment.CheckRoles(a.roles.Default, a.roles.Allowed, a.roles.Aliases); len(unknown) > 0 {
		return nil, fmt.Errorf("spec.roles.default: unknown roles %s; the app knows %s", strings.Join(unknown, ", "), strings.Join(a.roles.Allowed, ", "))
	}
	for _, userName := range app.Spec.ProtectedAccounts {
		a.protected[scim.Fold(userName)] = true
	}
	attributes := mapping.Merge(profileAttributes(profile), app.Spec.Attributes)
	program, err := mapping.Compile(attributes)
	if err != nil {
		return nil, fmt.Errorf("spec.attributes: %w", err)
	}
	a.program = program
	for _, attribute := range attributes {
		a.mapped[attribute.Name] = true
	}
	return a, nil
}

func profileAttributes(profile profiles.Profile) []mapping.Attribute {
	attributes := make([]mapping.Attribute, 0, len(profile.Attributes))
	for _, attribute := range profile.Attributes {
		attributes = append(attributes, mapping.Attribute{Name: attribute.Path, Expression: attribute.Expression})
	}
	return attributes
}

// MatchValue is the value by which the wanted account is found in the app, "" when there is none.
func (a *App) MatchValue(w plan.Wanted) string {
	value, _ := w.Values[a.Profile.MatchAttribute].(string)
	return value
}

// Exclusive is the word under which work on the account never runs beside work on another one: those of a user and of a successor of the
// same name are one account.
func (a *App) Exclusive(w plan.Wanted) string { return scim.Fold(a.MatchValue(w)) }

// Protected is whether a userName of the app is one that is never linked nor changed.
func (a *App) Protected(userName string) bool { return a.protected[scim.Fold(userName)] }

// HasFeature is whether a feature is switched on.
func (a *App) HasFeature(feature v1alpha1.Feature) bool { return a.features[feature] }

// ApprovedBatch is the digest of the batch that a person has approved, "" for none.
func (a *App) ApprovedBatch() string { return a.Object.Annotations[v1alpha1.AnnotationApproveBatch] }

// policy for an account.
func (a *App) policy(w plan.Wanted) plan.Policy {
	return plan.Policy{
		Features:              a.features,
		Deprovisioning:        a.Object.Spec.Deprovisioning,
		MatchAttribute:        a.Profile.MatchAttribute,
		BlockIdentifierChange: a.Profile.OnIdentifierChange == profiles.BlockIdentifierChange,
		Protected:             a.Protected(a.MatchValue(w)),
		RoleAttribute:         a.roles.Attribute,
	}
}

// wanted is what the user's account should be. given is nil when the user does not have the app.
func (a *App) wanted(user *v1alpha1.ScimUser, given *assignment.Assignment) plan.Wanted {
	appGoes := !a.Object.DeletionTimestamp.IsZero()
	w := plan.Wanted{
		Assigned: given != nil && !appGoes,
		Active:   user.IsActive() && user.DeletionTimestamp.IsZero(),
		// What may not be revoked is released: otherwise neither the user nor the app would ever go.
		Deleted: appGoes || !user.DeletionTimestamp.IsZero(),
	}
	if given == nil {
		given = &assignment.Assignment{}
	}
	w.Values, w.Problems = a.program.Eval(resource.Variables(user))
	if w.Values == nil {
		w.Values = map[string]any{}
	}
	for name, value := range given.Defaults {
		if _, own := w.Values[name]; !own {
			a.give(&w, name, value)
		}
	}
	for name, value := range given.Overrides {
		a.give(&w, name, value)
	}
	a.giveRoles(&w, given.Roles)
	for _, required := range a.Profile.RequiredAttributes {
		if _, ok := w.Values[required]; !ok {
			w.Missing = append(w.Missing, required)
		}
	}
	return w
}

// give sets a value that a role mapping has for an attribute. It may only set what the app maps, and never the roles: those are checked.
func (a *App) give(w *plan.Wanted, name, value string) {
	if !a.mapped[name] || name == a.roles.Attribute {
		return
	}
	w.Values[name] = value
	delete(w.Problems, name)
}

// giveRoles sets the roles by the app's names: those given, else the default ones. A role that the app does not know is a problem: falling
// back to another one would change what everybody may do because of a slip of the pen.
func (a *App) giveRoles(w *plan.Wanted, given []string) {
	known, unknown := a.rolesFor(given)
	if len(unknown) > 0 && a.roles.Attribute != "" {
		if w.Problems == nil {
			w.Problems = map[string]string{}
		}
		w.Problems[a.roles.Attribute] = "the app does not know the role " + strings.Join(unknown, ", ")
		return
	}
	w.Roles = known
	if a.roles.Attribute != "" && len(known) > 0 {
		w.Values[a.roles.Attribute] = a.roleValue(known)
	}
}

// rolesFor are the roles by the app's names: those given, else the default ones; and those that the app does not know.
func (a *App) rolesFor(given []string) (known, unknown []string) {
	if len(given) == 0 {
		given = a.roles.Default
	}
	return assignment.CheckRoles(given, a.roles.Allowed, a.roles.Aliases)
}

func (a *App) roleValue(roles []string) any {
	if a.roles.Form == v1alpha1.RoleFormString {
		return roles[0]
	}
	values := make([]any, len(roles))
	for i, role := range roles {
		value := map[string]any{"value": role}
		if i == 0 {
			value["primary"] = true
		}
		values[i] = value
	}
	return values
}
