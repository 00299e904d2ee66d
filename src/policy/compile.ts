// SPDX-License-Identifier: Apache-2.0
import { compileAction, type ActionProse } from './compile-action.ts';
import type { CompiledAction, CompiledPolicy } from './compiled.ts';
import { didYouMean, placeFinding, type Diagnostic, type PolicyFile } from './diagnostic.ts';
import { DocumentFindings } from './document-findings.ts';
import { laterKinds } from './document.ts';
import { parsePolicyFile, type SourceDocument } from './parse.ts';
import { formatCompiledPolicy, parseCompiledPolicy } from './policy-shape.ts';

export { actionSchema } from './document.ts';
export type { ActionProse } from './compile-action.ts';

/** Titles, runbooks and reasons by action: shown beside a request, and never part of what people approve. */
export type PolicyProse = { readonly [action: string]: ActionProse };

export type CompileResult =
  | { readonly ok: true; readonly policy: CompiledPolicy; readonly prose: PolicyProse }
  | { readonly ok: false; readonly diagnostics: readonly Diagnostic[] };

const maxActions = 64;

/**
 * Compiles policy documents, one `Action` each, to the bytes that people approve (SPEC P14). Tells of everything that
 * is wrong in one pass, in the order of the files, and compiles nothing unless all of it is understood.
 *
 * `commit` is `git:` and the full commit id that the documents come from, or null when they come from no repository.
 * Whether the policy is sound for the people there are is another question: `lintPolicy`.
 */
export const compilePolicy = (
  files: readonly PolicyFile[],
  { commit }: { readonly commit: string | null },
): CompileResult => {
  const diagnostics: Diagnostic[] = [];
  const actions = new Map<string, CompiledAction>();
  const prose = new Map<string, ActionProse>();
  const placed = new Map<string, Diagnostic>();
  for (const file of files) {
    const { documents, errors } = parsePolicyFile(file);
    diagnostics.push(...errors);
    for (const source of documents) {
      const other = otherKind(source);
      if (other !== undefined) {
        diagnostics.push(other);
        continue;
      }
      const compiled = compileAction(source);
      const { name } = compiled.action;
      const first = placed.get(name);
      if (first !== undefined) diagnostics.push(twice(source, name, first));
      else if (name !== '') placed.set(name, at(source, name));
      actions.set(name, compiled.action);
      prose.set(name, compiled.prose);
      diagnostics.push(...compiled.found.diagnostics);
    }
  }
  if (diagnostics.length > 0) return { ok: false, diagnostics };
  if (actions.size === 0 || actions.size > maxActions)
    return { ok: false, diagnostics: [wrongNumber(files, actions.size)] };
  return finish({ type: 'countersign.dev/policy/v0', commit, actions: inOrder(actions) }, inOrder(prose), files);
};

// What is written is read back by the strict reader of the core: a policy that it would refuse never leaves here.
const finish = (policy: CompiledPolicy, prose: PolicyProse, files: readonly PolicyFile[]): CompileResult => {
  const read = parseCompiledPolicy(new TextEncoder().encode(formatCompiledPolicy(policy)));
  if (read.ok) return { ok: true, policy, prose };
  const { code, rule, message, help = 'simplify the policy' } = read.refusal;
  return { ok: false, diagnostics: [placeFinding(files[0] ?? noFile, 0, { code, rule, message, help })] };
};

const inOrder = <T>(map: ReadonlyMap<string, T>): { readonly [name: string]: T } =>
  Object.fromEntries([...map].sort(([a], [b]) => (a < b ? -1 : 1)));

const noFile: PolicyFile = { name: 'policy', text: '' };

const wrongNumber = (files: readonly PolicyFile[], count: number): Diagnostic =>
  placeFinding(
    files[0] ?? noFile,
    0,
    count === 0
      ? {
          code: 'policy-document-malformed',
          rule: 'P14',
          message: 'there is no `Action` document',
          help: 'write one document an action, beginning with `kind: Action`; an empty policy allows nothing',
        }
      : {
          code: 'policy-too-large',
          rule: 'P14',
          message: `there are ${count} actions, more than ${maxActions}`,
          help: 'give similar actions one name and tell them apart by target',
        },
  );

const at = (source: SourceDocument, name: string): Diagnostic =>
  placeFinding(source.file, source.offsetOf(['name']), {
    code: 'policy-action-twice',
    rule: 'P14',
    message: `action \`${name}\` stands twice`,
    help: '',
  });

const twice = (source: SourceDocument, name: string, first: Diagnostic): Diagnostic => ({
  ...at(source, name),
  help: `it also stands in ${first.file}, line ${first.line}; one document owns an action, so keep one of them`,
});

/** What a document is that is no `Action`: everything but silence (SPEC P14). */
const otherKind = (source: SourceDocument): Diagnostic | undefined => {
  const { value } = source;
  const found = new DocumentFindings(source);
  const isMap = typeof value === 'object' && value !== null && !Array.isArray(value);
  const kind = isMap ? (value as { readonly kind?: unknown }).kind : undefined;
  if (kind === 'Action') return undefined;
  const malformed = (message: string, help: string): void =>
    found.add(['kind'], { code: 'policy-document-malformed', rule: 'P14', message, help });
  if (typeof kind !== 'string') malformed('the document does not say what it is', 'begin it with `kind: Action`');
  else if (laterKinds.includes(kind))
    found.add(['kind'], {
      code: 'policy-unsupported',
      rule: 'P14',
      message: `\`kind: ${kind}\` is not supported yet`,
      help: 'take the document out; nothing of a policy is ever ignored',
    });
  else if (kind === 'Roster')
    malformed('a roster is no policy', 'keep `kind: Roster` in a file of its own, outside the policy folder');
  else malformed(`there is no kind \`${kind.slice(0, 60)}\``, didYouMean(kind, ['Action', ...laterKinds]));
  return found.diagnostics[0];
};
