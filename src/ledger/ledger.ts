// SPDX-License-Identifier: Apache-2.0
/**
 * `countersign/ledger`: a transparency log in TypeScript. RFC 6962 trees and proofs, C2SP checkpoints, tiles and
 * proof files, signed notes, and the entries that a Countersign ledger holds. Pure; storage is a port (`store.ts`).
 *
 *     import { parseVerifierKey, verifyTlogProof, leafHash } from 'countersign/ledger';
 */
export { appendLeaf, emptyEdge, emptyRoot, leafHash, merkleRootHex, nodeHash, rootOf, type Edge } from './merkle.ts';
export { consistencyProof, edgeOf, inclusionProof, verifyConsistency, verifyInclusion } from './proof.ts';
export type { ConsistencyClaim, HashAt, InclusionClaim } from './proof.ts';
export { MerkleSlab } from './slab.ts';
export {
  bundleBytes,
  formatTilePath,
  hashesAt,
  hashesFromTiles,
  holdsTile,
  parseTilePath,
  readBundle,
  readTile,
  tileBytes,
  tilesOf,
  type Tile,
} from './tiles.ts';
export { tileCache } from './tile-cache.ts';
export {
  formatCheckpoint,
  parseCheckpoint,
  readCheckpointNote,
  signCheckpoint,
  verifyCheckpoint,
} from './checkpoint.ts';
export type { Checkpoint } from './checkpoint.ts';
export { formatTlogProof, parseTlogProof, verifyTlogProof, type ProvenLeaf, type TlogProof } from './tlog-proof.ts';
export { formatAddCheckpoint, judgeCheckpoint, parseAddCheckpoint } from './witness.ts';
export type { AddCheckpoint, Cosigned, Judgment, WitnessedLog } from './witness.ts';
export { parseWitnessedLogs } from './witnessed-logs.ts';
export { meetsQuorum, parseWitnessPolicy, policyCosigners, quorumTimes } from './witness-policy.ts';
export type { PolicyLog, PolicyWitness, Quorum, WitnessPolicy } from './witness-policy.ts';
export type { CosignRequest, Witness } from './witness-port.ts';
export { encodeEntry, maxEntryBytes, parseEntry, type Entry } from './entry.ts';
export { StoreFailure } from './store.ts';
export type { LedgerHead, LedgerStore, StoreBatch, StoredBlob, StoredEntry } from './store.ts';
export { formatVerifierKey, noteSigner, noteVerifier, parseVerifierKey } from '../crypto/signed-note.ts';
export type { NoteSigner, NoteVerifier } from '../crypto/signed-note.ts';
export {
  cosign,
  cosigner,
  cosignerVerifier,
  formatCosignerKey,
  parseCosignerKey,
  verifyCosignatures,
} from '../crypto/cosignature.ts';
export type { Cosignature, Cosigner, CosignerVerifier } from '../crypto/cosignature.ts';
export { heartbeatSigner, heartbeatVerifier, verifyHeartbeat, type Heartbeat } from './heartbeat.ts';
export { refuseStale, timeOfCheckpoint, verifyWitnessed, type CheckpointTime, type TimeSource } from './freshness.ts';
export {
  formatForkProof,
  judgeFork,
  parseForkProof,
  verifyForkProof,
  type Fork,
  type OtherRoot,
} from './fork-proof.ts';
