import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import type { TranslationBundle } from '@jupyterlab/translation';

import { Store } from './store';

/** The plugin processOwner schema the settings have. */
export const SETTINGS_PLUGIN = 'jupyterlab-gpudock:settings';

/** What a person can set about the panel; the names are those of `schema/settings.json`. */
export interface IPreferences {
  /** Seconds between two readings that this page wishes for; 0 leaves it to the server. */
  readonly intervalSeconds: number;
  readonly statusBar: boolean;
  /** Whether the status bar keeps readings coming while the panel is closed. */
  readonly statusBarLive: boolean;
  readonly memoryUnit: 'GiB' | 'GB';
  readonly temperatureUnit: '°C' | '°F';
  readonly memoryFillingPercent: number;
  readonly memoryFullPercent: number;
  /** How many °C below its slow-down temperature a GPU counts as hot. */
  readonly hotBelowSlowdownC: number;
  readonly leaseWarnings: boolean;
}

/** What holds where nothing is set, and where there are no settings. */
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

/** Preferences from settings as they were stored; what is missing or no preference is left out. */
export function preferencesFrom(stored: Readonly<Record<string, unknown>>): IPreferences {
  const known = Object.entries(stored).filter(
    ([name, value]) =>
      Object.hasOwn(DEFAULTS, name) && typeof value === typeof DEFAULTS[name as keyof IPreferences]
  );
  return { ...DEFAULTS, ...Object.fromEntries(known) };
}

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
