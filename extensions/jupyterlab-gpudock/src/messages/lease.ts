import type { TranslationBundle } from '@jupyterlab/translation';

import type { ILease } from '../model/contract';
import { formatTimeLeft } from './format';
import type { ILeaseError, ILeaseWarning } from '../model/lease';

/** Why a session ends when it does. */
export function endReason(lease: ILease, trans: TranslationBundle): string {
  switch (lease.ends_because) {
    case 'time':
      return trans.__('the longest time of a session');
    case 'hours':
      return trans.__('your GPU-hours are used up then');
    case 'group_hours':
      return trans.__('your group’s GPU-hours are used up then');
    case 'idle':
      return trans.__('the GPU is not being used');
    default:
      return '';
  }
}

/** The hours of the quota. */
export function formatHours(lease: ILease, trans: TranslationBundle): string {
  const { gpu_hours_left: left, gpu_hours_limit: limit, window_days: days } = lease.quota;
  if (left === null || limit === null) {
    return trans.__('no limit');
  }
  const [shown, of] = [round(left), round(limit)];
  return days === null
    ? trans.__('%1 of %2 h', shown, of)
    : trans.__('%1 of %2 h in %3 days', shown, of, round(days));
}

function round(hours: number): string {
  return hours >= 100 || Number.isInteger(hours) ? hours.toFixed(0) : hours.toFixed(1);
}

/** A warning that a session ends soon. */
export function warningMessage(warning: ILeaseWarning, trans: TranslationBundle): string {
  // A warning comes a moment after its minute began.
  const left = formatTimeLeft(Math.ceil(warning.leftMs / 60_000) * 60_000, trans);
  return warning.end === 'idle'
    ? trans.__(
        'Your GPU is not being used. If that stays so, this session ends in %1. Save your work.',
        left
      )
    : trans.__('This session and its GPU end in %1. Save your work.', left);
}

/** Why something was not done about a session. */
export function leaseErrorMessage(refusal: ILeaseError, trans: TranslationBundle): string {
  const { asked, code } = refusal;
  switch (code) {
    case 'unreachable':
      return trans.__('gpudock does not answer at the moment. Try again in a minute.');
    case 'refused':
      return trans.__(
        'gpudock does not let this server do that. On the Hub’s page you can do it yourself.'
      );
    case 'no_lease':
    case 'unmanaged':
      return trans.__('This server has no session with a GPU any more.');
    case 'not_done':
      return asked === 'extend'
        ? trans.__(
            'The session cannot be made longer: it lasts as long as your quota allows already, or it is over.'
          )
        : trans.__('The session is over already.');
    default:
      return trans.__('The server did not answer. Try again.');
  }
}

/** What keeps the desk's words from being of this moment; empty where nothing does. */
export function leaseStateMessage(lease: ILease, trans: TranslationBundle): string {
  switch (lease.state) {
    case 'stale':
      return trans.__('gpudock does not answer at the moment. These are its last words.');
    case 'unreachable':
      return trans.__(
        'gpudock does not answer, so how long this session lasts is not known. Your work goes on.'
      );
    case 'refused':
      return trans.__(
        'gpudock does not tell this server about its session. Restart the server; if that does not help, tell the administrator.'
      );
    default:
      return '';
  }
}
