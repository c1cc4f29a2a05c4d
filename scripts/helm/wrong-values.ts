// Writes values with one fault each: node wrong-values.ts EXAMPLE DIRECTORY. The first line of each
// file is a comment with the words that the chart's refusal must have.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { parseDocument } from 'yaml';

const [example = '', directory = ''] = process.argv.slice(2);
assert.ok(example && directory, 'Name the example and the directory');

/** Path of the value, the wrong value (undefined removes it) and the words of the refusal. */
const FAULTS: readonly (readonly [path: string, value: unknown, words: string])[] = [
  ['config', undefined, "missing properties 'callers', 'home'"],
  ['config.home', undefined, "missing property 'home'"],
  ['config.home.vaultUri', 'https://vendor-home.vault.azure.net', "additional properties 'vaultUri' not allowed"],
  ['config.http.drainSeconds', '60', 'got string, want integer'],
  ['config.http.port', 8443, "additional properties 'port' not allowed"],
  ['config.http.tls', 'none', "additional properties 'tls' not allowed"],
  ['config.audit.directory', '/tmp', "additional properties 'directory' not allowed"],
  ['config.database.migrate', 'at-start', "additional properties 'migrate' not allowed"],
  ['config.emulator', { unsafeAllowEmulator: true }, "additional properties 'emulator' not allowed"],
  ['config.revocation.boundSeconds', 7200, 'maximum: got 7,200, want 3,600'],
  ['replicas', 0, 'minimum: got 0, want 1'],
  ['replicaCount', 3, "additional properties 'replicaCount' not allowed"],
  ['image.digest', 'latest', "'latest' does not match pattern"],
  ['workloadIdentity.clientId', 'vaultspan', "'vaultspan' does not match pattern"],
  ['audit.size', 'large', "'large' does not match pattern"],
  ['service.type', 'Loadbalancer', 'value must be one of'],
  ['metrics', { enabled: false, serviceMonitor: { enabled: true } }, "'not' failed"],
  ['networkPolicy.callers', [], 'minItems: got 0, want 1'],
  ['volumeMounts', [{ name: 'ca' }], "missing property 'mountPath'"],
  ['replicas', 1, 'minAvailable is 2 of at least 1 pods: no node could be drained'],
  ['podDisruptionBudget', { minAvailable: '100%' }, 'minAvailable is 100% of at least 3 pods'],
  ['autoscaling', { enabled: true, minReplicas: 2 }, 'minAvailable is 2 of at least 2 pods'],
];

for (const [index, [path, value, words]] of FAULTS.entries()) {
  const document = parseDocument(readFileSync(example, 'utf8'));
  const keys = path.split('.');
  if (value === undefined) document.deleteIn(keys);
  else document.setIn(keys, value);
  document.commentBefore = null;
  writeFileSync(join(directory, `${index}.wrong`), `# ${words}\n${document.toString()}`);
}
