// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/internal/kube"
)

// The directories of the comparison with controllers on: each user gets an account in one app.
const (
	wholeNamespace     = "bench-whole"
	bareWholeNamespace = "bench-twice"
	appName            = "app"
)

// whole compares users that are pushed and provisioned with a create and the same status writes.
type whole struct {
	w    *world
	o    options
	scim *scim
	bare *bare
	// statuses are the merge patches that the controllers write to one user, in order.
	statuses [][]byte
	// acked are the rates at which POSTs were answered, that of the warm-up first.
	acked []measured
}

// measureWhole starts an operator with its controllers, an app for it, and compares.
func measureWhole(ctx context.Context, w *world, loader *bare, o options) (results []result, err error) {
	app, err := fakeapp.New(fakeapp.Options{Flavour: fakeapp.Generic, Token: "app-token-0123456789"})
	if err != nil {
		return nil, err
	}
	defer app.Close()
	if err := w.provisioning(ctx, app); err != nil {
		return nil, err
	}
	e, err := w.startEndpoint(ctx, true, wholeNamespace)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.stop()) }()
	p := &whole{w: w, o: o, scim: newSCIM(e.base(wholeNamespace), token, w.roots, o.workers), bare: loader.in(bareWholeNamespace)}
	if err := p.record(ctx); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, e.tail())
	}
	c := comparison{
		figure: "POST until provisioned", least: 0.85, ops: o.ops(500), workers: o.workers, turns: 1,
		baseline: side{"bare", p.bareWrites, w.processes(e)}, ours: side{"operator", p.posts, w.processes(e)},
	}
	r, err := w.compare(ctx, c)
	if err != nil {
		return nil, err
	}
	// What the controllers leave for later does not slow the identity provider: the rate of the answers is another figure than that of all work together.
	answers := c.result(r.baseline, p.acked[1:])
	answers.figure, answers.cpu = "POST answered, controllers on", ""
	r.absolute += fmt.Sprintf("; a create and %d status writes each", len(p.statuses))
	return []result{r, answers}, nil
}

// provisioning makes an app, and a role mapping that gives it to everybody.
func (w *world) provisioning(ctx context.Context, app *fakeapp.App) error {
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: wholeNamespace, Name: name} }
	return w.create(ctx,
		secret(wholeNamespace, "app-credentials", map[string]string{"token": app.Token(), "ca.crt": string(app.CA())}),
		&v1alpha1.ScimApp{ObjectMeta: meta(appName), Spec: v1alpha1.ScimAppSpec{
			Profile: "generic",
			SCIM: v1alpha1.SCIMConnection{
				BaseURL: app.URL(), Token: v1alpha1.SecretKeyRef{Name: "app-credentials"},
				CA: &v1alpha1.SecretKeyRef{Name: "app-credentials", Key: "ca.crt"},
			},
			Features: []v1alpha1.Feature{v1alpha1.FeaturePushNewUsers, v1alpha1.FeaturePushProfileUpdates, v1alpha1.FeaturePushUserDeactivation},
			Limits:   &v1alpha1.AppLimits{RequestsPerMinute: 60000, Burst: 1000, Concurrency: 16},
		}},
		&v1alpha1.ScimRoleMapping{ObjectMeta: meta("everybody"), Spec: v1alpha1.ScimRoleMappingSpec{
			App: appName, Subjects: v1alpha1.Subjects{Expression: "true"}, Roles: []string{"member"},
		}},
	)
}

// record pushes one user and takes down what the controllers write to its status.
func (p *whole) record(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	states, err := p.follow(ctx)
	if err != nil {
		return err
	}
	someone := newPerson()
	posted, err := p.scim.post(ctx, someone.userName, someone.body())
	if err != nil {
		return err
	}
	name := nameOf(posted.ID)
	var versions []*v1alpha1.ScimUser
	for raw := range states {
		u := &v1alpha1.ScimUser{}
		if err := json.Unmarshal(raw, u); err != nil {
			return err
		}
		if u.Name != name {
			continue
		}
		versions = append(versions, u)
		if provisioned(raw) {
			return p.patches(versions)
		}
	}
	return fmt.Errorf("a user did not get its account: %w", ctx.Err())
}

// patches are the differences of the versions of a user, as kube.PatchStatus makes them.
func (p *whole) patches(versions []*v1alpha1.ScimUser) error {
	for i, after := range versions[1:] {
		data, err := client.MergeFrom(versions[i]).Data(&v1alpha1.ScimUser{
			TypeMeta: versions[i].TypeMeta, ObjectMeta: versions[i].ObjectMeta, Spec: versions[i].Spec, Status: after.Status,
		})
		if err != nil {
			return err
		}
		p.statuses = append(p.statuses, data)
	}
	return nil
}

