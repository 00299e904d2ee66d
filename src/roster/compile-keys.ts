// SPDX-License-Identifier: Apache-2.0
import type { JsonObject } from '../kernel/refusal.ts';
import { parseSshPublicKey, type SshPublicKey } from '../crypto/ssh-key.ts';
import type { DocumentFindings } from '../policy/document-findings.ts';
import { show } from '../policy/document-shape.ts';
import type { DocumentPath } from '../policy/parse.ts';
import type { KeyDocument } from './document.ts';

/** Text of a public key file by its plain name, or undefined when it cannot be read. */
export type ReadKey = (name: string) => string | undefined;

// A name and no way: a roster cannot make its reader open a file elsewhere.
const fileForm = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}\.pub$/;

/** Gathers the key records of all holders and refuses a key that stands twice (SPEC O6). */
export class KeyCollection {
  readonly records = new Map<string, JsonObject>();
  private readonly places = new Map<string, { readonly holder: string; readonly path: DocumentPath }>();
  private readonly found: DocumentFindings;
  private readonly readKey: ReadKey;
  private readonly lineOf: (path: DocumentPath) => number;

  constructor(found: DocumentFindings, readKey: ReadKey, lineOf: (path: DocumentPath) => number) {
    this.found = found;
    this.readKey = readKey;
    this.lineOf = lineOf;
  }

  /** Takes in the keys of one holder: `person:…` or `machine:…`, and the handle under which the document has it. */
  add(keys: readonly KeyDocument[], holder: string, handle: string, path: DocumentPath): void {
    keys.forEach((key, at) => this.addOne(key, holder, handle, [...path, at]));
  }

  private addOne(key: KeyDocument, holder: string, handle: string, path: DocumentPath): void {
    const parsed = this.parse(key, path);
    if (parsed === undefined) return;
    const { fingerprint, line, type } = parsed;
    const first = this.places.get(fingerprint);
    if (first !== undefined) {
      this.refuse(
        path,
        'key-under-two-persons',
        'O6',
        first.holder === handle
          ? `key \`${fingerprint}\` stands twice under \`${handle}\``
          : `key \`${fingerprint}\` of \`${handle}\` also belongs to \`${first.holder}\``,
        `it is already in line ${this.lineOf(first.path)}, ${show(first.path)}; let each make a key of their own`,
      );
      return;
    }
    if (key.level !== 'own-key' && !type.startsWith('sk-'))
      this.refuse(
        [...path, 'level'],
        'roster-document-malformed',
        'O9',
        `a key of type \`${type}\` cannot show that somebody was present`,
        'write `level: own-key`, or enrol a security key (`ssh-keygen -t ed25519-sk`)',
      );
    this.places.set(fingerprint, { holder: handle, path });
    this.records.set(`key/${fingerprint}`, {
      status: key.status,
      holder,
      line,
      level: key.level,
      distrusted_from: key['distrusted-from'] ?? null,
    });
  }

  private parse(key: KeyDocument, path: DocumentPath): SshPublicKey | undefined {
    const { file, line } = key;
    if ((file === undefined) === (line === undefined)) {
      this.refuse(
        path,
        'roster-document-malformed',
        'O9',
        'a key is given by `file` or by `line`, one of them',
        'write for example `{file: ada.pub}`',
      );
      return undefined;
    }
    if (file !== undefined && !fileForm.test(file)) {
      this.refuse(
        [...path, 'file'],
        'roster-document-malformed',
        'O9',
        `\`${file.slice(0, 60)}\` is no plain name of a public key file`,
        'put the file beside the roster and write its name, such as `ada.pub`; never a private key',
      );
      return undefined;
    }
    const text = line ?? this.readKey(file ?? '');
    if (text === undefined) {
      this.refuse(
        [...path, 'file'],
        'roster-document-malformed',
        'O9',
        `there is no key file \`${file ?? ''}\``,
        'make it with `ssh-keygen -t ed25519` and put its `.pub` file beside the roster, or into the folder of `--keys`',
      );
      return undefined;
    }
    const parsed = parseSshPublicKey(text);
    if (parsed.ok) return parsed.value;
    const { code, rule, message, help = '' } = parsed.refusal;
    this.refuse([...path, file === undefined ? 'line' : 'file'], code, rule, message, help);
    return undefined;
  }

  private refuse(
    path: DocumentPath,
    code: Parameters<DocumentFindings['add']>[1]['code'],
    rule: string,
    message: string,
    help: string,
  ): void {
    this.found.add(path, { code, rule, message, help });
  }
}
