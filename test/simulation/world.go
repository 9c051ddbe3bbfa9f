// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/profiles"
	"github.com/scim-operator/scim-operator/internal/directory"
)

// plan is what a seed fixes at the beginning.
type plan struct {
	users, groups, mappings int
	// events is the probability of an event in a step in which the engine has something to do, and pass that of time going by.
	events, pass float64
	// watches and network are how readily watch events are delivered and calls go on, beside the 1 of a reconcile.
	watches, network float64
	// slowWrites is the probability that a write to the API server is on its way for a while.
	slowWrites float64
	// drops is the probability that an event is lost between cache and queue.
	drops float64
	// deaf is the kind whose events are all lost between cache and queue, empty for none; resync: everything is enqueued from time to time.
	deaf   kind
	resync bool
	// sliced: the members of groups stand in slices.
	sliced bool
	// lenient: a guard may let everybody pass, so that only its other rules hold a change.
	lenient bool
	// workers is how many keys each app's workers look at, at once.
	workers int
	// approve: at the end a person approves everything that is held.
	approve bool
}

// world is one run: the model of everything around the engine, and the engine's processes.
type world struct {
	options Options
	plan    plan
	rng     *rand.Rand
	random  io.Reader
	scheme  *runtime.Scheme
	started time.Time

	api       *api
	apps      map[string]*app
	appNames  []string
	processes []*process
	routines  []*routine
	current   *routine
	idle      []chan func()
	late      []*lateEffect
	names     map[string]string
	replacer  *strings.Replacer
	created   int
	begun     int
	kinds     []eventKind

	terms, calls, looks, writes, steps int

	journal journal
	checks  checks
	failed  *Failure
}

// lateEffect is a request whose sender has given up and that reaches the app later.
type lateEffect struct {
	name   string
	app    *app
	effect func()
	until  time.Time
}

func key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: name}
}

func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// between is a number of low to high.
func (w *world) between(low, high int) int { return low + w.rng.IntN(high-low+1) }

func pickOne[T any](w *world, list ...T) T { return list[w.rng.IntN(len(list))] }

// newWorld makes the world of a seed.
func newWorld(o Options) *world {
	w := &world{
		options: o, rng: rand.New(rand.NewPCG(o.Seed, 0x5eed)), random: &counter{n: o.Seed}, scheme: newScheme(), api: newAPI(), apps: map[string]*app{},
		names: map[string]string{}, started: time.Now(),
	}
	w.checks.begin()
	w.journal.begin(o)
	w.plan = plan{
		users: w.between(4, 14), groups: w.between(0, 2), mappings: w.between(2, 4),
		events: pickOne(w, .04, .08, .15), pass: pickOne(w, .02, .05, .1),
		watches: pickOne(w, .3, 1, 3), network: pickOne(w, .2, .7, 2),
		slowWrites: pickOne(w, 0, .02, .1), drops: o.Drops, workers: w.between(1, 3), approve: w.chance(.5),
	}
	w.themed()
	w.deafened()
	w.api.written = w.changed
	for i := range w.between(1, 2) {
		w.newApp([]string{"crm", "desk"}[i])
	}
	for i := range w.plan.users {
		w.nameUser(i)
	}
	for i := range w.plan.users {
		if w.chance(.8) {
			w.newUser(i)
		}
	}
	for i := range w.plan.groups {
		w.newGroup(i)
	}
	for i := range w.plan.mappings {
		if w.chance(.7) {
			w.newMapping(i)
		}
	}
	for _, name := range w.appNames {
		w.foreignAccounts(w.apps[name])
	}
	w.checks.worldBegan(w)
	w.start()
	return w
}

// newApp makes a ScimApp with its Secret, and the app itself.
func (w *world) newApp(name string) {
	object := &v1alpha1.ScimApp{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
	object.Spec.Profile = pickOne(w, "generic", "generic", "r-service")
	profile, _ := profiles.Get(object.Spec.Profile)
	object.Spec.SCIM.BaseURL = "https://" + name + ".example.com/scim/v2"
	object.Spec.SCIM.Token.Name = name
	object.Spec.Features = []v1alpha1.Feature{v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation}
	if w.chance(.7) {
		object.Spec.Features = append(object.Spec.Features, v1alpha1.FeatureReactivateUsers)
	}
	if w.plan.groups > 0 && w.chance(.7) {
		object.Spec.Features = append(object.Spec.Features, v1alpha1.FeaturePushGroups, v1alpha1.FeatureGroupLinking)
		for i := range w.plan.groups {
			object.Spec.Groups = append(object.Spec.Groups, v1alpha1.PushedGroup{DisplayName: groupName(i), Creation: v1alpha1.GroupCreate})
		}
	}
	// Each expression costs time to compile, for each generation and process: only those stay whose values change.
	object.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "userName", Expression: "user.userName"}}
	for _, attribute := range profile.Attributes {
		if !slices.Contains([]string{"userName", "title", department}, attribute.Path) {
			object.Spec.Attributes = append(object.Spec.Attributes, v1alpha1.AttributeMapping{Name: attribute.Path})
		}
	}
	object.Spec.Roles = &v1alpha1.AppRoles{Allowed: []string{"admin", "editor", "viewer"}, Default: []string{"viewer"}}
	object.Spec.Deprovisioning = pickOne(w, v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDeactivate, v1alpha1.DeprovisionDelete)
	object.Spec.Adoption = pickOne(w, v1alpha1.AdoptionLink, v1alpha1.AdoptionLink, v1alpha1.AdoptionNever)
	object.Spec.Guard = w.someGuard()
	object.Spec.ProtectedAccounts = []string{userName(w.plan.users - 1)}
	object.Spec.Limits = &v1alpha1.AppLimits{RequestsPerMinute: 60000, Burst: 1000}
	w.apps[name] = &app{
		w: w, name: name, settle: profile.SettleTime, unique: w.chance(.6), silent: w.chance(.3), token: "token-" + name,
		users: map[string]*resource{}, groups: map[string]*resource{},
	}
	w.appNames = append(w.appNames, name)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: map[string]string{v1alpha1.LabelCredentials: ""}}}
	secret.Data = map[string][]byte{"token": []byte("token-" + name)}
	w.mustCreate(secret)
	w.mustCreate(object)
}

