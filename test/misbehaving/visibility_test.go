// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package misbehaving

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	eventsv1 "k8s.io/api/events/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/test/harness"
)

// rejectsTheToken is what an app answers when its token has expired.
func rejectsTheToken(x *exchange, _ func()) { x.refuse(http.StatusUnauthorized, "", "token expired") }

// isDown is what a proxy answers when the app behind it is down.
func isDown(x *exchange, _ func()) {
	x.reply(http.StatusServiceUnavailable, htmlType, "<html>down</html>")
}

// gauge is the value of a metric of the app, -1 if there is none.
func gauge(t *testing.T, op *harness.Operator, name string, labels prometheus.Labels) float64 {
	t.Helper()
	families, err := op.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	metrics:
		for _, metric := range family.GetMetric() {
			has := map[string]string{}
			for _, label := range metric.GetLabel() {
				has[label.GetName()] = label.GetValue()
			}
			for label, value := range labels {
				if has[label] != value {
					continue metrics
				}
			}
			return metric.GetGauge().GetValue()
		}
	}
	return -1
}

// awaitPending waits until the app shows so many pending revocations, in its gauges and its status, and returns since when the oldest is.
func awaitPending(t *testing.T, d *harness.Directory, op *harness.Operator, want int) time.Time {
	t.Helper()
	var since time.Time
	harness.Eventually(t, fmt.Sprintf("%d revocations are pending", want), func() error {
		app := &v1alpha1.ScimApp{}
		if err := d.Admin.Get(t.Context(), d.Key(appName), app); err != nil {
			return err
		}
		labels := prometheus.Labels{"namespace": d.Namespace, "app": appName}
		count, age := gauge(t, op, "scim_app_pending_revocations", labels), gauge(t, op, "scim_oldest_pending_revocation_seconds", labels)
		oldest := app.Status.OldestPendingRevocation
		if int(count) != want || (age > 0) != (want > 0) || (oldest != nil) != (want > 0) {
			return fmt.Errorf("%v pending for %v s, status says since %v", count, age, oldest)
		}
		since = time.Time{}
		if oldest != nil {
			since = oldest.Time
		}
		return nil
	})
	return since
}

// awaitWarning waits for a Warning event about an object, and returns its note.
func awaitWarning(t *testing.T, d *harness.Directory, name, reason string) string {
	t.Helper()
	note := ""
	harness.Eventually(t, "a warning "+reason+" about "+name, func() error {
		var list eventsv1.EventList
		if err := d.Admin.List(t.Context(), &list, client.InNamespace(d.Namespace)); err != nil {
			return err
		}
		var found []string
		for _, event := range list.Items {
			found = append(found, event.Regarding.Name+" "+event.Type+" "+event.Reason)
			if event.Regarding.Name == name && event.Type == "Warning" && event.Reason == reason {
				note = event.Note
				return nil
			}
		}
		return fmt.Errorf("there are %q", found)
	})
	if strings.Contains(note, "@") {
		t.Errorf("the event has a personal value: %s", note)
	}
	return note
}

// logged fails the test unless one line of the log has all words, and only one.
func logged(t *testing.T, op *harness.Operator, words ...string) {
	t.Helper()
	found := 0
	for line := range strings.Lines(op.Log(10_000)) {
		has := true
		for _, word := range words {
			has = has && strings.Contains(line, word)
		}
		if has {
			found++
		}
	}
	if found != 1 {
		t.Errorf("%d lines of the log have %q, want 1", found, words)
	}
}

// objectName is the name of the ScimUser with a SCIM id.
func objectName(id string) string {
	name, _, _ := v1alpha1.SplitSCIMID(id)
	return name
}

// retest has the credentials of the app tested at once.
func retest(t *testing.T, d *harness.Directory) {
	t.Helper()
	harness.Change(t, d, appName, &v1alpha1.ScimApp{}, func(a *v1alpha1.ScimApp) {
		a.Annotations = map[string]string{v1alpha1.AnnotationReconcile: time.Now().String()}
	})
}

