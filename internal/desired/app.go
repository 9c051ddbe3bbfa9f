// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/catalogue"
	"github.com/scim-operator/scim-operator/internal/connector"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/guard"
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
	// mapped are the attributes that the program computes; paths are the same and the role attribute, sorted.
	mapped   map[string]bool
	paths    []string
	features map[v1alpha1.Feature]bool
	roles    catalogue.Roles
	// sources has a hash of how each attribute is computed, and findings what the answers of the app say about them.
	sources  map[string]string
	findings []v1alpha1.AttributeFinding
	// protected are the folded userNames that are never touched, protectedHashes what an account status keeps of them.
	protected, protectedHashes map[string]bool
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
	if err := checkSize(&app.Spec); err != nil {
		return nil, err
	}
	profile, ok := profiles.Get(app.Spec.Profile)
	if !ok {
		return nil, fmt.Errorf("spec.profile: %q is not known; there are %s", app.Spec.Profile, strings.Join(profiles.Names(), ", "))
	}
	if profile.BaseURLRequired && app.Spec.SCIM.BaseURL == "" {
		return nil, fmt.Errorf("spec.scim.baseURL is required: %s has an address for each customer", profile.Title)
	}
	a := &App{
		Object: app, Profile: profile, features: map[v1alpha1.Feature]bool{}, roles: catalogue.RolesOf(app, profile),
		protected: map[string]bool{}, protectedHashes: map[string]bool{}, mapped: map[string]bool{},
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
		a.protectedHashes[userNameHash(userName)] = true
	}
	if err := checkAttributes(app.Spec.Attributes, a.roles.Attribute); err != nil {
		return nil, err
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
	a.paths = slices.Collect(maps.Keys(a.mapped))
	if a.roles.Attribute != "" {
		a.paths = append(a.paths, a.roles.Attribute)
	}
	slices.Sort(a.paths)
	a.paths = slices.Compact(a.paths)
	a.sources = sourcesOf(a, attributes)
	return a, checkNames(a.paths)
}

// maxNames is how much of an account status the names of the mapped attributes may take, with their hashes. The rest of plan.MaxApplied is for names that are not mapped any
// more: they are in it until they are cleared.
const maxNames = 2048

func checkNames(paths []string) error {
	hashes := plan.Applied{}
	for _, path := range paths {
		hashes[path] = "12345678"
	}
	if n := len(hashes.String()); n > maxNames || n == 0 {
		return fmt.Errorf("spec.attributes: the names take more than the %d bytes that each account status has for them; map fewer attributes, or use shorter names in fewer extensions", maxNames)
	}
	return nil
}

// MaxSpec is the largest spec in bytes of JSON. etcd bounds the bytes of an object, the schema only the number of characters, and the status repeats the names of groups.
const MaxSpec = 384 << 10

func checkSize(spec *v1alpha1.ScimAppSpec) error {
	data, err := json.Marshal(spec)
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if len(data) > MaxSpec {
		return fmt.Errorf("spec has %d bytes, and at most %d are supported; list fewer groups, protected accounts or attributes", len(data), MaxSpec)
	}
	return nil
}

// checkAttributes refuses a mapping of active, in any letter case: who has access is decided by role mappings, features and the mass-change guard, and an attribute would
// bypass all of them. So would the role attribute under another spelling, or a part of it.
func checkAttributes(attributes []v1alpha1.AttributeMapping, roleAttribute string) error {
	roles := withoutURN(roleAttribute)
	for i := range attributes {
		path := attributes[i].Name
		name := withoutURN(path)
		switch {
		case strings.EqualFold(name, "active"):
			return fmt.Errorf("spec.attributes: %q cannot be mapped; remove it: role mappings decide whether an account is active", path)
		case roles != "" && path != roleAttribute && within(name, roles):
			return fmt.Errorf("spec.attributes: %q is a part or another spelling of the role attribute; map %q as a whole, or use role mappings", path, roleAttribute)
		}
	}
	return nil
}

