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
	// Rare: it takes about a hundred seeds to be found, and is only played when all are asked for.
	Rare bool
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
		Rare: true,
		File: "internal/ledger/book.go",
		Old:  "	return b.behind[uid]\n",
		New:  "	return false\n",
	},
	{
		// The late call of a former leader, or of our own.
		Name: "settles by an observation before the settle time",
		Rare: true,
		File: "internal/ledger/operation.go",
		Old:  "SettledFrom: e.unsettled.since.Add(l.settle)}",
		New:  "SettledFrom: e.unsettled.since}",
	},
	{
		// A mapping made by mistake, for users who have accounts of their own.
		Name: "revokes an account that it did not create",
		File: "internal/provisioner/link.go",
		Old:  "	case c.mine(found):\n		return found, c.hold",
		New:  "	case found != nil:\n		return found, c.hold",
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
		Name: "removes members of a pushed group without the guard",
		File: "internal/provisioner/members.go",
		Old:  "	if len(users) == 0 && !empties {",
		New:  "	if len(users) >= 0 {",
	},
	{
		Name: "deletes a pushed group while PushGroups is off",
		File: "internal/plan/group.go",
		Old:  "	case !w.FeatureOff && (have.State",
		New:  "	case (have.State",
	},
	{
		Name: "lets all accounts of a small app be revoked",
		File: "internal/guard/guard.go",
		Old:  "	return active > 1 && active <= smallApp && len(affected) >= active",
		New:  "	return active < 0",
	},
	{
		Name: "counts what is held again",
		File: "internal/guard/guard.go",
		Old:  "		default:\n			v.Held = append(v.Held, r)",
		New:  "		default:\n			r.Batch = \"\"\n			free = append(free, r)",
	},
	{
		Name: "makes a revocation before the guard has counted it",
		File: "internal/provisioner/gate.go",
		Old:  "	return verdict.Allowed\n",
		New:  "	return verdict.Allowed || verdict.Batch == \"\"\n",
	},
	{
		Name: "forgets the revocations of accounts that were deleted",
		Rare: true,
		File: "controllers/user/phases.go",
		Old:  "		if outcome.Drop && outcome.Revoked {",
		New:  "		if outcome.Drop && outcome.Entry.App == \"\" {",
	},
	{
		Name: "erases an operation while the app is suspended",
		File: "controllers/user/status.go",
		Old:  "	var op *plan.Operation\n	if account.Unsettled != nil {",
		New:  "	var op *plan.Operation\n	if account.Unsettled != nil && (account.App == nil || !account.App.Object.Spec.Suspend) {",
	},
	{
		Name: "trusts a success while an earlier call may have a late effect",
		Rare: true,
		File: "internal/ledger/operation.go",
		Old:  "	if e.unsettled.Repeats(step) || same || over {",
		New:  "	if e.unsettled.Repeats(step) || same || over || step.Action != \"\" {",
	},
	{
		Name: "links an account that a late call may change",
		Rare: true,
		File: "internal/provisioner/link.go",
		Old:  "	c.worker.ledger.ExpectLateEffect(c.id, found.ID)\n",
		New:  "",
	},
	{
		// The events of one kind are lost between cache and queue.
		Name: "resyncs nothing",
		File: "internal/kube/resync.go",
		Old:  "	for _, key := range inOrder(keys) {\n		if r.Before",
		New:  "	for _, key := range inOrder(keys)[:0] {\n		if r.Before",
	},
	{
		// An app that answers the removal of a member with success, and still shows the member.
		Name: "believes that members were removed whom the app shows",
		Rare: true,
		File: "internal/provisioner/groupwrite.go",
		Old:  "	case slices.ContainsFunc(change.Remove, func(m connector.Member) bool { return shown[m.ID] }):\n",
		New:  "	case len(change.Remove) < 0:\n",
	},
}
