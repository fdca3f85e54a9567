// Parses files as ES2020 modules and lists what they import. Prints one JSON object; `-` reads standard input.

import { readFileSync } from 'node:fs';
import { parse } from 'acorn';

const problems = [];
const imports = {};
let parsed = 0;
for (const file of process.argv.slice(2)) {
  const isStdin = file === '-';
  try {
    const tree = parse(readFileSync(isStdin ? 0 : file, 'utf8'), { ecmaVersion: 2020, sourceType: 'module' });
    parsed += 1;
    imports[file] = tree.body.filter((node) => node.source).map((node) => node.source.value);
  } catch (error) {
    problems.push(file + ': ' + error.message);
  }
}
console.log(JSON.stringify({ parsed, problems, imports }));
