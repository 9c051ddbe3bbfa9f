// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package simulation

import (
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// eventKind is something that happens around the engine. It is false if it does not apply now; another one is taken then.
type eventKind struct {
	weight int
	happen func(*world) bool
}

// eventKinds are what may happen, by how often.
var eventKinds = []eventKind{
	// The identity provider.
	{12, (*world).changeTitle}, {5, (*world).changeDepartment}, {9, (*world).deactivateUser}, {10, (*world).activateUser},
	{6, (*world).createUser}, {4, (*world).deleteUser}, {8, (*world).addMember}, {7, (*world).removeMember}, {2, (*world).createGroup}, {1, (*world).deleteGroup},
	// A person.
	{8, (*world).createMapping}, {6, (*world).deleteMapping}, {6, (*world).changeRoles}, {5, (*world).changeSubjects},
	{3, (*world).suspend}, {5, (*world).unsuspend}, {5, (*world).toggleFeature}, {2, (*world).changeGuard}, {7, (*world).approveOne},
	{2, (*world).rotateToken}, {2, (*world).breakToken}, {3, (*world).repairToken}, {2, (*world).askForReconcile},
	// The app, its admin, and the network.
	{2, (*world).adminSwitches}, {1, (*world).adminDeletes}, {1, (*world).adminCreates},
	{4, (*world).beginStorm}, {3, (*world).beginLag}, {5, (*world).beginLosses}, {6, (*world).endSomeFaults},
	// The operator.
	{3, (*world).crash}, {3, (*world).failover}, {2, (*world).handOver},
	// Time.
	{5, (*world).wait},
}

// event lets one thing happen.
func (w *world) event() {
	w.checks.events++
	sum := 0
	for _, e := range w.kinds {
		sum += e.weight
	}
	for {
		at := w.rng.IntN(sum)
		for _, e := range w.kinds {
			if at -= e.weight; at < 0 {
				if e.happen(w) {
					return
				}
				break
			}
		}
	}
}

// someUser is the number of a user that exists and is not being deleted, false if the one that chance has chosen is not.
func (w *world) someUser() (int, *v1alpha1.ScimUser, bool) {
	i := w.rng.IntN(w.plan.users)
	user := w.user(i)
	return i, user, user != nil && user.DeletionTimestamp.IsZero()
}

func (w *world) editUser(i int, what string, change func(*v1alpha1.ScimUserSpec)) bool {
	w.trace("EVENT the identity provider changes u%d: %s", i, what)
	w.checks.concern(w, 1)
	return edit(w.api, key(w.objectName(i)), &v1alpha1.ScimUser{}, func(u *v1alpha1.ScimUser) { change(&u.Spec) })
}

func (w *world) changeTitle() bool {
	i, user, ok := w.someUser()
	if !ok {
		return false
	}
	title := pickOne(w, "a", "b", "c", "")
	return title != user.Spec.Title && w.editUser(i, "title "+title, func(s *v1alpha1.ScimUserSpec) { s.Title = title })
}

func (w *world) changeDepartment() bool {
	i, _, ok := w.someUser()
	department := pickOne(w, "x", "y")
	return ok && w.editUser(i, "department "+department, func(s *v1alpha1.ScimUserSpec) {
		s.Enterprise = &v1alpha1.EnterpriseUser{Department: department}
	})
}

func (w *world) setActive(active bool) bool {
	i, user, ok := w.someUser()
	return ok && user.IsActive() != active && w.editUser(i, fmt.Sprintf("active %t", active), func(s *v1alpha1.ScimUserSpec) { s.Active = &active })
}

func (w *world) deactivateUser() bool { return w.setActive(false) }
func (w *world) activateUser() bool   { return w.setActive(true) }

func (w *world) createUser() bool {
	i := w.rng.IntN(w.plan.users)
	if w.user(i) != nil {
		return false
	}
	w.trace("EVENT the identity provider creates u%d", i)
	w.checks.concern(w, 1)
	w.newUser(i)
	return true
}

func (w *world) deleteUser() bool {
	i, user, ok := w.someUser()
	if !ok {
		return false
	}
	w.trace("EVENT the identity provider deletes u%d", i)
	w.checks.concern(w, 2)
	return w.api.remove("ScimUser", key(user.Name), nil) == nil
}

func (w *world) someGroup() (*v1alpha1.ScimGroup, bool) {
	if w.plan.groups == 0 {
		return nil, false
	}
	group, _ := w.api.get("ScimGroup", key(groupName(w.rng.IntN(w.plan.groups)))).(*v1alpha1.ScimGroup)
	return group, group != nil && group.DeletionTimestamp.IsZero()
}

func (w *world) member(add bool) bool {
	group, ok := w.someGroup()
	i, user, exists := w.someUser()
	if !ok || !exists {
		return false
	}
	members := w.membersOf(group)
	at := slices.IndexFunc(members, func(m v1alpha1.GroupMember) bool { return m.Value == user.SCIMID() })
	if add == (at >= 0) {
		return false
	}
	w.trace("EVENT the identity provider changes the members of %s: u%d %t", group.Name, i, add)
	w.checks.concern(w, 2)
	if add {
		return w.setMembers(group, append(members, memberOf(user)))
	}
	return w.setMembers(group, slices.Delete(members, at, at+1))
}

func (w *world) addMember() bool    { return w.member(true) }
func (w *world) removeMember() bool { return w.member(false) }

func (w *world) createGroup() bool {
	for i := range w.plan.groups {
		if w.api.get("ScimGroup", key(groupName(i))) == nil {
			w.trace("EVENT the identity provider creates %s", groupName(i))
			w.checks.concern(w, w.plan.users)
			w.newGroup(i)
			return true
		}
	}
	return false
}

func (w *world) deleteGroup() bool {
	group, ok := w.someGroup()
	if !ok {
		return false
	}
	w.trace("EVENT the identity provider deletes %s", group.Name)
	w.checks.concern(w, w.plan.users)
	return w.api.remove("ScimGroup", key(group.Name), nil) == nil
}

func mappingName(i int) string { return fmt.Sprintf("m%d", i) }

func (w *world) createMapping() bool {
	i := w.rng.IntN(w.plan.mappings)
	if w.api.get("ScimRoleMapping", key(mappingName(i))) != nil {
		return false
	}
	w.newMapping(i)
	w.describeMapping("creates", i)
	w.checks.concern(w, w.plan.users)
	return true
}

func (w *world) describeMapping(verb string, i int) {
	mapping, _ := w.api.get("ScimRoleMapping", key(mappingName(i))).(*v1alpha1.ScimRoleMapping)
	w.trace("EVENT a person %s m%d: %s to %v roles %v", verb, i, mapping.Spec.App, mapping.Spec.Subjects, mapping.Spec.Roles)
}

func (w *world) someMapping() (int, bool) {
	i := w.rng.IntN(w.plan.mappings)
	return i, w.api.get("ScimRoleMapping", key(mappingName(i))) != nil
}

func (w *world) deleteMapping() bool {
	i, ok := w.someMapping()
	if !ok {
		return false
	}
	w.trace("EVENT a person deletes m%d", i)
	w.checks.concern(w, w.plan.users)
	return w.api.remove("ScimRoleMapping", key(mappingName(i)), nil) == nil
}

func (w *world) editMapping(verb string, change func(*v1alpha1.ScimRoleMappingSpec)) bool {
	i, ok := w.someMapping()
	if !ok {
		return false
	}
	w.checks.concern(w, w.plan.users)
	edit(w.api, key(mappingName(i)), &v1alpha1.ScimRoleMapping{}, func(m *v1alpha1.ScimRoleMapping) { change(&m.Spec) })
	w.describeMapping(verb, i)
	return true
}

func (w *world) changeRoles() bool {
	return w.editMapping("changes the roles of", func(s *v1alpha1.ScimRoleMappingSpec) { s.Roles = w.someRoles() })
}

func (w *world) changeSubjects() bool {
	return w.editMapping("changes the subjects of", func(s *v1alpha1.ScimRoleMappingSpec) { w.someSubjects(s) })
}

func (w *world) editApp(name, what string, change func(*v1alpha1.ScimApp)) bool {
	w.trace("EVENT a person changes %s: %s", name, what)
	w.checks.concern(w, w.plan.users)
	return edit(w.api, key(name), &v1alpha1.ScimApp{}, change)
}

func (w *world) setSuspend(suspend bool) bool {
	name := pickOne(w, w.appNames...)
	return w.scimApp(name).Spec.Suspend != suspend &&
		w.editApp(name, fmt.Sprintf("suspend %t", suspend), func(a *v1alpha1.ScimApp) { a.Spec.Suspend = suspend })
}

func (w *world) suspend() bool   { return w.setSuspend(true) }
func (w *world) unsuspend() bool { return w.setSuspend(false) }

func (w *world) toggleFeature() bool {
	name := pickOne(w, w.appNames...)
	feature := pickOne(w, v1alpha1.FeatureReactivateUsers, v1alpha1.FeatureReactivateUsers, v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates,
		v1alpha1.FeaturePushUserDeactivation)
	return w.toggle(name, feature)
}

func (w *world) toggle(name string, feature v1alpha1.Feature) bool {
	return w.editApp(name, "feature "+string(feature), func(a *v1alpha1.ScimApp) {
		if i := slices.Index(a.Spec.Features, feature); i >= 0 {
			a.Spec.Features = slices.Delete(a.Spec.Features, i, i+1)
		} else {
			a.Spec.Features = append(a.Spec.Features, feature)
		}
	})
}

func (w *world) changeGuard() bool {
	name, guard := pickOne(w, w.appNames...), w.someGuard()
	return w.editApp(name, fmt.Sprintf("guard %d, %d %%", *guard.Minimum, *guard.Percent), func(a *v1alpha1.ScimApp) { a.Spec.Guard = guard })
}

func (w *world) askForReconcile() bool {
	return w.editApp(pickOne(w, w.appNames...), "reconcile", func(a *v1alpha1.ScimApp) {
		a.Annotations = maps.Clone(a.Annotations)
		if a.Annotations == nil {
			a.Annotations = map[string]string{}
		}
		a.Annotations[v1alpha1.AnnotationReconcile] = fmt.Sprint(w.steps)
	})
}

func (w *world) approveOne() bool {
	object := w.scimApp(pickOne(w, w.appNames...))
	if len(object.Status.Batches) == 0 {
		return false
	}
	w.approve(object, pickOne(w, object.Status.Batches...).Digest)
	return true
}

// approve approves a batch, as the ScimApp shows it.
func (w *world) approve(object *v1alpha1.ScimApp, digest string) {
	w.checks.approved(w, object, digest)
	w.editApp(object.Name, "approves "+digest, func(a *v1alpha1.ScimApp) {
		if a.Annotations == nil {
			a.Annotations = map[string]string{}
		}
		a.Annotations[v1alpha1.AnnotationApproveBatch] = digest
	})
}

func (w *world) writeToken(name, token string) bool {
	w.checks.concern(w, w.plan.users)
	return edit(w.api, key(name), &corev1.Secret{}, func(s *corev1.Secret) { s.Data = map[string][]byte{"token": []byte(token)} })
}

// rotateToken: the app has a new token, and a person writes it into the Secret at once.
func (w *world) rotateToken() bool { return w.rotate(pickOne(w, w.appNames...)) }

func (w *world) rotate(name string) bool {
	a := w.apps[name]
	a.token = fmt.Sprintf("token-%d", w.steps)
	w.trace("EVENT a person replaces the token of %s", name)
	a.rotated = time.Now()
	a.harmed()
	return w.writeToken(name, a.token)
}

// breakToken: the app takes its token back.
func (w *world) breakToken() bool {
	a := w.apps[pickOne(w, w.appNames...)]
	a.token = fmt.Sprintf("token-%d", w.steps)
	w.trace("EVENT the token of %s is not valid any more", a.name)
	a.harmed()
	w.checks.concern(w, w.plan.users)
	return true
}

func (w *world) repairToken() bool { return w.repair(pickOne(w, w.appNames...)) }

// credentialsFit reports whether the Secret has the token that the app accepts.
func (w *world) credentialsFit(a *app) bool {
	secret := w.api.get("Secret", key(a.name)).(*corev1.Secret)
	return string(secret.Data["token"]) == a.token
}

// repair writes the app's token into the Secret where it is another one.
func (w *world) repair(name string) bool {
	a := w.apps[name]
	if w.credentialsFit(a) {
		return false
	}
	w.trace("EVENT a person writes the new token of %s", name)
	a.rotated = time.Now()
	a.harmed()
	return w.writeToken(name, a.token)
}

// someAccount is an account of an app that exists, false if there is none.
func (w *world) someAccount() (*app, *resource, bool) {
	a := w.apps[pickOne(w, w.appNames...)]
	ids := a.ids("Users")
	if len(ids) == 0 {
		return a, nil, false
	}
	r := a.users[pickOne(w, ids...)]
	return a, r, r.now() != nil
}

func (w *world) adminSwitches() bool {
	a, r, ok := w.someAccount()
	if !ok {
		return false
	}
	body := maps.Clone(r.now())
	body["active"] = !isActive(body)
	w.trace("EVENT the admin of %s sets account %s active %t", a.name, r.id, body["active"])
	r.interfere(body)
	return true
}

func (w *world) adminDeletes() bool {
	a, r, ok := w.someAccount()
	if !ok {
		return false
	}
	w.trace("EVENT the admin of %s deletes account %s", a.name, r.id)
	r.interfere(nil)
	return true
}

func (r *resource) interfere(body map[string]any) {
	r.interfered = time.Now()
	r.versions = append(r.versions, version{time.Now(), body})
}

func (w *world) adminCreates() bool {
	a, i := w.apps[pickOne(w, w.appNames...)], w.rng.IntN(w.plan.users)
	for _, id := range a.ids("Users") {
		if body := a.users[id].now(); body != nil && text(body, "userName") == userName(i) {
			return false
		}
	}
	w.trace("EVENT the admin of %s creates an account for u%d", a.name, i)
	w.foreignAccount(a, i)
	a.harmed()
	return true
}

func (w *world) beginStorm() bool {
	a := w.apps[pickOne(w, w.appNames...)]
	s := pickOne(w, storm{status: 404, html: true}, storm{status: 403}, storm{status: 429, retryAfter: w.between(1, 600)}, storm{status: 500}, storm{status: 503}, storm{status: 404},
		storm{status: 503, retryAfter: w.between(1, 600)}, storm{status: 403, retryAfter: w.between(1, 600)})
	a.faults.storm = &s
	a.faults.until = time.Now().Add(time.Duration(w.between(1, 1200)) * time.Second)
	w.trace("EVENT %s answers %d to everything", a.name, s.status)
	w.checks.allow(20*w.plan.users, 20*w.plan.users)
	return true
}

func (w *world) beginLag() bool {
	a := w.apps[pickOne(w, w.appNames...)]
	a.faults.lag = a.settle * 8 / 10
	a.faults.until = time.Now().Add(time.Duration(w.between(1, 600)) * time.Second)
	w.trace("EVENT %s shows everything %s late", a.name, a.faults.lag)
	return true
}

func (w *world) beginLosses() bool {
	a := w.apps[pickOne(w, w.appNames...)]
	a.faults.losses = pickOne(w, .1, .3, .6)
	w.trace("EVENT calls to %s meet faults", a.name)
	return true
}

func (w *world) endSomeFaults() bool {
	a := w.apps[pickOne(w, w.appNames...)]
	if !a.faults.active() {
		return false
	}
	a.faults.losses = 0
	w.endFaults(a)
	w.trace("EVENT %s is well again", a.name)
	return true
}

// endFaults ends storm and lag.
func (w *world) endFaults(a *app) {
	if a.faults.storm != nil || a.faults.lag > 0 {
		a.harmed()
	}
	a.faults.storm, a.faults.lag, a.faults.until = nil, 0, time.Time{}
}

// leader is the process that leads.
func (w *world) leader() *process { return w.processes[len(w.processes)-1] }

// concernAll allows for the looks at the beginning of a term.
func (w *world) concernAll() { w.checks.concern(w, 2*w.plan.users) }

func (w *world) crash() bool {
	w.trace("EVENT the operator crashes")
	for _, p := range slices.Clone(w.processes) {
		w.kill(p, true)
	}
	w.concernAll()
	w.start()
	return true
}

// failover: a new term begins while the former leader has not noticed.
func (w *world) failover() bool {
	old := w.leader()
	w.trace("EVENT another replica leads; %s has not noticed", old.name)
	old.steps, old.leaves = w.between(1, lingers), time.Now().Add(5*time.Second)
	w.concernAll()
	w.start()
	return true
}

// handOver: the leader gives up its term before the next one begins.
func (w *world) handOver() bool {
	w.trace("EVENT the operator is restarted")
	p := w.leader()
	p.stop()
	for range 200 {
		i := slices.IndexFunc(w.routines, func(r *routine) bool { return r.process == p && r.at != nil })
		if i < 0 || w.failed != nil {
			break
		}
		w.goOn(w.routines[i])
	}
	w.kill(p, true)
	w.concernAll()
	w.start()
	return true
}

func (w *world) wait() bool {
	d := pickOne(w, time.Minute, 10*time.Minute, 65*time.Minute)
	w.trace("EVENT %s pass", d)
	w.workUntil(time.Now().Add(d))
	return true
}
