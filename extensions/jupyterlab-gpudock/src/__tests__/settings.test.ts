import type { ISettingRegistry } from '@jupyterlab/settingregistry';
import { nullTranslator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';
import { expect, test, vi } from 'vitest';

import schema from '../../schema/settings.json';
import { DEFAULTS } from '../model/settings';
import { Settings, SETTINGS_PLUGIN } from '../model/settings';

const trans = nullTranslator.load('jupyterlab_gpudock');

class FakeRegistry {
  composite: Record<string, unknown> = {};
  readonly changed = new Signal<this, void>(this);
  fetch: (plugin: { schema: object }) => unknown = () => undefined;

  transform(id: string, transformers: { fetch: FakeRegistry['fetch'] }): void {
    expect(id).toBe(SETTINGS_PLUGIN);
    this.fetch = transformers.fetch;
  }

  load(): Promise<this> {
    return Promise.resolve(this);
  }

  as(): ISettingRegistry {
    return this as unknown as ISettingRegistry;
  }
}

test('the defaults of the schema and of the code are the same', () => {
  const defaults = Object.entries(schema.properties).map(([name, property]) => [
    name,
    property.default
  ]);
  expect(Object.fromEntries(defaults)).toEqual(DEFAULTS);
});

test('settings are followed as they change', async () => {
  const [registry, settings] = [new FakeRegistry(), new Settings()];
  await settings.follow(registry.as(), trans);
  expect(settings.view).toEqual(DEFAULTS);
  registry.composite = { memoryUnit: 'GB' };
  registry.changed.emit();
  expect(settings.view.memoryUnit).toBe('GB');
});

test('the defaults stay if settings cannot be loaded', async () => {
  const [registry, settings] = [new FakeRegistry(), new Settings()];
  vi.spyOn(registry, 'load').mockRejectedValue(new Error('no schema'));
  vi.spyOn(console, 'warn').mockImplementationOnce(() => undefined);
  await settings.follow(registry.as(), trans);
  expect(settings.view).toEqual(DEFAULTS);
});

test('the texts of the schema are translated', async () => {
  const registry = new FakeRegistry();
  const upperCase = { _p: (_context: string, text: string) => text.toUpperCase() };
  await new Settings().follow(registry.as(), upperCase as unknown as typeof trans);
  const copy = structuredClone(schema);
  registry.fetch({ schema: copy });
  expect(copy.title).toBe('GPU PANEL');
  expect(copy['jupyter.lab.setting-icon-label']).toBe('GPU PANEL');
  expect(copy.properties.statusBar.title).toBe('SHOW THE GPU IN THE STATUS BAR');
  expect(copy.properties.statusBar.type).toBe('boolean');
});