// TestLeaverBehindARejectedTokenIsSeen: user, events, log, gauges, status and column of the app tell of the revocation that waits, also after a restart.
func TestLeaverBehindARejectedTokenIsSeen(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	id := op.CreateUser(t, "leaver@corp.test")
	d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	awaitPending(t, d, op, 0)
	a.misbehave(rejectsTheToken)
	deactivate(t, op, id)

	account := awaitReason(t, d, id, v1alpha1.ReasonCredentialsRejected)
	mentions(t, account.Message, "token", "ScimApp")
	since := awaitPending(t, d, op, 1)
	if account.PendingRevocationTime == nil || !account.PendingRevocationTime.Time.Equal(since) || account.Planned != v1alpha1.ActionDeactivate {
		t.Errorf("the account says %+v, the app since %s", account, since)
	}
	user, err := d.GetUser(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	ready := meta.FindStatusCondition(user.Status.Conditions, v1alpha1.ConditionReady)
	if ready.Reason != v1alpha1.ReasonCredentialsRejected || meta.IsStatusConditionTrue(user.Status.Conditions, v1alpha1.ConditionStalled) {
		t.Errorf("the user's conditions are %+v", user.Status.Conditions)
	}
	mentions(t, awaitWarning(t, d, objectName(id), v1alpha1.ReasonCredentialsRejected), appName, "token")
	mentions(t, awaitWarning(t, d, appName, v1alpha1.ReasonCredentialsRejected), "Secret")
	logged(t, op, "An account is out of sync", v1alpha1.ReasonCredentialsRejected, objectName(id))
	logged(t, op, "A condition reports a failure", v1alpha1.ReasonCredentialsRejected, appName)
	if strings.Contains(op.Log(10_000), "leaver@") {
		t.Error("the log has a personal value")
	}
	if got := column(t, d, "Revoking"); got == "" || got == "<none>" {
		t.Errorf("kubectl shows %q", got)
	}

	op.Stop()
	op = d.Run(t)
	if again := awaitPending(t, d, op, 1); !again.Equal(since) {
		t.Errorf("after a restart the revocation is pending since %s, before since %s", again, since)
	}
	a.misbehave(nil)
	retest(t, d)
	d.AwaitAccount(t, id, appName, v1alpha1.AccountInactive)
	awaitPending(t, d, op, 0)
	logged(t, op, "A condition is good", v1alpha1.ConditionReady, appName)
}

// column is what kubectl get scimapps shows of the app.
func column(t *testing.T, d *harness.Directory, name string) string {
	t.Helper()
	http, err := rest.HTTPClientFor(d.Env.Config)
	if err != nil {
		t.Fatal(err)
	}
	table := &metav1.Table{}
	if err := getTable(t.Context(), http, strings.TrimSuffix(d.Env.Config.Host, "/")+"/apis/"+v1alpha1.GroupVersion.String()+"/namespaces/"+d.Namespace+"/scimapps/"+appName, table); err != nil {
		t.Fatal(err)
	}
	for i, column := range table.ColumnDefinitions {
		if column.Name == name && column.Priority == 0 && len(table.Rows) == 1 {
			return fmt.Sprint(table.Rows[0].Cells[i])
		}
	}
	t.Fatalf("no column %s in %+v", name, table.ColumnDefinitions)
	return ""
}

func getTable(ctx context.Context, from *http.Client, url string, into *metav1.Table) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io")
	response, err := from.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return json.NewDecoder(response.Body).Decode(into)
}

// TestBrokenAppWritesOnTheAppAndNotOnTheUsers: of thirty accounts with a pending change, only that of the leaver says that the app is down.
func TestBrokenAppWritesOnTheAppAndNotOnTheUsers(t *testing.T) {
	t.Parallel()
	d, op, a := setUp(t, nil, nil)
	const users = 30
	ids := make([]string, users)
	for i := range ids {
		ids[i] = op.CreateUser(t, fmt.Sprintf("user-%d@corp.test", i))
	}
	for _, id := range ids {
		d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	}
	a.misbehave(isDown)
	for _, id := range ids {
		op.Want(t, http.StatusOK, http.MethodPatch, "/Users/"+id, harness.PatchBody(`{"op":"replace","value":{"title":"Engineer"}}`))
	}
	awaitCondition(t, d, v1alpha1.ConditionReachable, "False", "")
	for _, id := range ids {
		awaitAccount(t, d, id, "the change is planned", func(a v1alpha1.Account) bool { return a.Planned == v1alpha1.ActionUpdate })
	}
	op.API.Reset()

	deactivate(t, op, ids[0])
	account := awaitReason(t, d, ids[0], v1alpha1.ReasonServerError)
	mentions(t, account.Message, "ScimApp", "first")
	awaitPending(t, d, op, 1)
	awaitWarning(t, d, objectName(ids[0]), v1alpha1.ReasonServerError)
	if writes := op.API.Writes()["patch scimusers/status"]; writes > 3 {
		t.Errorf("%d writes of the statuses of users, want those of the leaver", writes)
	}

	a.misbehave(nil)
	d.AwaitAccount(t, ids[0], appName, v1alpha1.AccountInactive)
	awaitPending(t, d, op, 0)
	for _, id := range ids[1:] {
		d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	}
}

