// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

package kube

import (
	"hash/maphash"
	"strconv"
)

// buckets is a power of two.
const buckets = 1024

var bucketSeed = maphash.MakeSeed()

// Bucket is one of 1024 texts, for an index of the cache whose values are nearly all different: who looks something up finds what has another value of the same
// bucket, too, and has to compare.
//
// An index of client-go has a map for each value: some 300 bytes, which is more than half of what an account takes. In buckets, an entry takes
// some 50, and at 100,000 users 100 of them have to be compared.
func Bucket(value string) string {
	return strconv.FormatUint(maphash.String(bucketSeed, value)%buckets, 16)
}
