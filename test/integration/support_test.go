// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package integration

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

// watched is how long a test watches that nothing happens: a revocation that is let through is made well within it, for the guard
// gathers for a third of a second.
const watched = 1500 * time.Millisecond

// pushUsers pushes users user-0@corp.test and so on.
func pushUsers(t *testing.T, op *harness.Operator, n int) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range ids {
		ids[i] = op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i))
	}
	return ids
}

func awaitAll(t *testing.T, d *harness.Directory, ids []string, app string, state v1alpha1.AccountState) {
	t.Helper()
	for _, id := range ids {
		d.AwaitAccount(t, id, app, state)
	}
}

// noWrites watches that an app gets no write call.
func noWrites(t *testing.T, fake *fakeapp.App, duration time.Duration) {
	t.Helper()
	holdsFor(t, duration, func() error {
		if fake.Writes() > 0 {
			return fmt.Errorf("the app was written to: %v", fake.Counts())
		}
		return nil
	})
}

// noCalls watches that an app gets no call at all.
func noCalls(t *testing.T, fake *fakeapp.App, duration time.Duration) {
	t.Helper()
	holdsFor(t, duration, func() error {
		if len(fake.Calls()) > 0 {
			return fmt.Errorf("the app was called: %v", fake.Counts())
		}
		return nil
	})
}

// awaitCondition waits until an object has a condition with a status and a reason, and gives back its message.
func awaitCondition(t *testing.T, d *harness.Directory, object v1alpha1.Conditioned, name, conditionType, status, reason string) string {
	t.Helper()
	var message string
	harness.Eventually(t, name+" has the condition "+conditionType+" "+status+" "+reason, func() error {
		if err := d.Admin.Get(t.Context(), d.Key(name), object.(client.Object)); err != nil {
			return err
		}
		for _, c := range *object.ConditionList() {
			if c.Type == conditionType && string(c.Status) == status && c.Reason == reason && c.ObservedGeneration == object.GetGeneration() {
				message = c.Message
				return nil
			}
		}
		return fmt.Errorf("conditions are %+v", *object.ConditionList())
	})
	return message
}

// awaitReason waits until a user's account entry in an app says why it is not as it should be, and gives back the entry.
func awaitReason(t *testing.T, d *harness.Directory, id, app, reason string) v1alpha1.Account {
	t.Helper()
	var entry v1alpha1.Account
	harness.Eventually(t, "the account in "+app+" says "+reason, func() error {
		user, err := d.GetUser(t.Context(), id)
		if err != nil {
			return err
		}
		account := user.Status.Account(app)
		if account == nil || account.Reason != reason {
			return fmt.Errorf("status is %+v", user.Status)
		}
		entry = *account
		return nil
	})
	return entry
}

// awaitGone waits until a user is deleted for good.
func awaitGone(t *testing.T, d *harness.Directory, id string) {
	t.Helper()
	harness.Eventually(t, "the ScimUser is gone", func() error {
		user, err := d.GetUser(t.Context(), id)
		if err == nil && user.SCIMID() == id {
			return fmt.Errorf("it is there: %+v", user.Status)
		}
		return client.IgnoreNotFound(err)
	})
}

// remoteIDs are the app's ids of the users' accounts.
func remoteIDs(t *testing.T, d *harness.Directory, ids []string, app string) []string {
	t.Helper()
	remote := make([]string, len(ids))
	for i, id := range ids {
		account := d.User(t, id).Status.Account(app)
		if account == nil || account.RemoteID == "" {
			t.Fatalf("user %d has no account in %s", i, app)
		}
		remote[i] = account.RemoteID
	}
	return remote
}

// getApp reads a ScimApp.
func getApp(t *testing.T, d *harness.Directory, name string) *v1alpha1.ScimApp {
	t.Helper()
	app := &v1alpha1.ScimApp{}
	if err := d.Admin.Get(t.Context(), d.Key(name), app); err != nil {
		t.Fatal(err)
	}
	return app
}

// annotate sets an annotation of a ScimApp, as kubectl annotate --overwrite does.
func annotate(t *testing.T, d *harness.Directory, app, annotation, value string) {
	t.Helper()
	harness.Change(t, d, app, &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) { setAnnotation(a, annotation, value) })
}

