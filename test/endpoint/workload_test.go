// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package endpoint

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/utils/ptr"
)

// How many there are of what.
const (
	workers     = 12
	userNames   = 18
	groupNames  = 8
	nonMembers  = 4
	someMembers = 12
)

// workload is many clients that push at random to two replicas.
type workload struct {
	d    *directory
	seed uint64
	// random are what the workers draw from.
	random [workers]*rand.Rand
	clock  elapsed
	seq    atomic.Int64
	history
	// users and groups are what requests can be about.
	users, groups pool
	// members are ids that groups get and lose: of users that stay, and of nobody.
	members []string
	// mortals are users that are deleted in the course of the test, and the groups that they are put into.
	mortalGroups []string
	mortal       sync.Map
	// undone are the marks of what bulk requests have made and removed again.
	undone sync.Map
	// focus is what most of the requests shall be about.
	focus focus
}

type focus int

const (
	onEverything focus = iota
	onUsers
	onGroups
	onBulk
)

// pool is the resources that there are, as far as the clients know.
type pool struct {
	mu   sync.Mutex
	live []pooled
	dead []pooled
	// ever has all that were in it.
	ever map[string]bool
	// seen is what each client last saw of a resource.
	seen map[string]any
}

// pooled is a resource, and the client that is most likely its owner.
type pooled struct {
	id, mark string
	client   int
}

func (p *pool) add(id, mark string, client int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ever == nil {
		p.ever, p.seen = map[string]bool{}, map[string]any{}
	}
	if !p.ever[id] && mark != "" {
		p.ever[id] = true
		p.live = append(p.live, pooled{id, mark, client})
	}
}

func (p *pool) died(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.live = slices.DeleteFunc(p.live, func(x pooled) bool {
		if x.id == id {
			p.dead = append(p.dead, x)
		}
		return x.id == id
	})
}

// pick gives one of the youngest, now and then one that is deleted. ok is false where there is none yet.
func (p *pool) pick(d draw, among int) (x pooled, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	which := d.target
	from := p.live[max(0, len(p.live)-among):]
	if d.whether%16 == 0 && len(p.dead) > 0 || len(from) == 0 {
		from = p.dead[max(0, len(p.dead)-among):]
	}
	if len(from) == 0 {
		return pooled{}, false
	}
	return from[which%len(from)], true
}

func (p *pool) size() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}

// remember and recall keep what a client last saw of a resource, with its ETag.
func (p *pool) remember(client int, id string, seen any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.seen == nil {
		p.ever, p.seen = map[string]bool{}, map[string]any{}
	}
	p.seen[fmt.Sprint(client, id)] = seen
}

func (p *pool) recall(client int, id string) any {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[fmt.Sprint(client, id)]
}

// allKinds is how many kinds of steps there are to draw: those below onePastUsers are about users, then come groups, mortals, and requests of
// several operations.
const (
	allKinds       = 105
	onePastUsers   = 62
	onePastGroups  = 95
	onePastMortals = 100
)

// draw is the random part of one request: the same for the same seed, whatever the answers are.
type draw struct {
	kind, replica, client, target, whether, name, spelling, value int
	more                                                          [6]int
}

func drawn(r *rand.Rand) draw {
	n := func() int { return int(r.Uint32() >> 1) }
	d := draw{kind: n() % allKinds, replica: n() % 2, client: n() % 8, target: n(), whether: n(), name: n(), spelling: n(), value: n()}
	for i := range d.more {
		d.more[i] = n()
	}
	// The third client is the rarest.
	d.client = []int{0, 0, 0, 0, 1, 1, 1, 2}[d.client]
	return d
}

