import { FairShare } from '../../lib/fair-share.ts';

/**
 * Part of the memory that slow bodies may use. The rest is for bodies that arrive at once, and for
 * complete ones.
 */
const SLOW_PART = 1 / 2;

/** The account of one request's body in memory. */
export interface HeldBody {
  /**
   * Counts bytes that have arrived.
   * @throws ServiceError `overloaded`
   */
  add(bytes: number): void;
  /**
   * Counts the body as a slow one until it is complete.
   * @throws ServiceError `overloaded`
   */
  slow(): void;
  complete(): void;
}

interface OpenedBody extends HeldBody {
  /** Releases all of it. */
  release(): void;
}

/** Returns the refusal of a body, by the exhausted limit. */
type Refuse = (reason: 'bytes' | 'tenant-share') => Error;

/**
 * Counts the bytes of bodies as they arrive. Those of slow bodies count again in a part of the
 * memory: however much slow clients send, the other part stays free for the rest.
 */
export class HeldBytes {
  readonly #all: FairShare;
  readonly #slow: FairShare;
  readonly #refuse: Refuse;

  constructor(maxBytes: number, refuse: Refuse) {
    this.#all = new FairShare(maxBytes);
    this.#slow = new FairShare(maxBytes * SLOW_PART);
    this.#refuse = refuse;
  }

  /**
   * Returns the account of one body. A declared size without room is refused before it is read.
   * @throws ServiceError `overloaded`
   */
  open(holder: string, declaredBytes: number): OpenedBody {
    if (!this.#all.canTake(holder, declaredBytes)) throw this.#refusal(this.#all, declaredBytes);
    let held = 0;
    let heldSlowly = 0;
    let isSlow = false;
    let isReleased = false;
    const takeSlowly = (bytes: number) => {
      if (!this.#slow.take(holder, bytes, heldSlowly)) throw this.#refusal(this.#slow, bytes);
      heldSlowly += bytes;
    };
    const complete = () => {
      this.#slow.give(holder, heldSlowly);
      heldSlowly = 0;
      isSlow = false;
    };
    return {
      add: (bytes) => {
        if (isReleased) return; // its client has gone, and nothing would release them
        if (!this.#all.take(holder, bytes, held)) throw this.#refusal(this.#all, bytes);
        held += bytes;
        if (isSlow) takeSlowly(bytes);
      },
      slow: () => {
        if (isSlow || isReleased) return;
        isSlow = true;
        takeSlowly(held);
      },
      complete,
      release: () => {
        isReleased = true;
        complete();
        this.#all.give(holder, held);
        held = 0;
      },
    };
  }

  #refusal(share: FairShare, bytes: number): Error {
    return this.#refuse(share.hasRoomFor(bytes) ? 'tenant-share' : 'bytes');
  }
}
