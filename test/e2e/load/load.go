// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package load plays several identity providers that push users and group members to one endpoint without a pause, each over connections of its own. It looks at
// every answer, keeps what was acknowledged, and tells every request that failed and how, so that a test can say whether anything was lost.
package load

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Config says what to do.
type Config struct {
	// BaseURL of the ScimClient, Token that it accepts, and the PEM of the authorities that may have signed the endpoint's certificate.
	BaseURL, Token, CA string
	// Prefix begins the name of every user and of the group; another one for each load.
	Prefix string
	// Clients is how many there are. Of eight, four speak HTTP/2 and four HTTP/1.1, one of which makes a connection for each request.
	Clients int
	// Pause of a client after each request.
	Pause time.Duration
}

// User is what the endpoint has acknowledged of a user.
type User struct {
	UserName, ID, DisplayName string
	Active, Member            bool
	// Unsure is whether a change was sent and never acknowledged: it may have happened.
	Unsure bool
}

// Failure is a request that did not get the answer that it should have got.
type Failure struct {
	At     time.Time
	Client int
	Op     string
	// Kind is one of those of classify; for an answer it is its status, "503 with Retry-After" or "wrong answer".
	Kind, Detail string
}

// Report is what has happened so far.
type Report struct {
	Running bool
	// Requests that were sent, those that failed included; HTTP2 and HTTP1 are how many were answered over which protocol.
	Requests, HTTP2, HTTP1 int
	// Repeated is how many requests net/http sent again by itself, as HTTP lets it: the connection was closed before anything of the request had arrived.
	Repeated int
	// Kinds are the numbers of failures of each kind; Failures are the first of them.
	Kinds    map[string]int
	Failures []Failure
	// Slowest is the longest that a request took; Gap the longest time without an answer to any client. Slow are the first requests that took over a second.
	Slowest, Gap time.Duration
	Slow         []string
	// Users that were acknowledged, and Doubtful names whose creation was sent and never answered.
	Users    []User
	Doubtful []string
	Group    string
}

// maxFailures is how many failures are told one by one.
const maxFailures = 100

// Load is a load that runs.
type Load struct {
	config Config
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	report   Report
	answered time.Time
}

// Start makes the group and starts the clients.
func Start(config Config) (*Load, error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(config.CA)) {
		return nil, errors.New("there is no certificate in the CA")
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{config: config, stop: cancel, done: make(chan struct{}), answered: time.Now()}
	l.report = Report{Running: true, Kinds: map[string]int{}, Group: config.Prefix + " group"}
	group, err := newClient(l, 0, roots).createGroup(ctx, l.report.Group)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("making the group: %w", err)
	}
	var all sync.WaitGroup
	for number := range config.Clients {
		c := newClient(l, number, roots)
		c.group = group
		all.Go(func() { c.run(ctx) })
	}
	go func() {
		all.Wait()
		l.mu.Lock()
		l.report.Running = false
		l.mu.Unlock()
		close(l.done)
	}()
	return l, nil
}

// Stop lets every client finish what it is at, and gives the whole report.
func (l *Load) Stop() Report {
	l.stop()
	<-l.done
	return l.Report()
}

// Report is what has happened until now.
func (l *Load) Report() Report {
	l.mu.Lock()
	defer l.mu.Unlock()
	report := l.report
	report.Kinds = map[string]int{}
	for kind, n := range l.report.Kinds {
		report.Kinds[kind] = n
	}
	report.Failures = append([]Failure(nil), l.report.Failures...)
	report.Users = append([]User(nil), l.report.Users...)
	report.Slow = append([]string(nil), l.report.Slow...)
	report.Doubtful = append([]string(nil), l.report.Doubtful...)
	return report
}

// trip is how a request went: when it began, how many connections it got and when the last one, and the version of HTTP of the answer, 0 without one.
type trip struct {
	client      int
	op          string
	began       time.Time
	connections int
	connected   time.Time
	reused      bool
	protocol    int
}

// slow is what counts as slow: machines that build at the same time are.
const slow = 5 * time.Second

// sent notes a request.
func (l *Load) sent(way trip) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.report.Requests++
	l.report.Repeated += max(0, way.connections-1)
	took := now.Sub(way.began)
	l.report.Slowest = max(l.report.Slowest, took)
	if took > slow && len(l.report.Slow) < maxFailures {
		connection := "never had a connection"
		if way.connections > 0 {
			connection = fmt.Sprintf("had a connection after %s (used before: %v)", way.connected.Sub(way.began).Round(time.Millisecond), way.reused)
		}
		l.report.Slow = append(l.report.Slow, fmt.Sprintf("%s client %d, %s: %s, HTTP/%d, %s",
			way.began.Format("15:04:05.000"), way.client, way.op, took.Round(time.Millisecond), way.protocol, connection))
	}
	switch way.protocol {
	case 0:
		return
	case 1:
		l.report.HTTP1++
	default:
		l.report.HTTP2++
	}
	l.report.Gap = max(l.report.Gap, now.Sub(l.answered))
	l.answered = now
}

func (l *Load) failed(f Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.report.Kinds[f.Kind]++
	if len(l.report.Failures) < maxFailures {
		l.report.Failures = append(l.report.Failures, f)
	}
}

// finished notes what is known of a user when its client is done with it.
func (l *Load) finished(u User) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u.ID == "" {
		l.report.Doubtful = append(l.report.Doubtful, u.UserName)
		return
	}
	l.report.Users = append(l.report.Users, u)
}
