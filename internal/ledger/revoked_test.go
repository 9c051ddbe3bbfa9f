// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package ledger_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scim-operator/scim-operator/api/v1alpha1"
	"github.com/scim-operator/scim-operator/internal/ledger"
)

// counted expects that these users count for the guard.
func (p *process) counted(when string, want ...string) {
	p.t.Helper()
	if got := slices.Sorted(maps.Keys(p.RevokedUsers())); !slices.Equal(got, want) {
		p.t.Errorf("%s: %v are counted, want %v", when, got, want)
	}
}

func TestRevokedUsersCountForAnHour(t *testing.T) {
	p := newProcess(t)
	p.AddRevoked("kim", ledger.Revoked{At: p.Now(), Leaver: true})
	p.pass(time.Minute)
	p.AddRevoked("lee", ledger.Revoked{At: p.Now()})
	p.counted("both", "kim", "lee")
	if !p.RevokedUsers()["kim"].Leaver || p.RevokedUsers()["lee"].Leaver {
		t.Error("who left is not told")
	}
	p.pass(59 * time.Minute)
	p.counted("an hour later", "lee")
	p.pass(time.Minute)
	p.counted("all are over")
}

func TestApprovedRevocationsDoNotCount(t *testing.T) {
	p := newProcess(t)
	p.AddRevoked("kim", ledger.Revoked{At: p.Now(), Approved: true, Ended: true})
	p.counted("approved")
	if !p.EndWasApproved("kim") || p.EndWasApproved("lee") {
		t.Error("what was approved")
	}
	if !p.AskRecord("kim", ledger.Revoked{At: p.Now()}, ledger.Waiting{}) {
		t.Error("the removal from a group that follows an approved deactivation waits for a record")
	}
	p.AddRevoked("kim", ledger.Revoked{At: p.Now()})
	p.counted("another one without an approval", "kim")
	p.AddRevoked("kim", ledger.Revoked{At: p.Now(), Approved: true})
	p.counted("an approval does not undo what counted", "kim")
}

func TestApprovalEndsWithTheWindow(t *testing.T) {
	p := newProcess(t)
	p.AddRevoked("kim", ledger.Revoked{At: p.Now(), Approved: true, Ended: true})
	p.pass(time.Hour)
	if p.EndWasApproved("kim") {
		t.Error("approved an hour ago")
	}
	p.AddRevoked("lee", ledger.Revoked{At: p.Now(), Approved: true})
	p.pass(time.Hour)
	if p.AskRecord("lee", ledger.Revoked{At: p.Now()}, ledger.Waiting{}) {
		t.Error("a revocation is not recorded because of an approval an hour ago")
	}
}

func TestRecordIsAskedForOnce(t *testing.T) {
	p := newProcess(t)
	group, staff := ledger.Revoked{At: p.Now()}, ledger.Waiting{Kind: ledger.Group, Name: "staff"}
	for range 2 {
		if p.AskRecord("kim", group, staff) {
			t.Error("recorded before the status says so")
		}
	}
	records, added := ledger.RecordRevoked(nil, p.RevokedUsers(), p.Now())
	if len(records) != 1 || !slices.Equal(added, []string{"kim"}) {
		t.Errorf("records %v, added %v", records, added)
	}
	waiting := p.MarkRecorded([]string{"kim", "who is not known"})
	if !slices.Equal(waiting, []ledger.Waiting{staff}) {
		t.Errorf("%v waited for the record", waiting)
	}
	p.pass(time.Second)
	group.At = p.Now()
	if !p.AskRecord("kim", group, staff) {
		t.Error("the record is not seen")
	}
	p.AddRevoked("kim", ledger.Revoked{At: p.Now(), Record: true})
	if again, added := ledger.RecordRevoked(records, p.RevokedUsers(), p.Now()); len(added) > 0 || len(again) != 1 {
		t.Errorf("recorded twice: %v", again)
	}
}

