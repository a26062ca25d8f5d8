import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator } from '@jupyterlab/translation';

import { loadTexts } from '../messages/translation';
import { Settings, SETTINGS_PLUGIN } from '../model/settings';
import { IGPUSettings } from '../model/tokens';

export const settings: JupyterFrontEndPlugin<Settings> = {
  id: SETTINGS_PLUGIN,
  description: 'Provides the settings of the GPU panel.',
  autoStart: true,
  provides: IGPUSettings,
  optional: [ISettingRegistry, ITranslator],
  activate: (
    _app: JupyterFrontEnd,
    registry: ISettingRegistry | null,
    translator: ITranslator | null
  ) => {
    const preferences = new Settings();
    if (registry) {
      void preferences.follow(registry, loadTexts(translator));
    }
    return preferences;
  }
};
