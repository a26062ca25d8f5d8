/**
 * Writes the types of the REST API, `src/api/schema.ts`, from the desk's OpenAPI document.
 *
 * `make generate` runs it. With `--check` it writes nothing and fails if the file is out of date.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import openapiTS, { astToString } from 'openapi-typescript';
import { format, resolveConfig } from 'prettier';

const FILE = join(import.meta.dirname, 'src/api/schema.ts');
const HEADER =
  '/** The types of the REST API. Generated from its OpenAPI document by `make generate`. */\n';

// Titles only repeat the names, and the pages need no more of a path than its query parameters.
const document = JSON.parse(
  execFileSync('python', ['-m', 'gpudock.desk.openapi'], { encoding: 'utf8' }),
  (key, value) => (key === 'title' && typeof value === 'string' ? undefined : value)
);
document.paths = Object.fromEntries(
  Object.entries(document.paths).flatMap(([path, { get }]) =>
    get?.parameters?.some(parameter => parameter.in === 'query')
      ? [[path, { get: { ...get, description: undefined, responses: {} } }]]
      : []
  )
);

const types = astToString(await openapiTS(document, { immutable: true }));
const text = await format(HEADER + types, { ...(await resolveConfig(FILE)), filepath: FILE });
if (!process.argv.includes('--check')) {
  writeFileSync(FILE, text);
} else if (readFileSync(FILE, 'utf8') !== text) {
  process.stderr.write('src/api/schema.ts is out of date. Run "make generate".\n');
  process.exitCode = 1;
}
