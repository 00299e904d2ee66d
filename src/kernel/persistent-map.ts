// SPDX-License-Identifier: Apache-2.0

/**
 * An immutable map with text keys: `set` and `delete` give a new map that shares almost everything with the old one,
 * so that the state before a batch is still there when the batch fails. A hash array mapped trie (Bagwell, 2001).
 */
export type PersistentMap<V> = {
  readonly size: number;
  readonly get: (key: string) => V | undefined;
  readonly has: (key: string) => boolean;
  readonly set: (key: string, value: V) => PersistentMap<V>;
  readonly delete: (key: string) => PersistentMap<V>;
  readonly keys: () => IterableIterator<string>;
  readonly values: () => IterableIterator<V>;
  readonly entries: () => IterableIterator<readonly [string, V]>;
};

type Leaf<V> = { readonly kind: 'leaf'; readonly hash: number; readonly key: string; readonly value: V };
type Collision<V> = { readonly kind: 'collision'; readonly hash: number; readonly leaves: readonly Leaf<V>[] };
type Branch<V> = { readonly kind: 'branch'; readonly bitmap: number; readonly children: readonly Node<V>[] };
type Node<V> = Leaf<V> | Collision<V> | Branch<V>;

// FNV-1a, 32 bits. Keys are ids we made or digests, and equal hashes only cost a short list.
const hashOf = (key: string): number => {
  let hash = 0x811c9dc5;
  for (let at = 0; at < key.length; at += 1) hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193);
  return hash >>> 0;
};

const bitAt = (hash: number, shift: number): number => 1 << ((hash >>> shift) & 31);
const popCount = (bits: number): number => {
  let n = bits - ((bits >>> 1) & 0x55555555);
  n = (n & 0x33333333) + ((n >>> 2) & 0x33333333);
  return Math.imul((n + (n >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
};
const slotOf = (bitmap: number, bit: number): number => popCount(bitmap & (bit - 1));

const find = <V>(root: Node<V> | undefined, hash: number, key: string): Leaf<V> | undefined => {
  let node = root;
  for (let shift = 0; node !== undefined; shift += 5) {
    if (node.kind === 'leaf') return node.key === key ? node : undefined;
    if (node.kind === 'collision') return node.leaves.find((leaf) => leaf.key === key);
    const bit = bitAt(hash, shift);
    node = (node.bitmap & bit) === 0 ? undefined : node.children[slotOf(node.bitmap, bit)];
  }
  return undefined;
};

const insert = <V>(node: Node<V>, shift: number, leaf: Leaf<V>): Node<V> => {
  if (node.kind === 'branch') {
    const bit = bitAt(leaf.hash, shift);
    const slot = slotOf(node.bitmap, bit);
    const below = (node.bitmap & bit) === 0 ? undefined : node.children[slot];
    if (below === undefined)
      return { kind: 'branch', bitmap: node.bitmap | bit, children: node.children.toSpliced(slot, 0, leaf) };
    return { ...node, children: node.children.with(slot, insert(below, shift + 5, leaf)) };
  }
  if (node.kind === 'leaf' && node.key === leaf.key) return leaf;
  if (node.hash === leaf.hash) {
    const others = (node.kind === 'leaf' ? [node] : node.leaves).filter((one) => one.key !== leaf.key);
    return { kind: 'collision', hash: leaf.hash, leaves: [...others, leaf] };
  }
  const split: Branch<V> = { kind: 'branch', bitmap: bitAt(node.hash, shift), children: [node] };
  return insert(split, shift, leaf);
};

const remove = <V>(node: Node<V>, shift: number, hash: number, key: string): Node<V> | undefined => {
  if (node.kind === 'leaf') return node.key === key ? undefined : node;
  if (node.kind === 'collision') {
    const leaves = node.leaves.filter((leaf) => leaf.key !== key);
    return leaves.length === 1 ? leaves[0] : { ...node, leaves };
  }
  const bit = bitAt(hash, shift);
  const slot = slotOf(node.bitmap, bit);
  const below = (node.bitmap & bit) === 0 ? undefined : node.children[slot];
  if (below === undefined) return node;
  const left = remove(below, shift + 5, hash, key);
  if (left !== undefined) return { ...node, children: node.children.with(slot, left) };
  return node.children.length === 1
    ? undefined
    : { kind: 'branch', bitmap: node.bitmap & ~bit, children: node.children.toSpliced(slot, 1) };
};

function* walk<V>(node: Node<V> | undefined): IterableIterator<Leaf<V>> {
  if (node === undefined) return;
  if (node.kind === 'leaf') yield node;
  else for (const child of node.kind === 'branch' ? node.children : node.leaves) yield* walk(child);
}

class HashTrie<V> implements PersistentMap<V> {
  readonly size: number;
  private readonly root: Node<V> | undefined;

  constructor(root: Node<V> | undefined, size: number) {
    this.root = root;
    this.size = size;
  }

  get(key: string): V | undefined {
    return find(this.root, hashOf(key), key)?.value;
  }

  has(key: string): boolean {
    return find(this.root, hashOf(key), key) !== undefined;
  }

  set(key: string, value: V): PersistentMap<V> {
    const hash = hashOf(key);
    const leaf: Leaf<V> = { kind: 'leaf', hash, key, value };
    if (this.root === undefined) return new HashTrie<V>(leaf, 1);
    const known = find(this.root, hash, key) !== undefined;
    return new HashTrie<V>(insert(this.root, 0, leaf), known ? this.size : this.size + 1);
  }

  delete(key: string): PersistentMap<V> {
    const hash = hashOf(key);
    if (this.root === undefined || find(this.root, hash, key) === undefined) return this;
    return new HashTrie<V>(remove(this.root, 0, hash, key), this.size - 1);
  }

  *keys(): IterableIterator<string> {
    for (const leaf of walk(this.root)) yield leaf.key;
  }

  *values(): IterableIterator<V> {
    for (const leaf of walk(this.root)) yield leaf.value;
  }

  *entries(): IterableIterator<readonly [string, V]> {
    for (const leaf of walk(this.root)) yield [leaf.key, leaf.value];
  }
}

export const emptyMap = <V>(): PersistentMap<V> => new HashTrie<V>(undefined, 0);
