// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// processes are those whose CPU time is counted, by what they are called in reports.
type processes []process

type process struct {
	name string
	pid  int
}

// usage is CPU time by process.
type usage []spent

type spent struct {
	name string
	time time.Duration
}

// processes are the benchmark's own, the endpoint's, and those of the API server.
func (w *world) processes(e *endpoint) processes {
	all := processes{{"client", os.Getpid()}, {"endpoint", e.cmd.Process.Pid}}
	for _, name := range []string{"kube-apiserver", "etcd"} {
		data, err := os.ReadFile(filepath.Join(w.env.Dir, "pids", name))
		if pid, notNumber := strconv.Atoi(string(bytes.TrimSpace(data))); err == nil && notNumber == nil {
			all = append(all, process{name, pid})
		}
	}
	return all
}

// tick is the unit of CPU time in /proc: USER_HZ, which is 100 on all of Linux' platforms that Go knows.
const tick = 10 * time.Millisecond

// usage reads the CPU time so far. It has nothing where there is no /proc.
func (all processes) usage() usage {
	var u usage
	for _, p := range all {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.pid))
		if err != nil {
			continue
		}
		// The name of the program stands in parentheses and may hold anything; after it come the state and, as 12th and 13th, the times.
		fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
		user, _ := strconv.Atoi(fields[11])
		kernel, _ := strconv.Atoi(fields[12])
		u = append(u, spent{p.name, time.Duration(user+kernel) * tick})
	}
	return u
}

func (u usage) since(before usage) usage {
	var d usage
	for i := range u {
		d = append(d, spent{u[i].name, u[i].time - before[i].time})
	}
	return d
}

// plus is the sum; nothing plus something is something.
func (u usage) plus(more usage) usage {
	if u == nil {
		return more
	}
	var sum usage
	for i := range u {
		sum = append(sum, spent{u[i].name, u[i].time + more[i].time})
	}
	return sum
}

func (u usage) each(n int) usage {
	var d usage
	for _, s := range u {
		d = append(d, spent{s.name, s.time / time.Duration(n)})
	}
	return d
}

// String is the CPU time of each process in milliseconds.
func (u usage) String() string {
	var parts []string
	for _, s := range u {
		parts = append(parts, fmt.Sprintf("%s %.3f", s.name, float64(s.time)/float64(time.Millisecond)))
	}
	return strings.Join(parts, ", ") + " ms"
}

// row is a row of the report's table: client, endpoint, kube-apiserver, etcd.
func (u usage) row(what string) string {
	row := "| " + what + " |"
	for _, s := range u {
		row += fmt.Sprintf(" %.2f |", float64(s.time)/float64(time.Millisecond))
	}
	return row
}

// medianUsage has the median of each process.
func medianUsage(all []measured) usage {
	var u usage
	for i := range all[0].cpu {
		m := median(all, func(m measured) float64 { return float64(m.cpu[i].time) })
		u = append(u, spent{all[0].cpu[i].name, time.Duration(m)})
	}
	return u
}
