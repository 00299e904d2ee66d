// SPDX-License-Identifier: Apache-2.0
import { ViewKeeper } from '../app/view-keeper.ts';
import { tenant, type RunningLedger } from './ledger-folder.ts';
import type { Metrics } from './metrics.ts';
import { takeOrders } from './rebuild-order.ts';
import type { RequestLog } from './request-log.ts';
import { ledgerViews, totalsView } from './totals-view.ts';

/** Keeps the views of a running server, shows their figures, and builds them again when an operator says so (SPEC L25). */
export const keepViews = async (
  dir: string,
  { sequencer, store }: RunningLedger,
  metrics: Metrics,
  log: RequestLog,
): Promise<{ readonly stop: () => Promise<void> }> => {
  const views = new ViewKeeper({
    tenant,
    store,
    views: ledgerViews,
    follow: sequencer.follow.bind(sequencer),
    onError: (follower, error) => log.event('warn', 'view-failed', { follower, why: String(error).slice(0, 300) }),
  });
  // Nothing is decided on a view: one that cannot be read holds nobody up.
  await views.start().catch((error: unknown) => log.event('warn', 'view-failed', { why: String(error).slice(0, 300) }));
  metrics.totals(() => views.rows(totalsView.name));
  const orders = takeOrders(
    dir,
    views,
    () => sequencer.head().size,
    (event, fields) => log.event(event === 'rebuild-failed' ? 'warn' : 'info', event, fields),
  );
  return {
    stop: async () => {
      orders.stop();
      await views.stop();
    },
  };
};
