/** What the REST API says. Times are seconds since the Unix epoch, memory is MiB. */

export type GPUState = 'free' | 'leased' | 'draining' | 'quarantined' | 'lost';

export interface Telemetry {
  readonly utilization_percent: number | null;
  readonly memory_used_mib: number | null;
  readonly temperature_c: number | null;
  readonly power_w: number | null;
  readonly power_limit_w: number | null;
}

/** A session on a GPU, as far as whoever asks may see it. */
export interface Holder {
  readonly id: string | null;
  readonly user: string | null;
  readonly slot: number;
  readonly idle_since: number | null;
}

export interface GPU {
  readonly uuid: string;
  readonly index: number;
  readonly host: string;
  readonly model: string;
  readonly memory_mib: number;
  readonly parent_uuid: string | null;
  readonly mig_profile: string | null;
  readonly state: GPUState;
  readonly reason: string | null;
  /** Whether it is given again by itself, without anybody's act. */
  readonly in_service: boolean;
  readonly slots: number;
  readonly leases: readonly Holder[];
  readonly telemetry: Telemetry | null;
}

export interface LabReading {
  readonly gpus: readonly GPU[];
  /** When the GPUs were last read. */
  readonly taken_at: number | null;
  /** Why they could not be read, or why there are none. */
  readonly problem: string | null;
  /** The lab is known to have no GPU. */
  readonly runs_on_cpu: boolean;
}

export interface Session {
  readonly id: string;
  readonly user: string;
  readonly server: string;
  readonly image: string;
  readonly gpus: readonly string[];
  readonly share: 'exclusive' | 'shared';
  readonly slot: number;
  readonly slots: number;
  readonly state: 'granted' | 'active' | 'stopping' | 'ended';
  readonly granted_at: number;
  readonly ends_at: number | null;
  readonly ends_because: 'time' | 'hours' | 'group_hours' | 'idle' | null;
  readonly why: string;
  readonly can_extend: boolean;
  readonly extendable_until: number | null;
  readonly idle_since: number | null;
  readonly ended_at: number | null;
  readonly end_reason: string | null;
}

export interface Waiting {
  readonly id: string;
  readonly user: string;
  readonly server: string;
  readonly gpus: number;
  readonly gpu_model: string | null;
  readonly share: 'exclusive' | 'shared';
  readonly created_at: number;
  readonly position: number;
  readonly length: number;
  readonly reason: string;
  readonly expected_start: number | null;
}

export const LIMITS = [
  'max_gpus',
  'gpu_hours',
  'window_days',
  'session_hours',
  'max_session_hours',
  'idle_minutes',
  'weight',
  'gpu_models'
] as const;
export const CAPS = ['group_max_gpus', 'group_gpu_hours'] as const;
export type Limit = (typeof LIMITS)[number];
export type QuotaField = Limit | (typeof CAPS)[number];

/** null is no limit; a field that is left out is not set at that level. */
export type QuotaValue = number | readonly string[] | null;
export type QuotaFields = { readonly [field in QuotaField]?: QuotaValue };
export interface QuotaDocument extends QuotaFields {
  readonly boost?: { readonly until: string } & QuotaFields;
}

export type Level = 'default' | 'group' | 'user';

export interface Used {
  readonly gpus: number;
  readonly gpu_hours: number;
}

export interface Cap {
  readonly group: string;
  readonly max_gpus: number | null;
  readonly gpu_hours: number | null;
  readonly window_days: number | null;
  readonly used: Used;
}

export interface EffectiveLimit {
  readonly value: QuotaValue;
  readonly origin: string;
}

export interface Effective {
  readonly user: string;
  readonly groups: readonly string[];
  readonly limits: { readonly [limit in Limit]: EffectiveLimit };
  readonly used: Used;
  readonly caps: readonly Cap[];
}

/** A level's document as it is stored. */
export interface StoredQuota {
  readonly level: Level;
  readonly name: string;
  /** null: nothing is stored, and the revision is 0. */
  readonly document: QuotaDocument | null;
  readonly revision: number;
  readonly updated_at: number | null;
  readonly updated_by: string | null;
}

/** A row of the quota table. */
export interface QuotaRow extends StoredQuota {
  readonly groups: readonly string[];
  /** For users: what is in force. */
  readonly effective: { readonly [limit in Limit]: EffectiveLimit } | null;
  readonly used: Used | null;
}

export interface Page<T> {
  readonly rows: readonly T[];
  readonly total: number;
}

/** Those who wait, as far as one may see them. */
export interface Queue {
  readonly queue: readonly Waiting[];
  /** How many wait in all. */
  readonly length: number;
}

/** One level's document as it shall be; null removes it. */
export interface QuotaChange {
  readonly level: Level;
  readonly name: string;
  readonly document: QuotaDocument | null;
  /** The revision that it was made from; 0: there was none. */
  readonly revision: number;
}

export interface PreviewedSession {
  readonly user: string;
  readonly server: string;
  readonly reason: string;
}

export interface Preview {
  readonly exceeding: readonly PreviewedSession[];
  readonly refused: readonly PreviewedSession[];
  readonly startable: readonly PreviewedSession[];
  readonly held_back: readonly PreviewedSession[];
}

/** What is wrong with a line of a file; null: with the file as a whole. */
export interface LineProblem {
  readonly line: number | null;
  readonly message: string;
}

/** What a line of a file does to a level's document; null: there is none. */
export interface DocumentChange {
  readonly level: Level;
  readonly name: string;
  readonly before: QuotaDocument | null;
  readonly after: QuotaDocument | null;
}

/** What taking quotas from a file would mean. */
export interface TablePreview {
  /** Of all quotas together; the file is taken only while it is this one. */
  readonly revision: number;
  readonly problem_count: number;
  readonly problems: readonly LineProblem[];
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
  readonly unchanged: number;
  /** The first of them. */
  readonly changes: readonly DocumentChange[];
  readonly effect: Preview;
}

export type UsageBy = 'user' | 'group' | 'gpu';
export type Bucket = 'day' | 'week' | 'month';

export interface UsageRow {
  readonly name: string;
  readonly bucket_start: number;
  readonly gpu_hours: number;
  readonly leases: number;
}

export interface AuditRow {
  readonly sequence: number;
  readonly at: number;
  readonly by: string;
  readonly what: string;
  readonly target: string;
  readonly before: unknown;
  readonly after: unknown;
}
