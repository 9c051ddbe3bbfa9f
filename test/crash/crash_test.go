// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"os"
	"strconv"
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

const (
	// crm and wiki are apps: whoever is in Sales has crm, whoever is in Staff has wiki.
	crm  = "crm"
	wiki = "wiki"
	// defaultUsers are pushed in the first round.
	defaultUsers = 200
	// moreUsers are pushed in each further round, of which there are at most maxRounds: until every kill point was hit.
	moreUsers = 60
	maxRounds = teams / teamsPerRound
	// settling is how long the operator has in the end to bring everything to what it should be, and to answer a request.
	settling = 2 * time.Minute
	// arriving is how long a change may take to an app while the operator is killed every few seconds. What a killed process may have created
	// in an app is not created again before the app's settle time (10 s) has passed in peace.
	arriving = 5 * time.Minute
)

// The operator is killed at every boundary of its work while an identity provider pushes, changes and takes back users. In the end nothing is
// lost, doubled or orphaned.
func TestNothingIsLostDoubledOrOrphanedByACrash(t *testing.T) {
	seed := seedOf(t)
	d := harness.NewDirectory(t)
	apps := map[string]*fakeapp.App{}
	for name, group := range map[string]string{crm: sales, wiki: staff} {
		apps[name] = d.App(t, name, fakeapp.Generic, func(app *v1alpha1.ScimApp) { unguarded(app) })
		d.Mapping(t, name, name, v1alpha1.Subjects{Groups: []string{group}})
	}
	s, end := supervise(t, d, seed)
	for name, app := range apps {
		app.OnCall(func(call fakeapp.Call, at fakeapp.Phase) {
			s.schedule.app(name, app, call, map[fakeapp.Phase]phase{fakeapp.BeforeCommit: before, fakeapp.AfterCommit: after}[at])
		})
	}
	began := time.Now()
	m := newModel()
	o := &okta{scim: s.site.SCIM, patience: settling}
	boss := &idp{okta: o, model: m, apps: apps}
	for _, name := range []string{sales, staff} {
		if err := boss.newGroup(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	for round, users := 0, usersOf(t); round < maxRounds; round, users = round+1, moreUsers {
		if err := pushAll(t.Context(), o, m, apps, round, users); err != nil {
			t.Fatalf("round %d: %v\n%s", round, err, s.schedule.table())
		}
		if len(s.schedule.missing()) == 0 {
			break
		}
	}
	s.schedule.disarm()
	t.Logf("pushed %d users in %s; %v", len(m.people)+len(m.deleted), time.Since(began).Round(time.Second), s)
	t.Logf("seed %d\n%s", seed, s.schedule.table())
	r := awaitOrder(t, s, m, apps)
	for _, point := range s.schedule.missing() {
		r.problem("never killed %s", point)
	}
	for _, point := range s.schedule.idle {
		r.problem("nothing was killed %s: no process ran", point)
	}
	// Its end comes first: what the operator logs then shall not hide what is wrong.
	end()
	t.Logf("all in %s: %s", time.Since(began).Round(time.Second), r.summary)
	for _, problem := range r.problems {
		t.Error(problem)
	}
}

// unguarded lets every change through, and pushes groups.
func unguarded(app *v1alpha1.ScimApp) {
	app.Spec.Guard = &v1alpha1.Guard{Minimum: ptr.To[int32](100000)}
	if app.Name != crm {
		return
	}
	app.Spec.Features = append(app.Spec.Features, v1alpha1.FeaturePushGroups)
	app.Spec.Groups = []v1alpha1.PushedGroup{{DisplayName: sales}}
	for n := range teams {
		app.Spec.Groups = append(app.Spec.Groups, v1alpha1.PushedGroup{DisplayName: teamName(n)})
	}
}

func seedOf(t *testing.T) uint64 {
	t.Helper()
	if text := os.Getenv("SCIM_CRASH_SEED"); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatalf("SCIM_CRASH_SEED: %v", err)
		}
		return seed
	}
	var b [4]byte
	_, _ = rand.Read(b[:]) // it never fails
	seed := uint64(binary.BigEndian.Uint32(b[:]))
	t.Logf("SCIM_CRASH_SEED=%d repeats the kill points", seed)
	return seed
}

