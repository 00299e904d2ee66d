// SPDX-License-Identifier: Apache-2.0
import type { Refusal } from '../kernel/refusal.ts';
import { compilePolicy, type CompileResult } from './compile.ts';
import { placeOf } from './compile-place.ts';
import type { CompiledPolicy } from './compiled.ts';
import { placeFinding, type Diagnostic, type Finding, type PolicyFile } from './diagnostic.ts';
import { parsePolicyFile, type SourceDocument } from './parse.ts';
import { checkSoundness, type PolicyRosterFacts } from './soundness.ts';

/**
 * Everything that makes a compiled policy unsound for the people there are (SPEC P4–P13), each at its place in the
 * documents it was compiled from. Empty when it may be in force. The ledger checks the same by itself at genesis and
 * activation; this is for whoever writes the policy.
 */
export const lintPolicy = (
  files: readonly PolicyFile[],
  policy: CompiledPolicy,
  roster: PolicyRosterFacts,
): readonly Diagnostic[] => {
  const refusals = checkSoundness(policy, roster);
  if (refusals.length === 0) return [];
  const sources = sourcesByAction(files);
  return refusals.map((refusal) => {
    const name = String(refusal.facts['action'] ?? '');
    const action = Object.hasOwn(policy.actions, name) ? policy.actions[name] : undefined;
    const source = sources.get(name);
    if (action === undefined || source === undefined) return placeFinding(files[0] ?? noFile, 0, findingOf(refusal));
    return placeFinding(source.file, source.offsetOf(placeOf(refusal, action, source.value)), findingOf(refusal));
  });
};

/** Compiles policy documents and refuses them unless they are sound for the people there are: how policy is loaded. */
export const loadPolicy = (
  files: readonly PolicyFile[],
  { commit, roster }: { readonly commit: string | null; readonly roster: PolicyRosterFacts },
): CompileResult => {
  const compiled = compilePolicy(files, { commit });
  if (!compiled.ok) return compiled;
  const diagnostics = lintPolicy(files, compiled.policy, roster);
  return diagnostics.length === 0 ? compiled : { ok: false, diagnostics };
};

const noFile: PolicyFile = { name: 'policy', text: '' };

const template = 'a template to start from is `examples/trial/policy/governance.yaml`';

const findingOf = ({ code, rule, message, help = '' }: Refusal): Finding => ({
  code,
  rule,
  message,
  help: code === 'policy-governance-missing' ? `${help}; ${template}` : help,
});

const sourcesByAction = (files: readonly PolicyFile[]): ReadonlyMap<string, SourceDocument> =>
  new Map(
    files
      .flatMap((file) => parsePolicyFile(file).documents)
      .flatMap((source) => {
        const name = (source.value as { readonly name?: unknown } | null)?.name;
        return typeof name === 'string' ? [[name, source] as const] : [];
      }),
  );