// prepare makes the users that stay, and the groups for the mortals.
func (w *workload) prepare(t testing.TB) {
	t.Helper()
	w.clock = elapsed{time.Now()}
	for i := range w.random {
		w.random[i] = rand.New(rand.NewPCG(w.seed, uint64(i)))
	}
	for i := range someMembers {
		name := fmt.Sprintf("%s%d@corp.test", joinerPrefix, i)
		e := &event{verb: create, replica: i % 2, seq: int(w.seq.Add(1)), user: userChange{userName: &name}}
		w.do(t.Context(), e, request{method: "POST", path: "/Users", body: fmt.Sprintf(`{"schemas":[%q],"userName":%q}`, userSchema, name)})
		if e.status != http.StatusCreated {
			t.Fatal(e)
		}
		w.members = append(w.members, e.id)
	}
	for i := range nonMembers {
		w.members = append(w.members, fmt.Sprintf("nobody-%d", i))
	}
	for i := range 2 {
		name := fmt.Sprintf("Mortals %d", i)
		e := &event{groups: true, verb: create, replica: i, seq: int(w.seq.Add(1)), group: groupChange{displayName: &name}}
		body := fmt.Sprintf(`{"schemas":[%q],"displayName":%q,"members":%s}`, groupSchema, name, memberList(mortalMark))
		w.do(t.Context(), e, request{method: "POST", path: "/Groups", body: body})
		if e.status != http.StatusCreated {
			t.Fatal(e)
		}
		w.mortalGroups = append(w.mortalGroups, e.id)
	}
}

// run pushes until the time is over, and waits for all answers. Another run goes on where it ended.
func (w *workload) run(ctx context.Context, duration time.Duration) {
	deadline := time.Now().Add(duration)
	var running sync.WaitGroup
	for i := range workers {
		running.Go(func() {
			for time.Now().Before(deadline) && ctx.Err() == nil {
				w.step(ctx, i, func() draw { return drawn(w.random[i]) })
			}
		})
	}
	running.Wait()
}

// step does one request.
func (w *workload) step(ctx context.Context, worker int, next func() draw) {
	d := next()
	e := &event{worker: worker, replica: d.replica, client: d.client, seq: int(w.seq.Add(1))}
	var q request
	var ok bool
	switch {
	case w.focus == onUsers:
		d.kind = d.kind * onePastUsers / allKinds
	case w.focus == onGroups:
		d.kind = onePastUsers + d.kind*(onePastGroups-onePastUsers)/allKinds
	case w.focus == onBulk && d.kind%2 == 0:
		d.kind = onePastMortals
	}
	switch {
	case d.kind < onePastUsers:
		q, ok = w.userRequest(e, d)
	case d.kind < onePastGroups:
		e.groups = true
		q, ok = w.groupRequest(e, d)
	case d.kind < onePastMortals:
		w.mortalStep(ctx, e, d)
		return
	default:
		w.bulkStep(ctx, e, d, next)
		return
	}
	if !ok {
		return
	}
	ask := func(q request) request {
		if !e.write() && e.verb != get && d.more[5]%3 == 0 {
			return searched(q)
		}
		return q
	}
	if e.pageSize > 0 {
		w.walk(ctx, e, func(start int) request { return ask(page(q, start, e.pageSize)) })
		return
	}
	w.do(ctx, e, ask(q))
	if e.write() && e.ok() && !e.groups && d.more[5]%2 == 0 {
		w.listAfter(ctx, e)
	}
}

// listAfter asks the replica of a write for a listing: what was acknowledged just now is what it would lack.
func (w *workload) listAfter(ctx context.Context, e *event) {
	l := &event{worker: e.worker, replica: e.replica, client: e.client, seq: int(w.seq.Add(1)), verb: list}
	w.do(ctx, l, request{method: "GET", path: "/Users?count=1000"})
}

// do sends a request and writes down what came of it.
func (w *workload) do(ctx context.Context, e *event, q request) {
	if _, ok := w.ask(ctx, e, q); ok {
		w.add(e)
	}
}

// ask sends a request and puts into the event what came of it. ok is false where that says nothing.
func (w *workload) ask(ctx context.Context, e *event, q request) (a answer, ok bool) {
	e.call = w.clock.now()
	a, err := w.d.send(ctx, e.replica, idps[e.client], q)
	e.ret = w.clock.now()
	e.status = a.status
	e.about = fmt.Sprintf("%s %s If-Match %s %s = %s", q.method, q.path, q.header["If-Match"], q.body, a.raw)
	if err != nil || unclear(a.status) {
		e.status = 0
		e.about = fmt.Sprintf("%s %s %s = %d %v", q.method, q.path, q.body, a.status, err)
		w.refusals(a, err)
		if !e.write() {
			return a, false
		}
	}
	w.protocol(e, a)
	w.see(e, a)
	return a, true
}

