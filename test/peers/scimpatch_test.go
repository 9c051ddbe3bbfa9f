// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package peers

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scim-operator/scim-operator/internal/scim"
)

// oracle is a process of the npm package scim-patch (test/peers/scimpatch): another reading of RFC 7644 3.5.2.
type oracle struct {
	t   *testing.T
	in  *json.Encoder
	out *json.Decoder
}

func startOracle(t *testing.T) *oracle {
	t.Helper()
	nodeProject(t, "scimpatch")
	node := exec.CommandContext(context.WithoutCancel(t.Context()), "node", "apply.mjs")
	node.Dir, node.Stderr = "scimpatch", os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(out)
	t.Cleanup(func() {
		_ = in.Close()
		_, _ = io.Copy(io.Discard, reader)
		if err := node.Wait(); err != nil {
			t.Errorf("node ended with %v", err)
		}
	})
	return &oracle{t: t, in: json.NewEncoder(in), out: json.NewDecoder(reader)}
}

// apply gives the resource after the operation, or the name of the error. creates has a replace on a value path that selects nothing create it.
func (o *oracle) apply(resource map[string]any, op operation, creates bool) (map[string]any, string) {
	o.t.Helper()
	if err := o.in.Encode(map[string]any{"resource": resource, "operation": op.body(), "creates": creates}); err != nil {
		o.t.Fatal(err)
	}
	var answer struct {
		Resource map[string]any
		Error    string
	}
	if err := o.out.Decode(&answer); err != nil {
		o.t.Fatal(err)
	}
	return answer.Resource, answer.Error
}

// ours is what internal/scim makes of it.
func ours(rt *scim.ResourceType, resource map[string]any, op operation, options scim.Options) (map[string]any, error) {
	body, err := json.Marshal(map[string]any{"schemas": []string{scim.PatchSchema}, "Operations": []any{op.body()}})
	if err != nil {
		return nil, err
	}
	patch, err := scim.ParsePatch(body, rt, options)
	if err != nil {
		return nil, err
	}
	result, _, err := scim.ApplyPatch(scim.ResourceFromMap(rt, resource), patch, options)
	if err != nil {
		return nil, err
	}
	return asMap(result)
}

func asMap(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	return m, json.Unmarshal(raw, &m)
}

// operation is one PATCH operation. A nil value is none.
type operation struct {
	kind  string
	path  string
	value any
}

func (op operation) body() map[string]any {
	m := map[string]any{"op": op.kind}
	if op.path != "" {
		m["path"] = op.path
	}
	if op.value != nil {
		m["value"] = op.value
	}
	return m
}

func (op operation) String() string {
	raw, _ := json.Marshal(op.body()) // maps of JSON values always marshal
	return string(raw)
}

// attributes are the names of the attribute that the path names, without filter and sub-attribute; the keys of the value without a path.
func (op operation) attributes() []string {
	if op.path == "" {
		return slices.Collect(maps.Keys(op.value.(map[string]any)))
	}
	if strings.HasPrefix(op.path, scim.EnterpriseUserSchemaID) {
		return []string{scim.EnterpriseUserSchemaID}
	}
	return []string{strings.FieldsFunc(op.path, func(r rune) bool { return r == '[' || r == '.' })[0]}
}

// normal takes away what RFC 7643 2.5 says is no value, and what the server works out itself.
func normal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, x := range v {
			if x = normal(x); x != nil && name != "schemas" {
				out[name] = x
			}
		}
		if len(out) == 0 {
			return nil
		}
		return out
	case []any:
		var out []any
		for _, x := range v {
			if x = normal(x); x != nil {
				out = append(out, x)
			}
		}
		if len(out) == 0 {
			return nil
		}
		// The values of an attribute have no order (RFC 7643 2.4 knows primary instead).
		slices.SortFunc(out, func(a, b any) int { return strings.Compare(text(a), text(b)) })
		return out
	}
	return v
}

// comparison is one operation on one resource, and what both make of it.
type comparison struct {
	before       map[string]any
	op           operation
	creates      bool
	ours, theirs map[string]any
	ourError     error
	theirError   string
}

// agree reports whether both have refused, or have the same result.
func (c comparison) agree() bool {
	if c.ourError != nil || c.theirError != "" {
		return c.ourError != nil && c.theirError != ""
	}
	return cmp.Equal(normal(c.ours), normal(c.theirs))
}

func merged(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]any{}
	}
	maps.Copy(all, b)
	return all
}

const (
	// casesVariable is how many operations are compared; the default takes a few seconds.
	casesVariable = "PATCH_ORACLE_CASES"
	defaultCases  = 4000
	// seedVariable repeats a run. Runs of the default size are all the same, others are each another one.
	seedVariable = "PATCH_ORACLE_SEED"
	defaultSeed  = 1
)

func fromEnvironment(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// TestPatchAgreesWithScimPatch applies random operations to random users and groups, one after the other, here and in scim-patch, and compares. What differs
// has to be of one of the classes in patchDifferences, which say who is right.
func TestPatchAgreesWithScimPatch(t *testing.T) {
	t.Parallel()
	o := startOracle(t)
	cases := int(fromEnvironment(t, casesVariable, defaultCases))
	seed := uint64(defaultSeed)
	if cases != defaultCases {
		seed = uint64(time.Now().UnixNano())
	}
	seed = fromEnvironment(t, seedVariable, seed)
	g := &generator{rand.New(rand.NewPCG(seed, seed))}
	excused := map[string]int{}
	agreed := 0
	var rt *scim.ResourceType
	var resource map[string]any
	for i := range cases {
		if i%10 == 0 {
			rt, resource = g.resource()
		}
		c := comparison{before: resource, creates: g.chance(2)}
		options := scim.Options{Dialect: scim.NewDialect("oracle", scim.RemoveByValue)}
		if c.creates {
			options.Dialect = scim.NewDialect("oracle", scim.RemoveByValue, scim.ReplaceCreatesTarget)
		}
		c.op = g.operation(rt, resource)
		c.theirs, c.theirError = o.apply(resource, c.op, c.creates)
		c.ours, c.ourError = ours(rt, resource, c.op, options)
		if c.agree() {
			agreed++
		} else if names := explain(c); names != "" {
			for name := range strings.SplitSeq(names, ", ") {
				excused[name]++
			}
		} else {
			t.Errorf("%s=%d, operation %d, creates %v\nbefore %s\noperation %s\nours   %s %v\ntheirs %s %s", seedVariable, seed, i, c.creates,
				text(resource), c.op, text(c.ours), c.ourError, text(c.theirs), c.theirError)
			break
		}
		if c.ourError == nil {
			resource = c.ours
		}
	}
	t.Logf("%s=%d: %d of %d agree; differences %v", seedVariable, seed, agreed, cases, excused)
	if agreed < cases*3/4 {
		t.Errorf("only %d of %d operations were compared in earnest", agreed, cases)
	}
	for _, d := range patchDifferences {
		if cases >= 5*defaultCases && excused[d.name] == 0 {
			t.Errorf("the difference %q did not come up: take it out of the table", d.name)
		}
	}
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
