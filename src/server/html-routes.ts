// SPDX-License-Identifier: Apache-2.0
import { randomBytes } from 'node:crypto';
import { canDecide } from '../approve/explain.ts';
import type { Refusal } from '../kernel/refusal.ts';
import { personBehind } from '../roster/roster.ts';
import { cookieName } from './access.ts';
import { tenant } from './ledger-folder.ts';
import { contentSecurityPolicy, type PageContext } from './page-frame.ts';
import { renderInbox } from './page-inbox.ts';
import { renderProblemPage } from './page-problem.ts';
import { readContent } from './page-request-content.ts';
import type { CommandPlace } from './page-request-sign.ts';
import { renderRequestPage } from './page-request.ts';
import { pageAfterSignIn, renderSignIn } from './page-sign-in.ts';
import { extraHeaders, problemOf, type Reply } from './reply.ts';
import { pageOfRequests, requestIn } from './request-routes.ts';
import { viewOf } from './request-view.ts';
import { identityOf, timeOf, type Call, type Handler, type ServerContext } from './server-context.ts';
import { stillHeld } from './sessions.ts';
import { voteNamespace, voteText } from './vote-text.ts';

/** A page with a nonce of its own for its one stylesheet. */
export const page = (render: (nonce: string) => string, status = 200): Reply => {
  const nonce = randomBytes(18).toString('base64');
  return {
    status,
    type: 'text/html; charset=utf-8',
    body: render(nonce),
    headers: { 'content-security-policy': contentSecurityPolicy(nonce) },
  };
};

/** A refusal for people's eyes. */
export const problemPage = (refusal: Refusal): Reply => {
  const problem = problemOf(refusal, null);
  const shown = page((nonce) => renderProblemPage(problem, { nonce }), problem.status);
  return { ...shown, headers: { ...extraHeaders(refusal), ...shown.headers }, code: refusal.code };
};

const redirect = (location: string, headers: Readonly<Record<string, string>> = {}): Reply => ({
  status: 303,
  type: 'text/plain; charset=utf-8',
  body: '',
  headers: { location, ...headers },
});

/** Where somebody without a session is sent. */
export const toSignIn = (path: string): Reply => redirect(`/sign-in?next=${encodeURIComponent(path)}`);

const contextOf = (context: ServerContext, call: Call, nonce: string): PageContext => {
  const { ledger, origin, trial } = identityOf(context.sequencer.state());
  return {
    nonce,
    now: timeOf(context),
    people: context.names.people(),
    viewer: call.reader?.principal ?? null,
    trial,
    ledger: origin,
    pin: ledger,
    serverUrl: context.publicUrl(),
  };
};

const viewerOf = (call: Call): string | null =>
  call.reader?.principal?.startsWith('person:') === true ? call.reader.principal.slice('person:'.length) : null;

export const inbox: Handler = (context, call) => {
  const found = pageOfRequests(context, call);
  if (!found.ok) return problemPage(found.refusal);
  const { requests, roster } = context.sequencer.state();
  const person = viewerOf(call);
  const forViewer = found.value.items
    .map(({ request }) => request)
    .filter((id) => {
      const request = requests.get(id);
      return person !== null && request !== undefined && canDecide(request, roster, person).may;
    });
  return page((nonce) => renderInbox(found.value, { ...contextOf(context, call, nonce), forViewer }));
};

export const requestPage: Handler = async (context, call) => {
  const found = requestIn(context, call);
  if (!found.ok) return problemPage(found.refusal);
  const request = found.value;
  const view = await viewOf(context, request, call.reader);
  const person = viewerOf(call);
  const statement =
    person === null || view.can_decide?.may !== true
      ? null
      : {
          approve: voteText(context, request, person, 'approve'),
          reject: voteText(context, request, person, 'reject'),
        };
  const { requester, content } = request.change;
  const document = content === null ? undefined : await context.ledger.store.blob(tenant, content);
  const behind = requester.startsWith('machine:')
    ? (personBehind(context.sequencer.state().roster, requester) ?? null)
    : null;
  return page((nonce) =>
    renderRequestPage(view, {
      ...contextOf(context, call, nonce),
      statement,
      namespace: voteNamespace,
      behind,
      alert: context.alertOf(request.id),
      content: readContent(content, document),
    }),
  );
};

const placeOf = (context: ServerContext): CommandPlace => {
  const { ledger, trial } = identityOf(context.sequencer.state());
  return { serverUrl: context.publicUrl(), pin: ledger, trial };
};

export const signInPage: Handler = (context, call) =>
  page((nonce) => renderSignIn({ ...placeOf(context), nonce, next: pageAfterSignIn(call.query['next']) }));

type Form = { readonly token?: string; readonly next?: string };

/** `POST /sign-in`: a token or session that was pasted becomes a cookie. Its secret is checked here and kept nowhere. */
export const signIn: Handler = async (context, call) => {
  const { token = '', next } = call.body as Form;
  const started = await sessionFor(context, token.trim());
  if (started === undefined)
    return page(
      (nonce) =>
        renderSignIn({
          ...placeOf(context),
          nonce,
          next: pageAfterSignIn(next),
          error: 'This token is not valid, or not any more. Make a new one and paste it whole.',
        }),
      401,
    );
  const cookie = `${cookieName(context.secure)}=${started}; Path=/; HttpOnly; SameSite=Lax; Max-Age=3600`;
  return redirect(pageAfterSignIn(next), { 'set-cookie': context.secure ? `${cookie}; Secure` : cookie });
};

const sessionFor = async (
  { tokens, sessions, sequencer }: ServerContext,
  secret: string,
): Promise<string | undefined> => {
  const session = secret.startsWith('css_') ? await sessions.find(secret) : undefined;
  if (session?.kind === 'key' && stillHeld(sequencer.state().roster, session))
    return (await sessions.start(session)).token;
  const token = secret.startsWith('cst_') ? tokens.find(secret) : undefined;
  return token === undefined ? undefined : (await sessions.start({ kind: 'token', id: token.id })).token;
};

export const signOut: Handler = async (context, call) => {
  if (call.reader !== null && call.secret !== null) await context.sessions.end(call.secret);
  const cookie = `${cookieName(context.secure)}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0`;
  return redirect('/sign-in', { 'set-cookie': context.secure ? `${cookie}; Secure` : cookie });
};
