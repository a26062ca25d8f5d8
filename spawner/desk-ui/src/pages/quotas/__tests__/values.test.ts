import { describe, expect, it } from 'vitest';
import type { QuotaField } from '../../../api/types';
import { editText, fieldsOf, parseValue, showValue } from '../values';

describe('an input', () => {
  it.each<[QuotaField, string, unknown]>([
    ['max_gpus', '2', 2],
    ['max_gpus', ' 0 ', 0],
    ['max_gpus', '', undefined],
    ['max_gpus', 'None', null],
    ['gpu_hours', '12,5', 12.5],
    ['gpu_hours', '0', 0],
    ['gpu_hours', '0.01', 0.01],
    ['weight', '0.5', 0.5],
    ['weight', '0.001', 0.001],
    ['weight', '1000', 1000],
    ['gpu_models', '*A100*; *L4* ;*A100*', ['*A100*', '*L4*']],
    ['gpu_models', ';', []],
    ['gpu_models', 'all', null],
    ['gpu_models', 'none', null]
  ])('of %s, "%s", is accepted', (field, text, value) => {
    expect(parseValue(field, text)).toEqual({ ok: true, value });
  });

  it.each<[QuotaField, string]>([
    ['max_gpus', '1.5'],
    ['max_gpus', '-1'],
    ['max_gpus', '1e3'],
    ['max_gpus', '1000001'],
    ['max_gpus', '99999999999999999999'],
    ['gpu_hours', 'NaN'],
    ['gpu_hours', 'Infinity'],
    ['gpu_hours', '0x10'],
    ['gpu_hours', '0.009'],
    ['session_hours', '0'],
    ['session_hours', '0.009'],
    ['weight', '0'],
    ['weight', '0.0001'],
    ['weight', '1001'],
    ['weight', 'none']
  ])('of %s, "%s", is rejected with a message', (field, text) => {
    const parsed = parseValue(field, text);
    expect(parsed).toMatchObject({ ok: false, message: expect.stringMatching(/\.$/) as string });
  });

  it.each([[2], [0.5], [null], [['*A100*', 'L?']], [[]]])(
    'shows %j and parses to the same value',
    value => {
      const field = Array.isArray(value) ? 'gpu_models' : 'gpu_hours';
      expect(parseValue(field, editText(field, value))).toEqual({ ok: true, value });
    }
  );
});

it('distinguishes "no model" from "no limit"', () => {
  expect(showValue('gpu_models', [])).toBe('no model');
  expect(showValue('gpu_models', null)).toBe('all');
});

it('has group limits only for groups', () => {
  expect(fieldsOf('group')).toContain('group_max_gpus');
  expect(fieldsOf('user')).not.toContain('group_max_gpus');
  expect(fieldsOf('default')).not.toContain('group_gpu_hours');
});
