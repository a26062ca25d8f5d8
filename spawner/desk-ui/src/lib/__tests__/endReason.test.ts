import { expect, it } from 'vitest';
import { endReason } from '../endReason';
import { dateTime } from '../format';

const at = (hour: number, date = 30) => new Date(2026, 10, date, hour, 56).getTime() / 1000;

it('says when a session ended: by the time of day if that was today', () => {
  expect(endReason('Stopped by admin', at(20), at(23))).toBe('Stopped by admin at 20:56');
});

it('adds the date if it was not today, even an hour ago', () => {
  const ended = at(23, 29);
  expect(endReason('12 h limit reached', ended, at(0))).toBe(
    `12 h limit reached on ${dateTime(ended)}`
  );
});

it('does not make up a time for a session that is still being stopped', () => {
  expect(endReason('Stopped by you', null, at(20))).toBe('Stopped by you, still being stopped');
});
