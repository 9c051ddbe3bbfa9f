// Copyright The scim-operator Authors.
// SPDX-License-Identifier: Apache-2.0

// A SCIM server that others wrote: SCIMMY with its Express routers. What belongs to SCIM is theirs (schemas, filters, paging, PATCH, errors); here are the
// HTTPS listener, the token and two maps that keep what SCIMMY hands over.
//
// It takes CERT_FILE, KEY_FILE and TOKEN from the environment, prints its port as the first line, and ends when its standard input does.

import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import https from "node:https";
import process from "node:process";

// Express 4, not 5: there `query` is a getter, so that the numbers SCIMMY's routers make of startIndex and count are lost and every page is the first.
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const { CERT_FILE, KEY_FILE, TOKEN } = process.env;
const users = new Map();
const groups = new Map();
const calls = {};

function authenticate(request) {
    if (request.header("Authorization") !== `Bearer ${TOKEN}`) {
        throw new Error("the bearer token is missing or wrong");
    }
    return "operator";
}

// handlers keep the resources of one type. check is given a resource before it is kept, and all others.
function handlers(store, check = () => {}) {
    const stored = (id) => {
        if (!store.has(id)) {
            throw new SCIMMY.Types.Error(404, null, `Resource ${id} not found`);
        }
        return store.get(id);
    };
    return {
        ingress: (resource, instance) => {
            const before = resource.id === undefined ? undefined : stored(resource.id);
            const now = new Date().toISOString();
            const after = {
                ...JSON.parse(JSON.stringify(instance)),
                id: before?.id ?? randomUUID(),
                meta: { created: before?.meta.created ?? now, lastModified: now },
            };
            check(after, [...store.values()].filter(({ id }) => id !== after.id));
            store.set(after.id, after);
            return after;
        },
        egress: (resource) => {
            if (resource.id !== undefined) {
                return stored(resource.id);
            }
            return resource.filter?.match([...store.values()]) ?? [...store.values()];
        },
        degress: (resource) => {
            stored(resource.id);
            store.delete(resource.id);
        },
    };
}

function uniqueUserName(user, others) {
    const name = user.userName.toLowerCase();
    if (others.some((other) => other.userName.toLowerCase() === name)) {
        throw new SCIMMY.Types.Error(409, "uniqueness", "a user with this userName exists");
    }
}

function declare(Resource, { ingress, egress, degress }) {
    SCIMMY.Resources.declare(Resource).ingress(ingress).egress(egress).degress(degress);
}

declare(SCIMMY.Resources.User.extend(SCIMMY.Schemas.EnterpriseUser, false), handlers(users, uniqueUserName));
declare(SCIMMY.Resources.Group, handlers(groups));

const app = express();
app.use("/scim/v2", (request, response, next) => {
    const call = `${request.method} /${request.path.split("/")[1]}`;
    calls[call] = (calls[call] ?? 0) + 1;
    next();
});
app.use("/scim/v2", new SCIMMYRouters({ type: "bearer", handler: authenticate }));

// What is kept, as it is kept, and the requests so far. No SCIM is involved.
app.get("/_dump", (request, response) => {
    try {
        authenticate(request);
    } catch (error) {
        response.status(401).send(error.message);
        return;
    }
    response.json({ users: [...users.values()], groups: [...groups.values()], calls });
});

const server = https.createServer({ cert: readFileSync(CERT_FILE), key: readFileSync(KEY_FILE) }, app);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
