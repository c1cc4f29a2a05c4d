import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';

/** The answers of the CLI; the commands of the script make every change. */
interface World {
  /** The prefix of commands that fail. */
  readonly failing?: string;
  /** Tags of a key that already exists. */
  readonly tags?: Readonly<Record<string, string>>;
  readonly usesRoles?: boolean;
  readonly keyType?: string;
}

/**
 * An Azure CLI that keeps its state in files of its folder and logs each command that changes
 * something.
 */
const AZ = String.raw`#!/usr/bin/env bash
cd "$(dirname "$0")"
all="$*"
if [ -n "$FAILING" ] && [[ "$all" == "$FAILING"* ]]; then echo "ERROR: ordered" >&2; exit 1; fi
change() { echo "az $all" >> changes; touch "$1"; }
have() { [ -e "$1" ]; }
case "$all" in
  "account show"*) have signed-in && cat signed-in || exit 1 ;;
  "login --tenant"*) change login; printf '%s' "$3" > signed-in ;;
  "account list"*) printf 'sub-other\nsub-right\n' ;;
  "account set"*) change subscription ;;
  "ad sp list"*) have sp && echo object-1; true ;;
  "ad sp create"*) change sp; echo object-1 ;;
  "ad sp show --id 00000003"*--query\ id*) echo graph-1 ;;
  "ad sp show --id 00000003"*) echo role-1 ;;
  "cloud show"*) echo https://graph.microsoft.com/ ;;
  "rest --method GET"*) have graph && echo assignment-1; true ;;
  "rest --method POST"*) have graph && exit 1; change graph ;;
  "keyvault show --subscription sub-other"*) exit 3 ;;
  "keyvault show --subscription"*) ;;
  "keyvault show"*enablePurgeProtection*) have purge && echo true; true ;;
  "keyvault show"*enableRbacAuthorization*) echo "$USES_ROLES" ;;
  "keyvault show"*) echo /subscriptions/sub-right/vaults/kv ;;
  "keyvault update"*) change purge ;;
  "keyvault key show"*key.kty*) echo "$KEY_TYPE" ;;
  "keyvault key show"*'tags."'*) have tags && sed -n 's/^vaultspan-tenant=//p' tags; true ;;
  "keyvault key show"*keys*) have tags && sed 's/=.*//' tags; true ;;
  "keyvault key show"*values*) have tags && sed 's/^[^=]*=//' tags; true ;;
  "keyvault key show"*) have key || exit 3 ;;
  "keyvault key create"*) change key; echo vaultspan-tenant=northwind > tags ;;
  "keyvault key list-versions"*) printf 'https://kv/keys/data/1\nhttps://kv/keys/data/2\n' ;;
  "keyvault key set-attributes --enabled false"*) change disabled ;;
  "keyvault key set-attributes"*) change tagged; echo vaultspan-tenant=northwind >> tags ;;
  *"role assignment list"*) have role && echo assignment-2; true ;;
  *"role assignment create"*) have role && { echo MatchingRoleAssignmentExists >&2; exit 1; }; change role ;;
  "keyvault set-policy"*) change policy ;;
  *) echo "the fake az has no: $all" >&2; exit 2 ;;
esac
`;

/** A curl that logs its arguments and fails as ordered. */
const CURL = `#!/usr/bin/env bash
echo "curl $*" >> "$(dirname "$0")/changes"
[ -z "$FAILING" ] || [[ "curl $*" != "$FAILING"* ]]
`;

export interface FakeAz extends AsyncDisposable {
  /** Runs the script; returns its exit code, and its changes since the last run. */
  run(script: string): Promise<{ readonly code: number; readonly stderr: string; readonly changes: readonly string[] }>;
}

export async function fakeAz(world: World = {}): Promise<FakeAz> {
  const folder = await mkdtemp(join(tmpdir(), 'fake-az-'));
  await writeFile(join(folder, 'az'), AZ, { mode: 0o755 });
  await writeFile(join(folder, 'curl'), CURL, { mode: 0o755 });
  const changesFile = join(folder, 'changes');
  if (world.tags) {
    await writeFile(join(folder, 'key'), '');
    const lines = Object.entries(world.tags).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(join(folder, 'tags'), lines.join(''));
  }
  const env = {
    ...process.env,
    PATH: `${folder}${delimiter}${process.env['PATH']}`,
    FAILING: world.failing ?? '',
    USES_ROLES: String(world.usesRoles ?? true),
    KEY_TYPE: world.keyType ?? 'RSA',
  };
  return {
    async run(script) {
      const file = join(folder, 'onboard.sh');
      await writeFile(file, script);
      await writeFile(changesFile, '');
      const { code, stderr } = await promisify(execFile)('bash', [file], { env }).then(
        (output) => ({ code: 0, stderr: output.stderr }),
        (error: { readonly code: number; readonly stderr: string }) => error,
      );
      const changes = (await readFile(changesFile, 'utf8')).split('\n').filter((line) => line !== '');
      return { code, stderr, changes };
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}