// TestHeldRevocationsAreSeen: users and app tell of them, and the time for which they are held counts.
func TestHeldRevocationsAreSeen(t *testing.T) {
	t.Parallel()
	d, op, _ := setUp(t, nil, nil)
	ids := []string{op.CreateUser(t, "one@corp.test"), op.CreateUser(t, "two@corp.test"), op.CreateUser(t, "three@corp.test")}
	for _, id := range ids {
		d.AwaitAccount(t, id, appName, v1alpha1.AccountActive)
	}
	d.Delete(t, &v1alpha1.ScimRoleMapping{ObjectMeta: d.Meta("everybody")})

	for _, id := range ids {
		mentions(t, awaitReason(t, d, id, v1alpha1.ReasonHeld).Message, "MassChangeHeld")
		mentions(t, awaitWarning(t, d, objectName(id), v1alpha1.ReasonHeld), appName, "batch")
	}
	mentions(t, awaitWarning(t, d, appName, v1alpha1.ReasonHeld), "Deactivate 3", "approve")
	awaitPending(t, d, op, 3)
	logged(t, op, "The mass-change guard holds revocations", appName)

	d.Mapping(t, "everybody", appName, v1alpha1.Subjects{Expression: "true"})
	awaitPending(t, d, op, 0)
}

// TestAccountThatCannotBeMadeIsToldOf by an event and a line in the log, without values of the user.
func TestAccountThatCannotBeMadeIsToldOf(t *testing.T) {
	t.Parallel()
	d, op, _ := setUp(t, func(app *v1alpha1.ScimApp) {
		app.Spec.Attributes = []v1alpha1.AttributeMapping{{Name: "userName", Expression: "user.nickName"}}
	}, nil)
	id := op.CreateUser(t, "nameless@corp.test")
	awaitReason(t, d, id, v1alpha1.ReasonMissingRequiredAttribute)
	mentions(t, awaitWarning(t, d, objectName(id), v1alpha1.ReasonMissingRequiredAttribute), "userName", appName)
	logged(t, op, "An account is out of sync", v1alpha1.ReasonMissingRequiredAttribute, objectName(id))
}

// TestIdleAppIsFoundOut: nobody changes anything, and still the app says that its server is down, and that its token has expired.
func TestIdleAppIsFoundOut(t *testing.T) {
	t.Parallel()
	d := harness.NewDirectory(t)
	a := start(t, d, nil, nil)
	d.RunWith(t, func(o *operator.Options) { o.CredentialTestInterval = time.Second })
	awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
	harness.Eventually(t, "the idle app is tested again", func() error {
		if a.count(nil) < 3 {
			return errNotYet
		}
		return nil
	})
	a.misbehave(isDown)
	awaitCondition(t, d, v1alpha1.ConditionReady, "False", v1alpha1.ReasonServerError)
	awaitWarning(t, d, appName, v1alpha1.ReasonServerError)
	a.misbehave(nil)
	awaitCondition(t, d, v1alpha1.ConditionReady, "True", "")
	a.misbehave(rejectsTheToken)
	awaitCondition(t, d, v1alpha1.ConditionReady, "False", v1alpha1.ReasonCredentialsRejected)
	awaitWarning(t, d, appName, v1alpha1.ReasonCredentialsRejected)
	if writes := a.count((*exchange).writes); writes > 0 {
		t.Errorf("%d writes to an app without users", writes)
	}
}
