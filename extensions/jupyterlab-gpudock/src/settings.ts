import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { TranslationBundle } from '@jupyterlab/translation';

import { DEFAULTS, type IPreferences, preferencesFrom } from './preferences';
import { Store } from './store';

/** The plugin whose schema the settings have. */
export const SETTINGS_PLUGIN = 'jupyterlab-gpudock:settings';

/** What this person prefers, and what holds until that is known. */
export class Settings extends Store<IPreferences> {
  constructor() {
    super(DEFAULTS);
  }

  /** Follow what is stored; without a registry, or where it fails, the defaults stay. */
  async follow(registry: ISettingRegistry, trans: TranslationBundle): Promise<void> {
    registry.transform(SETTINGS_PLUGIN, {
      fetch: plugin => {
        translate(plugin.schema, trans);
        return plugin;
      }
    });
    try {
      const settings = await registry.load(SETTINGS_PLUGIN);
      const take = (): void => this.update(preferencesFrom(settings.composite));
      settings.changed.connect(take);
      take();
    } catch (error) {
      console.warn('GPU panel: its settings could not be loaded.', error);
    }
  }
}

/**
 * Translate the words of a schema in place. Jupyter's server does so only with catalogues of
 * language packs, and not with one that an extension brings.
 */
function translate(schema: ISettingRegistry.ISchema, trans: TranslationBundle): void {
  translateIn(schema, ['title', 'description'], 'schema', trans);
  translateIn(schema, ['jupyter.lab.setting-icon-label'], 'settings', trans);
  for (const property of Object.values(schema.properties ?? {})) {
    translateIn(property, ['title', 'description'], 'settings', trans);
  }
}

function translateIn(
  part: object,
  keys: readonly string[],
  context: string,
  trans: TranslationBundle
): void {
  const words = part as Record<string, unknown>;
  for (const key of keys) {
    const said = words[key];
    if (typeof said === 'string') {
      words[key] = trans._p(context, said);
    }
  }
}
