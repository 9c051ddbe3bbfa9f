// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package simulation plays the engine of the operator against a model of everything around it, step by step, on simulated time. A seed decides everything: which
// events happen, in which order the parts of the engine go on, and which calls are lost. The same seed gives the same trace, to the byte.
//
// The engine is the real one: the reconcilers of users, groups, apps and role mappings, the workers of the apps with their queues, ledger and guard, the pure
// packages, and the SCIM connector. It is put together in engine.go, which is the one file that knows its parts.
//
// # The model
//
// The API server (api.go, client.go) has one resourceVersion for all objects, optimistic concurrency, generations, status as a subresource, merge patches,
// finalizers, and UIDs that are never used again. What is stored has been through JSON. A write may be on its way for a while before it takes effect, and before its
// answer comes back; either may be lost.
//
// A process (engine.go, cache.go) is one term of leadership. It has a watch cache of its own, which follows the log of each kind by one event at a time, so that kinds
// lag behind each other; an event may be lost between the cache and the queues (Options.Drops). A crash loses everything in memory. A former leader may linger for
// some steps and seconds. Requests of a dead process that were on their way may still arrive.
//
// An app (app.go, resource.go, faults.go) is a SCIM server that keeps every version of each resource. It has storms (every request is answered with 404, 403, 429,
// 500 or 503), reads that lag behind writes by most of the settle time, and faults of single calls: refused, lost before or after the effect, late, answered as done
// without effect, answered with 404, answered with 500 after the effect, a listing without its rows. Its admin changes, deletes and makes accounts.
//
// The events (events.go) are what the identity provider, a person, the admins of the apps, the network and the operator's platform do.
//
// # The scheduler
//
// Each run has a bubble of testing/synctest, so that every clock is simulated; only the scheduler (scheduler.go) lets time pass (clock.go). A reconcile, a look of a worker, a
// count of a guard and a credential test are goroutines that take turns with the scheduler (routine.go): one of them runs at any moment. Each request to an app waits
// for the scheduler (transport.go), which decides when it arrives, when it is answered, and whether it is lost; in between, anything else may happen.
//
// After the events comes the end: all faults end, everything is delivered, and four hours pass. In every other seed a person then approves what is held, batch by
// batch.
//
// # The properties
//
//  1. At the end every account and pushed group is as the pure functions say, or its status says for what it waits. It takes a bounded number of reconciles and calls for
//     each event and account. No key is reconciled repeatedly without a call or a write.
//  2. No account is changed that is neither ours (made by us, or linked: a user's status said so before), nor one that is protected.
//  3. No more users lose access within an hour than the guard releases without approval, by the effects in the apps.
//  4. A status that has said "in sync" for longer than the settle time agrees with the app.
//  5. No user has two accounts in an app, and no active account is left of a deleted user.
//  6. Late effects are found: 1, 4 and 5 hold although calls arrive late, those of a former leader too.
//
// What the admin of an app did to an account excuses it. The properties are in checks.go (during the run) and properties.go (at the end, and 4).
//
// `make simulate SEEDS=2000` searches; `make simulate SEED=17 TRACE=1` plays one seed again.
package simulation
