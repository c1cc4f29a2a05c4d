import type { Group } from './groups.ts';
import type { ChaosSite, ServiceProcess } from './site.ts';

/** What a scenario may do to the world around the callers. */
interface Stage {
  readonly site: ChaosSite;
  /** One, or as many as the scenario asks for, on one port. A killed one is replaced in its place. */
  readonly services: ServiceProcess[];
  /** Starts one more process of this deployment. */
  startService(): Promise<ServiceProcess>;
}

/** One trouble, and what callers may see of it. */
export interface Scenario {
  readonly name: string;
  /** In the words of the report. */
  readonly trouble: string;
  /** Laid over the configuration. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** On one port; default 1. */
  readonly processes?: number;
  readonly hasDatabase?: boolean;
  /** Default 4.5. */
  readonly seconds?: number;
  /** Callers who come for the first time while it lasts. */
  readonly newcomers?: readonly Group[];
  /** By group: the codes of which at least one is seen while it lasts, and no other. Groups that aren't here see no failure at all. */
  readonly seen: Readonly<Record<string, readonly string[]>>;
  /** Most failures by which callers lose their connection: those on their way when it breaks. */
  readonly mayLose?: number;
  /** Why it can't be tried here. */
  readonly obstacle?: () => Promise<string | undefined>;
  begin(stage: Stage): Promise<void>;
  end(stage: Stage): Promise<void>;
}
