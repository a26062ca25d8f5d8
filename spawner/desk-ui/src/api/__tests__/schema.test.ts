import { execFileSync } from 'node:child_process';
import { it } from 'vitest';

it('is generated from the current OpenAPI document', () => {
  execFileSync(process.execPath, ['generate.mjs', '--check'], { encoding: 'utf8' });
});