// within reports whether a path is an attribute, in any letter case, or a part of it.
func within(path, attribute string) bool {
	if len(path) < len(attribute) || !strings.EqualFold(path[:len(attribute)], attribute) {
		return false
	}
	rest := path[len(attribute):]
	return rest == "" || rest[0] == '.' || rest[0] == '['
}

// withoutURN returns a path without the URN of the core schema: only that one's active switches an account.
func withoutURN(path string) string {
	if rest, ok := strings.CutPrefix(strings.ToLower(path), strings.ToLower(scim.UserSchemaID)+":"); ok {
		return rest
	}
	return path
}

func profileAttributes(profile profiles.Profile) []mapping.Attribute {
	attributes := make([]mapping.Attribute, 0, len(profile.Attributes))
	for _, attribute := range profile.Attributes {
		attributes = append(attributes, mapping.Attribute{Name: attribute.Path, Expression: attribute.Expression})
	}
	return attributes
}

// MatchValue returns the value by which the account is looked up in the app, "" if there is none.
func (a *App) MatchValue(w plan.Desired) string {
	value, _ := w.Values[a.Profile.MatchAttribute].(string)
	return value
}

// Exclusive returns the key under which calls for an account never run in parallel: a user and a successor of the same name have the same
// account.
func (a *App) Exclusive(w plan.Desired) string { return scim.Fold(a.MatchValue(w)) }

// Protected is whether a userName of the app is one that is never linked nor changed.
func (a *App) Protected(userName string) bool { return a.protected[scim.Fold(userName)] }

// protects reports whether the account is known to be protected: by its userName as desired, or as it was last written.
func (a *App) protects(w plan.Desired, recorded *v1alpha1.Account) bool {
	userName, _ := w.Values[userNamePath].(string)
	if len(a.protected) == 0 || a.Protected(userName) || recorded == nil {
		return a.Protected(userName)
	}
	return a.protectedHashes[plan.ParseApplied(recorded.Applied)[userNamePath]]
}

// MayBeProtected reports whether the userName in the app has to be read before the account is changed: it may be a protected one, since it is not known to be the desired one.
func (a *App) MayBeProtected(w plan.Desired, recorded *v1alpha1.Account) bool {
	if len(a.protected) == 0 {
		return false
	}
	userName, ok := w.Values[userNamePath]
	return !ok || plan.ParseApplied(recorded.Applied)[userNamePath] != userNameHash(userName)
}

const userNamePath = "userName"

func userNameHash(userName any) string {
	return plan.HashValues(map[string]any{userNamePath: userName})[userNamePath]
}

// HasFeature is whether a feature is switched on.
func (a *App) HasFeature(feature v1alpha1.Feature) bool { return a.features[feature] }

// ApprovedBatch returns the digest of the batch that a person has approved, "" for none.
func (a *App) ApprovedBatch() string { return ApprovedBatch(a.Object) }

// ApprovedBatch returns the digest of the batch that a person has approved, "" for none.
func ApprovedBatch(app *v1alpha1.ScimApp) string {
	digest := app.Annotations[v1alpha1.AnnotationApproveBatch]
	if digest == guard.OverflowBatch {
		return ""
	}
	return digest
}

// Policy returns the policy for an account. recorded is its status, nil for none.
func (a *App) Policy(w plan.Desired, recorded *v1alpha1.Account) plan.Policy {
	return plan.Policy{
		Mapped:                a.paths,
		KeepUnmapped:          a.Object.Spec.WhenUnmapped != v1alpha1.UnmappedClear,
		UpdateWritesActive:    a.Profile.SCIM.UserUpdate == profiles.Put || a.Profile.SCIM.UserUpdate == profiles.PutForProfilePatchForActive,
		Features:              a.features,
		Deprovisioning:        a.Object.Spec.Deprovisioning,
		MatchAttribute:        a.Profile.MatchAttribute,
		BlockIdentifierChange: a.Profile.OnIdentifierChange == profiles.BlockIdentifierChange,
		Protected:             a.protects(w, recorded),
		RoleAttribute:         a.roles.Attribute,
		Refused:               a.RefusedIn(v1alpha1.ActionUpdate),
		Mapping:               a.sources,
	}
}