func setAnnotation(object client.Object, annotation, value string) {
	annotations := object.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[annotation] = value
	object.SetAnnotations(annotations)
}

// guardOf is a guard that lets n revocations an hour through.
func guardOf(n int32) func(*v1alpha1.ScimApp) {
	return func(app *v1alpha1.ScimApp) {
		app.Spec.Guard = &v1alpha1.Guard{Minimum: ptr.To(n), Percent: ptr.To(int32(0))}
	}
}

// without takes a feature from those that the harness switches on; with adds some.
func without(feature v1alpha1.Feature) func(*v1alpha1.ScimApp) {
	return func(app *v1alpha1.ScimApp) {
		app.Spec.Features = slices.DeleteFunc(app.Spec.Features, func(f v1alpha1.Feature) bool { return f == feature })
	}
}

// pushing has an app push groups, with further features.
func pushing(groups []string, features ...v1alpha1.Feature) func(*v1alpha1.ScimApp) {
	return func(app *v1alpha1.ScimApp) {
		app.Spec.Features = append(append(app.Spec.Features, v1alpha1.FeaturePushGroups), features...)
		for _, name := range groups {
			app.Spec.Groups = append(app.Spec.Groups, v1alpha1.PushedGroup{DisplayName: name})
		}
	}
}

// awaitActive waits until the app has an account of a name that is active or not.
func awaitActive(t *testing.T, fake *fakeapp.App, userName string, active bool) fakeapp.User {
	t.Helper()
	var user fakeapp.User
	harness.Eventually(t, fmt.Sprintf("the app's account is active: %t", active), func() error {
		var ok bool
		if user, ok = fake.User(userName); !ok || user.Active != active {
			return fmt.Errorf("the app has %+v", user)
		}
		return nil
	})
	return user
}

// groupBody is a group as Okta puts one.
func groupBody(displayName string, members ...string) string {
	return fmt.Sprintf(`{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":%q,"members":%s}`, displayName, harness.MemberList(members...))
}

// inGroups and named are subjects of a role mapping.
func inGroups(names ...string) v1alpha1.Subjects { return v1alpha1.Subjects{Groups: names} }

func named(userNames ...string) v1alpha1.Subjects { return v1alpha1.Subjects{Users: userNames} }

// mappingOf is a mapping to delete by name.
func mappingOf(d *harness.Directory, name string) *v1alpha1.ScimRoleMapping {
	return &v1alpha1.ScimRoleMapping{ObjectMeta: metav1.ObjectMeta{Namespace: d.Namespace, Name: name}}
}

// callsOf are the calls of an operation, in the order in which they came.
func callsOf(fake *fakeapp.App, op string) []fakeapp.Call {
	calls := slices.DeleteFunc(fake.Calls(), func(c fakeapp.Call) bool { return op != "" && c.Op != op })
	slices.SortFunc(calls, func(a, b fakeapp.Call) int { return cmp.Compare(a.Number, b.Number) })
	return calls
}

// withAttribute puts a further attribute into the JSON of a user.
func withAttribute(body, attribute string) string {
	return strings.Replace(body, `"locale"`, attribute+`,"locale"`, 1)
}

// bystander gives the app an account that the test leaves alone: to revoke all accounts of a small app at once would be held.
func bystander(t *testing.T, d *harness.Directory, op *harness.Operator, app string) {
	t.Helper()
	const name = "bystander@corp.test"
	d.Mapping(t, "bystander", app, named(name))
	d.AwaitAccount(t, op.CreateUser(t, name), app, v1alpha1.AccountActive)
}

// approveHeld approves the batch that an app holds, once there is one.
func approveHeld(t *testing.T, d *harness.Directory, app string) {
	t.Helper()
	digest := ""
	harness.Eventually(t, "a batch is held", func() error {
		batches := getApp(t, d, app).Status.Batches
		if len(batches) != 1 {
			return fmt.Errorf("the batches are %+v", batches)
		}
		digest = batches[0].Digest
		return nil
	})
	annotate(t, d, app, v1alpha1.AnnotationApproveBatch, digest)
}
