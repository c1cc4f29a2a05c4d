import { median } from '../test/support/statistics.ts';
import type { Answer } from './caller.ts';
import { latencyOf } from './load.ts';
import type { Vitals } from './service-process.ts';

const MIB = 1024 * 1024;

/** The measurements of some seconds of the run, and at their end. */
export interface Window {
  /** Minutes since the start, at the window's end. */
  readonly minute: number;
  readonly requests: number;
  readonly p50: number;
  readonly p99: number;
  readonly cpuMicroseconds: number;
  readonly residentMiB: number;
  readonly heapMiB: number;
  readonly externalMiB: number;
  readonly handles: number;
  readonly loopDelayMs: number;
}

/**
 * Returns a window. `answers` and `cpuMicroseconds` cover only this window; latency is that of
 * messages, since the duration of streams and batches depends on their size.
 */
export function windowOf(answers: readonly Answer[], vitals: Vitals, minute: number, cpuMicroseconds: number): Window {
  const messages = answers.filter(({ operation }) => operation === 'encrypt' || operation === 'decrypt');
  return {
    minute,
    requests: answers.length,
    p50: latencyOf(messages, 0.5),
    p99: latencyOf(messages, 0.99),
    cpuMicroseconds: cpuMicroseconds / answers.length,
    residentMiB: vitals.residentBytes / MIB,
    heapMiB: vitals.heapUsedBytes / MIB,
    externalMiB: vitals.externalBytes / MIB,
    handles: Object.values(vitals.resources).reduce((sum, count) => sum + count, 0),
    loopDelayMs: vitals.loopDelayP99Ms,
  };
}

/**
 * Shows whether a value is flat: the medians of the first and the last third of the windows after
 * warming up, and the slope of all.
 */
export interface Trend {
  readonly name: string;
  readonly first: number;
  readonly last: number;
  readonly slopePerMinute: number;
  readonly bound: string;
  readonly holds: boolean;
}

/** Caches fill and code is compiled in the first fifth, or in two minutes if that is longer. */
const WARM_PART = 0.2;
const WARM_MINUTES = 2;
const MOST_GROWTH = 1.1;
const MOST_SLOPE = 1;
const MORE_HANDLES = 4;
/** Other work on the machine makes some windows slow; a leak makes all of them slow. */
const MOST_LATENCY = 1.05;

export function trendsOf(all: readonly Window[]): Trend[] {
  const warm = all.filter(({ minute }) => minute <= WARM_MINUTES).length;
  const windows = all.slice(Math.max(warm, Math.ceil(all.length * WARM_PART)));
  const third = Math.max(1, Math.floor(windows.length / 3));
  const trend = (
    name: string,
    value: (window: Window) => number,
    bound: string,
    holds: (first: readonly number[], last: readonly number[], slope: number) => boolean,
  ): Trend => {
    const first = windows.slice(0, third).map(value);
    const last = windows.slice(-third).map(value);
    const slopePerMinute = slopeOf(windows.map((window) => [window.minute, value(window)]));
    return {
      name,
      first: median(first),
      last: median(last),
      slopePerMinute,
      bound,
      holds: holds(first, last, slopePerMinute),
    };
  };
  const memory = (name: string, value: (window: Window) => number) =>
    trend(
      name,
      value,
      `last third ≤ 1.1 × the first, or slope ≤ ${MOST_SLOPE} a minute`,
      (first, last, slope) => median(last) <= median(first) * MOST_GROWTH || slope <= MOST_SLOPE,
    );
  const latency = (name: string, value: (window: Window) => number) =>
    trend(
      name,
      value,
      `best quarter of the last third ≤ ${MOST_LATENCY} × the worst tenth of the first`,
      (first, last) => at(last, 0.25) <= at(first, 0.9) * MOST_LATENCY,
    );
  return [
    memory('resident memory, MiB', ({ residentMiB }) => residentMiB),
    memory('heap in use, MiB', ({ heapMiB }) => heapMiB),
    memory('outside the heap, MiB', ({ externalMiB }) => externalMiB),
    trend(
      'handles',
      ({ handles }) => handles,
      `last third ≤ the first + ${MORE_HANDLES}`,
      (first, last) => median(last) <= median(first) + MORE_HANDLES,
    ),
    latency('p50 of a message, ms', ({ p50 }) => p50),
    latency('p99 of a message, ms', ({ p99 }) => p99),
    latency('p99 of the event loop, ms', ({ loopDelayMs }) => loopDelayMs),
    latency('CPU a request, µs', ({ cpuMicroseconds }) => cpuMicroseconds),
  ];
}

const at = (values: readonly number[], part: number): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length * part)] ?? Number.NaN;

/** Returns the slope by least squares. */
function slopeOf(points: readonly (readonly [number, number])[]): number {
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const top = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  return top / points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
}
