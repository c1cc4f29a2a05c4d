import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** Source texts by path, relative to the root of the tree. */
export type SourceTree = ReadonlyMap<string, string>;

export interface Import {
  readonly from: string;
  readonly to: string;
  readonly isTypeOnly: boolean;
}

/**
 * The folders from which each folder may import. A file at the root of the tree counts as a folder
 * of its own name.
 */
export type Allowances = Readonly<Record<string, readonly string[]>>;

const IMPORT = /(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/g;

export function readTree(root: string): SourceTree {
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  return new Map(files.map((file) => [file, readFileSync(join(root, file), 'utf8')]));
}

export const folderOf = (file: string): string => (dirname(file) === '.' ? file.replace(/\.ts$/, '') : dirname(file));

/** Returns every import of the tree's own files, lazy ones included. */
export function importsOf(tree: SourceTree): readonly Import[] {
  return [...tree].flatMap(([from, text]) =>
    [...text.matchAll(IMPORT)].flatMap(([, type, path, lazy]) => {
      const specifier = path ?? lazy ?? '';
      if (!specifier.startsWith('.')) return [];
      return [{ from, to: normalize(join(dirname(from), specifier)), isTypeOnly: type !== undefined }];
    }),
  );
}

/**
 * Returns the packages and modules from outside the tree that a file imports at its start, except
 * types.
 */
export function packagesOf(text: string): readonly string[] {
  return [...text.matchAll(IMPORT)].flatMap(([, type, path]) =>
    type === undefined && path !== undefined && !path.startsWith('.') ? [path] : [],
  );
}

/** Returns imports from one folder into another that the allowances do not name. */
export function forbiddenImports(tree: SourceTree, allowances: Allowances): readonly Import[] {
  return importsOf(tree).filter(({ from, to }) => {
    const [source, target] = [folderOf(from), folderOf(to)];
    return source !== target && !allowances[source]?.includes(target);
  });
}

/** Returns allowances that no import needs, as `folder → folder`. */
export function unusedAllowances(tree: SourceTree, allowances: Allowances): readonly string[] {
  const used = new Set(importsOf(tree).map(({ from, to }) => `${folderOf(from)} → ${folderOf(to)}`));
  return Object.entries(allowances)
    .flatMap(([folder, targets]) => targets.map((target) => `${folder} → ${target}`))
    .filter((arrow) => !used.has(arrow));
}

/** Returns cycles of imports between files, those of types alone included. */
export function cyclesOf(tree: SourceTree): readonly string[] {
  const graph = Map.groupBy(importsOf(tree), ({ from }) => from);
  return cycles([...tree.keys()], (file) => (graph.get(file) ?? []).map(({ to }) => to));
}

/** Returns cycles between the top folders of the tree. */
export function folderCyclesOf(tree: SourceTree): readonly string[] {
  const top = (file: string): string => folderOf(file).split('/')[0] ?? '';
  const graph = new Map<string, Set<string>>();
  for (const { from, to } of importsOf(tree)) {
    if (top(from) !== top(to)) graph.set(top(from), (graph.get(top(from)) ?? new Set()).add(top(to)));
  }
  return cycles([...graph.keys()], (folder) => [...(graph.get(folder) ?? [])]);
}

function cycles(nodes: readonly string[], next: (node: string) => readonly string[]): readonly string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (node: string, path: readonly string[]): void => {
    if (path.includes(node)) found.push([...path.slice(path.indexOf(node)), node].join(' → '));
    if (path.includes(node) || done.has(node)) return;
    for (const target of next(node)) visit(target, [...path, node]);
    done.add(node);
  };
  for (const node of nodes) visit(node, []);
  return found;
}

/** Returns folders with more files of their own than `most`. */
export function crowdedFolders(tree: SourceTree, most: number): readonly string[] {
  const counts = Map.groupBy(
    [...tree.keys()].filter((file) => file.includes('/')),
    folderOf,
  );
  return [...counts].filter(([, files]) => files.length > most).map(([folder]) => folder);
}

/** Returns files whose text matches, outside the given folders and files. */
export function filesMatching(
  tree: SourceTree,
  pattern: RegExp,
  exceptUnder: readonly string[] = [],
): readonly string[] {
  return [...tree]
    .filter(
      ([file, text]) => pattern.test(text) && !exceptUnder.some((start) => file === start || file.startsWith(start)),
    )
    .map(([file]) => file);
}
