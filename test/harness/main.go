// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	auditv1 "k8s.io/apiserver/pkg/apis/audit/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/test/harness/rights"
)

// Main runs the tests of a package as cptest.Main does. It fails the package, naming the rule that is missing, if the API server has refused something to an
// operator, whatever became of it, and if one has asked for Secrets that are not labelled for it. checks may find more in what was seen.
func Main(m *testing.M, options controlplane.Options, checks ...func(seen *rights.Seen, passed bool) error) {
	options.Audit = true
	cptest.Main(m, options, func(env *cptest.Env, passed bool) error {
		removeBinary()
		seen, err := SeenBy(env)
		if err != nil {
			return err
		}
		var errs []error
		gone, err := namespacesGone(env)
		if err != nil {
			return err
		}
		for _, wrong := range slices.Concat(seen.Refused(gone), seen.Unlabelled()) {
			errs = append(errs, errors.New("--- FAIL: "+wrong))
		}
		for _, check := range checks {
			errs = append(errs, check(seen, passed))
		}
		return errors.Join(errs...)
	})
}

// namespacesGone tells of namespaces that are deleted, or being deleted: rights that are Roles in them are so, too.
func namespacesGone(env *cptest.Env) (func(namespace string) bool, error) {
	admin, err := client.New(env.Config, client.Options{})
	if err != nil {
		return nil, err
	}
	var list corev1.NamespaceList
	if err := admin.List(context.Background(), &list); err != nil {
		return nil, err
	}
	there := map[string]bool{"": true}
	for i := range list.Items {
		there[list.Items[i].Name] = list.Items[i].DeletionTimestamp.IsZero()
	}
	return func(namespace string) bool { return !there[namespace] }, nil
}

// SeenBy is what the operators of this process have asked the API server for, but for the times when it was starting anew.
func SeenBy(env *cptest.Env) (*rights.Seen, error) {
	granted.Lock()
	seen := &rights.Seen{Shared: maps.Clone(granted.shared)}
	granted.Unlock()
	return seen, env.ReadAudit(func(e *auditv1.Event) error {
		if !env.Restarting(e.RequestReceivedTimestamp.Time) {
			seen.Add(e)
		}
		return nil
	})
}

// granted are the rights that the chart gave to the operators of this process, and the namespaces in which it gave both what is for watched ones and for their own.
var granted struct {
	sync.Mutex
	rights map[rights.Right]bool
	shared map[string]bool
}

// Granted are the rights that the chart gave to any of the operators of this process.
func Granted() []rights.Right {
	granted.Lock()
	defer granted.Unlock()
	var all []rights.Right
	for right := range granted.rights {
		all = append(all, right)
	}
	return all
}

// grant takes notice of a role.
func grant(t testing.TB, in *Installation, o *unstructured.Unstructured) {
	t.Helper()
	role := &rbacv1.Role{}
	decode(t, o, role)
	place := rights.Watched
	if o.GetNamespace() == in.Namespace {
		place = rights.Own
	}
	granted.Lock()
	defer granted.Unlock()
	if granted.rights == nil {
		granted.rights, granted.shared = map[rights.Right]bool{}, map[string]bool{}
	}
	if slices.Contains(in.Watched, in.Namespace) {
		granted.shared[in.Namespace] = true
		return
	}
	for _, right := range rights.Of(place, role.Rules) {
		right.Name = rights.NameIn(in.Namespace, right.Name)
		granted.rights[right] = true
	}
}
