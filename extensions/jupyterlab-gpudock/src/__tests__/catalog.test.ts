import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import { expect, test } from 'vitest';

import catalogue from '../../jupyterlab_gpudock/locale/zh_CN/LC_MESSAGES/jupyterlab_gpudock.json';
import manifest from '../../package.json';
import schema from '../../schema/settings.json';
import { DOMAIN } from '../components/display';

const CONTEXT_DELIMITER = '\u0004';
const SOURCES = join(import.meta.dirname, '..');
const { '': head, ...entries } = catalogue as Record<string, unknown>;
const translations = entries as Record<string, string[]>;

/** Every text that a call of the translator in a source names; a text that is computed fails. */
function textsIn(file: string): string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(SOURCES, file), 'utf8'),
    ts.ScriptTarget.ES2022,
    true
  );
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const method = node.expression.name.text;
      const text = node.arguments[0];
      if (method === '__' || method === '_n') {
        if (!text || !ts.isStringLiteralLike(text)) {
          throw new Error(`${file}: the translator is asked for a text that is computed`);
        }
        found.push(text.text);
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function textsOfSchema(): string[] {
  const named = (context: string, text: string): string => context + CONTEXT_DELIMITER + text;
  return [
    named('schema', schema.title),
    named('schema', schema.description),
    named('settings', schema['jupyter.lab.setting-icon-label']),
    ...Object.values(schema.properties).flatMap(({ title, description }) => [
      named('settings', title),
      named('settings', description)
    ])
  ];
}

const files = readdirSync(SOURCES, { recursive: true, encoding: 'utf8' }).filter(
  file => /\.tsx?$/.test(file) && !file.includes('__tests__')
);
const texts = new Set([...files.flatMap(textsIn), ...textsOfSchema()]);

test('every text has a Chinese translation', () => {
  expect([...texts].filter(text => !(text in translations))).toEqual([]);
});

test('no translation is left over', () => {
  expect(Object.keys(translations).filter(text => !texts.has(text))).toEqual([]);
});

test('translations are not empty, and take the same values', () => {
  const values = (text: string): string[] => (text.match(/%\d/g) ?? []).sort();
  for (const [text, [translated = '']] of Object.entries(translations)) {
    expect(translated, text).not.toBe('');
    expect(values(translated), text).toEqual(values(text));
  }
});

test('the catalogue is the one that JupyterLab looks for', () => {
  expect(head).toEqual({
    domain: DOMAIN,
    // With a hyphen: that is how JupyterLab looks its texts up.
    language: 'zh-CN',
    plural_forms: 'nplurals=1; plural=0;',
    version: manifest.version
  });
});

test('the search for texts finds them', () => {
  expect(textsIn('messages/status.ts')).toContain('GPU lost');
  expect(textsIn('components/panel.tsx')).toContain('%1 GPU');
});
