import { nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { createContext, useContext } from 'react';

import { DEFAULTS, type IPreferences } from '../model/settings';

/** How numbers and words are told to this person: their language, and their preferences. */
export interface IDisplay {
  readonly trans: TranslationBundle;
  readonly preferences: IPreferences;
}

/** The domain of all words of this extension. */
export const DOMAIN = 'jupyterlab_gpudock';

/** The display of all components below. */
export const DisplayContext = createContext<IDisplay>({
  trans: nullTranslator.load(DOMAIN),
  preferences: DEFAULTS
});

/** The display in which a component speaks. */
export function useDisplay(): IDisplay {
  return useContext(DisplayContext);
}
