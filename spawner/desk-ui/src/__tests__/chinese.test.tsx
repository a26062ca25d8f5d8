import { expect, it, vi } from 'vitest';
import { screen } from '@testing-library/react';

vi.hoisted(() => {
  Object.defineProperty(navigator, 'languages', { value: ['de', 'zh-TW', 'en'] });
});

import { translateFrame } from '../frame';
import {
  dateTime,
  duration,
  percent,
  shortDateTime,
  spokenDuration,
  utcMonth
} from '../lib/format';
import { MyGPUs } from '../pages/mine/MyGPUs';
import { parseValue, showValue } from '../pages/quotas/values';
import { renderPage } from '../testing/renderPage';

const at = (day: number, hour: number) => new Date(2026, 10, day, hour, 4).getTime() / 1000;

it('shows a page in Chinese, and asks the server for Chinese sentences', async () => {
  const { requests } = renderPage(<MyGPUs />);
  expect(await screen.findByRole('heading', { level: 1, name: '我的 GPU' })).toBeTruthy();
  expect((await screen.findAllByRole('button', { name: '停止服务器：您的服务器' })).length).toBe(1);
  expect(new Set(requests.map(({ language }) => language))).toEqual(new Set(['zh-CN']));
});

it('formats times and numbers as in China', () => {
  expect(dateTime(at(23, 0))).toBe('2026年11月23日 00:04');
  expect(shortDateTime(at(24, 15), at(23, 0))).toBe('周二15:04');
  expect(utcMonth(at(23, 12))).toBe('2026年11月');
  expect([duration(59), duration(68), duration(3900), duration(53 * 3600)]).toEqual([
    '59 秒',
    '1 分钟 08 秒',
    '1 小时 05 分钟',
    '2 天 5 小时'
  ]);
  expect(spokenDuration(7500)).toBe('2 小时 5 分钟');
  expect([percent(1, 8), percent(0.001, 8)]).toEqual(['13%', '< 1%']);
});

it('understands a limit as it is shown, and as in the CSV file', () => {
  for (const text of [showValue('max_gpus', null), 'none', 'None']) {
    expect(parseValue('max_gpus', text)).toEqual({ ok: true, value: null });
  }
  for (const text of [showValue('gpu_models', null), 'all']) {
    expect(parseValue('gpu_models', text)).toEqual({ ok: true, value: null });
  }
});

it('translates the frame that the template renders, and keeps icons and badges', () => {
  document.title = 'Lab – My lab – north';
  document.body.innerHTML = `
    <a href="#main">Skip to content</a>
    <nav aria-label="Main">
      <a id="gpudock-nav-lab">Lab</a>
      <a id="gpudock-nav-accounts">Accounts <span class="badge">2</span></a>
      <button id="dark-theme-toggle" aria-label="Toggle dark mode" title="Toggle dark mode"><i></i></button>
      <a id="logout"><i class="fa"></i>Sign out</a>
    </nav>`;
  translateFrame('lab');
  expect(document.documentElement.lang).toBe('zh-CN');
  expect(document.title).toBe('实验室 – My lab – north');
  expect(document.body.textContent.replace(/\s+/g, ' ').trim()).toBe('跳到正文 实验室 账户2 退出');
  expect(document.querySelectorAll('.badge, .fa').length).toBe(2);
  expect(document.querySelector('#dark-theme-toggle')?.getAttribute('aria-label')).toBe(
    '切换深色模式'
  );
});
