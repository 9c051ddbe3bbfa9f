// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package desired

import (
	"slices"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/mapping"
	"github.com/scim-operator/scim-operator/internal/plan"
)

// activePath is the attribute that switches an account.
const activePath = "active"

// sourcesOf returns a hash of how each attribute of an app is computed and where it is written.
func sourcesOf(a *App, attributes []mapping.Attribute) map[string]string {
	from := map[string]any{activePath: ""}
	for _, attribute := range attributes {
		from[attribute.Name] = attribute.Expression
	}
	if a.roles.Attribute != "" {
		from[a.roles.Attribute] = []any{from[a.roles.Attribute], string(a.roles.Form)}
	}
	for name, expression := range from {
		from[name] = []any{a.Profile.Name, a.Object.Spec.SCIM.BaseURL, expression}
	}
	return plan.HashValues(from)
}

// asked changes when a person asks for another attempt, on the app or on the user.
func asked(app *v1alpha1.ScimApp, user *v1alpha1.ScimUser) string {
	onApp, onUser := app.Annotations[v1alpha1.AnnotationReconcile], user.Annotations[v1alpha1.AnnotationReconcile]
	if onApp == "" && onUser == "" {
		return ""
	}
	return onApp + "\n" + onUser
}

// MappingOf returns the hash under which a finding counts: of how the attribute is computed and, for one that is refused, of the request of a person for another attempt.
func (a *App) MappingOf(name string, finding v1alpha1.Finding) string {
	source := a.sources[name]
	request := a.Object.Annotations[v1alpha1.AnnotationReconcile]
	if source == "" || request == "" || (finding != v1alpha1.FindingRefused && finding != v1alpha1.FindingValueRefused) {
		return source
	}
	return plan.HashValues(map[string]any{name: []any{source, request}})[name]
}

func (a *App) currentFinding(finding *v1alpha1.AttributeFinding) bool {
	return finding.Mapping != "" && finding.Mapping == a.MappingOf(finding.Name, finding.Finding)
}

// Findings are what the answers of the app say about attributes, sorted by name.
func (a *App) Findings() []v1alpha1.AttributeFinding { return a.findings }

// Finding returns what the answers of the app say about an attribute, nil for nothing.
func (a *App) Finding(name string) *v1alpha1.AttributeFinding {
	i := slices.IndexFunc(a.findings, func(f v1alpha1.AttributeFinding) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &a.findings[i]
}

// RefusedIn returns the attributes that the app does not take in a call, from any account.
func (a *App) RefusedIn(call v1alpha1.AccountAction) []string {
	var names []string
	for i := range a.findings {
		if f := &a.findings[i]; f.Finding == v1alpha1.FindingRefused && slices.Contains(f.Calls, call) {
			names = append(names, f.Name)
		}
	}
	return names
}
