// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/directory"
	"github.com/scim-operator/scim-operator/internal/operator"
	"github.com/scim-operator/scim-operator/internal/plan"
)

const (
	memoryNamespace = "bench-memory"
	// memoryUsers are loaded twice, accounts are those of each.
	memoryUsers = 3000
	accounts    = 5
)

// probed is an operator that says how much memory it has in use. It is the operator's own code in a process of this program, which can be asked.
type probed struct {
	cmd   *exec.Cmd
	ask   func() error
	lines *bufio.Scanner
}

// probe is the program of that process: it runs an operator, and answers each line of its input with the bytes in use after a collection.
func probe(ctx context.Context, args []string) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", args[0])
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		defer cancel()
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			// The second one frees what finalizers have let go.
			runtime.GC()
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			_, _ = fmt.Fprintln(os.Stdout, m.HeapAlloc)
		}
	}()
	ctrl.SetLogger(logr.Discard())
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	return operator.Run(ctx, cfg, operator.Options{
		Version: "bench", Namespaces: []string{memoryNamespace}, Listener: listener, CertFile: args[1], KeyFile: args[2], ExternalURL: "https://127.0.0.1",
		MetricsAddress: "0", HealthAddress: "0", LeaderElection: true, LeaderElectionNamespace: system, Log: logr.Discard(),
	})
}

func (w *world) startProbed(ctx context.Context) (*probed, error) {
	kubeconfig, err := w.env.KubeconfigFor(identity)
	if err != nil {
		return nil, err
	}
	file := w.dir + "/kubeconfig-probed"
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		return nil, err
	}
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &probed{cmd: exec.CommandContext(ctx, program, "probe", file, w.tls.cert, w.tls.key)}
	p.cmd.Stderr = os.Stderr
	input, err := p.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	output, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.lines = bufio.NewScanner(output)
	p.ask = func() error {
		_, err := fmt.Fprintln(input)
		return err
	}
	return p, p.cmd.Start()
}

// heap is how many bytes are in use, once that has come to rest: what was loaded has to arrive first.
func (p *probed) heap(ctx context.Context) (int, error) {
	last := -1
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(2 * time.Second):
		}
		if err := p.ask(); err != nil {
			return 0, err
		}
		if !p.lines.Scan() {
			return 0, errors.New("the operator ended")
		}
		bytes, err := strconv.Atoi(strings.TrimSpace(p.lines.Text()))
		if err != nil {
			return 0, err
		}
		const still = 64 << 10
		if last >= 0 && max(bytes-last, last-bytes) < still {
			return bytes, nil
		}
		last = bytes
	}
}

// measureMemory loads users with the status of one without accounts, gives them accounts, and does so with as many again.
func measureMemory(ctx context.Context, w *world, loader *bare, o options) (results []result, err error) {
	n := o.ops(memoryUsers)
	loader = loader.in(memoryNamespace)
	p, err := w.startProbed(ctx)
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait() // it was killed
	}()
	var heaps []int
	measure := func(what string) error {
		bytes, err := p.heap(ctx)
		heaps = append(heaps, bytes)
		w.say("memory: %s: %.1f MiB in use", what, float64(bytes)/(1<<20))
		return err
	}
	if err := measure("no users"); err != nil {
		return nil, err
	}
	var persons []person
	for _, part := range []string{"users", "twice as many"} {
		persons = newPersons(n)
		if _, err := loader.load(ctx, persons, 2*o.workers, func(int) {}); err != nil {
			return nil, err
		}
		if err := w.giveAccounts(ctx, loader, persons, 0, o.workers); err != nil {
			return nil, err
		}
		if err := measure(part + ", without accounts"); err != nil {
			return nil, err
		}
		if err := w.giveAccounts(ctx, loader, persons, accounts, o.workers); err != nil {
			return nil, err
		}
		if err := measure(part + ", with accounts"); err != nil {
			return nil, err
		}
	}
	// The second half: what is allocated once for all is there by then.
	user, account := float64(heaps[3]-heaps[2])/float64(n), float64(heaps[4]-heaps[3])/float64(n*accounts)
	const userLimit, accountLimit = 5 << 10, 614 // 0.6 KiB
	return []result{
		limited("memory of a cached user without accounts", user, userLimit, fmt.Sprintf("heap after collection, from %d to %d users", n, 2*n)),
		limited("memory of an account", account, accountLimit, fmt.Sprintf("%d accounts a user", accounts)),
		{
			figure: "memory of a cached user with 5 accounts", value: fmt.Sprintf("%.1f KiB", (user+accounts*account)/1024),
			absolute: fmt.Sprintf("%.1f MiB without users, of them %d MiB that are reserved and never touched", float64(heaps[0])/(1<<20), 64),
		},
	}, nil
}

func limited(figure string, bytes, limit float64, absolute string) result {
	met := bytes <= limit
	return result{
		figure: figure, value: fmt.Sprintf("%.2f KiB", bytes/1024), wanted: fmt.Sprintf("at most %.1f KiB", limit/1024), met: &met, absolute: absolute,
	}
}

// giveAccounts writes statuses as they are after provisioning: what one account has of its own is its id in the app, when that was, and the
// hashes of what was written there.
func (w *world) giveAccounts(ctx context.Context, loader *bare, persons []person, n, workers int) error {
	now := time.Now()
	return concurrently(ctx, len(persons), workers, func(ctx context.Context, i int) error {
		u := loader.object(persons[i])
		status := v1alpha1.ScimUserStatus{ObservedGeneration: 1, Active: "true", Summary: fmt.Sprintf("%d/%d", n, n)}
		for _, condition := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionAccountsSynced} {
			status.Conditions = append(status.Conditions, metav1.Condition{
				Type: condition, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonSucceeded, Message: "every account is as it should be",
				LastTransitionTime: metav1.NewTime(now), ObservedGeneration: 1,
			})
		}
		for a := range n {
			at := metav1.NewTime(now.Add(time.Duration(a) * time.Second))
			written := map[string]any{}
			for _, attribute := range []string{"userName", "displayName", "name.givenName", "name.familyName", "emails", "active", "roles"} {
				written[attribute] = randomText(8)
			}
			status.Accounts = append(status.Accounts, v1alpha1.Account{
				App: fmt.Sprintf("application-%d", a), State: v1alpha1.AccountActive, Roles: []string{"member"}, RemoteID: randomText(16),
				ProvisionedTime: &at, UpdatedTime: &at, Applied: plan.HashValues(written).String(),
			})
		}
		stored := &v1alpha1.ScimUser{}
		stored.Namespace, stored.Name = memoryNamespace, directory.NameHolder(u)
		return w.admin.Status().Patch(ctx, stored, mergeStatus(status), client.FieldOwner("bench"))
	})
}

// mergeStatus is a merge patch that sets the whole status.
func mergeStatus(status v1alpha1.ScimUserStatus) client.Patch {
	data, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		panic(err) // it is made of strings
	}
	return client.RawPatch(types.MergePatchType, data)
}
