// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Package mutants takes single fixes out of the engine and sees that the simulation finds each of them missing. A mutant is a textual replacement in one file, which
// `go build -overlay` puts in place of the file: the sources stay as they are.
package mutants

// Mutant is the engine without one of its fixes.
type Mutant struct {
	Name string
	// File is the path from the root of the module.
	File string
	// Old is the text that New stands in place of. It is found exactly once in the file.
	Old, New string
}

// All are the mutants.
var All = []Mutant{
	{
		Name: "creates again before the settle time is over",
		File: "internal/provisioner/app.go",
		Old:  "	return max(0, since.Add(a.config.Settle).Sub(a.clock.Now()))\n",
		New:  "	_ = since\n	return 0\n",
	},
}
