// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
)

// Groups of figures of `make bench-engine`.
const (
	engineRates   = "rates"
	engineBurst   = "burst"
	engineLarge   = "large"
	engineMemory  = "memory"
	engineHostile = "hostile"
	engineResync  = "resync"
)

var engineGroups = []string{engineRates, engineBurst, engineLarge, engineMemory, engineHostile, engineResync}

// engineOptions are the sizes of a run of `make bench-engine`.
type engineOptions struct {
	options
	// joiners are the new users of the rates and of the burst, half of them with an app that hangs. users are those of the restart and of the joiners before a leaver.
	joiners, users int
	// json is the file that takes the results, none if empty.
	json string
}

// The app of the rates: each answer takes latency, and perSecond calls are allowed.
const (
	latency   = 20 * time.Millisecond
	perSecond = 50
)

// engineCommand is `make bench-engine`.
func engineCommand(ctx context.Context, args []string, out io.Writer) (err error) {
	o := engineOptions{options: options{workers: 16, scale: 1}}
	flags := flag.NewFlagSet("bench engine", flag.ContinueOnError)
	flags.BoolVar(&o.quick, "quick", false, "few users: to see that it works, not to measure")
	flags.IntVar(&o.joiners, "joiners", 5000, "new users of the rates and of the burst")
	flags.IntVar(&o.users, "users", 20_000, "users of the restart, and joiners before a leaver")
	flags.StringVar(&o.json, "json", "", "file that takes the results as JSON")
	only := flags.String("only", "", "what to measure, separated by commas: "+strings.Join(engineGroups, ", ")+"; all when empty")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if o.quick {
		o.scale, o.joiners, o.users = 0.01, 60, 100
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	results, err := runEngine(ctx, out, o)
	report(out, o.options, results)
	if o.json != "" {
		err = errors.Join(err, writeJSON(o.json, results))
	}
	return err
}

func writeJSON(file string, results []result) error {
	type row struct {
		Figure   string `json:"figure"`
		Value    string `json:"value"`
		Wanted   string `json:"wanted,omitempty"`
		Met      *bool  `json:"met,omitempty"`
		Absolute string `json:"absolute,omitempty"`
	}
	rows := make([]row, len(results))
	for i, r := range results {
		rows[i] = row{r.figure, r.value, r.wanted, r.met, r.absolute}
	}
	data, err := json.MarshalIndent(rows, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o600)
}

// runEngine measures what is asked for. One group that fails does not keep the others from being measured.
func runEngine(ctx context.Context, out io.Writer, o engineOptions) (results []result, err error) {
	w, err := newWorld(ctx, out)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	var failed []error
	for _, group := range []struct {
		name    string
		measure func(context.Context, *world, engineOptions) ([]result, error)
	}{
		{engineRates, measureEngineRates},
		{engineBurst, measureBurst},
		{engineLarge, measureEngineLarge},
		{engineMemory, measureEngineMemory},
		{engineHostile, measureHostile},
		{engineResync, measureResync},
	} {
		if !o.wants(group.name) || ctx.Err() != nil {
			continue
		}
		w.say("-- %s", group.name)
		some, err := group.measure(ctx, w, o)
		for _, r := range some {
			w.say("%s: %s %s %s; %s", r.figure, r.value, r.wanted, r.verdict(), r.absolute)
		}
		results = append(results, some...)
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", group.name, err))
			w.say("%s failed: %v", group.name, err)
		}
	}
	return results, errors.Join(failed...)
}

// stage is a directory with its apps, served by an operator of its own.
type stage struct {
	w         *world
	namespace string
	apps      map[string]*fakeapp.App
	operator  *endpoint
	scim      *scim
}

// newStage makes a directory. Its operator is started by run.
func (w *world) newStage(ctx context.Context, namespace string) (*stage, error) {
	s := &stage{w: w, namespace: namespace, apps: map[string]*fakeapp.App{}}
	return s, w.directory(ctx, namespace)
}

