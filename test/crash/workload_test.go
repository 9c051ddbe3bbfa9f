// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/scim-operator/scim-operator/internal/connector/fakeapp"
	"github.com/scim-operator/scim-operator/test/harness"
)

const (
	// sales and staff decide who has which app.
	sales = "Sales"
	staff = "Staff"
	// teams are groups that are pushed to an app.
	teams = 12
	// teamsPerRound of the work.
	teamsPerRound = 3
	// batch is how many users a worker pushes before it goes on with them.
	batch = 10
	// workers push at once.
	workers = 5
)

// idp is an identity provider at work on a part of its users.
type idp struct {
	*okta
	model *model
	// apps are looked at to do the next thing only after the last one has arrived.
	apps map[string]*fakeapp.App
	// patient is whether to do so.
	patient bool
}

// teamName is the name with which a pushed group begins.
func teamName(n int) string { return fmt.Sprintf("Team %d", n) }

// await waits until an app is as it should be.
func (i *idp) await(ctx context.Context, what string, is func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, arriving)
	defer cancel()
	for !is() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %s", what, arriving)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// arrived waits, if the provider is patient, until a user's account is in every app and active or not.
func (i *idp) arrived(ctx context.Context, p *person, active bool) error {
	if !i.patient {
		return nil
	}
	for name, app := range i.apps {
		err := i.await(ctx, fmt.Sprintf("the account of %s in %s is active: %t", p.id, name, active), func() bool {
			account, ok := app.User(p.userName)
			return ok && account.Active == active
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (i *idp) newGroup(ctx context.Context, name string) error {
	id, err := i.createGroup(ctx, name)
	if err == nil {
		i.model.setGroup(name, &team{id: id, displayName: name})
	}
	return err
}

// create pushes somebody new.
func (i *idp) create(ctx context.Context, userName string) (*person, error) {
	p := &person{userName: userName, given: "Given " + userName[:4], family: "Family", groups: map[string]bool{}}
	if err := i.createUser(ctx, p); err != nil {
		return nil, err
	}
	i.model.add(p)
	return p, nil
}

// join puts people into a group with one PATCH.
func (i *idp) join(ctx context.Context, group string, people ...*person) error {
	ids := make([]string, len(people))
	for n, p := range people {
		p.groups[group] = true
		ids[n] = p.id
	}
	return i.patchGroup(ctx, i.model.group(group).id, harness.AddMembers(ids...))
}

func (i *idp) leave(ctx context.Context, group string, p *person) error {
	delete(p.groups, group)
	return i.patchGroup(ctx, i.model.group(group).id, harness.RemoveMember(p.id))
}

func (i *idp) rename(ctx context.Context, p *person, userName string) error {
	p.userName = userName
	return i.update(ctx, p.id, map[string]any{"userName": userName})
}

func (i *idp) activate(ctx context.Context, p *person, active bool) error {
	p.inactive = !active
	return i.setActive(ctx, p.id, active)
}

func (i *idp) retire(ctx context.Context, p *person) error {
	i.model.remove(p)
	return i.delete(ctx, "/Users/"+p.id)
}

// again creates somebody with a name that was somebody else's just now, with the same groups.
func (i *idp) again(ctx context.Context, userName string) error {
	p, err := i.create(ctx, userName)
	if err != nil {
		return err
	}
	return errors.Join(i.join(ctx, sales, p), i.join(ctx, staff, p))
}

// kinds of lives: what happens to a user after it was pushed.
var lives = []func(ctx context.Context, i *idp, p *person) error{
	func(context.Context, *idp, *person) error { return nil },
	// Another profile.
	func(ctx context.Context, i *idp, p *person) error {
		p.family = "Married"
		return i.update(ctx, p.id, map[string]any{
			"name": map[string]any{"givenName": p.given, "familyName": p.family}, "displayName": p.given + " " + p.family,
		})
	},
	// Another name, and another one.
	func(ctx context.Context, i *idp, p *person) error {
		if err := i.rename(ctx, p, "x"+p.userName); err != nil {
			return err
		}
		return i.rename(ctx, p, "y"+p.userName)
	},
	// Another name, and back.
	func(ctx context.Context, i *idp, p *person) error {
		was := p.userName
		if err := i.rename(ctx, p, "z"+was); err != nil {
			return err
		}
		return i.rename(ctx, p, was)
	},
	// No longer assigned to one app.
	func(ctx context.Context, i *idp, p *person) error { return i.leave(ctx, sales, p) },
	// Deactivated.
	func(ctx context.Context, i *idp, p *person) error { return i.activate(ctx, p, false) },
	// Deactivated, and back again.
	func(ctx context.Context, i *idp, p *person) error {
		if err := i.activate(ctx, p, false); err != nil {
			return err
		}
		if err := i.arrived(ctx, p, false); err != nil {
			return err
		}
		return i.activate(ctx, p, true)
	},
	// Deleted.
	func(ctx context.Context, i *idp, p *person) error { return i.retire(ctx, p) },
	// Deleted, and another one of that name at once.
	func(ctx context.Context, i *idp, p *person) error {
		if err := i.retire(ctx, p); err != nil {
			return err
		}
		return i.again(ctx, p.userName)
	},
	// Renamed, and another one with the former name at once.
	func(ctx context.Context, i *idp, p *person) error {
		was := p.userName
		if err := i.rename(ctx, p, "v"+was); err != nil {
			return err
		}
		return i.again(ctx, was)
	},
	// Renamed and deleted, and another one with either name.
	func(ctx context.Context, i *idp, p *person) error {
		was := p.userName
		if err := i.rename(ctx, p, "w"+was); err != nil {
			return err
		}
		if err := i.retire(ctx, p); err != nil {
			return err
		}
		return errors.Join(i.again(ctx, p.userName), i.again(ctx, was))
	},
}

// push makes users and lets them live. Names begin with prefix, which keeps them apart from those of others. Every other batch is given time
// to arrive in the apps.
func (i *idp) push(ctx context.Context, prefix string, users int) error {
	for from := 0; from < users; from += batch {
		var people []*person
		for n := from; n < min(from+batch, users); n++ {
			p, err := i.create(ctx, fmt.Sprintf("%s%03d@corp.test", prefix, n))
			if err != nil {
				return err
			}
			people = append(people, p)
		}
		if err := errors.Join(i.join(ctx, sales, people...), i.join(ctx, staff, people...)); err != nil {
			return err
		}
		i.patient = from/batch%2 == 1
		for n, p := range people {
			if err := i.arrived(ctx, p, true); err != nil {
				return err
			}
			life := (from + n) % len(lives)
			if err := lives[life](ctx, i, p); err != nil {
				return fmt.Errorf("%s, life %d: %w", p.id, life, err)
			}
		}
	}
	return nil
}

// regroup makes a group that is pushed to an app, puts somebody in, renames it and deletes it, each after the last one has arrived.
func (i *idp) regroup(ctx context.Context, n int) error {
	app := i.apps[crm]
	name, later := teamName(n), fmt.Sprintf("Crew %d", n)
	if err := i.newGroup(ctx, name); err != nil {
		return err
	}
	p, err := i.create(ctx, fmt.Sprintf("grouped-%d@corp.test", n))
	if err != nil {
		return err
	}
	if err := errors.Join(i.join(ctx, sales, p), i.join(ctx, name, p)); err != nil {
		return err
	}
	if err := i.await(ctx, "the pushed group has a member", func() bool {
		group, ok := app.Group(name)
		return ok && len(group.Members) == 1
	}); err != nil {
		return err
	}
	group := i.model.group(name)
	if err := i.renameGroup(ctx, group.id, later); err != nil {
		return err
	}
	i.model.setGroup(name, &team{id: group.id, displayName: later})
	if err := i.await(ctx, "the pushed group has its new name", func() bool {
		_, ok := app.Group(later)
		return ok
	}); err != nil {
		return err
	}
	if n%3 == 2 {
		return nil
	}
	delete(p.groups, name)
	i.model.setGroup(name, nil)
	return i.delete(ctx, "/Groups/"+group.id)
}

// pushAll lets all workers work at once: one of them on groups.
func pushAll(ctx context.Context, o *okta, m *model, apps map[string]*fakeapp.App, round, users int) error {
	var wait sync.WaitGroup
	errs := make([]error, workers+1)
	for w := range workers {
		share := users / workers
		if w < users%workers {
			share++
		}
		wait.Go(func() {
			errs[w] = (&idp{okta: o, model: m, apps: apps}).push(ctx, fmt.Sprintf("%c%c-", 'a'+round, 'a'+w), share)
		})
	}
	wait.Go(func() {
		i := &idp{okta: o, model: m, apps: apps}
		for n := round * teamsPerRound; n < min((round+1)*teamsPerRound, teams) && errs[workers] == nil; n++ {
			errs[workers] = i.regroup(ctx, n)
		}
	})
	wait.Wait()
	return errors.Join(errs...)
}
