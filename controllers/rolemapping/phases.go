// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/assignment"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/membership"
	"github.com/scim-operator/scim-operator/internal/scim"
)

// findings are what a mapping meets in its namespace.
type findings struct {
	// refused is why the present spec is not accepted, nil if it is. accepted is the spec in force, nil if none was ever accepted. previous is the one before edits that
	// name subjects which do not exist, nil for none.
	refused            error
	accepted, previous *v1alpha1.AcceptedMapping
	// groups are those of the spec in force, former those that only previous names.
	groups, former assignment.Resolution
	// named are the object names of the users that the spec names, missingUsers the positions in spec.subjects.users of those that do not exist.
	named        map[string]bool
	missingUsers []int
	// users is how many users the mapping gives the app.
	users int
	// expression is for whom the mapping's expression is true, nil if it has none.
	expression *tally
	// app: the ScimApp exists and stays; problem is what it does not take.
	app     bool
	problem problem
	// conflicts are the names of the mappings with which this one ties and disagrees.
	conflicts []string
}

// look reads everything that a mapping's status says something about. It is about the spec in force, which may be an earlier one.
func (r *Reconciler) look(ctx context.Context, present *v1alpha1.ScimRoleMapping) (findings, error) {
	var found findings
	found.accepted, found.refused = assignment.Accept(present)
	m := present.DeepCopy()
	m.Status.Accepted = found.accepted
	m = assignment.InForce(m)
	if err := r.resolve(ctx, present, m, &found); err != nil {
		return found, err
	}
	snapshot, err := r.snapshot(ctx, m, found.groups.Groups)
	if err != nil {
		return found, err
	}
	members, err := r.members(ctx, m.Namespace, snapshot, m.Name)
	if err != nil {
		return found, err
	}
	found.expression, err = r.tally(ctx, client.ObjectKeyFromObject(m), m.Spec.Subjects.Expression)
	if err != nil {
		return found, err
	}
	reached := reach{members: members, selected: found.expression.users()}
	found.conflicts, err = r.conflicts(ctx, m, snapshot, reached)
	if err != nil {
		return found, err
	}
	for name := range found.named {
		members[name] = true
	}
	found.users = reached.size()
	found.app, found.problem, err = r.checkApp(ctx, m)
	return found, err
}

// resolve finds the groups and users of the spec in force, and the groups of the one before edits that are held.
func (r *Reconciler) resolve(ctx context.Context, present, m *v1alpha1.ScimRoleMapping, found *findings) error {
	var err error
	found.named, found.missingUsers, err = r.namedUsers(ctx, m)
	if err != nil {
		return err
	}
	versions := []*v1alpha1.ScimRoleMapping{m}
	for _, earlier := range []*v1alpha1.AcceptedMapping{present.Status.Accepted, present.Status.Previous} {
		if earlier != nil {
			versions = append(versions, &v1alpha1.ScimRoleMapping{Spec: earlier.Spec})
		}
	}
	groups, err := r.groups(ctx, present, namesOf(versions))
	if err != nil {
		return err
	}
	names := m.Spec.Subjects.Groups
	found.groups = assignment.ResolveGroups(names, m.Generation, present.Status.Groups, groups)
	missing := make([]string, len(found.missingUsers))
	for i, position := range found.missingUsers {
		missing[i] = m.Spec.Subjects.Users[position]
	}
	found.previous = assignment.Unresolved(present, found.accepted, slices.Concat(found.groups.NotFound, found.groups.Ambiguous), missing)
	if found.previous != nil {
		former := slices.DeleteFunc(slices.Clone(found.previous.Spec.Subjects.Groups), func(name string) bool { return slices.Contains(names, name) })
		found.former = assignment.ResolveGroups(former, found.previous.Generation, present.Status.Groups, groups)
	}
	return nil
}

