// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package mutants

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

var (
	seedsFlag = flag.Int("mutants.seeds", 0, "how many seeds each mutant may survive")
	onlyFlag  = flag.String("mutants.only", "", "a part of the names of the mutants to play")
	allFlag   = flag.Bool("mutants.all", false, "play those that are rarely found, too")
	skipFlag  = flag.String("mutants.skip", "", "properties that do not count, with commas in between")
)

// root of the module.
const root = "../../.."

// found is what the search says of a failure.
var found = regexp.MustCompile(`(?s)seed (\d+), after \d+ events: property ([^\n]+)`)

// TestTheTextOfEachMutantIsFound keeps the table in step with the sources.
func TestTheTextOfEachMutantIsFound(t *testing.T) {
	for _, mutant := range All {
		t.Run(mutant.Name, func(t *testing.T) {
			if _, err := mutant.source(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestMutants plays each mutant until it is found. `make simulate-mutants` runs it.
func TestMutants(t *testing.T) {
	if *seedsFlag == 0 {
		t.Skip("no budget is given")
	}
	// Each search takes one core, so that one mutant is built while another one is searched.
	cores := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, mutant := range All {
		if !strings.Contains(mutant.Name, *onlyFlag) || (mutant.Rare && !*allFlag && *onlyFlag == "") {
			continue
		}
		t.Run(mutant.Name, func(t *testing.T) {
			t.Parallel()
			cores <- struct{}{}
			defer func() { <-cores }()
			begun := time.Now()
			binary := mutant.build(t)
			built := time.Since(begun)
			report, err := search(t, binary)
			var failed *exec.ExitError
			match := found.FindStringSubmatch(report)
			switch {
			case err == nil:
				t.Errorf("it survives %d seeds", *seedsFlag)
			case !errors.As(err, &failed) || match == nil:
				t.Fatalf("the search does not work: %v\n%s", err, report)
			default:
				t.Logf("found by seed %s, property %s, in %s (built in %s)", match[1], match[2], (time.Since(begun) - built).Round(time.Second), built.Round(time.Second))
			}
		})
	}
}

// source is the mutated file.
func (m Mutant) source() (string, error) {
	source, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(source), m.Old); n != 1 {
		return "", fmt.Errorf("the text to be replaced is found %d times in %s, not once", n, m.File)
	}
	return strings.Replace(string(source), m.Old, m.New, 1), nil
}

// build makes the simulation with the mutated file.
func (m Mutant) build(t *testing.T) string {
	t.Helper()
	source, err := m.source()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	mutated, overlay, binary := filepath.Join(dir, "mutated.go"), filepath.Join(dir, "overlay.json"), filepath.Join(dir, "simulation.test")
	original, err := filepath.Abs(filepath.Join(root, m.File))
	if err != nil {
		t.Fatal(err)
	}
	replace, err := json.Marshal(map[string]any{"Replace": map[string]string{original: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{mutated: []byte(source), overlay: replace} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.CommandContext(t.Context(), "go", "test", "-c", "-ldflags=-s -w", "-overlay", overlay, "-o", binary, "./test/simulation")
	command.Dir = root
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the mutant does not compile: %v\n%s", err, output)
	}
	return binary
}

// search plays seeds until one fails.
func search(t *testing.T, binary string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), binary, "-test.run=^TestSearch$", "-test.timeout=0", "-sim.shrink=false",
		fmt.Sprintf("-sim.seeds=%d", *seedsFlag), "-sim.skip="+*skipFlag)
	command.Dir = ".."
	command.Env = append(os.Environ(), "GOGC=1000", "GOMAXPROCS=1")
	output, err := command.CombinedOutput()
	return string(output), err
}
