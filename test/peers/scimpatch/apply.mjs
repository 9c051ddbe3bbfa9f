// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// Applies PATCH operations with the npm package scim-patch: a line of JSON in, a line of JSON out, until the input ends.
import { createInterface } from "node:readline";
import scimPatch from "scim-patch";

for await (const line of createInterface({ input: process.stdin })) {
  const { resource, operation, creates } = JSON.parse(line);
  let answer;
  try {
    answer = { resource: scimPatch.scimPatch(resource, [operation], { mutateDocument: false, treatMissingAsAdd: creates }) };
  } catch (error) {
    answer = { error: error.scimCode || error.constructor.name };
  }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
