// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/scim-operator/scim-operator/internal/controlplane/assets"
)

// builtIn is where built put the program; empty before that.
var builtIn string

// built is the program under test, made once.
var built = sync.OnceValues(func() (string, error) {
	root, err := assets.ModuleRoot()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "scim-operator-run-")
	if err != nil {
		return "", err
	}
	builtIn = dir
	program := filepath.Join(dir, "run")
	build := exec.Command("go", "build", "-o", program, "./hack/run")
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", &exec.Error{Name: string(output), Err: err}
	}
	return program, nil
})

func TestMain(m *testing.M) {
	m.Run()
	if builtIn != "" {
		// What cannot be removed is in the directory for temporary files.
		_ = os.RemoveAll(builtIn)
	}
}

// process is a running demo.
type process struct {
	*exec.Cmd
	dir string
	out *output
}

// start runs the demo, through a shell if there is a script, which has the program as "$@".
func start(t *testing.T, script string, args ...string) *process {
	t.Helper()
	if testing.Short() {
		t.Skip("needs a Kubernetes API server: not with -short")
	}
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	line := append([]string{program, "--dir", dir}, args...)
	if script != "" {
		line = append([]string{"sh", "-c", script, "sh"}, line...)
	}
	p := &process{Cmd: exec.CommandContext(context.WithoutCancel(t.Context()), line[0], line[1:]...), dir: dir, out: &output{}}
	p.Stdout, p.Stderr = p.out, p.out
	// A group of its own, as make has in a terminal.
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A child that outlives a killed shell holds the pipe: do not wait for it.
	p.WaitDelay = time.Minute
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
		if t.Failed() {
			t.Logf("the output:\n%s", p.out)
		}
	})
	return p
}

// programs are the process numbers of the control plane.
func (p *process) programs(t *testing.T) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, "controlplane", "pids", "*"))
	if err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if pids[filepath.Base(file)], err = strconv.Atoi(string(text)); err != nil {
			t.Fatal(err)
		}
	}
	if len(pids) != 3 {
		t.Fatalf("the control plane has the programs %v, want three", pids)
	}
	return pids
}

// eventually waits until check is true.
func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !check(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func gone(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// leavesNothing fails the test unless the processes end.
func leavesNothing(t *testing.T, pids map[string]int) {
	t.Helper()
	for name, pid := range pids {
		eventually(t, name+" to end", func() bool { return gone(pid) })
	}
}

// TestRunOnce is make run ARGS=--once: the whole way, from an identity provider's requests to accounts in apps, checked.
func TestRunOnce(t *testing.T) {
	p := start(t, "", "--once")
	if err := p.Wait(); err != nil {
		t.Fatalf("it ended with %v", err)
	}
	for _, want := range []string{
		"control plane", "# Okta tests the connection", "13 people", "scimusers:", "kim@corp.test", "Community and Events", "no write to common-room, no write to r-service",
		"Accounts in the app r-service", "OK: the API server and the apps have what the session has to end in.",
	} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	leavesNothing(t, p.programs(t))
	log, err := os.ReadFile(filepath.Join(p.dir, "operator.log"))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(log, []byte("forbidden")) {
		t.Error("config/rbac lacks a right of the operator: its log has \"forbidden\"")
	}
	if bytes.Contains(log, []byte("@corp.test")) {
		t.Error("the operator's log has a personal value")
	}
	checkEnv(t, p.dir)
}

func checkEnv(t *testing.T, dir string) {
	t.Helper()
	sourced, err := exec.CommandContext(t.Context(), "sh", "-c", ". "+filepath.Join(dir, "env")+"; env").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"KUBECONFIG", "SCIM_BASE_URL", "SCIM_TOKEN", "SCIM_CA_FILE", "COMMON_ROOM_URL", "COMMON_ROOM_TOKEN", "R_SERVICE_URL", "R_SERVICE_TOKEN",
	} {
		if !strings.Contains("\n"+string(sourced), "\n"+name+"=") {
			t.Errorf("the file env does not set %s", name)
		}
	}
}

// However the demo ends, nothing of it stays.
func TestNothingStaysBehind(t *testing.T) {
	const ready = "Ctrl-C ends everything."
	for name, test := range map[string]struct {
		// script of the shell between the test and the program, if there is one.
		script string
		end    func(p *process) error
	}{
		"Ctrl-C":     {"", func(p *process) error { return syscall.Kill(-p.Process.Pid, syscall.SIGINT) }},
		"SIGTERM":    {"", func(p *process) error { return p.Process.Signal(syscall.SIGTERM) }},
		"SIGKILL":    {"", func(p *process) error { return p.Process.Kill() }},
		"its parent": {`"$@" & wait`, func(p *process) error { return p.Process.Kill() }},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "SIGKILL" && runtime.GOOS != "linux" {
				t.Skip("only Linux ends processes with their parent")
			}
			p := start(t, test.script, "--empty")
			eventually(t, "the demo to be ready", func() bool { return strings.Contains(p.out.String(), ready) })
			pids := p.programs(t)
			pids["shell or demo"] = p.Process.Pid
			if err := test.end(p); err != nil {
				t.Fatal(err)
			}
			// Its exit code is of no interest: it may have been killed.
			go func() { _ = p.Wait() }()
			leavesNothing(t, pids)
		})
	}
}

func TestArguments(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		code int
		want string
	}{
		"help":         {[]string{"--help"}, 0, "-once"},
		"unknown flag": {[]string{"--twice"}, 2, "not defined"},
		"an argument":  {[]string{"now"}, 2, "now"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if code := command(test.args, &out, &out); code != test.code {
				t.Errorf("exit code %d, want %d", code, test.code)
			}
			if !strings.Contains(out.String(), test.want) {
				t.Errorf("it says %q, want something with %q", out.String(), test.want)
			}
		})
	}
}

func TestParentThatEndsEndsTheDemo(t *testing.T) {
	var mu sync.Mutex
	parent := 42
	ctx, cancel := withParent(t.Context(), func() int { mu.Lock(); defer mu.Unlock(); return parent })
	defer cancel()
	if ctx.Err() != nil {
		t.Fatal("it ended while the parent lived")
	}
	mu.Lock()
	parent = 1
	mu.Unlock()
	eventually(t, "the context to end", func() bool { return ctx.Err() != nil })
}

func TestExportsAreQuotedForTheShell(t *testing.T) {
	got, err := exec.CommandContext(t.Context(), "sh", "-c", exports([]variable{{"STRANGE", "it's a $HOME; # path"}})+"printf %s \"$STRANGE\"").Output()
	if err != nil {
		t.Fatal(err)
	}
	if want := "it's a $HOME; # path"; string(got) != want {
		t.Errorf("the shell has %q, want %q", got, want)
	}
}

// output is what a process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

// String is everything so far.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
