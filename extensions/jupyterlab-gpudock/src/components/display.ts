import { createContext, useContext } from 'react';

import type { IDisplay } from '../messages/format';
import { loadTexts } from '../messages/translation';
import { DEFAULTS } from '../model/settings';

/** Provides language and preferences to all components below. */
export const DisplayContext = createContext<IDisplay>({
  trans: loadTexts(null),
  preferences: DEFAULTS
});

export function useDisplay(): IDisplay {
  return useContext(DisplayContext);
}
