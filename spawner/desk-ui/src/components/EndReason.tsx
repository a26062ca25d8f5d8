/** Shows why a session ended, and when. */
import { useNow } from '../lib/clock';
import { endReason } from '../lib/endReason';

interface EndReasonProps {
  readonly text: string | null;
  readonly endedAt: number | null;
}

export function EndReason({ text, endedAt }: EndReasonProps) {
  const now = useNow();
  return text === null ? null : <>{endReason(text, endedAt, now)}</>;
}
