// SPDX-License-Identifier: Apache-2.0
// The map that states are made of, held against the platform's own.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { emptyMap, type PersistentMap } from '../../src/kernel/persistent-map.ts';
import { propertyRuns } from '../support/property-runs.ts';

// 'costarring' and 'liquid', 'declinate' and 'macallums' share their FNV-1a hash: collisions are met every time.
const keys = fc.oneof(
  fc.constantFrom('costarring', 'liquid', 'declinate', 'macallums', '', '__proto__', 'altarage', 'zinke'),
  fc.string({ maxLength: 2 }),
);
type Step = { readonly key: string; readonly value: number | undefined };
const steps: fc.Arbitrary<readonly Step[]> = fc.array(
  fc.record({ key: keys, value: fc.option(fc.nat(), { nil: undefined, freq: 3 }) }),
  { maxLength: 120 },
);

const apply = (map: PersistentMap<number>, { key, value }: Step): PersistentMap<number> =>
  value === undefined ? map.delete(key) : map.set(key, value);
const sorted = <T>(items: Iterable<T>): T[] => [...items].sort((a, b) => (String(a) < String(b) ? -1 : 1));

const assertSame = (map: PersistentMap<number>, model: ReadonlyMap<string, number>): void => {
  assert.equal(map.size, model.size);
  assert.deepEqual(sorted(map.entries()), sorted(model.entries()));
  assert.deepEqual(sorted(map.keys()), sorted(model.keys()));
  assert.deepEqual(sorted(map.values()), sorted(model.values()));
};

describe('the persistent map', () => {
  it("holds what the platform's map holds after every step, and earlier maps stay as they were", () => {
    fc.assert(
      fc.property(steps, (list) => {
        const model = new Map<string, number>();
        const past: { readonly map: PersistentMap<number>; readonly model: ReadonlyMap<string, number> }[] = [];
        let map = emptyMap<number>();
        for (const step of list) {
          past.push({ map, model: new Map(model) });
          map = apply(map, step);
          if (step.value === undefined) model.delete(step.key);
          else model.set(step.key, step.value);
          assert.equal(map.get(step.key), step.value);
          assert.equal(map.has(step.key), step.value !== undefined);
        }
        assertSame(map, model);
        for (const then of past) assertSame(then.map, then.model);
      }),
      propertyRuns(150),
    );
  });

  it('tells keys of one hash apart, through set and delete', () => {
    let map = emptyMap<number>().set('costarring', 1).set('liquid', 2);
    assert.deepEqual([map.size, map.get('costarring'), map.get('liquid')], [2, 1, 2]);
    map = map.set('other', 3).delete('costarring');
    assert.deepEqual([map.size, map.get('costarring'), map.get('liquid'), map.get('other')], [2, undefined, 2, 3]);
    assert.equal(map.delete('nobody'), map);
  });

  it('holds thousands', () => {
    let map = emptyMap<number>();
    for (let at = 0; at < 5000; at += 1) map = map.set(`key ${at}`, at);
    for (let at = 0; at < 5000; at += 2) map = map.delete(`key ${at}`);
    assert.equal(map.size, 2500);
    for (let at = 0; at < 5000; at += 1) assert.equal(map.get(`key ${at}`), at % 2 === 0 ? undefined : at);
  });
});
