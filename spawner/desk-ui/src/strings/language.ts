/** The language of the pages: the first of the browser's languages that they are written in. */

export type Language = 'en' | 'zh-CN';

const LANGUAGES: ReadonlyMap<string, Language> = new Map([
  ['en', 'en'],
  // Readers of traditional characters read simplified ones rather than English.
  ['zh', 'zh-CN']
]);

/**
 * Return the language for a reader.
 *
 * @param preferred - language tags such as `zh-Hant-TW`, the preferred one first
 */
export function chooseLanguage(preferred: readonly string[]): Language {
  for (const tag of preferred) {
    const known = LANGUAGES.get(tag.toLowerCase().split(/[-_]/, 1)[0] ?? '');
    if (known !== undefined) return known;
  }
  return 'en';
}

export const language = chooseLanguage(navigator.languages);
