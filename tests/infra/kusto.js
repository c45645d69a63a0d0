// Reads {tables: {name: schema}, queries: {name: text}} and answers what Kusto's own language service says of each query.
'use strict';
const { createRequire } = require('node:module');
const path = require('node:path');
const local = createRequire(path.join(__dirname, '../../local/package.json'));
local('@kusto/language-service-next/bridge.min.js');
local('@kusto/language-service-next/Kusto.Language.Bridge.min.js');

const { KustoCode, GlobalState, Symbols } = globalThis.Kusto.Language;
const { tables, queries } = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const symbols = Object.entries(tables).map(([name, schema]) => new Symbols.TableSymbol.$ctor7(name, schema, null));
const globals = GlobalState.Default.WithDatabase(new Symbols.DatabaseSymbol.ctor('telemetry', symbols));

const said = Object.entries(queries).map(([name, text]) => {
  const found = KustoCode.ParseAndAnalyze(text, globals).GetDiagnostics();
  return [name, Array.from({ length: found.Count }, (_, i) => found.getItem(i).Message)];
});
process.stdout.write(JSON.stringify(Object.fromEntries(said)));
