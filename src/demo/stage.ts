// SPDX-License-Identifier: Apache-2.0
import { join } from 'node:path';
import type { Actors, Wish } from './actors.ts';
import type { AlertReceiver } from './alert-receiver.ts';
import type { Handle, Organisation } from './organisation.ts';
import { buildArtefact, type Artefact, type Repository } from './repository.ts';
import type { Running } from './run-program.ts';
import type { Steps } from './steps.ts';
import type { Target } from './target.ts';

/** Everything that stands while the demo runs. */
export type Stage = {
  readonly steps: Steps;
  readonly organisation: Organisation;
  readonly repository: Repository;
  readonly actors: Actors;
  readonly server: Running & { readonly url: string };
  readonly target: Target;
  readonly alerts: AlertReceiver;
};

/** A built version of the page: the commit it comes from and the artefact that is to be served. */
export type Version = Artefact & { readonly commit: string };

/** Commits a page as `author`, signed by a key that need not be theirs, and builds it where the server reads artefacts. */
export const makeVersion = (
  stage: Pick<Stage, 'organisation' | 'repository'>,
  author: Handle,
  page: string,
  key: Handle | 'stranger' = author,
): Version => {
  const { organisation, repository } = stage;
  const commit = repository.commit(author, organisation.keyOf(key), page);
  const name = `${commit.slice(0, 12)}.json`;
  return { commit, ...buildArtefact(repository, commit, join(organisation.folder, 'artefacts'), name) };
};

/** What Ada asks for: this version, in production. She says that no schema changes; nobody vouches for that. */
export const deployment = (version: Version, reason: string): Wish => ({
  action: 'deploy.production',
  facts: { service: 'shop', commit: version.commit, artifact_path: version.path, migrations: 0 },
  audience: 'site',
  reason,
});
