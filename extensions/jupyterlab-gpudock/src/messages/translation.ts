import { type ITranslator, nullTranslator, type TranslationBundle } from '@jupyterlab/translation';

/** The translation domain of this extension. */
export const DOMAIN = 'jupyterlab_gpudock';

/** Return this extension's texts in the user's language. */
export function loadTexts(translator: ITranslator | null): TranslationBundle {
  return (translator ?? nullTranslator).load(DOMAIN);
}
