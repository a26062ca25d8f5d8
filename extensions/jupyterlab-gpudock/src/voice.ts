import { nullTranslator, type TranslationBundle } from '@jupyterlab/translation';
import { createContext, useContext } from 'react';

import { DEFAULTS, type IPreferences } from './preferences';

/** How numbers and words are told to this person: their language, and their preferences. */
export interface IVoice {
  readonly trans: TranslationBundle;
  readonly preferences: IPreferences;
}

/** The domain of all words of this extension. */
export const DOMAIN = 'jupyterlab_gpudock';

/** The voice of all components below. */
export const VoiceContext = createContext<IVoice>({
  trans: nullTranslator.load(DOMAIN),
  preferences: DEFAULTS
});

/** The voice in which a component speaks. */
export function useVoice(): IVoice {
  return useContext(VoiceContext);
}
