import { createRequire } from 'node:module';

/** By require: the types of the package describe its CommonJS file, not its ES module. */
const { default: Sequencer }: typeof import('@jest/test-sequencer') = createRequire(import.meta.url)(
  '@jest/test-sequencer',
);

/** Test files of processes and real waits, the longest first; a file that starts last delays the whole run. */
const LONG_FILES = [
  'cli/processes',
  'cli/hanging-entra',
  'operations/drills',
  'cli/process',
  'cli/proxy',
  'operations/revocation-matrix',
  'cli/log',
  'operations/two-processes',
  'operations/siem',
  'operations/trouble',
  'azure/home/home-rotation',
];

/** Sorts test files: long ones first, the others as Jest does (by their last duration, else by size). */
export default class LongFilesFirst extends Sequencer {
  override async sort(...[tests]: Parameters<InstanceType<typeof Sequencer>['sort']>) {
    const positionOf = (path: string) => {
      const position = LONG_FILES.findIndex((name) => path.endsWith(`/test/${name}.test.ts`));
      return position < 0 ? LONG_FILES.length : position;
    };
    return (await super.sort(tests)).sort((a, b) => positionOf(a.path) - positionOf(b.path));
  }
}