func (w *world) someGuard() *v1alpha1.Guard {
	minimum := w.between(1, 4)
	if w.plan.lenient && w.chance(.5) {
		minimum = w.plan.users
	}
	return &v1alpha1.Guard{Minimum: ptr.To(int32(minimum)), Percent: ptr.To(int32(pickOne(w, 10, 20, 40)))}
}

func (w *world) mustCreate(obj client.Object) {
	if _, err := w.api.create(obj); err != nil {
		panic(err)
	}
}

func userName(i int) string  { return fmt.Sprintf("u%d@corp.test", i) }
func groupName(i int) string { return fmt.Sprintf("g%d", i) }

// nameUser finds the name of the object of a user.
func (w *world) nameUser(i int) {
	user := &v1alpha1.ScimUser{}
	user.Spec.UserName = userName(i)
	w.names[directory.NameHolder(user)] = fmt.Sprintf("u%d", i)
	w.names[fmt.Sprintf("u%d", i)] = directory.NameHolder(user)
	var pairs []string
	for name, short := range w.names {
		if len(name) > len(short) {
			pairs = append(pairs, name, short)
		}
	}
	w.replacer = strings.NewReplacer(pairs...)
}

// object is the name of a user's object.
func (w *world) objectName(i int) string { return w.names[fmt.Sprintf("u%d", i)] }

func (w *world) user(i int) *v1alpha1.ScimUser {
	user, _ := w.api.get("ScimUser", key(w.objectName(i))).(*v1alpha1.ScimUser)
	return user
}

// newUser makes an admitted user.
func (w *world) newUser(i int) {
	w.created++
	user := &v1alpha1.ScimUser{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: w.objectName(i), Finalizers: []string{v1alpha1.FinalizerDeprovision}}}
	user.Spec.ID, user.Spec.UserName = fmt.Sprintf("id%d", w.created), userName(i)
	user.Spec.Name = &v1alpha1.Name{GivenName: "Kim", FamilyName: "Tester"}
	user.Spec.Title = pickOne(w, "a", "b")
	w.mustCreate(user)
}

// newGroup makes an admitted group of some users.
func (w *world) newGroup(i int) {
	w.created++
	group := &v1alpha1.ScimGroup{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: groupName(i), Finalizers: []string{v1alpha1.FinalizerDeprovision},
		Labels: map[string]string{v1alpha1.LabelDisplayName: directory.DisplayNameLabel(groupName(i))},
	}}
	group.Spec.ID, group.Spec.DisplayName = fmt.Sprintf("gid%d", w.created), groupName(i)
	var members []v1alpha1.GroupMember
	for i := range w.plan.users {
		if user := w.user(i); user != nil && w.chance(.6) {
			members = append(members, memberOf(user))
		}
	}
	if w.plan.sliced {
		group.Spec.Slices = w.writeSlices(group.Name, nil, members)
	} else {
		group.Spec.Members = members
	}
	w.mustCreate(group)
}

// newMapping gives some users an app.
func (w *world) newMapping(i int) {
	mapping := &v1alpha1.ScimRoleMapping{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("m%d", i)}}
	mapping.Spec.App = pickOne(w, w.appNames...)
	w.someSubjects(&mapping.Spec)
	mapping.Spec.Roles = w.someRoles()
	mapping.Spec.Priority = ptr.To(int32(w.between(1, 3)))
	w.mustCreate(mapping)
}

func (w *world) someRoles() []string {
	return pickOne(w, nil, []string{"viewer"}, []string{"admin"}, []string{"admin", "editor"}, []string{"editor", "viewer"})
}

func (w *world) someSubjects(spec *v1alpha1.ScimRoleMappingSpec) {
	spec.Subjects = v1alpha1.Subjects{}
	switch kind := w.between(0, 9); {
	case kind < 4 && w.plan.groups > 0:
		spec.Subjects.Groups = []string{groupName(w.rng.IntN(w.plan.groups))}
	case kind == 9:
		spec.Subjects.Expression = `user.title == "` + pickOne(w, "a", "b") + `"`
	default:
		share := pickOne(w, .3, .6, .9)
		for i := range w.plan.users {
			if w.chance(share) {
				spec.Subjects.Users = append(spec.Subjects.Users, userName(i))
			}
		}
		if len(spec.Subjects.Users) == 0 {
			spec.Subjects.Users = []string{userName(0)}
		}
	}
}

// foreignAccounts are there before the operator: made by the admin of the app.
func (w *world) foreignAccounts(a *app) {
	for i := range w.plan.users {
		if i == w.plan.users-1 || w.chance(.2) {
			w.foreignAccount(a, i)
		}
	}
}

func (w *world) foreignAccount(a *app, i int) {
	body := map[string]any{"userName": userName(i), "active": w.chance(.7), "title": "foreign"}
	if w.chance(.5) {
		body["externalId"] = fmt.Sprintf("admin-%d", i)
	}
	a.add("Users", body)
}

// short is the name of an object in the trace.
func (w *world) short(name string) string {
	if short := w.names[name]; short != "" && len(short) < len(name) {
		return short
	}
	return name
}

// brief is a text for the trace, with the short names of objects.
func (w *world) brief(text string) string {
	text = w.replacer.Replace(text)
	return text[:min(len(text), 240)]
}