// The record of an earlier revocation ends before this one's hour is over.
func TestRecordOfAnEarlierRevocationIsNotEnough(t *testing.T) {
	for name, again := range map[string]func(*process){
		"asked for": func(p *process) {
			if p.AskRecord("kim", ledger.Revoked{At: p.Now()}, ledger.Waiting{}) {
				p.t.Error("the record of 50 minutes ago is taken for one of now")
			}
		},
		"made": func(p *process) { p.AddRevoked("kim", ledger.Revoked{At: p.Now(), Record: true}) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProcess(t)
			p.AskRecord("kim", ledger.Revoked{At: p.Now()}, ledger.Waiting{})
			records, added := ledger.RecordRevoked(nil, p.RevokedUsers(), p.Now())
			p.MarkRecorded(added)
			p.pass(50 * time.Minute)
			again(p)
			records, added = ledger.RecordRevoked(records, p.RevokedUsers(), p.Now())
			p.MarkRecorded(added)
			p.pass(50 * time.Minute)
			if users, _ := ledger.ParseRecords(records, p.Now()); len(users) != 1 {
				t.Errorf("50 minutes later, the records tell of %v", users)
			}
		})
	}
}

func TestRecordsSurviveTheStatus(t *testing.T) {
	at := func(minutes int) time.Time { return start.Add(time.Duration(minutes)*time.Minute + 10*time.Second) }
	revoked := map[string]ledger.Revoked{
		"AAAAAAA1": {At: at(0), Record: true, Leaver: true},
		"AAAAAAA2": {At: at(0), Record: true},
		"AAAAAAA3": {At: at(5), Record: true},
		"recorded": {At: at(5), Record: true, Recorded: true},
		"approved": {At: at(5), Record: true, Approved: true},
		"instatus": {At: at(5)},
		"tooolong": {At: at(-70), Record: true},
	}
	records, added := ledger.RecordRevoked(nil, revoked, at(6))
	if diff := cmp.Diff([]string{"AAAAAAA1", "AAAAAAA2", "AAAAAAA3"}, added); diff != "" {
		t.Errorf("added (-want +got):\n%s", diff)
	}
	want := []v1alpha1.RevokedUsers{
		{Time: metav1.NewTime(start), Users: "AAAAAAA1! AAAAAAA2"}, {Time: metav1.NewTime(start.Add(5 * time.Minute)), Users: "AAAAAAA3"},
	}
	if diff := cmp.Diff(want, records); diff != "" {
		t.Errorf("records (-want +got):\n%s", diff)
	}
	users, more := ledger.ParseRecords(records, at(6))
	for user, leaver := range map[string]bool{"AAAAAAA1": true, "AAAAAAA2": false, "AAAAAAA3": false} {
		if got := users[user]; got.Leaver != leaver || !got.Recorded || got.At.Before(revoked[user].At) || got.At.Sub(revoked[user].At) > time.Minute {
			t.Errorf("%s: %+v", user, got)
		}
	}
	if len(users) != 3 || more != 0 {
		t.Errorf("users %v and %d more", users, more)
	}
	// Nobody is forgotten before the hour is over, and everybody is soon after.
	if users, _ := ledger.ParseRecords(records, at(60)); len(users) != 3 {
		t.Errorf("an hour later: %v", users)
	}
	if users, _ := ledger.ParseRecords(records, at(62)); len(users) != 1 {
		t.Errorf("after the hour: %v", users)
	}
	if left, _ := ledger.RecordRevoked(records, nil, at(62)); len(left) != 1 || len(records) != 2 {
		t.Errorf("records after the hour: %v", left)
	}
}

