import { mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { pollFile } from '../../src/lib/poll-file.ts';
import { until } from '../support/until.ts';

/** Polls two files that must have the same content to be usable. */
async function pollTwo(waitsForSettled: boolean) {
  const folder = await mkdtemp(join(tmpdir(), 'poll-'));
  const [one, other] = [join(folder, 'one'), join(folder, 'other')];
  const write = async (first: string, second: string) => {
    await writeFile(one, first);
    await writeFile(other, second);
  };
  await write('a', 'a');
  const reloads: string[] = [];
  const troubles: string[] = [];
  const polled = await pollFile({
    files: [one, other],
    pollMs: 20,
    waitsForSettled,
    load: async () => {
      const [first, second] = [await readFile(one, 'utf8'), await readFile(other, 'utf8')];
      if (first !== second) throw new Error(`${first} is not ${second}`);
      return first;
    },
    onReload: (now, before) => reloads.push(`${before} → ${now}`),
    onTrouble: ({ message }) => troubles.push(message),
  });
  return {
    ...polled,
    one,
    other,
    write,
    reloads,
    troubles,
    [Symbol.asyncDispose]: async () => {
      await polled.close();
      await rm(folder, { recursive: true });
    },
  };
}

describe.each([false, true])('polled files, waiting for settled ones: %s', (waitsForSettled) => {
  test('are loaded again when they change, and only then', async () => {
    await using polled = await pollTwo(waitsForSettled);
    expect(polled.current()).toBe('a');
    await polled.write('bb', 'bb');
    await until(() => polled.current() === 'bb');
    await until(() => polled.reloads.length > 0);
    expect(polled.reloads).toEqual(['a → bb']);
  });

  test('keep their content while they are unusable, which is reported once', async () => {
    await using polled = await pollTwo(waitsForSettled);
    await polled.write('bb', 'ccc');
    await until(() => polled.trouble() === 'bb is not ccc');
    expect(polled.current()).toBe('a');
    await polled.write('bb', 'bb');
    await until(() => polled.trouble() === undefined);
    expect(polled.current()).toBe('bb');
    expect(polled.troubles.filter((trouble) => trouble === 'bb is not ccc')).toHaveLength(1);
  });

  test('are valid again when the loaded ones are restored, without another load', async () => {
    await using polled = await pollTwo(waitsForSettled);
    await rename(polled.one, `${polled.one}.away`);
    await until(() => polled.trouble()?.includes('ENOENT') === true);
    await rename(`${polled.one}.away`, polled.one);
    await until(() => polled.trouble() === undefined);
    expect(polled.reloads).toEqual([]);
  });
});

test('files that cannot be loaded at first are refused with the reason', async () => {
  const load = () => Promise.reject(new Error('no such thing'));
  const told = { onReload: () => undefined, onTrouble: () => undefined };
  await expect(pollFile({ files: ['/no/such/file'], pollMs: 20, load, ...told })).rejects.toThrow('no such thing');
});
