// SPDX-License-Identifier: Apache-2.0
/**
 * `countersign`: talk to a Countersign server without trusting it.
 *
 *     import { connect, openSigner, submitRequest } from 'countersign';
 *
 *     const signer = await openSigner('agent', { env: process.env, input: false });
 *     const client = await connect({ server: 'https://gate.example.org', pin: 'sha256:…', signer: signer.value, home });
 *
 * Every answer is a `Result`. Whoever connects holds the server's checkpoint against the pin and against what this
 * home has seen before; whoever sends a statement checks the receipt.
 */
export { connect, readServerUrl, readTokenFile } from './connect.ts';
export type { Client, ConnectOptions, PostOptions } from './connect.ts';
export { homeFolder } from './home-file.ts';
export type { LedgerAnchor, SeenCheckpoint } from './history.ts';
export { openSigner, readPublicKey, type Signer, type SignerSetting } from './signer.ts';
export * from './statements.ts';
export * from './requests.ts';
export { checkReceipt, eventOf, type CheckedReceipt } from './receipt.ts';
export { needsEscaping, visibleLines, visibleText } from './visible-text.ts';
