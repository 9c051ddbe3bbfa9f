// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// result is a figure.
type result struct {
	figure string
	// value is what was measured, wanted what it should be, both in words. met is nil where nothing is wanted.
	value, wanted string
	met           *bool
	// absolute are the figures behind the value, cpu the CPU time of an operation by process.
	absolute, cpu string
	// baseline are the rounds of what a comparison compared with.
	baseline []measured
}

// atLeast and atMost are results that are compared with a limit.
func atLeast(figure string, value, limit float64) result {
	met := value >= limit
	return result{figure: figure, value: fmt.Sprintf("%.2f", value), wanted: fmt.Sprintf("at least %.2f", limit), met: &met}
}

func atMost(figure string, value, limit float64) result {
	met := value <= limit
	return result{figure: figure, value: fmt.Sprintf("%.2f", value), wanted: fmt.Sprintf("at most %.2f", limit), met: &met}
}

func (r result) verdict() string {
	switch {
	case r.met == nil:
		return ""
	case *r.met:
		return "yes"
	}
	return "**no**"
}

// report writes all results as the tables of docs/performance.md.
func report(out io.Writer, o options, results []result) {
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	write("\nMeasured %s on %s.\n", time.Now().UTC().Format("2006-01-02 15:04 UTC"), machine())
	if o.quick {
		write("With `-quick`, this says that the benchmark works, and nothing about speed.\n")
	}
	write("| figure | value | wanted | met | absolute |\n| --- | --- | --- | --- | --- |")
	for _, r := range results {
		write("| %s | %s | %s | %s | %s |", r.figure, r.value, r.wanted, r.verdict(), r.absolute)
	}
	write("\n| CPU time of one operation, ms | client | endpoint | kube-apiserver | etcd |\n| --- | --- | --- | --- | --- |")
	for _, r := range results {
		for line := range strings.Lines(r.cpu) {
			write("%s", strings.TrimSpace(line))
		}
	}
}

// machine says on what the figures were measured.
func machine() string {
	words := []string{strconv.Itoa(runtime.NumCPU()) + " cores"}
	if model := lineOf("/proc/cpuinfo", "model name"); model != "" {
		words = append(words, model)
	}
	if memory := lineOf("/proc/meminfo", "MemTotal"); memory != "" {
		kib, _ := strconv.Atoi(strings.TrimSuffix(memory, " kB"))
		words = append(words, fmt.Sprintf("%d GiB of memory", (kib+1<<19)>>20))
	}
	if kernel, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		words = append(words, "Linux "+strings.TrimSpace(string(kernel)))
	}
	words = append(words, runtime.Version())
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		words = append(words, "load "+strings.Join(strings.Fields(string(load))[:3], " ")+" at the end")
	}
	return strings.Join(words, ", ")
}

// lineOf is the value of the first line of a file that begins with the name.
func lineOf(path, name string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