// provisioned is whether the user, as the API server sends it, has its account and nothing more is planned.
func provisioned(raw []byte) bool {
	return bytes.Contains(raw, []byte(`"state":"Active"`)) && !bytes.Contains(raw, []byte(`"planned":`))
}

// follow watches the users of the operator. Their states come as the API server sends them.
func (p *whole) follow(ctx context.Context) (<-chan []byte, error) {
	var now v1alpha1.ScimUserList
	users := func(o metav1.ListOptions) *rest.Request {
		return p.bare.rest.Get().Namespace(wholeNamespace).Resource("scimusers").VersionedParams(&o, metav1.ParameterCodec)
	}
	if err := users(metav1.ListOptions{Limit: 1}).Do(ctx).Into(&now); err != nil {
		return nil, err
	}
	stream, err := users(metav1.ListOptions{Watch: true, ResourceVersion: now.ResourceVersion}).Stream(ctx)
	if err != nil {
		return nil, err
	}
	states := make(chan []byte, 1000)
	go func() {
		defer close(states)
		defer stream.Close()
		lines := bufio.NewScanner(stream)
		for lines.Buffer(nil, 1<<20); lines.Scan(); {
			begin := []byte(`"object":`)
			if i := bytes.Index(lines.Bytes(), begin); i >= 0 {
				object := bytes.Clone(lines.Bytes()[i+len(begin):])
				states <- bytes.TrimSuffix(object, []byte("}"))
			}
		}
	}()
	return states, nil
}

// posts pushes users. The last of the operations do not end before all users of the round have their accounts.
func (p *whole) posts(n int) (operation, error) {
	ctx, cancel := context.WithCancel(context.Background())
	states, err := p.follow(ctx)
	if err != nil {
		cancel()
		return nil, err
	}
	persons, bodies := bodies(n)
	settled := make(chan struct{})
	mine := map[string]bool{}
	for _, someone := range persons {
		mine[someone.userName] = true
	}
	go func() {
		defer cancel()
		for raw := range states {
			if provisioned(raw) {
				delete(mine, userNameIn(raw))
			}
			if len(mine) == 0 {
				close(settled)
				return
			}
		}
	}()
	began := sync.OnceValue(time.Now)
	var left sync.WaitGroup
	left.Add(n)
	answered := sync.OnceFunc(func() {
		left.Wait()
		p.acked = append(p.acked, measured{rate: float64(n) / time.Since(began()).Seconds()})
	})
	return func(ctx context.Context, i int) error {
		began()
		_, err := p.scim.post(ctx, persons[i].userName, bodies[i])
		left.Done()
		if err != nil || i < n-1 {
			return err
		}
		answered()
		select {
		case <-settled:
			return nil
		case <-time.After(5 * time.Minute):
			return errors.New("not all users got their accounts")
		}
	}, nil
}

// userNameIn is the userName of a user as the API server sends it.
func userNameIn(raw []byte) string {
	_, rest, _ := bytes.Cut(raw, []byte(`"userName":"`))
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return string(name)
}

// bareWrites creates users and writes their statuses.
func (p *whole) bareWrites(n int) (operation, error) {
	objects := make([]*v1alpha1.ScimUser, n)
	for i, someone := range newPersons(n) {
		objects[i] = p.bare.object(someone)
	}
	return func(ctx context.Context, i int) error {
		u, err := p.bare.create(ctx, objects[i])
		for _, patch := range p.statuses {
			if err != nil {
				return err
			}
			u, err = p.bare.patchStatus(ctx, u, patch)
		}
		return err
	}, nil
}

// patchStatus writes a status as the controllers do, bound to the version that was read.
func (b *bare) patchStatus(ctx context.Context, u *v1alpha1.ScimUser, patch []byte) (*v1alpha1.ScimUser, error) {
	bound := slices.Concat(fmt.Appendf(nil, `{"metadata":{"resourceVersion":%q},`, u.ResourceVersion), bytes.TrimPrefix(patch, []byte("{")))
	patched := &v1alpha1.ScimUser{}
	err := b.rest.Patch(types.MergePatchType).Namespace(b.namespace).Resource("scimusers").Name(u.Name).SubResource("status").
		VersionedParams(&metav1.PatchOptions{FieldManager: kube.FieldOwner}, metav1.ParameterCodec).Body(bound).Do(ctx).Into(patched)
	if err != nil {
		return nil, err
	}
	return patched, check(patched, u.Spec.UserName)
}
