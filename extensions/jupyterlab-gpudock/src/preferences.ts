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
