import type { Control, ControlDeps } from './control.ts';
import { accessActions } from './control-access.ts';
import { appActions } from './control-apps.ts';
import { graphActions } from './control-graph.ts';
import { keyActions } from './control-keys.ts';
import { ruleActions } from './control-rules.ts';
import { vaultActions } from './control-vaults.ts';

export function createControl(deps: ControlDeps): Control {
  return {
    ...accessActions(deps.cloud),
    ...appActions(deps.cloud),
    ...graphActions(deps.cloud),
    ...keyActions(deps.cloud),
    ...ruleActions(deps.cloud),
    ...vaultActions(deps),
    requests: () => deps.log.entries(),
    clearRequests: () => deps.log.clear(),
    auditEvents: () => deps.auditLog.entries(),
    ingestedRows: () => deps.ingested.entries(),
  };
}
