import { expect, it } from 'vitest';
import { en } from '../en';
import { zh } from '../zh';

const CHINESE = /\p{Script=Han}/u;

/** The texts without a Chinese word: abbreviations, examples of names, and formats. */
const THE_SAME_IN_BOTH = new Set([
  'audit.csv',
  'audit.examples.by',
  'audit.examples.target',
  'audit.examples.what',
  'audit.nothing',
  'ended.earlier',
  'ended.today',
  'explanation',
  'inParentheses',
  'label',
  'lab.gpu',
  'lab.gpuOfHost',
  'lab.memoryUsed',
  'lab.powerOf',
  'lab.userAndServer',
  'lab.uuid',
  'list',
  'mine.of',
  'quotas.conflictBy',
  'quotas.nothing',
  'sessions.csv',
  'sessions.example',
  'sessions.gpus',
  'spoken.all',
  'units.percent',
  'usage.bys.gpu',
  'usage.csv',
  'usage.gpu'
]);

type Text = string | ((...values: unknown[]) => string);

/** Return all texts by their path, such as `lab.title`. */
function texts(of: object, path = ''): ReadonlyMap<string, Text> {
  return new Map(
    Object.entries(of).flatMap(([name, value]: [string, unknown]) => {
      const key = path === '' ? name : `${path}.${name}`;
      return typeof value === 'object' && value !== null
        ? [...texts(value, key)]
        : [[key, value as Text] as const];
    })
  );
}

const ENGLISH = texts(en);
const TRANSLATED = texts(zh);

/** What stands for the parameters of functions: numbers, yes or no, lists, otherwise names. */
const KINDS: readonly [RegExp, readonly unknown[]][] = [
  [/^(number|value|position|length|slots?|free|total|taken|used|hours|limit|index|line)$/, [7, 1]],
  [/^(sessions|minutes|days)$/, [7, 1]],
  [/^(shared|set)$/, [false, true]],
  [/^(parts|items)$/, [['Alpha', 'Beta']]]
];

/** Return the names of a function's parameters, as they are in the source. */
function parameters(text: (...values: unknown[]) => string): readonly string[] {
  const [list] = /^\(([^)]*)\)|^\w+/.exec(text.toString()) ?? [''];
  return list
    .replace(/[()]/g, '')
    .split(',')
    .map(name => name.trim())
    .filter(Boolean);
}

it('translates each text, and no others', () => {
  expect([...TRANSLATED.keys()]).toEqual([...ENGLISH.keys()]);
});

it('leaves no text in English', () => {
  const without = [...TRANSLATED].filter(
    ([, text]) => !CHINESE.test(typeof text === 'string' ? text : text.toString())
  );
  expect(without.map(([key]) => key).sort()).toEqual([...THE_SAME_IN_BOTH].sort());
});

it('has no English sentence within a translation', () => {
  const sentences = [...TRANSLATED].filter(([, text]) =>
    /[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}/.test(typeof text === 'string' ? text : '')
  );
  expect(sentences).toEqual([]);
});

const FUNCTIONS = [...ENGLISH].filter(([, text]) => typeof text === 'function');

it.each(FUNCTIONS.map(([key]) => key))('shows each value in both languages: %s', key => {
  for (const [language, all] of [
    ['English', ENGLISH],
    ['Chinese', TRANSLATED]
  ] as const) {
    const text = all.get(key);
    if (typeof text !== 'function') throw new Error(`${language} has no function ${key}.`);
    expect(text.length, language).toBe((ENGLISH.get(key) as typeof text).length);
    const names = parameters(ENGLISH.get(key) as typeof text);
    const kinds = names.map(name => KINDS.find(([pattern]) => pattern.test(name))?.[1]);
    const usual = names.map((_, index) => kinds[index]?.[0] ?? `Name${index}`);
    for (const [index, name] of names.entries()) {
      const other = kinds[index]?.[1] ?? (kinds[index] ? ['Gamma'] : 'Other');
      const changed = usual.map((value, place) => (place === index ? other : value));
      expect(text(...changed), `${language}: ${name}`).not.toBe(text(...usual));
    }
    expect(text(...usual)).not.toMatch(/undefined|NaN|null|\[object/);
  }
});

it('uses the singular of one in English', () => {
  const plurals = [...ENGLISH].flatMap(([key, text]) => {
    if (typeof text !== 'function') return [];
    const values = parameters(text).map(name => {
      const kind = KINDS.find(([pattern]) => pattern.test(name))?.[1];
      // There are slots only where there are several.
      if (name === 'slots') return 2;
      return typeof kind?.[0] === 'number' ? 1 : (kind?.[0] ?? 'Name');
    });
    const shown = text(...values);
    return /(?<![\d.,])1 [A-Za-z-]+s\b(?! of)/.test(shown) ? [`${key}: ${shown}`] : [];
  });
  expect(plurals).toEqual([]);
});
