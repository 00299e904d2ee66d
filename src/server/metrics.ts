// SPDX-License-Identifier: Apache-2.0
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { CosigningStanding } from '../app/head-cosigner.ts';
import type { MirrorFigures } from '../app/mirror.ts';
import type { LedgerSequencer } from './ledger-folder.ts';
import type { NoticeFigures } from './notices.ts';

const secondsBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

/** Figures for Prometheus: how many, how long, how it ended. Nothing in a label comes from a body or names a person. */
export type Metrics = {
  readonly request: (method: string, route: string, status: number, seconds: number) => void;
  readonly command: (type: string, outcome: string, seconds: number) => void;
  /** Adds the figures of notices, whose alerts must not go unheard. */
  readonly notices: (figures: () => NoticeFigures) => void;
  /** Adds the figures of heartbeats and witnesses. */
  readonly heads: (standing: () => CosigningStanding) => void;
  /** Adds the figures of the mirror. */
  readonly mirror: (figures: () => MirrorFigures) => void;
  readonly text: () => Promise<string>;
  readonly close: () => void;
};

export const startMetrics = (sequencer: LedgerSequencer): Metrics => {
  const registers = [new Registry()];
  const http = new Histogram({
    name: 'countersign_http_request_seconds',
    help: 'Time from the first byte of a request to its answer',
    labelNames: ['method', 'route', 'status'],
    buckets: secondsBuckets,
    registers,
  });
  const seconds = new Histogram({
    name: 'countersign_command_seconds',
    help: 'Time from a command to its durable answer',
    labelNames: ['command'],
    buckets: secondsBuckets,
    registers,
  });
  const commands = new Counter({
    name: 'countersign_commands_total',
    help: 'Commands by what came of them: accepted, or the code of the refusal',
    labelNames: ['command', 'outcome'],
    registers,
  });
  const batches = new Histogram({
    name: 'countersign_batch_entries',
    help: 'Entries that became durable together',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers,
  });
  stateGauges(sequencer, registers);
  let size = sequencer.head().size;
  const unsubscribe = sequencer.subscribe((head) => {
    batches.observe(head.size - size);
    size = head.size;
  });
  return {
    request: (method, route, status, took) => http.observe({ method, route, status }, took),
    command: (command, outcome, took) => {
      commands.inc({ command, outcome });
      seconds.observe({ command }, took);
    },
    notices: (figures) => noticeGauges(figures, registers),
    heads: (standing) => headGauges(standing, registers),
    mirror: (figures) => mirrorGauges(figures, registers),
    text: async () => (registers[0] === undefined ? '' : registers[0].metrics()),
    close: unsubscribe,
  };
};

const gaugesIn =
  (registers: Registry[]) =>
  (name: string, help: string, value: () => number): Gauge =>
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(value());
      },
    });

const noticeGauges = (figures: () => NoticeFigures, registers: Registry[]): void => {
  const gauge = gaugesIn(registers);
  gauge('countersign_notices_sent', 'Notices that arrived since the start', () => figures().sent);
  gauge('countersign_notices_failed', 'Attempts that failed since the start', () => figures().failed);
  gauge('countersign_notices_given_up', 'Notices that were given up since the start', () => figures().givenUp);
  gauge('countersign_notices_waiting', 'Notices that are still to be sent', () => figures().waiting);
  gauge('countersign_alerts_undelivered', 'Alerts that no channel has taken', () => figures().undeliveredAlerts.length);
};

const headGauges = (standing: () => CosigningStanding, registers: Registry[]): void => {
  const gauge = gaugesIn(registers);
  gauge(
    'countersign_heartbeat_seconds',
    "Time of the last heartbeat by the server's clock, in seconds since 1970; 0 before the first",
    () => standing().heartbeatAt ?? 0,
  );
  gauge('countersign_heartbeat_withheld', '1 while the server does not say that its checkpoint is the newest', () =>
    standing().withheld === null ? 0 : 1,
  );
  gauge(
    'countersign_witness_quorum_seconds',
    'Until when the quorum of witnesses vouches, in seconds since 1970; 0 when it never did',
    () => standing().quorumAt ?? 0,
  );
  const labelNames = ['witness'];
  const at = new Gauge({
    name: 'countersign_witness_cosigned_seconds',
    help: "Time of a witness's last cosignature by its own clock, in seconds since 1970; 0 before the first",
    labelNames,
    registers,
    collect() {
      for (const { name, cosignedAt } of standing().witnesses) at.set({ witness: name }, cosignedAt ?? 0);
    },
  });
  const failing = new Gauge({
    name: 'countersign_witness_failing',
    help: '1 while a witness does not cosign',
    labelNames,
    registers,
    collect() {
      for (const { name, refusal } of standing().witnesses) failing.set({ witness: name }, refusal === null ? 0 : 1);
    },
  });
};

const mirrorGauges = (figures: () => MirrorFigures, registers: Registry[]): void => {
  const gauge = gaugesIn(registers);
  gauge('countersign_mirror_entries', 'Entries that the mirror is known to hold', () => figures().size ?? 0);
  gauge('countersign_mirror_behind', 'Published entries that the mirror does not hold yet', () => figures().behind);
  gauge(
    'countersign_mirror_failing',
    'Attempts that failed since the mirror was last brought up to date',
    () => figures().failing,
  );
};

const stateGauges = (sequencer: LedgerSequencer, registers: Registry[]): void => {
  const gauge = gaugesIn(registers);
  const requests = new Gauge({
    name: 'countersign_requests',
    help: 'Requests by status',
    labelNames: ['status'],
    registers,
    collect() {
      const counts = new Map<string, number>();
      for (const { status } of sequencer.state().requests.values()) counts.set(status, (counts.get(status) ?? 0) + 1);
      requests.reset();
      for (const [status, count] of counts) requests.set({ status }, count);
    },
  });
  gauge('countersign_ledger_entries', 'Entries in the ledger', () => sequencer.head().size);
  gauge('countersign_ledger_quarantined', '1 when the ledger is damaged and takes no commands', () =>
    sequencer.quarantine() === undefined ? 0 : 1,
  );
  gauge('countersign_review_debts', 'Reviews that are owed', () => sequencer.state().debts.size);
  gauge(
    'countersign_review_debts_overdue',
    'Reviews that are owed and late',
    () => [...sequencer.state().debts.values()].filter((debt) => debt.overdue).length,
  );
  gauge('countersign_process_resident_bytes', 'Memory of the process', () => process.memoryUsage.rss());
  gauge('countersign_process_seconds', 'Time the process has run', () => process.uptime());
};
