import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { TranslationBundle } from '@jupyterlab/translation';

import { Store } from './store';

/** The plugin that the settings schema belongs to. */
export const SETTINGS_PLUGIN = 'jupyterlab-gpudock:settings';

/** The user's preferences; the names are those in `schema/settings.json`. */
export interface IPreferences {
  /** Requested seconds between two readings; 0 leaves it to the server. */
  readonly intervalSeconds: number;
  readonly statusBar: boolean;
  /** Whether the status bar requests readings while the panel is closed. */
  readonly statusBarLive: boolean;
  readonly memoryUnit: 'GiB' | 'GB';
  readonly temperatureUnit: '°C' | '°F';
  readonly memoryFillingPercent: number;
  readonly memoryFullPercent: number;
  /** How many °C below its slowdown temperature a GPU counts as hot. */
  readonly hotBelowSlowdownC: number;
  readonly leaseWarnings: boolean;
}

/** The preferences where nothing is set, or where there is no setting registry. */
export const DEFAULTS: IPreferences = {
  intervalSeconds: 0,
  statusBar: true,
  statusBarLive: false,
  memoryUnit: 'GiB',
  temperatureUnit: '°C',
  memoryFillingPercent: 85,
  memoryFullPercent: 95,
  hotBelowSlowdownC: 7,
  leaseWarnings: true
};

/** Return the preferences in stored settings; unknown names and wrong types are ignored. */
export function preferencesFrom(stored: Readonly<Record<string, unknown>>): IPreferences {
  const known = Object.entries(stored).filter(
    ([name, value]) =>
      Object.hasOwn(DEFAULTS, name) && typeof value === typeof DEFAULTS[name as keyof IPreferences]
  );
  return { ...DEFAULTS, ...Object.fromEntries(known) };
}

/** The user's preferences; the defaults until they are loaded. */
export class Settings extends Store<IPreferences> {
  constructor() {
    super(DEFAULTS);
  }

  /** Load and follow the stored settings; the defaults stay if that fails. */
  async follow(registry: ISettingRegistry, trans: TranslationBundle): Promise<void> {
    registry.transform(SETTINGS_PLUGIN, {
      fetch: plugin => {
        translateSchema(plugin.schema, trans);
        return plugin;
      }
    });
    try {
      const settings = await registry.load(SETTINGS_PLUGIN);
      const apply = (): void => this.update(preferencesFrom(settings.composite));
      settings.changed.connect(apply);
      apply();
    } catch (error) {
      console.warn('GPU panel: its settings could not be loaded.', error);
    }
  }
}

/**
 * Translate the texts of a schema in place. Jupyter Server translates schemas with the catalogs of
 * language packs only, not with one that an extension brings.
 */
function translateSchema(schema: ISettingRegistry.ISchema, trans: TranslationBundle): void {
  translateTexts(schema, ['title', 'description'], 'schema', trans);
  translateTexts(schema, ['jupyter.lab.setting-icon-label'], 'settings', trans);
  for (const property of Object.values(schema.properties ?? {})) {
    translateTexts(property, ['title', 'description'], 'settings', trans);
  }
}

function translateTexts(
  part: object,
  keys: readonly string[],
  context: string,
  trans: TranslationBundle
): void {
  const texts = part as Record<string, unknown>;
  for (const key of keys) {
    const text = texts[key];
    if (typeof text === 'string') {
      texts[key] = trans._p(context, text);
    }
  }
}
