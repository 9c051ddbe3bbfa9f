// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package directory

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	coordination "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/controlplane"
	"github.com/scim-operator/scim-operator/internal/controlplane/cptest"
	"github.com/scim-operator/scim-operator/internal/scim"
)

func TestMain(m *testing.M) { cptest.Main(m, controlplane.Options{}) }

// A replica is a Store with a cache of its own, whose requests to the API server are counted.
type replica struct {
	*Store
	t         *testing.T
	namespace string
	client    client.Client
	// reads and writes of the live client.
	reads, writes atomic.Int32
	// written counts the bytes of the bodies of writes.
	written atomic.Int64
}

func testScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, coordination.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

func newReplica(t *testing.T, namespace string) *replica {
	t.Helper()
	env := cptest.New(t)
	r := &replica{t: t, namespace: namespace}
	config := rest.CopyConfig(env.Config)
	config.QPS = -1
	config.Wrap(func(next http.RoundTripper) http.RoundTripper { return &counting{next: next, replica: r} })
	var err error
	if r.client, err = client.New(config, client.Options{Scheme: testScheme(t)}); err != nil {
		t.Fatal(err)
	}
	informers, err := cache.New(env.Config, cache.Options{
		Scheme:            testScheme(t),
		DefaultNamespaces: map[string]cache.Config{namespace: {}},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	if err := RegisterIndexes(ctx, informers); err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := informers.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); done.Wait() })
	for _, obj := range []client.Object{&v1alpha1.ScimUser{}, &v1alpha1.ScimGroup{}, &v1alpha1.ScimClient{}} {
		if _, err := informers.GetInformer(ctx, obj); err != nil {
			t.Fatal(err)
		}
	}
	if !informers.WaitForCacheSync(ctx) {
		t.Fatal("the cache does not sync")
	}
	if r.Store, err = New(ctx, Options{Client: r.client, Cache: informers, Cursors: testCursors(t), Clock: clock.RealClock{}, Random: rand.Reader}); err != nil {
		t.Fatal(err)
	}
	r.warm()
	return r
}

// testCursors are the same for all replicas.
func testCursors(t *testing.T) *scim.Cursors {
	t.Helper()
	return must[*scim.Cursors](t)(scim.NewCursors([]byte("0123456789abcdef0123456789abcdef")))
}

// warm lets the client discover the kinds, which is not counted.
func (r *replica) warm() {
	r.t.Helper()
	for _, list := range []client.ObjectList{&v1alpha1.ScimUserList{}, &v1alpha1.ScimGroupList{}, &v1alpha1.ScimGroupSliceList{}, &coordination.LeaseList{}} {
		if err := r.client.List(r.t.Context(), list, client.InNamespace(r.namespace)); err != nil {
			r.t.Fatal(err)
		}
	}
}

type counting struct {
	next    http.RoundTripper
	replica *replica
}

func (c *counting) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method == http.MethodGet {
		c.replica.reads.Add(1)
	} else {
		c.replica.writes.Add(1)
		c.replica.written.Add(req.ContentLength)
	}
	return c.next.RoundTrip(req)
}

// requests runs f and counts.
func (r *replica) requests(f func()) (reads, writes int32) {
	r.reads.Store(0)
	r.writes.Store(0)
	r.written.Store(0)
	f()
	return r.reads.Load(), r.writes.Load()
}

// as is a request of a client.
func (r *replica) as(name string, more ...func(*Scope)) *Directory {
	dialect, _ := scim.DialectByName("okta")
	scope := Scope{Namespace: r.namespace, Client: name, Dialect: dialect, RequestID: "req-1"}
	for _, m := range more {
		m(&scope)
	}
	return r.For(scope)
}

func takingOver(s *Scope) { s.TakeOver = v1alpha1.TakeOverAllowed }
func sharing(s *Scope)    { s.GroupNames = v1alpha1.GroupNamesShared }

