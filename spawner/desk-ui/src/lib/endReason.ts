/** Why a session ended, with the time of its end. */
import { t } from '../strings';
import { dateTime, isSameDay, timeOfDay } from './format';

/**
 * Return why a session ended and when: `Stopped by admin at 23:56`, or with the date if that was
 * not today.
 */
export function endReason(text: string, endedAt: number | null, now: number): string {
  if (endedAt === null) return t.ended.stopping(text);
  return isSameDay(endedAt, now)
    ? t.ended.today(text, timeOfDay(endedAt))
    : t.ended.earlier(text, dateTime(endedAt));
}
