import type { Group } from './groups.ts';
import type { ChaosSite, ServiceProcess } from './site.ts';

/** The actions of a scenario on the callers' environment. */
interface Stage {
  readonly site: ChaosSite;
  /**
   * One process, or as many as the scenario asks for, on one port. A killed one is replaced in its
   * place.
   */
  readonly services: ServiceProcess[];
  /** Starts one more process of this deployment. */
  startService(): Promise<ServiceProcess>;
}

/** One fault, and its allowed effects on callers. */
export interface Scenario {
  readonly name: string;
  /** The fault in the words of the report. */
  readonly trouble: string;
  /** Overrides the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** Number of processes on one port; default 1. */
  readonly processes?: number;
  readonly hasDatabase?: boolean;
  /** Duration; default 4.5. */
  readonly seconds?: number;
  /** Callers whose first requests come during the fault. */
  readonly newcomers?: readonly Group[];
  /**
   * By group: at least one of these codes occurs during the fault, and no other. Groups that are
   * not listed see no failure at all.
   */
  readonly seen: Readonly<Record<string, readonly string[]>>;
  /** Most failures by which callers lose their connection: requests in progress when it breaks. */
  readonly mayLose?: number;
  /** Returns the reason that it cannot run here. */
  readonly obstacle?: () => Promise<string | undefined>;
  begin(stage: Stage): Promise<void>;
  end(stage: Stage): Promise<void>;
}
