// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package rolemapping

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/kube"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

// fixture is a namespace whose mappings are reconciled, and a client that sees what is there.
type fixture struct {
	t         *testing.T
	client    client.WithWatch
	namespace string
}

func start(t *testing.T, countDelay time.Duration) *fixture {
	t.Helper()
	env := cptest.New(t)
	f := &fixture{t: t, namespace: env.Namespace(t)}
	scheme := runtime.NewScheme()
	f.must(v1alpha1.AddToScheme(scheme))
	skip := true
	mgr, err := ctrl.NewManager(env.Config, ctrl.Options{
		Scheme:     scheme,
		Metrics:    metricsserver.Options{BindAddress: "0"},
		Controller: config.Controller{SkipNameValidation: &skip},
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{f.namespace: {}}},
	})
	f.must(err)
	f.must(directory.RegisterIndexes(t.Context(), mgr.GetFieldIndexer()))
	f.must(kube.RegisterResync(t.Context(), mgr.GetFieldIndexer(), &v1alpha1.ScimRoleMapping{}))
	schedule := kube.Schedule{Period: time.Hour, Clock: clock.RealClock{}}
	f.must((&Reconciler{Client: mgr.GetClient(), Clock: clock.RealClock{}, countDelay: countDelay}).SetupWithManager(mgr, schedule))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	f.client, err = client.NewWithWatch(env.Config, client.Options{Scheme: scheme})
	f.must(err)
	return f
}

func (f *fixture) must(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: f.namespace, Name: name}
}

func (f *fixture) create(obj client.Object) {
	f.t.Helper()
	f.must(f.client.Create(f.t.Context(), obj))
}

func (f *fixture) app(name, profile string) *v1alpha1.ScimApp {
	f.t.Helper()
	app := &v1alpha1.ScimApp{ObjectMeta: f.meta(name), Spec: v1alpha1.ScimAppSpec{
		Profile: profile, SCIM: v1alpha1.SCIMConnection{BaseURL: "https://app.corp.test/scim/v2", Token: v1alpha1.SecretKeyRef{Name: "token"}},
	}}
	f.create(app)
	return app
}

func (f *fixture) user(name, userName string) *v1alpha1.ScimUser {
	f.t.Helper()
	user := &v1alpha1.ScimUser{ObjectMeta: f.meta(name), Spec: v1alpha1.ScimUserSpec{ID: "id-of-" + name, UserName: userName}}
	f.create(user)
	return user
}

func (f *fixture) group(name, displayName string, members ...string) *v1alpha1.ScimGroup {
	f.t.Helper()
	group := &v1alpha1.ScimGroup{ObjectMeta: f.meta(name), Spec: v1alpha1.ScimGroupSpec{ID: "id-of-" + name, DisplayName: displayName, Members: users(members...)}}
	f.create(group)
	return group
}

func users(names ...string) []v1alpha1.GroupMember {
	members := make([]v1alpha1.GroupMember, len(names))
	for i, name := range names {
		members[i].Value = name + ".id-of-" + name
	}
	return members
}

func (f *fixture) mapping(name string, groups, userNames, roles []string) *v1alpha1.ScimRoleMapping {
	f.t.Helper()
	m := &v1alpha1.ScimRoleMapping{ObjectMeta: f.meta(name), Spec: v1alpha1.ScimRoleMappingSpec{
		App: "crm", Subjects: v1alpha1.Subjects{Groups: groups, Users: userNames}, Roles: roles,
	}}
	f.create(m)
	return m
}

// change writes what a function changes in the object as it is now.
func (f *fixture) change(obj client.Object, change func()) {
	f.t.Helper()
	f.must(f.client.Get(f.t.Context(), client.ObjectKeyFromObject(obj), obj))
	before := obj.DeepCopyObject().(client.Object)
	change()
	f.must(f.client.Patch(f.t.Context(), obj, client.MergeFrom(before)))
}

// state is the mapping's status in a few words: the reasons of Ready and SubjectsResolved, and the users.
func state(m *v1alpha1.ScimRoleMapping) string {
	reason := func(conditionType string) string {
		if c := meta.FindStatusCondition(m.Status.Conditions, conditionType); c != nil && c.ObservedGeneration == m.Generation {
			return fmt.Sprint(c.Status, "/", c.Reason)
		}
		return "-"
	}
	return fmt.Sprint(reason(v1alpha1.ConditionReady), ", ", reason(v1alpha1.ConditionSubjectsResolved), " ", m.Status.Users)
}

// await waits until a mapping is in a state.
func (f *fixture) await(m *v1alpha1.ScimRoleMapping, want string) {
	f.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		f.must(f.client.Get(f.t.Context(), client.ObjectKeyFromObject(m), m))
		if state(m) == want {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("mapping %s is %q, want %q: %+v", m.Name, state(m), want, m.Status)
		}
	}
}

const quick = time.Millisecond