// refusals looks at answers that say to come back.
func (w *workload) refusals(a answer, err error) {
	if err != nil {
		return
	}
	if a.status == http.StatusInternalServerError {
		w.violated(ruleStatus, "500: %s", a.raw)
	}
	after := a.header.Get("Retry-After")
	if a.status == http.StatusServiceUnavailable && (after == "" || strings.Trim(after, "0123456789") != "") {
		w.violated(ruleStatus, "503 with Retry-After %q: %s", after, a.raw)
	}
}

// protocol: no other status than those that a request of the kind may have.
func (w *workload) protocol(e *event, a answer) {
	allowed := map[verb][]int{
		create: {201, 409}, get: {200, 404}, put: {200, 403, 404, 409, 412}, patch: {200, 204, 403, 404, 409, 412},
		remove: {204, 403, 404, 412}, lookup: {200}, list: {200},
	}
	if e.status != 0 && !slices.Contains(allowed[e.verb], e.status) {
		w.violated(ruleStatus, "%s", e)
	}
	if e.status == http.StatusConflict && a.json["scimType"] != "uniqueness" {
		w.violated(ruleStatus, "409 without scimType uniqueness: %s", e)
	}
}

// see takes down what an answer shows.
func (w *workload) see(e *event, a answer) {
	if !e.ok() {
		return
	}
	rows := a.rows()
	if e.verb != lookup && e.verb != list && len(a.raw) > 0 {
		rows = []map[string]any{a.json}
	}
	for _, row := range rows {
		if e.groups {
			s := seeGroup(row, w.isMortal)
			e.seenGroups = append(e.seenGroups, s)
			if s.mark != mortalMark {
				w.groups.add(s.id, s.mark, e.client)
			}
			if s.members != unlisted && s.etag != "" && !strings.HasPrefix(s.mark, circleMark) {
				w.groups.remember(e.client, s.id, s)
			}
			continue
		}
		s := seeUser(row)
		e.seenUsers = append(e.seenUsers, s)
		if strings.HasPrefix(s.userName, joinerPrefix) {
			continue
		}
		w.users.add(s.id, s.mark, e.client)
		w.users.remember(e.client, s.id, s)
	}
	if e.verb == create {
		e.id = a.id()
	}
	if e.verb == remove {
		w.users.died(e.id)
		w.groups.died(e.id)
	}
}

// isMortal: of a user that is deleted in the course of the test, or of a group.
func (w *workload) isMortal(id string) bool {
	_, ok := w.mortal.Load(id)
	return ok || strings.HasPrefix(id, "g-")
}

// spelled is a name in one of the mixtures of upper and lower case.
func spelled(name string, n int) string {
	if n%3 != 0 {
		return name
	}
	return strings.ToUpper(name[:1+n/3%len(name)]) + name[1+n/3%len(name):]
}

// userRequest makes a request about users.
func (w *workload) userRequest(e *event, d draw) (request, bool) {
	name := spelled(fmt.Sprintf("u%d@corp.test", d.name%userNames), d.spelling)
	kind := d.kind * 100 / onePastUsers
	if w.users.size() < 6 && kind > 50 {
		kind = 0
	}
	switch {
	case kind < 14:
		return w.createUser(e, d, name), true
	case kind < 28:
		e.verb, e.name = lookup, name
		return request{method: "GET", path: query(fmt.Sprintf("userName eq %q", name))}, true
	case kind < 36:
		return w.listUsers(e, d), true
	}
	target, ok := w.users.pick(d, 12)
	if !ok {
		return request{}, false
	}
	e.id = target.id
	if d.whether%4 != 0 {
		e.client = target.client
	}
	switch {
	case kind < 54, idps[e.client].takeOver && d.more[4]%3 != 0: // what it takes over, nobody else may write
		e.verb = get
		return request{method: "GET", path: "/Users/" + target.id}, true
	case kind < 66:
		e.verb = put
	case kind < 91:
		e.verb = patch
	default:
		e.verb = remove
	}
	return w.changeUser(e, d, name, target), true
}