// RoleAttribute is the path that takes the roles, empty when the app has none.
func (a *App) RoleAttribute() string { return a.roles.Attribute }

// Observed returns what an answer of the app shows of an account.
func (a *App) Observed(user connector.User) plan.Observed {
	seen := plan.Observed{Active: user.Active, Value: func(path string) (any, bool) { return connector.Value(user.Attributes, path) }}
	if a.roles.Attribute != "" {
		value, shown := seen.Value(a.roles.Attribute)
		seen.Roles, seen.RolesShown = RolesIn(value), shown
	}
	return seen
}

// desiredAccount returns the desired state of the user's account. given is nil if the user does not have the app.
func (a *App) desiredAccount(user *v1alpha1.ScimUser, given *assignment.Assignment) plan.Desired {
	appGoes := !a.Object.DeletionTimestamp.IsZero()
	w := plan.Desired{
		Assigned: given != nil && !appGoes,
		Active:   user.IsActive() && user.DeletionTimestamp.IsZero(),
		// An account that may not be revoked is released: otherwise neither the user nor the app could be deleted.
		Deleted: appGoes || !user.DeletionTimestamp.IsZero(),
		Asked:   asked(a.Object, user),
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
func (a *App) give(w *plan.Desired, name, value string) {
	if !a.mapped[name] || name == a.roles.Attribute {
		return
	}
	w.Values[name] = value
	delete(w.Problems, name)
}

// giveRoles sets the roles by the app's names: those given, else the default ones. A role that the app does not know is a problem: falling
// back to another one would change everybody's access because of a typo.
func (a *App) giveRoles(w *plan.Desired, given []string) {
	known, unknown := a.rolesFor(given)
	if len(unknown) > 0 && a.roles.Attribute != "" {
		if w.Problems == nil {
			w.Problems = map[string]string{}
		}
		w.Problems[a.roles.Attribute] = "the app does not know the role " + strings.Join(unknown, ", ")
		return
	}
	w.Roles = known
	switch {
	case a.roles.Attribute == "":
	case len(known) > 0:
		w.Values[a.roles.Attribute] = a.roleValue(known)
	default:
		// A mapped attribute gives roles like any other way.
		w.Roles = RolesIn(w.Values[a.roles.Attribute])
	}
}

// RolesIn returns the roles in a value of the role attribute, in either form.
func RolesIn(value any) []string {
	switch v := value.(type) {
	case string:
		if v != "" {
			return []string{v}
		}
	case []any:
		var roles []string
		for _, item := range v {
			roles = append(roles, RolesIn(item)...)
		}
		return roles
	case map[string]any:
		return RolesIn(v["value"])
	}
	return nil
}

// rolesFor are the roles that are written, by the app's names: those given, else the default ones; and those that the app does not know. An app that takes a single role
// gets the first one, and an app without a role attribute none.
func (a *App) rolesFor(given []string) (known, unknown []string) {
	if len(given) == 0 {
		given = a.roles.Default
	}
	known, unknown = assignment.CheckRoles(given, a.roles.Allowed, a.roles.Aliases)
	switch {
	case a.roles.Attribute == "":
		known = nil
	case a.roles.Form == v1alpha1.RoleFormString && len(known) > 1:
		known = known[:1]
	}
	return known, unknown
}

func (a *App) roleValue(roles []string) any {
	if a.roles.Form == v1alpha1.RoleFormString {
		return roles[0]
	}
	return plan.RoleValues(roles)
}
