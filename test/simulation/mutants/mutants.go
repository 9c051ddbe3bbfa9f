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

// All are the mutants. The comment of each names the case of decision 0020 or 0021 that it takes out.
var All = []Mutant{
	{
		Name: "creates again before the settle time is over",
		File: "internal/ledger/operation.go",
		Old:  "	return max(0, since.Add(l.settle).Sub(l.clock.Now()))\n",
		New:  "	_ = since\n	return 0\n",
	},
	{
		// A role update or a deactivation that lost its answer, and whose cause is then taken back.
		Name: "forgets a change without an answer",
		File: "internal/ledger/operation.go",
		Old:  "	e.unsettled, e.current = &merged, nil\n",
		New:  "	e.current = nil\n",
	},
	{
		// A deactivation that was announced and perhaps made before a crash.
		Name: "does not take over the operation of an earlier process",
		File: "internal/ledger/operation.go",
		Old:  "	if e := l.entries[id]; (stored == nil && !behind) || (e != nil && e.adopted) {\n",
		New:  "	if e := l.entries[id]; !behind || (e != nil && e.adopted) {\n",
	},
	{
		// A change of the spec while nobody led.
		Name: "trusts a status that is behind the spec",
		File: "internal/ledger/book.go",
		Old:  "	return b.behind[uid]\n",
		New:  "	return false\n",
	},
	{
		// The late call of a former leader, or of our own.
		Name: "settles by an observation before the settle time",
		File: "internal/ledger/operation.go",
		Old:  "SettledFrom: e.unsettled.since.Add(l.settle)}",
		New:  "SettledFrom: e.unsettled.since}",
	},
	{
		// A mapping made by mistake, for users who have accounts of their own.
		Name: "revokes an account that it did not create",
		File: "internal/provisioner/link.go",
		Old:  "	case c.mine(found):\n		return found.ID, false",
		New:  "	case found != nil:\n		return found.ID, false",
	},
	{
		// Many users lose a role.
		Name: "counts revocations by the name of the action",
		File: "internal/plan/differ.go",
		Old:  "	if d.RoleAttribute == \"\" || d.problem(d.RoleAttribute) {\n",
		New:  "	if d.RoleAttribute != \"-\" || d.problem(d.RoleAttribute) {\n",
	},
	{
		Name: "believes that an account is absent",
		File: "internal/provisioner/absence.go",
		Old:  "	if !w.testedLately() {\n",
		New:  "	if failure != nil {\n		return true, 0, nil\n	}\n	if !w.testedLately() {\n",
	},
	{
		Name: "believes a success that the app does not show",
		File: "internal/provisioner/write.go",
		Old:  "	shown, contradicts, what := check(user)\n",
		New:  "	if c != nil {\n		return true, nil\n	}\n	shown, contradicts, what := check(user)\n",
	},
}
