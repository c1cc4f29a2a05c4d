/**
 * Prints what Microsoft's own parser of Kusto finds wrong in queries, as JSON. Reads from stdin
 * `{tables: {NAME: '(COLUMN: TYPE, …)'}, queries: {NAME: TEXT}}`. It runs in a process of its own,
 * because the parser makes global names.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { text } from 'node:stream/consumers';
import { runInThisContext } from 'node:vm';

const require = createRequire(import.meta.url);
const files = [
  require.resolve('@kusto/language-service-next/bridge.min.js'),
  require.resolve('@kusto/language-service-next/Kusto.Language.Bridge.min.js'),
];
for (const path of files) {
  runInThisContext(readFileSync(path, 'utf8'), { filename: path });
}
const { GlobalState, KustoCode, Symbols } = globalThis.Kusto.Language;

const { tables, queries } = JSON.parse(await text(process.stdin));
const members = Object.entries(tables).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, ''));
const database = new Symbols.DatabaseSymbol.ctor('db', members);
const globals = GlobalState.Default.WithDatabase(database);
const found = Object.entries(queries).flatMap(([name, query]) => {
  const code = KustoCode.ParseAndAnalyze(query, globals);
  const diagnostics = code.GetDiagnostics();
  return Array.from({ length: diagnostics.Count }, (_, at) => diagnostics.getItem(at)).map(
    ({ Severity, Message, Start }) => `${name}: ${Severity} at ${Start}: ${Message}`,
  );
});
process.stdout.write(JSON.stringify(found));
