// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"
	"strings"
	"time"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
)

// MaxFindings is how many attributes ScimApp.status.attributes has.
const MaxFindings = 64

// findingKept is how long a finding stays although a later answer shows the value: what depends on the value of an account would come and go with each of them.
const findingKept = 10 * time.Minute

// findings is what this process found out about the attributes of an app.
type findings struct {
	// byName has the newest finding of each attribute, nil where the app shows it as it was written.
	byName map[string]*v1alpha1.AttributeFinding
	// read are the attributes that an account was read for, because the answer to a write does not show them, and whether the read showed them.
	read map[string]readAttribute
}

type readAttribute struct {
	tries  int
	known  bool
	hidden bool
}

// maxReads is how many accounts are read to see one attribute, while the reads tell nothing.
const maxReads = 3

// severity orders findings: a lesser one does not replace a more severe one.
var severity = []v1alpha1.Finding{
	v1alpha1.FindingRefused, v1alpha1.FindingNotApplied, v1alpha1.FindingValueRefused, v1alpha1.FindingDiffers, v1alpha1.FindingNotShown, v1alpha1.FindingNormalized,
}

// Find adds a finding to those that are known, and returns whether it is new.
func (l *Ledger) Find(found v1alpha1.AttributeFinding, known *v1alpha1.AttributeFinding) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own, ok := l.found.byName[found.Name]; ok && (own == nil || own.Mapping == found.Mapping) {
		known = own
	}
	if known != nil && known.Mapping == found.Mapping {
		switch {
		case known.Finding == found.Finding:
			calls := slices.Concat(known.Calls, found.Calls)
			slices.Sort(calls)
			if calls = slices.Compact(calls); len(calls) == len(known.Calls) {
				return false
			}
			found.Since, found.Calls = known.Since, calls
		case slices.Index(severity, known.Finding) < slices.Index(severity, found.Finding):
			return false
		}
	}
	if l.found.byName == nil {
		l.found.byName = map[string]*v1alpha1.AttributeFinding{}
	}
	l.found.byName[found.Name] = &found
	return true
}

// Shows says that an answer shows an attribute as it was written, and returns whether what is known of it is forgotten.
func (l *Ledger) Shows(known *v1alpha1.AttributeFinding) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	own, ok := l.found.byName[known.Name]
	if (ok && own == nil) || l.clock.Since(known.Since.Time) < findingKept {
		return false
	}
	if l.found.byName == nil {
		l.found.byName = map[string]*v1alpha1.AttributeFinding{}
	}
	l.found.byName[known.Name] = nil
	return true
}

// ReadFor reports whether an account is to be read to see these attributes, which the answer to a write does not show: no read has told yet whether the app shows them.
func (l *Ledger) ReadFor(names []string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found.read == nil {
		l.found.read = map[string]readAttribute{}
	}
	needed := false
	for _, name := range names {
		read := l.found.read[name]
		if !read.known && read.tries < maxReads {
			needed = true
			read.tries++
			l.found.read[name] = read
		}
	}
	return needed
}

// SetRead says whether a read has shown an attribute.
func (l *Ledger) SetRead(name string, shown bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	read := l.found.read[name]
	read.known, read.hidden = true, !shown
	l.found.read[name] = read
}

// Hides reports whether a read has not shown an attribute that was written.
func (l *Ledger) Hides(name string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.found.read[name].hidden
}

// ForgetReads says that the app shows an attribute in its answers.
func (l *Ledger) ForgetReads(name string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.found.read, name)
}

// Findings returns the findings of the status with those of this process, sorted by name. Those that are not valid, because the mapping has changed, are left out.
func (l *Ledger) Findings(stored []v1alpha1.AttributeFinding, valid func(*v1alpha1.AttributeFinding) bool) []v1alpha1.AttributeFinding {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(stored) == 0 && len(l.found.byName) == 0 {
		return nil
	}
	var all []v1alpha1.AttributeFinding
	for i := range stored {
		if _, own := l.found.byName[stored[i].Name]; !own && valid(&stored[i]) {
			all = append(all, stored[i])
		}
	}
	for _, found := range l.found.byName {
		if found != nil && valid(found) {
			all = append(all, *found)
		}
	}
	slices.SortFunc(all, func(a, b v1alpha1.AttributeFinding) int { return strings.Compare(a.Name, b.Name) })
	return all[:min(len(all), MaxFindings)]
}