// changeUser makes a PUT, PATCH or DELETE, as the event says.
func (w *workload) changeUser(e *event, d draw, name string, target pooled) request {
	e.id = target.id
	q := request{method: string(e.verb), path: "/Users/" + target.id, header: map[string]string{}}
	switch e.verb {
	case put:
		q.body = w.userBody(e, d, name, target.mark)
	case patch:
		q.body = w.userPatch(e, d, name)
	}
	if known, ok := w.users.recall(e.client, target.id).(seenUser); ok && d.more[5]%5 == 0 {
		e.user.ifMatch = &known.userView
		q.header["If-Match"] = known.etag
	}
	return q
}

func (w *workload) createUser(e *event, d draw, name string) request {
	e.verb, e.mark = create, fmt.Sprintf("mark-%d", e.seq)
	return request{method: "POST", path: "/Users", body: w.userBody(e, d, name, e.mark)}
}

// userBody is the body of a POST or PUT.
func (w *workload) userBody(e *event, d draw, name, mark string) string {
	e.user.userName = &name
	parts := []string{fmt.Sprintf(`"schemas":[%q]`, userSchema), `"userName":` + text(name), `"nickName":` + text(mark)}
	if d.value%4 != 0 {
		e.user.title = ptr.To(title(e, d))
		parts = append(parts, `"title":`+text(*e.user.title))
	}
	if d.more[2]%4 != 0 {
		e.user.family = family(d)
		parts = append(parts, `"name":{"familyName":`+text(*e.user.family)+`}`)
	}
	if d.more[0]%3 != 0 {
		e.user.active = ptr.To(d.more[0]%2 == 0)
		parts = append(parts, fmt.Sprintf(`"active":%t`, *e.user.active))
	}
	if d.more[1]%3 != 0 {
		e.user.external = ptr.To(fmt.Sprintf("x%d", d.more[1]%9))
		parts = append(parts, `"externalId":`+text(*e.user.external))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// title is either of few, so that a write may have nothing to do, or one that nobody had yet.
func title(e *event, d draw) string {
	if d.value%3 == 0 {
		return fmt.Sprintf("common %d", d.value%2)
	}
	e.fresh = true
	return fmt.Sprintf("title %d", e.seq)
}

// family is one of few family names, so that many share one, and some but for its letter case.
func family(d draw) *string {
	return ptr.To([]string{"Adams", "adams", "Öz", "öZ", "van Dyk"}[d.more[2]%5])
}

// userPatch is a PATCH in one of the forms in which they come.
func (w *workload) userPatch(e *event, d draw, name string) string {
	var operations []string
	op := func(path, value string) {
		if d.more[2]%2 == 0 {
			operations = append(operations, fmt.Sprintf(`{"op":"replace","path":%q,"value":%s}`, path, value))
		} else {
			operations = append(operations, fmt.Sprintf(`{"op":"add","value":{%q:%s}}`, path, value))
		}
	}
	which := d.more[3] % 8
	if which == 0 || which == 1 || which == 5 {
		e.user.active = ptr.To(d.more[0]%2 == 0)
		op("active", fmt.Sprint(*e.user.active))
	}
	if which == 1 || which == 2 || which == 3 {
		e.user.title = ptr.To(title(e, d))
		op("title", text(*e.user.title))
	}
	if which == 2 || which == 3 {
		e.user.family = family(d)
		operations = append(operations, `{"op":"replace","path":"name.familyName","value":`+text(*e.user.family)+`}`)
	}
	if which == 4 || which == 5 || which == 6 {
		e.user.userName = &name
		op("userName", text(name))
	}
	if which == 6 {
		e.user.external = ptr.To(fmt.Sprintf("x%d", d.more[1]%9))
		op("externalId", text(*e.user.external))
	}
	if which == 7 {
		e.user.title = ptr.To("")
		operations = append(operations, `{"op":"remove","path":"title"}`)
	}
	return patchBody(operations...)
}

func patchBody(operations ...string) string {
	return `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[` + strings.Join(operations, ",") + `]}`
}
