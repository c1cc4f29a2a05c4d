import type { StreamWork } from '../../operations/stream-work.ts';
import type { Exchange } from './exchange.ts';

/**
 * Passes a body through a stream's transform into the answer. The head waits for the first output,
 * so that any failure of the first segment is still a problem. The last piece waits until the audit
 * has its record.
 * @throws ClientGone, ServiceError
 */
export async function transfer(
  exchange: Pick<Exchange, 'next' | 'send' | 'end'>,
  work: StreamWork,
  setHead: () => void,
  countBytes: (bytes: number) => void,
): Promise<void> {
  let isStarted = false;
  for (let piece = await exchange.next(); piece; piece = await exchange.next()) {
    await work.recheck();
    const pieces = work.transform.push(piece);
    countBytes(piece.length);
    if (pieces.length === 0) continue;
    if (!isStarted) {
      await work.start();
      setHead();
      isStarted = true;
    }
    await exchange.send(pieces);
  }
  const last = work.transform.end();
  if (!isStarted) await work.start();
  await work.finish();
  if (!isStarted) setHead();
  await exchange.end(last);
}
