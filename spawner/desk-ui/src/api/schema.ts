/** The types of the REST API. Generated from its OpenAPI document by `make generate`. */
export interface paths {
  readonly '/leases': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** List sessions */
    readonly get: operations['listSessions'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/sessions': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Report sessions */
    readonly get: operations['reportSessions'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/quotas': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** List quotas */
    readonly get: operations['listQuotas'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/usage': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Get the GPU-hours of a period */
    readonly get: operations['getUsage'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
  readonly '/audit': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** List changes */
    readonly get: operations['listChanges'];
    readonly put?: never;
    readonly post?: never;
    readonly delete?: never;
    readonly options?: never;
    readonly head?: never;
    readonly patch?: never;
    readonly trace?: never;
  };
}
export type webhooks = Record<string, never>;
export interface components {
  schemas: {
    /** @description A session or a waiting request that a change affects. */
    readonly Affected: {
      readonly user: string;
      readonly server: string;
      readonly reason: string;
    };
    /** @description A page of changes, the latest first. */
    readonly AuditPage: {
      readonly rows: readonly components['schemas']['AuditRow'][];
      /** @description Number of changes on all pages */
      readonly total: number;
    };
    /** @description One change. */
    readonly AuditRow: {
      readonly sequence: number;
      readonly at: number;
      readonly by: string;
      readonly what: string;
      readonly target: string;
      /** @description The target as people call it, where it is an id */
      readonly target_name: string;
      /** @description null: there was nothing */
      readonly before: unknown;
      /** @description null: there is nothing any more */
      readonly after: unknown;
    };
    /** @description How many documents were set or removed. */
    readonly ChangedCount: {
      readonly changed: number;
      /** @description Sentences about limits of which one has no effect because of another; at most 200 */
      readonly contradictions: readonly string[];
    };
    /** @description The document of one level after a change. */
    readonly ChangedQuota: {
      /** @enum {string} */
      readonly level: 'default' | 'group' | 'user';
      /** @description Of the group or user; empty for the default */
      readonly name: string;
      /** @description The fields that the level sets; null: there is no document */
      readonly document: components['schemas']['GroupQuotaDocument'] | null;
      /** @description Changes with the document; 0: there is none */
      readonly revision: number;
      readonly updated_at: number | null;
      readonly updated_by: string | null;
      /** @description Sentences about limits of which one has no effect because of another */
      readonly contradictions: readonly string[];
    };
    /** @description A change of the default. */
    readonly DefaultQuotaChange: {
      /** @description Of the document that the change was made from; 0: there was none; left out: any */
      readonly revision?: number | null;
      /**
       * @description discriminator enum property added by openapi-typescript
       * @enum {string}
       */
      readonly level: 'default';
      /**
       * @default
       * @constant
       */
      readonly name: '';
      /** @description The new document; null removes it */
      readonly document: components['schemas']['QuotaDocument'] | null;
    };
    /** @description A limit in force. */
    readonly EffectiveLimit: {
      /** @description null: no limit */
      readonly value: number | readonly string[] | null;
      /** @description The level that sets it */
      readonly origin: string;
    };
    /** @description All limits in force. */
    readonly EffectiveLimits: {
      readonly max_gpus: components['schemas']['EffectiveLimit'];
      readonly gpu_hours: components['schemas']['EffectiveLimit'];
      readonly window_days: components['schemas']['EffectiveLimit'];
      readonly session_hours: components['schemas']['EffectiveLimit'];
      readonly max_session_hours: components['schemas']['EffectiveLimit'];
      readonly idle_minutes: components['schemas']['EffectiveLimit'];
      readonly weight: components['schemas']['EffectiveLimit'];
      readonly gpu_models: components['schemas']['EffectiveLimit'];
    };
    /** @description The limits in force for a user. */
    readonly EffectiveQuota: {
      readonly user: string;
      readonly groups: readonly string[];
      readonly limits: components['schemas']['EffectiveLimits'];
      readonly used: components['schemas']['QuotaUsage'];
      readonly caps: readonly components['schemas']['GroupCap'][];
    };
    /** @description Why a request failed. */
    readonly Error: {
      /** @description A short label for programs */
      readonly error: string;
      /** @description What happened, why, and what to do, for people */
      readonly message: string;
    };
    /** @description An extension of a session. */
    readonly Extension: {
      /** @description Left out: the usual length of a session, or as much as the limits allow */
      readonly hours?: number | null;
    };
    /** @description A GPU, or a slice of one. */
    readonly GPU: {
      readonly uuid: string;
      /** @description The driver's number, which may change; the UUID does not. Of a GPU that is gone, the number that it had */
      readonly index: number;
      readonly host: string;
      readonly model: string;
      readonly memory_mib: number;
      readonly parent_uuid: string | null;
      readonly mig_profile: string | null;
      /** @enum {string} */
      readonly state: 'free' | 'leased' | 'draining' | 'quarantined' | 'lost';
      /** @description Why it is neither free nor just leased */
      readonly reason: string | null;
      /** @description It is free or leased, or only being checked */
      readonly in_service: boolean;
      /** @description The driver reports it, as far as is known */
      readonly reported: boolean;
      /** @description It has readings, and computes nothing */
      readonly simulated: boolean;
      /** @description How many sessions may share it; 1: it is leased as a whole */
      readonly slots: number;
      readonly leases: readonly components['schemas']['Holder'][];
      readonly telemetry: components['schemas']['Telemetry'] | null;
      /** @description When the telemetry was read */
      readonly taken_at: number | null;
    };
    /** @description A change of a GPU: one of the two fields. */
    readonly GPUChange: {
      /** @enum {string} */
      readonly state?: 'draining' | 'active';
      readonly slots?: number;
    };
    /** @description All GPUs. */
    readonly GPUList: {
      readonly gpus: readonly components['schemas']['GPU'][];
      /** @description When they were last read */
      readonly taken_at: number | null;
      /** @description Why they cannot be read, or why there are none */
      readonly problem: string | null;
      /** @description The lab has no GPU, and servers run on the CPU */
      readonly runs_on_cpu: boolean;
    };
    /** @description A change of all GPUs. */
    readonly GPUsChange: {
      /** @constant */
      readonly state: 'active';
    };
    /** @description A group. */
    readonly Group: {
      readonly name: string;
      /** @description It comes from the Hub's configuration */
      readonly fixed: boolean;
      readonly members: readonly components['schemas']['Person'][];
      /** @description They see the members' usage and set their quotas */
      readonly managers: readonly components['schemas']['Person'][];
      /** @description All members of these groups are managers, too, by the Hub's configuration */
      readonly manager_groups: readonly string[];
    };
    /** @description A limit of a group as a whole. */
    readonly GroupCap: {
      readonly group: string;
      readonly max_gpus: number | null;
      readonly gpu_hours: number | null;
      readonly window_days: number | null;
      readonly used: components['schemas']['QuotaUsage'];
    };
    /** @description Groups, by name. */
    readonly GroupList: {
      readonly groups: readonly components['schemas']['Group'][];
      /** @description The sign-in service decides who is in which group, so members are set there */
      readonly from_sign_in: boolean;
      /** @description Who can become a member; empty for other callers */
      readonly users: readonly string[];
    };
    /** @description A change of a group's document. */
    readonly GroupQuotaChange: {
      /** @description Of the document that the change was made from; 0: there was none; left out: any */
      readonly revision?: number | null;
      /**
       * @description discriminator enum property added by openapi-typescript
       * @enum {string}
       */
      readonly level: 'group';
      readonly name: string;
      /** @description The new document; null removes it */
      readonly document: components['schemas']['GroupQuotaDocument'] | null;
    };
    /** @description Limits; a field that is left out is not set at this level, null is no limit */
    readonly GroupQuotaDocument: {
      /** @description GPUs at once; a slot of a shared GPU counts as one */
      readonly max_gpus?: number | null;
      /** @description GPU-hours in any `window_days` days */
      readonly gpu_hours?: number | null;
      /** @description Length of the rolling window; null: all time */
      readonly window_days?: number | null;
      /** @description Length of a session that is not extended */
      readonly session_hours?: number | null;
      /** @description Longest session, extensions included */
      readonly max_session_hours?: number | null;
      /** @description A GPU that is idle for longer is taken back */
      readonly idle_minutes?: number | null;
      /** @description Share of a busy lab */
      readonly weight?: number;
      /** @description Patterns of models that may be used */
      readonly gpu_models?: readonly string[] | null;
      /** @description GPUs at once of all members together */
      readonly group_max_gpus?: number | null;
      /** @description GPU-hours of all members together */
      readonly group_gpu_hours?: number | null;
      /** @description Fields that apply instead until a given time */
      readonly boost?: {
        /**
         * Format: date-time
         * @description The time, with its offset from UTC
         */
        readonly until: string;
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: all time */
        readonly window_days?: number | null;
        /** @description Length of a session that is not extended */
        readonly session_hours?: number | null;
        /** @description Longest session, extensions included */
        readonly max_session_hours?: number | null;
        /** @description A GPU that is idle for longer is taken back */
        readonly idle_minutes?: number | null;
        /** @description Share of a busy lab */
        readonly weight?: number;
        /** @description Patterns of models that may be used */
        readonly gpu_models?: readonly string[] | null;
        /** @description GPUs at once of all members together */
        readonly group_max_gpus?: number | null;
        /** @description GPU-hours of all members together */
        readonly group_gpu_hours?: number | null;
      };
    };
    /** @description A session that has a GPU or a slot of it. What the caller may not know is `null`. */
    readonly Holder: {
      readonly id: string | null;
      readonly user: string | null;
      readonly slot: number;
      /** @description Since when the GPU has not been used */
      readonly idle_since: number | null;
    };
    /** @description A GPU that is not fit to return to service. */
    readonly KeptGPU: {
      readonly uuid: string;
      readonly reason: string;
    };
    /** @description What is wrong with a line of a file. */
    readonly LineProblem: {
      /** @description From 1; null: the file as a whole */
      readonly line: number | null;
      /** @description A sentence that names the column and the value, too */
      readonly message: string;
      /** @description null: it is not about one cell */
      readonly column?: string | null;
    };
    /** @description The caller's own sessions. */
    readonly OwnSessions: {
      readonly leases: readonly components['schemas']['Session'][];
    };
    /** @description A member or a manager of a group. */
    readonly Person: {
      readonly name: string;
      /** @description It comes from the Hub's configuration, and is changed there */
      readonly fixed: boolean;
    };
    /** @description The queue, the next request first. */
    readonly Queue: {
      readonly queue: readonly components['schemas']['WaitingRequest'][];
      /** @description Length of the queue, with the requests not shown here */
      readonly length: number;
    };
    /** @description Changes that are made together or not at all; at most one for each document. */
    readonly QuotaChanges: {
      readonly changes: readonly (
        | components['schemas']['DefaultQuotaChange']
        | components['schemas']['GroupQuotaChange']
        | components['schemas']['UserQuotaChange']
      )[];
    };
    /** @description Limits; a field that is left out is not set at this level, null is no limit */
    readonly QuotaDocument: {
      /** @description GPUs at once; a slot of a shared GPU counts as one */
      readonly max_gpus?: number | null;
      /** @description GPU-hours in any `window_days` days */
      readonly gpu_hours?: number | null;
      /** @description Length of the rolling window; null: all time */
      readonly window_days?: number | null;
      /** @description Length of a session that is not extended */
      readonly session_hours?: number | null;
      /** @description Longest session, extensions included */
      readonly max_session_hours?: number | null;
      /** @description A GPU that is idle for longer is taken back */
      readonly idle_minutes?: number | null;
      /** @description Share of a busy lab */
      readonly weight?: number;
      /** @description Patterns of models that may be used */
      readonly gpu_models?: readonly string[] | null;
      /** @description Fields that apply instead until a given time */
      readonly boost?: {
        /**
         * Format: date-time
         * @description The time, with its offset from UTC
         */
        readonly until: string;
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: all time */
        readonly window_days?: number | null;
        /** @description Length of a session that is not extended */
        readonly session_hours?: number | null;
        /** @description Longest session, extensions included */
        readonly max_session_hours?: number | null;
        /** @description A GPU that is idle for longer is taken back */
        readonly idle_minutes?: number | null;
        /** @description Share of a busy lab */
        readonly weight?: number;
        /** @description Patterns of models that may be used */
        readonly gpu_models?: readonly string[] | null;
      };
    };
    /** @description What a file changes in a level's document. */
    readonly QuotaDocumentChange: {
      /** @enum {string} */
      readonly level: 'default' | 'group' | 'user';
      readonly name: string;
      /** @description null: there is none */
      readonly before: components['schemas']['GroupQuotaDocument'] | null;
      /** @description null: it is removed */
      readonly after: components['schemas']['GroupQuotaDocument'] | null;
    };
    /** @description A page of the table. */
    readonly QuotaPage: {
      readonly rows: readonly components['schemas']['QuotaRow'][];
      /** @description Number of rows on all pages */
      readonly total: number;
    };
    /** @description What changes would mean now. */
    readonly QuotaPreview: {
      /** @description Sessions that would exceed their limits; they continue */
      readonly exceeding: readonly components['schemas']['Affected'][];
      /** @description Waiting requests that would be denied */
      readonly refused: readonly components['schemas']['Affected'][];
      /** @description Waiting requests that would start at once */
      readonly startable: readonly components['schemas']['Affected'][];
      /** @description Waiting requests that could start now, and would have to wait */
      readonly held_back: readonly components['schemas']['Affected'][];
      /** @description Sentences about limits of which one has no effect because of another; at most 200 */
      readonly contradictions: readonly string[];
    };
    /**
     * @description A row of the table: the level's document, and the limits in force for a user or by default.
     *
     *     Those are null for groups.
     */
    readonly QuotaRow: {
      /** @enum {string} */
      readonly level: 'default' | 'group' | 'user';
      /** @description Of the group or user; empty for the default */
      readonly name: string;
      /** @description The fields that the level sets; null: there is no document */
      readonly document: components['schemas']['GroupQuotaDocument'] | null;
      /** @description Changes with the document; 0: there is none */
      readonly revision: number;
      readonly updated_at: number | null;
      readonly updated_by: string | null;
      readonly groups: readonly string[];
      readonly effective: components['schemas']['EffectiveLimits'] | null;
      readonly used: components['schemas']['QuotaUsage'] | null;
    };
    /** @description What the import of a file would mean now. */
    readonly QuotaTablePreview: {
      /** @description Of all quotas together; send it as `If-Match`, and the file is imported only if no quota has changed */
      readonly revision: number;
      /** @description Number of problems; a file with problems is not imported */
      readonly problem_count: number;
      /** @description The first 200 problems */
      readonly problems: readonly components['schemas']['LineProblem'][];
      /** @description Number of warnings; they do not prevent an import */
      readonly warning_count: number;
      /** @description The first 200 lines about users and groups that the Hub does not know */
      readonly warnings: readonly components['schemas']['LineProblem'][];
      /** @description Lines that add a document */
      readonly added: number;
      /** @description Lines that change a document */
      readonly changed: number;
      /** @description Lines that remove a document */
      readonly removed: number;
      /** @description Lines that change nothing */
      readonly unchanged: number;
      /** @description The first 200 changes */
      readonly changes: readonly components['schemas']['QuotaDocumentChange'][];
      readonly effect: components['schemas']['QuotaPreview'];
    };
    /** @description What is used of limits. */
    readonly QuotaUsage: {
      readonly gpus: number;
      /** @description Within the window, where there is a limit of hours */
      readonly gpu_hours: number;
    };
    /** @description What became of the GPUs that were quarantined or lost. */
    readonly ReturnedGPUs: {
      /** @description The UUIDs of those that are in service again */
      readonly returned: readonly string[];
      /** @description Those that are not fit for it */
      readonly kept: readonly components['schemas']['KeptGPU'][];
    };
    /** @description A session: a user's server with the GPUs that it has, or had. */
    readonly Session: {
      readonly id: string;
      readonly user: string;
      /** @description The server's name; empty for the user's default server */
      readonly server: string;
      readonly image: string;
      /** @description UUIDs; empty for a server without a GPU */
      readonly gpus: readonly string[];
      /** @enum {string} */
      readonly share: 'exclusive' | 'shared';
      /** @description Which slot of the GPU it has, from 0 */
      readonly slot: number;
      /** @description Of how many; 1: it has the GPUs as a whole */
      readonly slots: number;
      /** @enum {string} */
      readonly state: 'granted' | 'active' | 'stopping' | 'ended';
      readonly granted_at: number;
      /** @description When it ends if nobody does anything; null: no end is known */
      readonly ends_at: number | null;
      readonly ends_because: ('time' | 'hours' | 'group_hours' | 'idle') | null;
      /** @description A sentence about the end */
      readonly why: string;
      /** @description When its user is first warned of the end */
      readonly warning_at: number | null;
      readonly can_extend: boolean;
      /** @description null with `can_extend`: without end */
      readonly extendable_until: number | null;
      /** @description Since when its GPUs have not been used */
      readonly idle_since: number | null;
      readonly ended_at: number | null;
      readonly end_reason: string | null;
      /** @description Why it ended, for the caller: a phrase such as `12 h limit reached` */
      readonly end_text: string | null;
    };
    /** @description A GPU of a session. What is not known any more is `null`. */
    readonly SessionGPU: {
      readonly uuid: string;
      readonly index: number | null;
      readonly host: string | null;
      readonly model: string | null;
      readonly mig_profile: string | null;
    };
    /** @description A page of sessions. */
    readonly SessionPage: {
      readonly leases: readonly components['schemas']['Session'][];
      /** @description Number of sessions on all pages */
      readonly total: number;
    };
    /** @description A page of sessions, the latest start first. */
    readonly SessionReport: {
      readonly rows: readonly components['schemas']['SessionReportRow'][];
      /** @description Number of sessions on all pages */
      readonly total: number;
    };
    /** @description A session, running or ended. */
    readonly SessionReportRow: {
      readonly id: string;
      readonly user: string;
      /** @description The server's name; empty for the user's default server */
      readonly server: string;
      readonly image: string;
      /** @description Empty for a server without a GPU */
      readonly gpus: readonly components['schemas']['SessionGPU'][];
      /** @description Into how many slots its GPU is divided; 1: it had all of it */
      readonly slots: number;
      /** @enum {string} */
      readonly state: 'granted' | 'active' | 'stopping' | 'ended';
      readonly started_at: number;
      /** @description null: it has not ended */
      readonly ended_at: number | null;
      /** @description How long it has lasted */
      readonly hours: number;
      /** @description A slot of a shared GPU counts as its part of one */
      readonly gpu_hours: number;
      /** @description What kind of end it has; null: it goes on */
      readonly end_kind:
        | (
            | 'stopped'
            | 'time'
            | 'hours'
            | 'idle'
            | 'exited'
            | 'not_started'
            | 'account_gone'
            | 'other'
          )
        | null;
      /** @description Why it ended, a phrase such as `12 h limit reached`; null: it goes on */
      readonly end_text: string | null;
    };
    /** @description The document of one level. */
    readonly StoredQuota: {
      /** @enum {string} */
      readonly level: 'default' | 'group' | 'user';
      /** @description Of the group or user; empty for the default */
      readonly name: string;
      /** @description The fields that the level sets; null: there is no document */
      readonly document: components['schemas']['GroupQuotaDocument'] | null;
      /** @description Changes with the document; 0: there is none */
      readonly revision: number;
      readonly updated_at: number | null;
      readonly updated_by: string | null;
    };
    /** @description The latest readings of a GPU; `null` for what it does not report. */
    readonly Telemetry: {
      readonly utilization_percent: number | null;
      readonly memory_used_mib: number | null;
      readonly temperature_c: number | null;
      readonly power_w: number | null;
      readonly power_limit_w: number | null;
    };
    /** @description Usage in a period. */
    readonly UsageList: {
      readonly rows: readonly components['schemas']['UsageRow'][];
      readonly since: number;
      readonly until: number;
    };
    /** @description The usage of a user, a group or a GPU in one bucket. */
    readonly UsageRow: {
      readonly name: string;
      readonly bucket_start: number;
      /** @description A slot of a shared GPU counts as its part of one */
      readonly gpu_hours: number;
      /** @description Number of sessions that began */
      readonly leases: number;
    };
    /** @description A change of a user's document. */
    readonly UserQuotaChange: {
      /** @description Of the document that the change was made from; 0: there was none; left out: any */
      readonly revision?: number | null;
      /**
       * @description discriminator enum property added by openapi-typescript
       * @enum {string}
       */
      readonly level: 'user';
      readonly name: string;
      /** @description The new document; null removes it */
      readonly document: components['schemas']['QuotaDocument'] | null;
    };
    /** @description A server that waits for a GPU. */
    readonly WaitingRequest: {
      readonly id: string;
      readonly user: string;
      /** @description The server's name; empty for the user's default server */
      readonly server: string;
      readonly gpus: number;
      /** @description The requested model, as a pattern */
      readonly gpu_model: string | null;
      /** @enum {string} */
      readonly share: 'exclusive' | 'shared';
      readonly created_at: number;
      /** @description 1 is next */
      readonly position: number;
      /** @description Length of the queue */
      readonly length: number;
      /** @description A sentence on what it waits for */
      readonly reason: string;
      /** @description When it starts if no session ends early and no request goes before it */
      readonly expected_start: number | null;
      /** @description The same if all requests that may still come first do so; null when that is unknown */
      readonly latest_start: number | null;
    };
  };
  responses: never;
  parameters: never;
  requestBodies: never;
  headers: never;
  pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
  readonly listSessions: {
    readonly parameters: {
      readonly query?: {
        /** @description Only this user's */
        readonly user?: string;
        /** @description `live` are all that have not ended */
        readonly state?: 'live' | 'granted' | 'active' | 'stopping' | 'ended';
        readonly limit?: number;
        readonly offset?: number;
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: never;
  };
  readonly reportSessions: {
    readonly parameters: {
      readonly query?: {
        /** @description Only this user's */
        readonly user?: string;
        /** @description Only those with this GPU */
        readonly gpu?: string;
        /** @description Only those that had not ended by then */
        readonly from?: string | number;
        /** @description Only those that had begun by then */
        readonly to?: string | number;
        readonly limit?: number;
        readonly offset?: number;
        /** @description `csv` has all rows, without pages */
        readonly format?: 'json' | 'csv';
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: never;
  };
  readonly listQuotas: {
    readonly parameters: {
      readonly query?: {
        readonly level?: 'default' | 'group' | 'user';
        /** @description Part of the name, in upper or lower case */
        readonly search?: string;
        /** @description By name, latest change, GPU-hours used, GPUs held, or a limit in force; with a `-` before it in descending order */
        readonly sort?:
          | 'name'
          | '-name'
          | 'updated_at'
          | '-updated_at'
          | 'used'
          | '-used'
          | 'gpus'
          | '-gpus'
          | 'max_gpus'
          | '-max_gpus'
          | 'gpu_hours'
          | '-gpu_hours'
          | 'window_days'
          | '-window_days'
          | 'session_hours'
          | '-session_hours'
          | 'max_session_hours'
          | '-max_session_hours'
          | 'idle_minutes'
          | '-idle_minutes'
          | 'weight'
          | '-weight'
          | 'gpu_models'
          | '-gpu_models';
        readonly offset?: number;
        readonly limit?: number;
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: never;
  };
  readonly getUsage: {
    readonly parameters: {
      readonly query?: {
        /** @description Start; default: 30 days before the end */
        readonly from?: string | number;
        /** @description End; default: now */
        readonly to?: string | number;
        /** @description What to sum up by; a user in several groups counts in each */
        readonly by?: 'user' | 'group' | 'gpu';
        /** @description Sum up each day, week or month (UTC); at most 1000 of them */
        readonly bucket?: 'day' | 'week' | 'month';
        /** @description Only this user, group or GPU */
        readonly name?: string;
        readonly format?: 'json' | 'csv';
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: never;
  };
  readonly listChanges: {
    readonly parameters: {
      readonly query?: {
        /** @description Only changes by this user */
        readonly by?: string;
        /** @description Only this kind of change, such as `quota` or `quota.set` */
        readonly what?: string;
        /** @description Only changes of this target; a user's name stands for all that is theirs */
        readonly target?: string;
        /** @description Start */
        readonly from?: string | number;
        /** @description End */
        readonly to?: string | number;
        readonly limit?: number;
        readonly offset?: number;
        /** @description `csv` has all rows, without pages */
        readonly format?: 'json' | 'csv';
      };
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    readonly requestBody?: never;
    readonly responses: never;
  };
}
