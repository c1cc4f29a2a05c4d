import { type Service, startService } from '../../compose/service.ts';
import type { Config } from '../../config/resolved.ts';
import { boundedOutput } from '../../telemetry/log-output.ts';
import { createLogger } from '../../telemetry/logger.ts';
import { aborted } from '../support/aborted.ts';
import type { ParentLink, ProcessIo } from '../support/command.ts';
import type { ParentMessage, ProcessMessage } from './messages.ts';

/**
 * Runs the service in this process until a signal, or until its parent says so or has ended.
 * Resolves with the exit code.
 */
export async function serveHere(config: Config, io: ProcessIo): Promise<number> {
  const { parent } = io;
  const base = parent && { process: parent.number };
  const logger = createLogger(config.telemetry.logLevel, boundedOutput(io.stdoutBytes()), base);
  const orders = parent && listenToParent(parent);
  const service = await startService({ config, logger });
  if (!parent || !orders) {
    await aborted(io.signal);
    await service.stop(io.hurry);
    return 0;
  }
  orders.answerFor(service);
  await tell(parent, { type: 'ready', url: service.url });
  await aborted(AbortSignal.any([io.signal, orders.stopping]));
  // A signal to this process alone leaves the port to the others.
  await service.stop(AbortSignal.any([io.hurry, orders.hurrying]), !orders.doAllStop());
  await tell(parent, { type: 'last-metrics', metrics: await service.metrics?.snapshot() });
  return 0;
}

const tell = (parent: ParentLink, message: ProcessMessage): Promise<void> => parent.send(message);

/** Listens from the start, so that an order during the start is not lost. */
function listenToParent(parent: ParentLink) {
  const stopping = new AbortController();
  const hurrying = new AbortController();
  let doAllStop = false;
  let service: Service | undefined;
  const stopAll = () => {
    doAllStop = true;
    stopping.abort();
  };
  parent.onDisconnect(stopAll); // without the parent nobody would replace this process
  parent.onMessage((message) => {
    const order = message as ParentMessage; // the parent is the same program
    if (order.type === 'read-metrics') {
      const { id } = order;
      const reply = (metrics: Awaited<ReturnType<typeof read>>) => tell(parent, { type: 'metrics', id, metrics });
      read().then(reply, () => reply(undefined));
    } else if (order.type === 'leave') stopping.abort();
    else {
      stopAll();
      if (order.type === 'hurry') hurrying.abort();
    }
  });
  const read = async () => service?.metrics?.snapshot();
  return {
    stopping: stopping.signal,
    hurrying: hurrying.signal,
    doAllStop: () => doAllStop,
    answerFor: (started: Service) => {
      service = started;
    },
  };
}
