// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import { compilePolicy, type CompileResult } from './compile.ts';
import { placeOf } from './compile-place.ts';
import type { CompiledPolicy } from './compiled.ts';
import { isError, nearest, placeFinding, type Diagnostic, type Finding, type PolicyFile } from './diagnostic.ts';
import { valueAt } from './document-shape.ts';
import { parsePolicyFile, type DocumentPath, type SourceDocument } from './parse.ts';
import { checkPoints } from './point-rules.ts';
import { checkSoundness, type PolicyRosterFacts } from './soundness.ts';
import { worthALook } from './worth-a-look.ts';

/** What a policy is checked against besides itself. */
export type LintSetting = {
  /** Left out, nobody looks whether there are people who can meet the gates. */
  readonly roster?: PolicyRosterFacts | undefined;
  /**
   * The document that the roster comes from, where both are at hand and can be mended together: then they have to fit.
   * Beside a roster in force, an action and its enforcement point come one after the other, and that is a warning.
   */
  readonly rosterFile?: PolicyFile | undefined;
};

/**
 * Everything that makes a compiled policy unsound for the people there are (SPEC P4–P13, P16), and what is only worth
 * a look, each at its place in the documents it was compiled from. Without an error it may be in force. The ledger
 * checks soundness by itself at genesis and activation; this is for whoever writes the policy.
 */
export const lintPolicy = (
  files: readonly PolicyFile[],
  policy: CompiledPolicy,
  { roster, rosterFile }: LintSetting,
): readonly Diagnostic[] => {
  const sources = sourcesByAction(files);
  const place = (refusal: Refusal, severity: Diagnostic['severity']): Diagnostic => {
    const finding = { ...findingOf(refusal, roster), severity };
    const name = String(refusal.facts['action'] ?? '');
    const action = Object.hasOwn(policy.actions, name) ? policy.actions[name] : undefined;
    const source = sources.get(name);
    if (action === undefined || source === undefined) return placeFinding(files[0] ?? noFile, 0, finding);
    return placeFinding(source.file, offsetOf(refusal, placeOf(refusal, action, source.value), source), finding);
  };
  const unsound = roster === undefined ? [] : checkSoundness(policy, roster);
  const points = roster === undefined ? [] : checkPoints(policy, roster);
  const runbookOf = (name: string): unknown =>
    (sources.get(name)?.value as { readonly runbook?: unknown } | undefined)?.runbook;
  return [
    ...unsound.map((refusal) => place(refusal, 'error')),
    ...points.map((refusal) =>
      rosterFile !== undefined && refusal.code === 'policy-point-unknown-action'
        ? placeInRoster(rosterFile, refusal)
        : place(refusal, rosterFile === undefined ? 'warning' : 'error'),
    ),
    ...Object.values(policy.actions)
      .flatMap((action) => worthALook(action, runbookOf(action.name)))
      .map((refusal) => place(refusal, 'warning')),
  ];
};

export type LoadResult =
  | (Extract<CompileResult, { ok: true }> & { readonly warnings: readonly Diagnostic[] })
  | Extract<CompileResult, { ok: false }>;

/** Compiles policy documents and refuses them unless they are sound for the people there are: how policy is loaded. */
export const loadPolicy = (
  files: readonly PolicyFile[],
  { commit, ...setting }: { readonly commit: string | null; readonly roster: PolicyRosterFacts } & LintSetting,
): LoadResult => {
  const compiled = compilePolicy(files, { commit });
  if (!compiled.ok) return compiled;
  const found = lintPolicy(files, compiled.policy, setting);
  return found.some(isError)
    ? { ok: false, diagnostics: found.filter(isError) }
    : { ok: true, policy: compiled.policy, prose: compiled.prose, warnings: found };
};

/** Where the path is, or where in the text there the principal is named that a refusal is about. */
const offsetOf = ({ facts }: Refusal, path: DocumentPath, source: SourceDocument): number => {
  const { principal } = facts;
  const text = valueAt(source.value, path);
  const at = typeof principal === 'string' && typeof text === 'string' ? text.indexOf(principal) : -1;
  return at > 0 ? source.offsetInText(path, at) : source.offsetOf(path);
};

const noFile: PolicyFile = { name: 'policy', text: '' };

const template = 'a template to start from is `examples/trial/policy/governance.yaml`';

const findingOf = (refusal: Refusal, roster: PolicyRosterFacts | undefined): Finding => {
  const { code, rule, message, help = '' } = refusal;
  const meant = code === 'policy-principal-unknown' ? meantBy(String(refusal.facts['principal']), roster) : undefined;
  return {
    code,
    rule,
    message,
    help:
      code === 'policy-governance-missing'
        ? `${help}; ${template}`
        : meant === undefined
          ? help
          : `did you mean \`${meant}\`?`,
  };
};

const meantBy = (principal: string, roster: PolicyRosterFacts | undefined): string | undefined => {
  const [kind = '', id = ''] = principal.split(':');
  const near = nearest(id, { group: roster?.groups, machine: roster?.machines }[kind] ?? []);
  return near === undefined ? undefined : `${kind}:${near}`;
};

/** At the action that the enforcement point names, in the roster's own document. */
const placeInRoster = (file: PolicyFile, refusal: Refusal): Diagnostic => {
  const [source] = parsePolicyFile(file).documents;
  const path: DocumentPath = ['enforcement-points', String(refusal.facts['instance']), 'actions'];
  const actions = valueAt(source?.value, path);
  const at = Array.isArray(actions) ? (actions as readonly unknown[]).indexOf(refusal.facts['action']) : -1;
  return placeFinding(file, source?.offsetOf(at < 0 ? path : [...path, at]) ?? 0, findingOf(refusal, undefined));
};

const sourcesByAction = (files: readonly PolicyFile[]): ReadonlyMap<string, SourceDocument> =>
  new Map(
    files
      .flatMap((file) => parsePolicyFile(file).documents)
      .flatMap((source) => {
        const name = (source.value as { readonly name?: unknown } | null)?.name;
        return typeof name === 'string' ? [[name, source] as const] : [];
      }),
  );