func user(t *testing.T, userName string, more ...string) *scim.Resource {
	t.Helper()
	return parsed(t, scim.UserType, fmt.Sprintf(`{"schemas":[%q],"userName":%q%s}`, scim.UserSchemaID, userName, strings.Join(more, "")))
}

func group(t *testing.T, displayName string, members ...string) *scim.Resource {
	t.Helper()
	var list []map[string]string
	for _, m := range members {
		list = append(list, map[string]string{"value": m})
	}
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, scim.GroupType, fmt.Sprintf(`{"schemas":[%q],"displayName":%q,"members":%s}`, scim.GroupSchemaID, displayName, raw))
}

func parsed(t *testing.T, rt *scim.ResourceType, body string) *scim.Resource {
	t.Helper()
	dialect, _ := scim.DialectByName("okta")
	r, err := scim.ParseResource([]byte(body), rt, scim.Options{Dialect: dialect})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func patch(t *testing.T, rt *scim.ResourceType, operations string) *scim.Patch {
	t.Helper()
	dialect, _ := scim.DialectByName("okta")
	p, err := scim.ParsePatch([]byte(fmt.Sprintf(`{"schemas":[%q],"Operations":%s}`, scim.PatchSchema, operations)), rt, scim.Options{Dialect: dialect})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// must gives what was asked for, or ends the test.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// status is the HTTP status of an error, 200 for none.
func status(err error) int {
	var e *scim.Error
	switch {
	case err == nil:
		return http.StatusOK
	case errors.As(err, &e):
		return e.Status
	default:
		return -1
	}
}

func wantStatus(t *testing.T, err error, want int) {
	t.Helper()
	if status(err) != want {
		t.Fatalf("got %v, want %d", err, want)
	}
}

// together runs f n times at once and counts the statuses.
func together(n int, f func(i int) error) map[int]int {
	statuses := make([]int, n)
	var ready, done sync.WaitGroup
	ready.Add(n)
	for i := range n {
		done.Go(func() {
			ready.Done()
			ready.Wait()
			statuses[i] = status(f(i))
		})
	}
	done.Wait()
	count := map[int]int{}
	for _, s := range statuses {
		count[s]++
	}
	return count
}

func filter(t *testing.T, rt *scim.ResourceType, format string, args ...any) Query {
	t.Helper()
	f, err := scim.ParseFilter(fmt.Sprintf(format, args...), rt)
	if err != nil {
		t.Fatal(err)
	}
	return Query{Filter: f, Page: scim.Page{StartIndex: 1, Count: 100}}
}

// ids lists the ids of a query's result.
func ids(t *testing.T, d *Directory, rt *scim.ResourceType, q Query) []string {
	t.Helper()
	page, err := d.List(t.Context(), rt, q)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, r := range page.Resources {
		found = append(found, r.ID())
	}
	return found
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// object reads the object of a SCIM id.
func object[T client.Object](t *testing.T, r *replica, id string, obj T) T {
	t.Helper()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	if err := r.client.Get(t.Context(), client.ObjectKey{Namespace: r.namespace, Name: name}, obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

// finalize does what the user controller does with a user that is being deleted. It reports whether the user is gone.
func (r *replica) finalize(id string) bool {
	r.t.Helper()
	ctx := r.t.Context()
	name, _, _ := v1alpha1.SplitSCIMID(id)
	u := &v1alpha1.ScimUser{}
	err := r.client.Get(ctx, client.ObjectKey{Namespace: r.namespace, Name: name}, u)
	if apierrors.IsNotFound(err) {
		return true
	}
	if err != nil || u.DeletionTimestamp == nil {
		r.t.Fatal("not being deleted: ", err)
	}
	if err := r.ReleaseReservation(ctx, u); err != nil {
		r.t.Fatal(err)
	}
	may, err := r.MayVanish(ctx, u)
	if err != nil {
		r.t.Fatal(err)
	}
	if !may {
		return false
	}
	u.Finalizers = nil
	if err := r.client.Update(ctx, u); err != nil {
		r.t.Fatal(err)
	}
	return true
}
