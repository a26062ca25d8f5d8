import type { TranslationBundle } from '@jupyterlab/translation';

import type { ILease } from '../model/contract';
import type { ILeaseError, ILeaseWarning } from '../model/lease';
import { formatTimeLeft } from './format';

/** Return why a session ends when it does; empty if that is unknown. */
export function endReason(lease: ILease, trans: TranslationBundle): string {
  switch (lease.ends_because) {
    case 'time':
      return trans.__('Max session');
    case 'hours':
      return trans.__('your GPU-hours will be used up');
    case 'group_hours':
      return trans.__("your group's GPU-hours will be used up");
    case 'idle':
      return trans.__('the GPU is idle');
    default:
      return '';
  }
}

/** Format the GPU-hours that are left. */
export function formatHours(lease: ILease, trans: TranslationBundle): string {
  const { gpu_hours_left: left, gpu_hours_limit: limit, window_days: days } = lease.quota;
  if (left === null || limit === null) {
    return trans.__('no limit');
  }
  return days === null
    ? trans.__('%1 of %2 h', round(left), round(limit))
    : trans.__('%1 of %2 h in %3 days', round(left), round(limit), round(days));
}

function round(value: number): string {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}

/** Return the text of a warning that the session ends soon. */
export function warningMessage(warning: ILeaseWarning, trans: TranslationBundle): string {
  // A warning is emitted a moment after its minute has begun.
  const left = formatTimeLeft(Math.ceil(warning.leftMs / 60_000) * 60_000, trans);
  return warning.limit === 'idle'
    ? trans.__('Your GPU is idle. If it stays idle, this session ends in %1. Save your work.', left)
    : trans.__('This GPU session ends in %1. Save your work.', left);
}

/** Return why an action on the session failed. */
export function leaseErrorMessage(error: ILeaseError, trans: TranslationBundle): string {
  switch (error.code) {
    case 'unreachable':
      return trans.__('gpudock is not responding. Try again in a minute.');
    case 'refused':
      return trans.__(
        'gpudock does not allow this server to do that. You can do it on the page My GPUs.'
      );
    case 'no_lease':
    case 'unmanaged':
      return trans.__('This server no longer has a GPU session.');
    case 'not_done':
      return error.action === 'extend'
        ? trans.__(
            'The session cannot be extended: it already lasts as long as your quota allows, or it has ended.'
          )
        : trans.__('The session has already ended.');
    default:
      return trans.__('The server did not respond. Try again.');
  }
}

/** Return why the session's data is missing or old; empty if it is current. */
export function leaseStateMessage(lease: ILease, trans: TranslationBundle): string {
  switch (lease.state) {
    case 'stale':
      return trans.__('gpudock is not responding. This is the last known state.');
    case 'unreachable':
      return trans.__(
        'gpudock is not responding, so it is unknown how long this session lasts. Your work continues.'
      );
    case 'refused':
      return trans.__(
        'gpudock does not share session data with this server. Restart the server; if that does not help, contact the administrator.'
      );
    default:
      return '';
  }
}
