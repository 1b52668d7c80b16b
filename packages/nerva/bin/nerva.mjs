#!/usr/bin/env node
// Plain enough for Node 12, so that an old Node says one sentence and not a syntax error.
import fs from 'fs';
import module from 'module';
import url from 'url';

const major = Number(process.versions.node.split('.')[0]);
const hasSqlite = module.builtinModules.some((name) => name === 'node:sqlite' || name === 'sqlite');

if (!(major >= 24) || !hasSqlite) {
  refuse(
    'nerva needs Node.js 24 or newer with node:sqlite, and this is ' +
      process.version +
      ': install it from https://nodejs.org, then run the command again.',
  );
} else {
  // The sources come first: they exist only in a checkout, where dist may be older than they are.
  const found = ['../src/cli/main.ts', '../dist/cli/main.js'].find((path) => fs.existsSync(new url.URL(path, import.meta.url)));
  if (found === undefined) refuse('nerva was not built: run `npm run build` in the checkout, or install the package again.');
  else start(found);
}

/** Runs the command: `main` takes the arguments and resolves to the exit code. */
function start(path) {
  module.enableCompileCache(); // halves the start; in the folder for temporary files, or where NODE_COMPILE_CACHE says
  import(new url.URL(path, import.meta.url).href)
    .then((command) => command.main(process.argv.slice(2)))
    .then((code) => {
      if (typeof code === 'number') process.exitCode = code;
    })
    .catch((error) => {
      console.error(error);
      process.exitCode = 70;
    });
}

function refuse(sentence) {
  console.error(sentence);
  process.exitCode = 1;
}