// app starts an app that answers after a delay, and its ScimApp, which may call it so often a minute.
func (s *stage) app(ctx context.Context, name string, delay time.Duration, perMinute int32) (*fakeapp.App, error) {
	app, err := fakeapp.New(fakeapp.Options{Flavour: fakeapp.Generic, Token: "app-token-0123456789"})
	if err != nil {
		return nil, err
	}
	s.apps[name] = app
	if delay > 0 {
		app.Inject(fakeapp.Fault{Latency: delay})
	}
	return app, s.w.create(ctx,
		secret(s.namespace, name, map[string]string{"token": app.Token(), "ca.crt": string(app.CA())}),
		&v1alpha1.ScimApp{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Spec: v1alpha1.ScimAppSpec{
			Profile: "generic",
			SCIM: v1alpha1.SCIMConnection{
				BaseURL: app.URL(), Token: v1alpha1.SecretKeyRef{Name: name}, CA: &v1alpha1.SecretKeyRef{Name: name, Key: "ca.crt"},
			},
			Features: []v1alpha1.Feature{v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation},
			Limits:   &v1alpha1.AppLimits{RequestsPerMinute: perMinute, Burst: 1, Concurrency: 16},
		}},
	)
}

// mapping gives an app to the users for whom the expression holds.
func (s *stage) mapping(ctx context.Context, name, app, expression string) error {
	return s.w.create(ctx, &v1alpha1.ScimRoleMapping{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
		Spec:       v1alpha1.ScimRoleMappingSpec{App: app, Subjects: v1alpha1.Subjects{Expression: expression}},
	})
}

// run starts the operator, and waits until it serves.
func (s *stage) run(ctx context.Context, o engineOptions) (err error) {
	if s.operator, err = s.w.startEndpoint(ctx, true, s.namespace); err != nil {
		return err
	}
	s.scim = newSCIM(s.operator.base(s.namespace), token, s.w.roots, o.workers)
	return nil
}

// close ends operator and apps.
func (s *stage) close() error {
	for _, app := range s.apps {
		app.Close()
	}
	if s.operator == nil {
		return nil
	}
	return s.operator.stop()
}

// push has the identity provider create users, and returns their SCIM ids.
func (s *stage) push(ctx context.Context, o engineOptions, persons []person) ([]string, error) {
	ids := make([]string, len(persons))
	return ids, concurrently(ctx, len(persons), o.workers, func(ctx context.Context, i int) error {
		posted, err := s.scim.post(ctx, persons[i].userName, persons[i].body())
		ids[i] = posted.ID
		return err
	})
}

// deactivate has the identity provider deactivate a user.
func (s *stage) deactivate(ctx context.Context, id string) error {
	body := `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[{"op":"replace","value":{"active":false}}]}`
	_, err := s.scim.do(ctx, "PATCH", "/Users/"+id, []byte(body), 200)
	return err
}

// synced waits until all accounts of an app are recorded: so many are active and nothing is pending.
func (s *stage) synced(ctx context.Context, app string, accounts int) error {
	return s.await(ctx, fmt.Sprintf("%d accounts in app %s", accounts, app), func() (bool, error) {
		found := &v1alpha1.ScimApp{}
		err := s.w.admin.Get(ctx, types.NamespacedName{Namespace: s.namespace, Name: app}, found)
		return int(found.Status.Accounts) == accounts && found.Status.Pending == 0, err
	})
}

// await waits for a condition, for an hour at most.
func (s *stage) await(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Hour, fmt.Errorf("no %s within an hour", what))
	defer cancel()
	for {
		ok, err := done()
		if ok || err != nil {
			return err
		}
		select {
		case <-s.operator.exited:
			return fmt.Errorf("the operator ended: %w\n%s", s.operator.err, s.operator.tail())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// active reports whether an app has an active account of a user.
func active(app *fakeapp.App, userName string) bool {
	user, there := app.User(userName)
	return there && user.Active
}

// aboutUsers are the calls of an app but for the tests of the credentials, which read a page.
func aboutUsers(app *fakeapp.App) []fakeapp.Call {
	return slices.DeleteFunc(app.Calls(), func(c fakeapp.Call) bool { return c.Op == fakeapp.UsersList })
}