// namesOf are the groups that versions of a mapping name.
func namesOf(versions []*v1alpha1.ScimRoleMapping) []string {
	var names []string
	for _, m := range versions {
		names = append(names, m.Spec.Subjects.Groups...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// groups are those that the mapping follows or that have one of the names.
func (r *Reconciler) groups(ctx context.Context, m *v1alpha1.ScimRoleMapping, names []string) ([]assignment.GroupRef, error) {
	var refs []assignment.GroupRef
	for _, previous := range m.Status.Groups {
		group, err := r.group(ctx, m.Namespace, previous.ID)
		if err != nil {
			return nil, err
		}
		if group != nil {
			refs = append(refs, assignment.GroupRef{ID: previous.ID, DisplayName: group.Spec.DisplayName})
		}
	}
	for _, name := range names {
		var list v1alpha1.ScimGroupList
		err := r.Client.List(ctx, &list, client.InNamespace(m.Namespace), client.MatchingFields{directory.IndexDisplayName: scim.Fold(name)},
			client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil, fmt.Errorf("looking for a subject group: %w", err)
		}
		for i := range list.Items {
			if list.Items[i].DeletionTimestamp.IsZero() {
				refs = append(refs, assignment.GroupRef{ID: list.Items[i].SCIMID(), DisplayName: list.Items[i].Spec.DisplayName})
			}
		}
	}
	return refs, nil
}

// group is the group with a SCIM id, nil if there is none or it is being deleted. It is the cache's own: it must not be changed.
func (r *Reconciler) group(ctx context.Context, namespace, id string) (*v1alpha1.ScimGroup, error) {
	name, _, ok := v1alpha1.SplitSCIMID(id)
	if !ok {
		return nil, nil
	}
	group := &v1alpha1.ScimGroup{}
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, group, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading a group: %w", err)
	case group.SCIMID() != id || !group.DeletionTimestamp.IsZero():
		return nil, nil
	}
	return group, nil
}

// snapshot is the mappings of the same app, this one with the groups that were just resolved.
func (r *Reconciler) snapshot(ctx context.Context, m *v1alpha1.ScimRoleMapping, resolved []v1alpha1.ResolvedGroup) (*assignment.Snapshot, error) {
	var list v1alpha1.ScimRoleMappingList
	err := r.Client.List(ctx, &list, client.InNamespace(m.Namespace), client.MatchingFields{indexApp: m.Spec.App}, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing the mappings of the app: %w", err)
	}
	mappings := slices.DeleteFunc(list.Items, func(other v1alpha1.ScimRoleMapping) bool { return other.Name == m.Name })
	own := m.DeepCopy()
	own.Status.Groups = resolved
	return assignment.NewSnapshot(append(mappings, *own)), nil
}

// members are the object names of the users whom a mapping gives the app through groups, nested ones included.
func (r *Reconciler) members(ctx context.Context, namespace string, snapshot *assignment.Snapshot, mapping string) (map[string]bool, error) {
	next, _ := snapshot.UsersOf(mapping)
	users, seen := map[string]bool{}, map[string]bool{}
	for len(next) > 0 {
		id := next[0]
		next = next[1:]
		if seen[id] {
			continue
		}
		seen[id] = true
		group, err := r.group(ctx, namespace, id)
		if err != nil {
			return nil, err
		}
		if group == nil {
			continue
		}
		all, err := membership.Of(ctx, r.Client, group)
		if err != nil {
			return nil, err
		}
		for member := range all.All() {
			if member.Type == v1alpha1.MemberTypeGroup {
				next = append(next, member.Value)
				continue
			}
			name, err := r.user(ctx, namespace, member.Value)
			if err != nil {
				return nil, err
			}
			if name != "" {
				users[name] = true
			}
		}
	}
	return users, nil
}

// user is the object name of the user with a SCIM id, "" if there is none or it is being deleted.
func (r *Reconciler) user(ctx context.Context, namespace, id string) (string, error) {
	name, _, ok := v1alpha1.SplitSCIMID(id)
	if !ok {
		return "", nil
	}
	var user v1alpha1.ScimUser
	err := r.Client.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, &user, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("reading a member: %w", err)
	case !user.Admitted() || user.SCIMID() != id || !user.DeletionTimestamp.IsZero():
		return "", nil
	}
	return name, nil
}

// namedUsers are the object names of the users that the mapping names, and the positions of those that do not exist.
func (r *Reconciler) namedUsers(ctx context.Context, m *v1alpha1.ScimRoleMapping) (named map[string]bool, missing []int, err error) {
	named = map[string]bool{}
	for i, userName := range m.Spec.Subjects.Users {
		var list v1alpha1.ScimUserList
		err := r.Client.List(ctx, &list, client.InNamespace(m.Namespace), client.MatchingFields{directory.IndexUserName: scim.Fold(userName)},
			client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil, nil, fmt.Errorf("looking for a subject user: %w", err)
		}
		users, err := r.owners(ctx, list.Items)
		if err != nil {
			return nil, nil, err
		}
		for _, user := range users {
			named[user] = true
		}
		if len(users) == 0 {
			missing = append(missing, i)
		}
	}
	return named, missing, nil
}

// owners are the object names of the users who have their userName by right. A person may have written it into another one, too.
func (r *Reconciler) owners(ctx context.Context, users []v1alpha1.ScimUser) ([]string, error) {
	var owners []string
	for i := range users {
		user := &users[i]
		if !user.DeletionTimestamp.IsZero() {
			continue
		}
		if len(users) > 1 {
			entitled, err := directory.Entitled(ctx, r.Client, user)
			if err != nil {
				return nil, fmt.Errorf("looking for the owner of a userName: %w", err)
			}
			if !entitled {
				continue
			}
		}
		owners = append(owners, user.Name)
	}
	return owners, nil
}

// conflicts are the mappings that tie and disagree with this one: over a subject that both name, or over a user whom both give the app without naming it.
// reached are whom this mapping gives the app so.
func (r *Reconciler) conflicts(ctx context.Context, m *v1alpha1.ScimRoleMapping, snapshot *assignment.Snapshot, reached reach) ([]string, error) {
	conflicts := snapshot.Conflicts()[m.Name]
	for _, rival := range snapshot.Rivals(m.Name) {
		if slices.Contains(conflicts, rival) {
			continue
		}
		members, err := r.members(ctx, m.Namespace, snapshot, rival)
		if err != nil {
			return nil, err
		}
		selected, err := r.tally(ctx, types.NamespacedName{Namespace: m.Namespace, Name: rival}, snapshot.ExpressionOf(rival))
		if err != nil {
			return nil, err
		}
		if reached.meets(reach{members: members, selected: selected.users()}) {
			conflicts = append(conflicts, rival)
		}
	}
	slices.Sort(conflicts)
	return conflicts, nil
}

// checkApp is whether the app exists and what it does not take of the mapping.
func (r *Reconciler) checkApp(ctx context.Context, m *v1alpha1.ScimRoleMapping) (exists bool, p problem, err error) {
	app := &v1alpha1.ScimApp{}
	err = r.Client.Get(ctx, types.NamespacedName{Namespace: m.Namespace, Name: m.Spec.App}, app, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		return false, problem{}, nil
	case err != nil:
		return false, problem{}, fmt.Errorf("reading the app: %w", err)
	case !app.DeletionTimestamp.IsZero():
		return false, problem{}, nil
	}
	profile, ok := profiles.Get(app.Spec.Profile)
	if !ok {
		// The app's own Ready condition says so.
		return true, problem{}, nil
	}
	return true, rulesOf(app, profile).check(m), nil
}