// A time in the future comes from a clock that was ahead: the revocation counts for an hour from when it is read, and displaces no other one.
func TestRecordsOfAClockThatWasAheadCountFromNowOn(t *testing.T) {
	for _, ahead := range []time.Duration{time.Second, 30 * time.Minute, time.Hour, 100 * time.Hour, 100_000 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			var records []v1alpha1.RevokedUsers
			revoked := map[string]ledger.Revoked{}
			for i := range 60 {
				at := time.Duration(i) * time.Minute
				records = append(records, v1alpha1.RevokedUsers{Time: metav1.NewTime(start.Add(-at)), Users: fmt.Sprint("real", i), More: 1})
				revoked[fmt.Sprint("known", i)] = ledger.Revoked{At: start.Add(-at), Record: true}
				revoked[fmt.Sprint("ahead", i)] = ledger.Revoked{At: start.Add(ahead + at), Record: true}
			}
			for i := range 60 {
				at := start.Add(ahead + time.Duration(i)*time.Minute)
				records = append(records, v1alpha1.RevokedUsers{Time: metav1.NewTime(at), Users: fmt.Sprintf("late%d early%d!", i, i), More: 1})
			}
			after, added := ledger.RecordRevoked(records, revoked, start)
			users, more := ledger.ParseRecords(after, start)
			if len(added) != 120 || len(users) != 300 || more != 120 || len(after) > 64 {
				t.Errorf("%d were added; %d users and %d more count, in %d records", len(added), len(users), more, len(after))
			}
			if read, more := ledger.ParseRecords(records, start); len(read) != 180 || more != 120 {
				t.Errorf("%d users and %d more count before they are recorded again", len(read), more)
			}
			if again, _ := ledger.RecordRevoked(after, nil, start.Add(time.Second)); cmp.Diff(after, again) != "" {
				t.Error("the records change without a reason")
			}
			if users, more := ledger.ParseRecords(after, start.Add(62*time.Minute)); len(users)+more > 0 {
				t.Errorf("after an hour, %d users and %d more count", len(users), more)
			}
		})
	}
}

func TestRevocationOfAClockThatWasAheadIsNotCountedForLonger(t *testing.T) {
	p := newProcess(t)
	p.AskRecord("kim", ledger.Revoked{At: p.Now().Add(50 * time.Minute)}, ledger.Waiting{})
	p.counted("now", "kim")
	p.pass(time.Hour)
	p.counted("an hour later")
}

func TestEarlierRecordsComeFirst(t *testing.T) {
	records, _ := ledger.RecordRevoked([]v1alpha1.RevokedUsers{{Time: metav1.NewTime(start), Users: "b"}}, map[string]ledger.Revoked{
		"a": {At: start.Add(-time.Minute), Record: true}, "c": {At: start, Record: true},
	}, start)
	if len(records) != 2 || records[0].Users != "a" || records[1].Users != "b c" {
		t.Errorf("records %v", records)
	}
}

// ScimApp.status.guard stays small, however many users lose access within the hour. Nobody is left out of the count.
func TestRecordsAreBounded(t *testing.T) {
	const minutes = 61
	revoked := map[string]ledger.Revoked{}
	for i := range minutes * 500 {
		revoked[fmt.Sprintf("%08d", i)] = ledger.Revoked{At: start.Add(-time.Duration(i%minutes) * time.Minute), Record: true, Leaver: true}
	}
	records, added := ledger.RecordRevoked(nil, revoked, start)
	if len(added) != len(revoked) || len(records) != minutes {
		t.Errorf("%d users in %d records", len(added), len(records))
	}
	for _, record := range records {
		if len(record.Users) > 4096 || len(strings.Fields(record.Users))+int(record.More) != 500 {
			t.Errorf("a record of %d bytes: %d users and %d more", len(record.Users), len(strings.Fields(record.Users)), record.More)
		}
	}
	text, err := json.Marshal(records)
	if err != nil || len(text) > 300<<10 {
		t.Errorf("the records take %d bytes: %v", len(text), err)
	}
	if named, more := ledger.ParseRecords(records, start); len(named)+more != len(revoked) {
		t.Errorf("%d users and %d more", len(named), more)
	}
}
