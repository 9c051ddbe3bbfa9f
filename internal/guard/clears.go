// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package guard

import "slices"

// DecideClears returns which attributes may be cleared and which are held from now on. The same users and limits as for revocations count, in an hour of their own: nobody's
// deactivation waits because many titles became empty. active is the number of active accounts, cleared are the users who lost the value of an attribute in the window without
// an approval.
func DecideClears(limits Limits, active int, cleared map[string]bool, clears []Revocation) Verdict {
	var v Verdict
	var free, grown []Revocation
	for _, r := range clears {
		switch {
		case r.Batch != "" && r.Approved, r.Batch == "" && r.Allowed:
			v.Pass = append(v.Pass, r)
		case r.AlwaysHold:
			grown = append(grown, r)
		case r.Batch == "":
			free = append(free, r)
		default:
			v.Held = append(v.Held, r)
		}
	}
	passed := slices.DeleteFunc(slices.Clone(v.Pass), func(r Revocation) bool { return r.Approved })
	v.Hold = grown
	if len(users(cleared, v.Held, grown, passed, free)) > Threshold(active, 0, limits) {
		v.Hold = append(v.Hold, free...)
	} else {
		v.Pass = append(v.Pass, free...)
	}
	return v
}