func TestMappingFollowsItsSubjects(t *testing.T) {
	f := start(t, quick)
	m := f.mapping("m", []string{"Eng"}, []string{"ADA@corp.test"}, []string{"editor"})
	f.await(m, "False/AppNotFound, False/SubjectNotFound 0")
	if meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionStalled) != nil {
		t.Error("waiting for an app is Stalled")
	}
	f.app("crm", "common-room")
	f.await(m, "True/Succeeded, False/SubjectNotFound 0")
	ada := f.user("ada", "ada@corp.test")
	f.await(m, "True/Succeeded, False/SubjectNotFound 1")
	eng := f.group("eng", "eng", "bob", "ada")
	f.await(m, "True/Succeeded, True/Succeeded 1")
	bob := f.user("bob", "bob@corp.test") // a member that counts from the moment it exists
	f.await(m, "True/Succeeded, True/Succeeded 2")
	f.change(eng, func() { eng.Spec.Members = users("bob", "cy") })
	f.user("cy", "cy@corp.test")
	f.await(m, "True/Succeeded, True/Succeeded 3")
	f.must(f.client.Delete(t.Context(), bob))
	f.await(m, "True/Succeeded, True/Succeeded 2")
	f.change(ada, func() { ada.Spec.UserName = "ada.l@corp.test" })
	f.await(m, "True/Succeeded, False/SubjectNotFound 1")
}

// A person wrote a userName into a user that belongs to another one.
func TestMappingCountsTheOwnerOfAUserNameAlone(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	native := &v1alpha1.ScimUser{}
	native.Spec.UserName = "ada@corp.test"
	f.user(directory.NameHolder(native), "ada@corp.test")
	other := f.user("other", "ADA@corp.test")
	m := f.mapping("m", nil, []string{"ada@corp.test"}, nil)
	f.await(m, "True/Succeeded, True/Succeeded 1")
	f.change(m, func() { m.Spec.Subjects.Users = append(m.Spec.Subjects.Users, "bob@corp.test") })
	f.change(other, func() { other.Spec.UserName = "bob@corp.test" })
	f.await(m, "True/Succeeded, True/Succeeded 2")
}

func TestMappingFollowsAGroupByItsID(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	f.user("ada", "ada@corp.test")
	f.user("bob", "bob@corp.test")
	f.user("cy", "cy@corp.test")
	eng := f.group("g1", "Eng", "ada")
	m := f.mapping("m", []string{"Eng"}, nil, nil)
	follows := func(id string, generation int64) {
		t.Helper()
		want := []v1alpha1.ResolvedGroup{{DisplayName: "Eng", ID: id, Generation: generation}}
		if diff := cmp.Diff(want, m.Status.Groups); diff != "" {
			t.Fatalf("resolved groups (-want +got):\n%s", diff)
		}
	}
	f.await(m, "True/Succeeded, True/Succeeded 1")
	follows("g1.id-of-g1", 1)

	f.change(eng, func() { eng.Spec.DisplayName = "Engineering" })
	f.await(m, "True/Succeeded, True/SubjectRenamed 1")
	follows("g1.id-of-g1", 1)

	f.group("g2", "Eng", "ada", "bob", "cy")
	f.await(m, "True/Succeeded, False/SubjectChanged 1")
	follows("g1.id-of-g1", 1)

	f.must(f.client.Delete(t.Context(), eng))
	f.await(m, "True/Succeeded, False/SubjectChanged 0")
	follows("g1.id-of-g1", 1)

	f.change(m, func() { m.Spec.Roles = []string{"viewer"} }) // a person looked at it
	f.await(m, "True/Succeeded, True/Succeeded 3")
	follows("g2.id-of-g2", 2)
}

func TestMappingCountsNestedGroupsOnce(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	f.user("ada", "ada@corp.test")
	f.user("bob", "bob@corp.test")
	outer, inner := f.group("outer", "Outer", "ada"), f.group("inner", "Inner", "ada")
	nest := func(group *v1alpha1.ScimGroup, id string) {
		f.change(group, func() {
			group.Spec.Members = append(group.Spec.Members, v1alpha1.GroupMember{Value: id, Type: v1alpha1.MemberTypeGroup})
		})
	}
	nest(outer, inner.SCIMID())
	nest(inner, outer.SCIMID()) // a ring ends
	m := f.mapping("m", []string{"Outer"}, []string{"ada@corp.test"}, nil)
	f.await(m, "True/Succeeded, True/Succeeded 1")
	f.change(inner, func() { inner.Spec.Members = append(inner.Spec.Members, users("bob")...) })
	f.await(m, "True/Succeeded, True/Succeeded 2")
}

func TestMappingIsHeldToTheApp(t *testing.T) {
	f := start(t, quick)
	app := f.app("crm", "common-room")
	f.user("ada", "ada@corp.test")
	m := f.mapping("m", nil, []string{"ada@corp.test"}, []string{"boss"})
	f.await(m, "False/RoleUnknown, True/Succeeded 1")
	if !meta.IsStatusConditionTrue(m.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Error("a role that the app does not know is not Stalled")
	}
	f.change(app, func() { app.Spec.Roles = &v1alpha1.AppRoles{Allowed: []string{"boss"}} })
	f.await(m, "True/Succeeded, True/Succeeded 1")
	f.change(m, func() { m.Spec.Attributes = []v1alpha1.AttributeValue{{Name: "shoeSize", Value: "44"}} })
	f.await(m, "False/InvalidConfiguration, True/Succeeded 1")
	f.must(f.client.Delete(t.Context(), app))
	f.await(m, "False/AppNotFound, True/Succeeded 1")
	if meta.FindStatusCondition(m.Status.Conditions, v1alpha1.ConditionStalled) != nil {
		t.Error("waiting for an app is Stalled")
	}
}

