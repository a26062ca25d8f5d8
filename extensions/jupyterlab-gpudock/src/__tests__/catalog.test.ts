import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import ts from 'typescript';
import { expect, test } from 'vitest';

import catalog from '../../jupyterlab_gpudock/locale/zh_CN/LC_MESSAGES/jupyterlab_gpudock.json';
import manifest from '../../package.json';
import schema from '../../schema/settings.json';
import { DOMAIN } from '../messages/translation';

const CONTEXT_DELIMITER = '\u0004';
const SOURCES = join(import.meta.dirname, '..');
const { '': head, ...entries } = catalog as Record<string, unknown>;
const translations = entries as Record<string, string[]>;

/** Return the texts that a source passes to the translator. A text must be a literal. */
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
          throw new Error(`${file}: the translator is called with a text that is not a literal`);
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
  const inContext = (context: string, text: string): string => context + CONTEXT_DELIMITER + text;
  return [
    inContext('schema', schema.title),
    inContext('schema', schema.description),
    inContext('settings', schema['jupyter.lab.setting-icon-label']),
    ...Object.values(schema.properties).flatMap(({ title, description }) => [
      inContext('settings', title),
      inContext('settings', description)
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

test('there is no translation without a text', () => {
  expect(Object.keys(translations).filter(text => !texts.has(text))).toEqual([]);
});

test('translations are not empty, and have the same placeholders', () => {
  const placeholders = (text: string): string[] => (text.match(/%\d/g) ?? []).sort();
  for (const [text, [translated = '']] of Object.entries(translations)) {
    expect(translated, text).not.toBe('');
    expect(placeholders(translated), text).toEqual(placeholders(text));
  }
});

test('the catalog is the one that JupyterLab looks for', () => {
  expect(head).toEqual({
    domain: DOMAIN,
    // JupyterLab looks translations up with a hyphen.
    language: 'zh-CN',
    plural_forms: 'nplurals=1; plural=0;',
    version: manifest.version
  });
});

test('texts in the sources are found', () => {
  expect(textsIn('messages/status.ts')).toContain('GPU lost');
  expect(textsIn('components/panel.tsx')).toContain('%1 GPU');
});
