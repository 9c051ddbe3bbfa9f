// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package rights compares what operators may do, which is in roles, with what they were seen to ask for, which is in the audit log of the API server.
package rights

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"k8s.io/apiserver/pkg/authentication/serviceaccount"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// Place is where a right counts.
type Place string

// The places.
const (
	// Watched are the namespaces whose users and groups an operator serves.
	Watched Place = "in watched namespaces"
	// Own is the namespace in which an operator runs.
	Own Place = "in the operator's own namespace"
)

// Right is the least that a rule gives.
type Right struct {
	Place Place
	// Verb, Group (empty for the core's) and Resource, with its subresource after a slash.
	Verb, Group, Resource string
	// Name of the one object for which it counts; all when empty.
	Name string
}

// String is the right in words.
func (r Right) String() string {
	text := r.Verb + " " + r.Resource
	if r.Group != "" {
		text += "." + r.Group
	}
	if r.Name != "" {
		text += fmt.Sprintf(" %q", r.Name)
	}
	return text + " " + string(r.Place)
}

// ofAny is the same right for whatever name.
func (r Right) ofAny() Right {
	r.Name = ""
	return r
}

// Of gives the rights that rules give.
func Of(place Place, rules []rbacv1.PolicyRule) []Right {
	var all []Right
	for _, rule := range rules {
		names := rule.ResourceNames
		if len(names) == 0 {
			names = []string{""}
		}
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					for _, name := range names {
						all = append(all, Right{Place: place, Verb: verb, Group: group, Resource: resource, Name: name})
					}
				}
			}
		}
	}
	return all
}

// Release is what stands in names of objects for the name of the installation, which the tests give each its own: that of the operator's namespace.
const Release = "scim-operator"

// NameIn is the name of an object of the installation in a namespace, as it is where the installation is called Release.
func NameIn(own, name string) string { return strings.ReplaceAll(name, own, Release) }

// Seen is what operators have asked for. Its zero value has seen nothing.
type Seen struct {
	// Shared are namespaces in which an operator runs and serves users: which of its roles gave it a right there, nobody can tell.
	Shared map[string]bool

	// asked are the rights that were used, each with its name and without.
	asked map[Right]bool
	// refused are requests that were refused, by what was missing.
	refused map[refusal]bool
	// unlabelled are requests for Secrets of which nobody knows whether they are ours.
	unlabelled map[string]bool
	// namespaces are those of which objects were asked for, and wide what was listed or watched in all namespaces, by namespace of the operator.
	namespaces, wide map[string]map[string]bool
}

// Annotations of the API server's authorization.
const (
	annotationDecision = "authorization.k8s.io/decision"
	forbidden          = "forbid"
)

// Add takes notice of a request of a ServiceAccount.
func (s *Seen) Add(e *auditv1.Event) {
	own, _, err := serviceaccount.SplitUsername(e.User.Username)
	if err != nil {
		return
	}
	if e.Annotations[annotationDecision] == forbidden {
		s.refuse(own, e)
		return
	}
	if e.ObjectRef == nil {
		return
	}
	right := rightOf(own, e)
	if s.asked == nil {
		s.asked, s.unlabelled, s.namespaces, s.wide = map[Right]bool{}, map[string]bool{}, map[string]map[string]bool{}, map[string]map[string]bool{}
	}
	note(s.namespaces, own, e.ObjectRef.Namespace)
	if !s.Shared[own] {
		s.asked[right], s.asked[right.ofAny()] = true, true
	}
	if right.Verb != "list" && right.Verb != "watch" {
		return
	}
	if e.ObjectRef.Namespace == "" {
		note(s.wide, own, right.Resource)
	}
	if right.Resource == "secrets" && right.Group == "" && !selectsLabelled(e.RequestURI) {
		s.unlabelled[fmt.Sprintf("%s: %s", right, e.RequestURI)] = true
	}
}

func note(what map[string]map[string]bool, key, value string) {
	if what[key] == nil {
		what[key] = map[string]bool{}
	}
	what[key][value] = true
}

func rightOf(own string, e *auditv1.Event) Right {
	place := Watched
	if e.ObjectRef.Namespace == own {
		place = Own
	}
	resource := e.ObjectRef.Resource
	if e.ObjectRef.Subresource != "" {
		resource += "/" + e.ObjectRef.Subresource
	}
	return Right{Place: place, Verb: e.Verb, Group: e.ObjectRef.APIGroup, Resource: resource, Name: NameIn(own, e.ObjectRef.Name)}
}

func (s *Seen) refuse(own string, e *auditv1.Event) {
	if s.refused == nil {
		s.refused = map[refusal]bool{}
	}
	if e.ObjectRef == nil {
		s.refused[refusal{missing: e.Verb + " " + e.RequestURI}] = true
		return
	}
	s.refused[refusal{missing: rightOf(own, e).ofAny().String(), namespace: e.ObjectRef.Namespace, subject: e.ObjectRef.Name}] = true
}

// refusal is a request that was refused: what was missing, and for which object, if it was one's.
type refusal struct{ missing, namespace, subject string }

func (r refusal) example() string {
	switch {
	case r.namespace == "":
		return "in all namespaces"
	case r.subject == "":
		return "in " + r.namespace
	default:
		return r.subject + " in " + r.namespace
	}
}

// selectsLabelled is whether a request asks for Secrets with our label alone.
func selectsLabelled(uri string) bool {
	u, err := url.Parse(uri)
	return err == nil && u.Query().Get("labelSelector") == v1alpha1.LabelCredentials
}

// Refused says for each right that was missing which it is, but for namespaces that are gone, for rights go with them.
func (s *Seen) Refused(gone func(namespace string) bool) []string {
	missing := map[string]string{}
	for r := range s.refused {
		if !gone(r.namespace) {
			missing[r.missing] = max(missing[r.missing], r.example())
		}
	}
	var all []string
	for right, example := range missing {
		all = append(all, fmt.Sprintf("the operator was refused: %s (%s): add a +kubebuilder:rbac marker beside what asks for it, and make generate", right, example))
	}
	slices.Sort(all)
	return all
}

// Unlabelled are lists and watches of Secrets that do not ask for those with the label scim-operator.io/credentials alone.
func (s *Seen) Unlabelled() []string {
	var all []string
	for request := range s.unlabelled {
		all = append(all, "Secrets without our label were asked for: "+request)
	}
	slices.Sort(all)
	return all
}

// ClusterWide are the resources that the operator of a namespace has listed or watched in all namespaces.
func (s *Seen) ClusterWide(own string) []string { return slices.Sorted(maps.Keys(s.wide[own])) }

// Namespaces are those of which the operator of a namespace has asked for objects; the empty one stands for objects of the cluster.
func (s *Seen) Namespaces(own string) []string { return slices.Sorted(maps.Keys(s.namespaces[own])) }

// Unneeded are the granted rights that nobody has used.
func (s *Seen) Unneeded(granted []Right) []string {
	var all []string
	for _, right := range granted {
		if !s.asked[right] {
			all = append(all, fmt.Sprintf("rule not needed by any test: %s: take it from its +kubebuilder:rbac marker and make generate, or test what needs it", right))
		}
	}
	slices.Sort(all)
	return all
}