func TestConflictIsOnBothMappings(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	f.user("ada", "ada@corp.test")
	f.user("bob", "bob@corp.test")
	eng := f.group("g1", "Eng", "ada")
	f.group("g2", "Ops", "bob")
	a := f.mapping("a", []string{"Eng"}, nil, []string{"viewer"})
	b := f.mapping("b", []string{"Ops"}, nil, []string{"editor"})
	f.await(a, "True/Succeeded, True/Succeeded 1")
	f.await(b, "True/Succeeded, True/Succeeded 1")

	// A user comes into both.
	f.change(eng, func() { eng.Spec.Members = users("ada", "bob") })
	f.await(a, "True/MappingConflict, True/Succeeded 2")
	f.await(b, "True/MappingConflict, True/Succeeded 1")
	f.change(b, func() { b.Spec.Priority = new(int32(1)) })
	f.await(a, "True/Succeeded, True/Succeeded 2")
	f.await(b, "True/Succeeded, True/Succeeded 1")

	// A third one names the same group.
	c := f.mapping("c", []string{"Eng"}, nil, []string{"owner"})
	f.await(c, "True/MappingConflict, True/Succeeded 2")
	f.await(a, "True/MappingConflict, True/Succeeded 2")
	f.must(f.client.Delete(t.Context(), c))
	f.await(a, "True/Succeeded, True/Succeeded 2")
}

// Who joins a group moves a counter and nothing else, and the counter waits.
// A change of members may come while the cache does not show yet that the mapping follows the group.
func TestMembersThatComeWithTheGroupAreCounted(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	f.user("ada", "ada@corp.test")
	var mappings []*v1alpha1.ScimRoleMapping
	for i := range 20 {
		mappings = append(mappings, f.mapping(fmt.Sprintf("m%d", i), []string{fmt.Sprintf("Team %d", i)}, nil, nil))
	}
	for i := range mappings {
		group := f.group(fmt.Sprintf("g%d", i), fmt.Sprintf("Team %d", i))
		f.change(group, func() { group.Spec.Members = users("ada") })
	}
	for _, m := range mappings {
		f.await(m, "True/Succeeded, True/Succeeded 1")
	}
}

func TestCountsAreGathered(t *testing.T) {
	f := start(t, 3*time.Second)
	f.app("crm", "common-room")
	for _, name := range []string{"ada", "bob", "cy"} {
		f.user(name, name+"@corp.test")
	}
	eng := f.group("g1", "Eng")
	m := f.mapping("m", []string{"Eng"}, nil, nil)
	f.await(m, "True/Succeeded, True/Succeeded 0")
	before := m.ResourceVersion
	for _, name := range []string{"ada", "bob", "cy"} {
		f.change(eng, func() { eng.Spec.Members = append(eng.Spec.Members, users(name)...) })
	}
	events, err := f.client.Watch(t.Context(), &v1alpha1.ScimRoleMappingList{}, client.InNamespace(f.namespace), &client.ListOptions{
		Raw: &metav1.ListOptions{ResourceVersion: before},
	})
	f.must(err)
	defer events.Stop()
	f.await(m, "True/Succeeded, True/Succeeded 3")
	writes := 0
	for event := range events.ResultChan() {
		writes++
		if event.Object.(*v1alpha1.ScimRoleMapping).ResourceVersion == m.ResourceVersion {
			break
		}
	}
	if writes != 1 {
		t.Errorf("%d status writes for three who joined, want 1", writes)
	}
}

// What is as it should be is not written again, not by a new process either.
func TestNothingIsWrittenTwice(t *testing.T) {
	f := start(t, quick)
	f.app("crm", "common-room")
	f.user("ada", "ada@corp.test")
	f.group("g1", "Eng", "ada")
	m := f.mapping("m", []string{"Eng"}, nil, []string{"viewer"})
	f.await(m, "True/Succeeded, True/Succeeded 1")
	before := m.ResourceVersion
	// Another mapping, and its conflict, make this one be looked at again.
	other := f.mapping("other", []string{"Eng"}, nil, []string{"viewer"})
	f.await(other, "True/Succeeded, True/Succeeded 1")
	f.group("g2", "Elsewhere", "ada")
	last := f.mapping("zzz", []string{"Elsewhere"}, nil, nil)
	f.await(last, "True/Succeeded, True/Succeeded 1")
	f.await(m, "True/Succeeded, True/Succeeded 1")
	if m.ResourceVersion != before {
		t.Errorf("the mapping was written: %+v", m.Status)
	}
}
