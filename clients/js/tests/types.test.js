/** The types by hand agree with the code: what they name exists, what exists they name, and they can be used. */

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import * as browserDoor from '../src/index.js';
import * as nodeDoor from '../src/node.js';
import { serverAndClient } from './support/clients.js';
import test from './support/limited.js';

/** Members that modules of the package use among themselves. */
const INTERNAL = {
  PubSub: ['take', 'restore', 'recover', 'leave', 'commit', 'close'],
  Subscription: [
    'wireId', 'isRecovering', 'isEnded', 'isBehind', 'end', 'fallBehind', 'wake', 'firstRequest', 'nextRequest', 'take',
  ],
};

const ts = await import('typescript').then((module) => module.default, () => undefined);
const skip = (t) => t.skip('no typescript: npm install');

/** Names of the exports, and the members of each interface by its name, inherited ones included. */
async function declared() {
  const text = await readFile(new URL('../index.d.ts', import.meta.url), 'utf8');
  const { statements } = ts.createSourceFile('index.d.ts', text, ts.ScriptTarget.Latest);
  const values = [];
  const members = new Map();
  for (const statement of statements) {
    if (ts.isInterfaceDeclaration(statement)) {
      const bases = (statement.heritageClauses ?? []).flatMap(({ types }) => types.map(({ expression }) => expression.text));
      const inherited = bases.flatMap((base) => members.get(base) ?? []);
      members.set(statement.name.text, [...inherited, ...statement.members.map(({ name }) => name.text)]);
    } else if (ts.isVariableStatement(statement)) {
      values.push(...statement.declarationList.declarations.map(({ name }) => name.text));
    } else if (!ts.isTypeAliasDeclaration(statement)) {
      values.push(statement.name.text);
    }
  }
  return { values, members };
}

/** Names of what an object and the classes of this package that it is of can do. */
function membersOf(object) {
  const names = Object.keys(object);
  for (let proto = Object.getPrototypeOf(object); proto !== Object.prototype; proto = Object.getPrototypeOf(proto)) {
    names.push(...Object.getOwnPropertyNames(proto).filter((name) => name !== 'constructor'));
  }
  return names;
}

test('both doors export what is declared', async (t) => {
  if (ts === undefined) {
    skip(t);
    return;
  }
  const { values } = await declared();
  assert.deepEqual(Object.keys(nodeDoor).sort(), values.sort());
  assert.deepEqual(Object.keys(browserDoor).sort(), values.sort());
});

test('objects have the members that are declared', async (t) => {
  if (ts === undefined) {
    skip(t);
    return;
  }
  const { members } = await declared();
  const { client } = await serverAndClient(t);
  const { cache, pubsub } = client;
  const key = ['a', 'b'];
  const objects = {
    Client: client,
    PubSub: pubsub,
    Subscription: await pubsub.subscribe('any'),
    Cache: cache,
    Batch: cache.batch(),
    Namespace: cache.namespace('a'),
    CacheSet: cache.asSet(key),
    List: cache.asList(key),
    CacheMap: cache.asMap(key),
    SortedSet: cache.asSortedSet(key),
    Counter: cache.asCounter(key),
    Queue: cache.asQueue(key),
    Stack: cache.asStack(key),
  };
  for (const [name, object] of Object.entries(objects)) {
    const all = new Set([...members.get(name), ...(INTERNAL[name] ?? [])]);
    assert.deepEqual(new Set(membersOf(object)), all, name);
  }
});

test('programs in TypeScript compile', async (t) => {
  if (ts === undefined) {
    skip(t);
    return;
  }
  const file = fileURLToPath(new URL('types/usage.ts', import.meta.url));
  const program = ts.createProgram([file], {
    strict: true,
    noEmit: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts', 'lib.dom.d.ts'],
    types: [],
  });
  const problems = ts.getPreEmitDiagnostics(program).map(({ messageText, start, file: where }) => (
    `${where?.fileName}:${where?.getLineAndCharacterOfPosition(start).line + 1} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  ));
  assert.deepEqual(problems, []);
});