func usersOf(t *testing.T) int {
	t.Helper()
	text := os.Getenv("SCIM_CRASH_USERS")
	if text == "" {
		return defaultUsers
	}
	users, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("SCIM_CRASH_USERS: %v", err)
	}
	return users
}

// awaitOrder waits until everything is as it should be, and stays so while the operator neither writes nor calls an app.
func awaitOrder(t *testing.T, s *supervisor, m *model, apps map[string]*fakeapp.App) *report {
	t.Helper()
	const quiet = 3 * time.Second
	for deadline := time.Now().Add(settling); ; time.Sleep(200 * time.Millisecond) {
		late := time.Now().After(deadline)
		if !late && time.Since(lastAct(s, apps)) < quiet {
			continue
		}
		if err := errors.Join(approveHeld(t.Context(), s.proxy.directory), confirmReused(t.Context(), s.proxy.directory)); err != nil {
			t.Fatal(err)
		}
		r, err := check(t.Context(), s.proxy.directory, m, apps)
		if err != nil {
			t.Fatal(err)
		}
		if late && len(r.problems) == 0 {
			r.problem("all is as it should be, but the operator goes on writing or calling apps")
		}
		if late || len(r.problems) == 0 {
			return r
		}
	}
}

// approveHeld approves what the guard holds: all accounts of an app that has few at once are held whatever the threshold.
func approveHeld(ctx context.Context, d *harness.Directory) error {
	var list v1alpha1.ScimAppList
	if err := d.Admin.List(ctx, &list, client.InNamespace(d.Namespace)); err != nil {
		return err
	}
	for i := range list.Items {
		app := &list.Items[i]
		if len(app.Status.Batches) == 0 || app.Annotations[v1alpha1.AnnotationApproveBatch] == app.Status.Batches[0].Digest {
			continue
		}
		before := app.DeepCopy()
		metav1.SetMetaDataAnnotation(&app.ObjectMeta, v1alpha1.AnnotationApproveBatch, app.Status.Batches[0].Digest)
		if err := d.Admin.Patch(ctx, app, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	return nil
}

// confirmReused confirms, with the value that the account's message gives, that the inactive account of a user who was deleted is that of the user who was pushed again under its
// name: externalId tells them apart, so a person has to.
func confirmReused(ctx context.Context, d *harness.Directory) error {
	var list v1alpha1.ScimUserList
	if err := d.Admin.List(ctx, &list, client.InNamespace(d.Namespace)); err != nil {
		return err
	}
	for i := range list.Items {
		user := &list.Items[i]
		var values []string
		for _, account := range user.Status.Accounts {
			_, command, asked := strings.Cut(account.Message, v1alpha1.AnnotationConfirmAccount+"=")
			if value, _, _ := strings.Cut(command, "'"); asked && account.Reason == v1alpha1.ReasonAdoptionUnconfirmed {
				values = append(values, value)
			}
		}
		confirmed := strings.Join(values, ",")
		if confirmed == "" || user.Annotations[v1alpha1.AnnotationConfirmAccount] == confirmed {
			continue
		}
		before := user.DeepCopy()
		metav1.SetMetaDataAnnotation(&user.ObjectMeta, v1alpha1.AnnotationConfirmAccount, confirmed)
		if err := d.Admin.Patch(ctx, user, client.MergeFrom(before)); err != nil {
			return err
		}
	}
	return nil
}

// lastAct is when the operator last wrote or called an app.
func lastAct(s *supervisor, apps map[string]*fakeapp.App) time.Time {
	last := s.proxy.quietSince()
	for _, app := range apps {
		if calls := app.Calls(); len(calls) > 0 && calls[len(calls)-1].At.After(last) {
			last = calls[len(calls)-1].At
		}
	}
	return last
}
