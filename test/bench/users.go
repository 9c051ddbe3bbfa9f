// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"sync/atomic"
)

// numbers gives each user of the benchmark a number of its own.
var numbers atomic.Int64

// person is a user. All have names and values of the same lengths, so that objects are of one size.
type person struct{ userName, externalID, employee string }

func newPerson() person { return personOf(int(numbers.Add(1))) }

func personOf(n int) person {
	return person{userName: fmt.Sprintf("kim.meyer.%08d@corp.test", n), externalID: fmt.Sprintf("00u%017d", n), employee: fmt.Sprintf("%08d", n)}
}

func newPersons(n int) []person {
	persons := make([]person, n)
	for i := range persons {
		persons[i] = newPerson()
	}
	return persons
}

// body is the user as Okta posts one.
func (p person) body() []byte {
	return fmt.Appendf(nil, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User","urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],`+
		`"userName":%[1]q,"name":{"givenName":"Kim","familyName":"Meyer"},"emails":[{"primary":true,"value":%[1]q,"type":"work"}],`+
		`"title":"Engineer","displayName":"Kim Meyer","locale":"de-CH","preferredLanguage":"de-CH","timezone":"Europe/Zurich","externalId":%[2]q,"groups":[],`+
		`"password":"1mz050nq","active":true,"phoneNumbers":[{"primary":true,"value":"+41 44 555 01 23","type":"work"}],`+
		`"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User":{"employeeNumber":%[3]q,"costCenter":"4130","organization":"Corp",`+
		`"division":"R&D","department":"Platform","manager":{"value":"u-aaaaaaaaaaaaaaaaaaaaaaaaaa.aaaaaaaaaaaaa","displayName":"Robin Muster"}}}`,
		p.userName, p.externalID, p.employee)
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// randomText has the form of the operator's ids and names.
func randomText(size int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b) // it never fails
	return base32Lower.EncodeToString(b)
}
