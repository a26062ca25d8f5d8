import { expect, it } from 'vitest';
import { chooseLanguage } from '../language';

it.each([
  [['zh-CN', 'zh', 'en'], 'zh-CN'],
  [['zh'], 'zh-CN'],
  [['zh-Hans-SG'], 'zh-CN'],
  [['zh-TW'], 'zh-CN'],
  [['zh_Hant_HK'], 'zh-CN'],
  [['ZH-cn'], 'zh-CN'],
  [['en-US', 'zh-CN'], 'en'],
  [['de-DE', 'zh-CN', 'en'], 'zh-CN'],
  [['de-DE', 'en-GB', 'zh'], 'en'],
  [['fr', 'ja'], 'en'],
  [['zha'], 'en'],
  [[''], 'en'],
  [[], 'en']
])('chooses the first language of %j that there is: %s', (preferred, chosen) => {
  expect(chooseLanguage(preferred)).toBe(chosen);
});
