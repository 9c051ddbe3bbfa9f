// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package crash

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/test/harness"
)

// supervisor keeps one operator process running, as a Deployment does.
type supervisor struct {
	site     *harness.Site
	proxy    *proxy
	schedule *schedule

	mu      sync.Mutex
	process *harness.Process
	// busy is how long starts have taken in all.
	busy time.Duration
}

// kill ends the present process with SIGKILL.
func (s *supervisor) kill() bool {
	s.mu.Lock()
	process := s.process
	s.mu.Unlock()
	return process != nil && process.Kill()
}

func (s *supervisor) start(ctx context.Context) (*harness.Process, error) {
	process, err := s.site.Start(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.process = process
	s.mu.Unlock()
	s.schedule.arm()
	return process, nil
}

// run starts the operator again whenever it was killed, until ctx ends; then it ends it in an orderly way.
func (s *supervisor) run(ctx context.Context, t testing.TB) {
	for ctx.Err() == nil {
		began := time.Now()
		process, err := s.start(ctx)
		if err != nil {
			t.Error(err)
			return
		}
		// A process that is killed while it starts does not come to serve.
		serving, cancel := context.WithCancel(ctx)
		go func() {
			<-process.Exited()
			cancel()
		}()
		_ = s.site.AwaitServing(serving)
		cancel()
		s.busy += time.Since(began)
		select {
		case <-ctx.Done():
			s.stop(t, process)
			return
		case <-process.Exited():
		}
		if !process.Killed() {
			t.Errorf("the operator ended by itself:\n%s", process.Log(80))
			return
		}
		s.drain(ctx)
	}
}

// drain waits until nothing that the killed process had asked for is under way: its successor does not start in the same instant either.
func (s *supervisor) drain(ctx context.Context) {
	for s.proxy.underWay.Load() > 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
}

func (s *supervisor) stop(t testing.TB, process *harness.Process) {
	s.schedule.disarm()
	if err := process.Stop(); err != nil {
		t.Errorf("the operator did not end in an orderly way: %v\n%s", err, process.Log(40))
	}
	if process.Raced() {
		t.Errorf("a data race:\n%s", process.Log(200))
	}
	if t.Failed() {
		t.Logf("the end of the operator's log:\n%s", process.Log(20))
	}
}

// supervise starts an operator for the directory. end ends it.
func supervise(t testing.TB, d *harness.Directory, seed uint64) (s *supervisor, end func()) {
	t.Helper()
	s = &supervisor{}
	s.schedule = newSchedule(seed, s.kill)
	s.proxy = newProxy(t, d, s.schedule.api)
	s.site = d.NewSite(t, s.proxy.server.URL)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.run(ctx, t)
	}()
	end = sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(end)
	return s, end
}

func (s *supervisor) String() string {
	return fmt.Sprintf("%d kills, %s spent on starts", s.schedule.kills, s.busy.Round(100*time.Millisecond))
}
