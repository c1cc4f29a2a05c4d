import type { MetricsSnapshot } from '../../telemetry/metrics.ts';

/**
 * Messages of the parent. `leave`: end, the others stay. `stop`: end, and so do the others. `hurry`:
 * end at once.
 */
export type ParentMessage =
  | { readonly type: 'leave' | 'stop' | 'hurry' }
  | { readonly type: 'read-metrics'; readonly id: number };

/** Messages of a process. `last-metrics` comes after its last request. */
export type ProcessMessage =
  | { readonly type: 'ready'; readonly url: string }
  | { readonly type: 'metrics'; readonly id: number; readonly metrics: MetricsSnapshot | undefined }
  | { readonly type: 'last-metrics'; readonly metrics: MetricsSnapshot | undefined };
