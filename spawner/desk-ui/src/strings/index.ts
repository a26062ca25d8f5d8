/** All texts of the pages, in the language of the reader. Each language has a file of its own. */
import { en, type Texts } from './en';
import { language, type Language } from './language';
import { zh } from './zh';

const TEXTS: { readonly [name in Language]: Texts } = { en, 'zh-CN': zh };

export const t = TEXTS[language];
