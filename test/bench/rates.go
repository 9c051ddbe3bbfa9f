// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"k8s.io/apimachinery/pkg/types"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// The directories of the comparisons: the endpoint serves and watches the first, the bare client writes to the second. Their names are of one length, as all
// that is stored is.
const (
	scimNamespace = "bench-scim"
	bareNamespace = "bench-bare"
)

// rates are the comparisons with the bare client.
type rates struct {
	w         *world
	scim      *scim
	bare      *bare
	processes processes
	o         options
}

// newRates needs an endpoint that serves scimNamespace.
func newRates(ctx context.Context, w *world, e *endpoint, o options) (*rates, error) {
	r := &rates{w: w, scim: newSCIM(e.base(scimNamespace), token, w.roots, o.workers), processes: w.processes(e), o: o}
	sample, err := w.sample(ctx, r.scim, scimNamespace)
	if err != nil {
		return nil, err
	}
	if r.bare, err = newBare(w.config, bareNamespace, sample, o.workers); err != nil {
		return nil, err
	}
	created, err := r.bare.create(ctx, r.bare.object(newPerson()))
	if err != nil {
		return nil, err
	}
	ours, err := r.bare.raw(ctx, scimNamespace, sample.Name)
	if err != nil {
		return nil, err
	}
	theirs, err := r.bare.raw(ctx, bareNamespace, created.Name)
	if err != nil {
		return nil, err
	}
	return r, sameBytes(ours, theirs)
}

// sample is a user as the endpoint has stored it.
func (w *world) sample(ctx context.Context, provider *scim, namespace string) (*v1alpha1.ScimUser, error) {
	p := newPerson()
	posted, err := provider.post(ctx, p.userName, p.body())
	if err != nil {
		return nil, err
	}
	sample := &v1alpha1.ScimUser{}
	return sample, w.admin.Get(ctx, types.NamespacedName{Namespace: namespace, Name: nameOf(posted.ID)}, sample)
}

// all compares with everything on all cores.
func (r *rates) all(ctx context.Context) ([]result, error) { return r.compare(ctx, ", cores shared") }

// apart compares with API server and etcd on one half of the cores, clients and endpoint on the other: in a cluster, they are on other machines.
func (r *rates) apart(ctx context.Context) (results []result, err error) {
	together, err := r.processes.part("kube-apiserver", "etcd")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, together()) }()
	return r.compare(ctx, ", API server apart")
}

// turns of a round: what makes the machine slow for a second, and the API server's collections of garbage, meet both sides.
const turns = 40

// compare adds where to the names of the figures.
func (r *rates) compare(ctx context.Context, where string) ([]result, error) {
	var results []result
	for _, c := range []comparison{
		{figure: "POST", least: 0.85, ops: r.o.ops(4000), workers: r.o.workers, turns: turns,
			baseline: side{"bare", r.bareCreates, r.processes}, ours: side{"endpoint", r.posts, r.processes}},
		{figure: "Okta's cycle", least: 0.80, ops: r.o.ops(4000), workers: r.o.workers, turns: turns,
			baseline: side{"bare", r.bareCycles, r.processes}, ours: side{"endpoint", r.cycles, r.processes}},
		{figure: "GET by id", least: 0.85, ops: r.o.ops(16000), workers: r.o.workers, turns: turns,
			baseline: side{"bare", r.bareGets, r.processes}, ours: side{"endpoint", r.gets, r.processes}},
	} {
		c.figure += where
		c.clear = r.clear
		result, err := r.w.compare(ctx, c)
		if err != nil {
			return results, err
		}
		results = append(results, result)
	}
	return results, nil
}

// clear empties both directories: an API server that holds more users spends longer at a time on collecting garbage, which hits one side or the other.
func (r *rates) clear(ctx context.Context) error {
	if err := errors.Join(r.w.clear(ctx, scimNamespace), r.w.clear(ctx, bareNamespace)); err != nil {
		return err
	}
	return r.scim.awaitCount(ctx, 0)
}

type operation = func(ctx context.Context, i int) error

func (r *rates) bareCreates(n int) (operation, error) {
	objects := r.objects(n)
	return func(ctx context.Context, i int) error {
		_, err := r.bare.create(ctx, objects[i])
		return err
	}, nil
}

func (r *rates) posts(n int) (operation, error) {
	persons, bodies := bodies(n)
	return func(ctx context.Context, i int) error {
		_, err := r.scim.post(ctx, persons[i].userName, bodies[i])
		return err
	}, nil
}

// bareCycles gets what is not there, and creates it.
func (r *rates) bareCycles(n int) (operation, error) {
	objects := r.objects(n)
	return func(ctx context.Context, i int) error {
		if err := r.bare.absent(ctx, objects[i].Name); err != nil {
			return err
		}
		_, err := r.bare.create(ctx, objects[i])
		return err
	}, nil
}

func (r *rates) cycles(n int) (operation, error) {
	persons, bodies := bodies(n)
	return func(ctx context.Context, i int) error {
		if err := r.scim.lookup(ctx, persons[i].userName, 0); err != nil {
			return err
		}
		_, err := r.scim.post(ctx, persons[i].userName, bodies[i])
		return err
	}, nil
}

func (r *rates) objects(n int) []*v1alpha1.ScimUser {
	objects := make([]*v1alpha1.ScimUser, n)
	for i, p := range newPersons(n) {
		objects[i] = r.bare.object(p)
	}
	return objects
}

func bodies(n int) ([]person, [][]byte) {
	persons, bodies := newPersons(n), make([][]byte, n)
	for i, p := range persons {
		bodies[i] = p.body()
	}
	return persons, bodies
}

// read is how many users the GETs go round.
const read = 500

func (r *rates) bareGets(int) (operation, error) {
	objects := r.objects(read)
	err := concurrently(context.Background(), read, r.o.workers, func(ctx context.Context, i int) error {
		_, err := r.bare.create(ctx, objects[i])
		return err
	})
	return func(ctx context.Context, i int) error {
		u := objects[i%read]
		return r.bare.get(ctx, u.Name, u.Spec.UserName)
	}, err
}

func (r *rates) gets(int) (operation, error) {
	persons, bodies := bodies(read)
	ids := make([]string, read)
	err := concurrently(context.Background(), read, r.o.workers, func(ctx context.Context, i int) error {
		posted, err := r.scim.post(ctx, persons[i].userName, bodies[i])
		ids[i] = posted.ID
		return err
	})
	return func(ctx context.Context, i int) error {
		i %= read
		return r.scim.get(ctx, ids[i], persons[i].userName)
	}, err
}
