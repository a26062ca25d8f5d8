/** The types of the REST API. Generated from its OpenAPI document by `make generate`. */
export interface paths {
  readonly '/leases': {
    readonly parameters: {
      readonly query?: never;
      readonly header?: never;
      readonly path?: never;
      readonly cookie?: never;
    };
    /** Sessions */
    readonly get: operations['listSessions'];
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
    /** The table of quotas */
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
    /** What was used */
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
    /** Who changed what */
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
    /** @description A session or a waiting request that a change is about. */
    readonly Affected: {
      readonly user: string;
      readonly server: string;
      readonly reason: string;
    };
    /** @description A page of changes, the latest first. */
    readonly AuditPage: {
      readonly rows: readonly components['schemas']['AuditShown'][];
      /** @description How many there are on all pages */
      readonly total: number;
    };
    /** @description One change. */
    readonly AuditShown: {
      readonly sequence: number;
      readonly at: number;
      readonly by: string;
      readonly what: string;
      readonly target: string;
      /** @description null: there was nothing */
      readonly before: unknown;
      /** @description null: there is nothing any more */
      readonly after: unknown;
    };
    /** @description A limit of a group as a whole. */
    readonly Cap: {
      readonly group: string;
      readonly max_gpus: number | null;
      readonly gpu_hours: number | null;
      readonly window_days: number | null;
      readonly used: components['schemas']['Used'];
    };
    /** @description How many documents were set or removed. */
    readonly Changed: {
      readonly changed: number;
    };
    /** @description Changes that are made all together, or not at all; none twice about the same. */
    readonly Changes: {
      readonly changes: readonly (
        | components['schemas']['DefaultChange']
        | components['schemas']['GroupChange']
        | components['schemas']['UserChange']
      )[];
    };
    /** @description A change of the default. */
    readonly DefaultChange: {
      /**
       * @description Of the document that the change was made from; 0: there was none; left out: whatever is there
       * @default null
       */
      readonly revision: number | null;
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
      /** @description The fields that it is to set; null: none */
      readonly document: {
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: since ever */
        readonly window_days?: number | null;
        /** @description How long a session lasts unless extended */
        readonly session_hours?: number | null;
        /** @description Longest session, extensions included */
        readonly max_session_hours?: number | null;
        /** @description A GPU that is idle for longer is taken back */
        readonly idle_minutes?: number | null;
        /** @description Share of a busy lab */
        readonly weight?: number;
        /** @description Patterns of models that may be used */
        readonly gpu_models?: readonly string[] | null;
        /** @description Fields that hold instead until a moment */
        readonly boost?: {
          /**
           * Format: date-time
           * @description The moment, with its offset from UTC
           */
          readonly until: string;
          /** @description GPUs at once; a slot of a shared GPU counts as one */
          readonly max_gpus?: number | null;
          /** @description GPU-hours in any `window_days` days */
          readonly gpu_hours?: number | null;
          /** @description Length of the rolling window; null: since ever */
          readonly window_days?: number | null;
          /** @description How long a session lasts unless extended */
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
      } | null;
    };
    /** @description What a change does to a level's document. */
    readonly DocumentChange: {
      /** @enum {string} */
      readonly level: 'default' | 'group' | 'user';
      readonly name: string;
      /** @description null: there is none */
      readonly before: {
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: since ever */
        readonly window_days?: number | null;
        /** @description How long a session lasts unless extended */
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
        /** @description Fields that hold instead until a moment */
        readonly boost?: {
          /**
           * Format: date-time
           * @description The moment, with its offset from UTC
           */
          readonly until: string;
          /** @description GPUs at once; a slot of a shared GPU counts as one */
          readonly max_gpus?: number | null;
          /** @description GPU-hours in any `window_days` days */
          readonly gpu_hours?: number | null;
          /** @description Length of the rolling window; null: since ever */
          readonly window_days?: number | null;
          /** @description How long a session lasts unless extended */
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
      } | null;
      /** @description null: there is none any more */
      readonly after: {
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: since ever */
        readonly window_days?: number | null;
        /** @description How long a session lasts unless extended */
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
        /** @description Fields that hold instead until a moment */
        readonly boost?: {
          /**
           * Format: date-time
           * @description The moment, with its offset from UTC
           */
          readonly until: string;
          /** @description GPUs at once; a slot of a shared GPU counts as one */
          readonly max_gpus?: number | null;
          /** @description GPU-hours in any `window_days` days */
          readonly gpu_hours?: number | null;
          /** @description Length of the rolling window; null: since ever */
          readonly window_days?: number | null;
          /** @description How long a session lasts unless extended */
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
      } | null;
    };
    /** @description What is in force for a user. */
    readonly Effective: {
      readonly user: string;
      readonly groups: readonly string[];
      readonly limits: components['schemas']['EffectiveLimits'];
      readonly used: components['schemas']['Used'];
      readonly caps: readonly components['schemas']['Cap'][];
    };
    /** @description A limit in force. */
    readonly EffectiveLimit: {
      /** @description null: no limit */
      readonly value: number | readonly string[] | null;
      /** @description The level that it came from */
      readonly origin: string;
    };
    /** @description Every limit in force for a user, or by default. */
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
    /** @description By how much a session is to last longer. */
    readonly Extension: {
      /**
       * @description Left out: by the usual length of a session, or else to the limit
       * @default null
       */
      readonly hours: number | null;
    };
    /** @description What is to become of a GPU: one of the two. */
    readonly GPUChange: {
      /** @enum {string} */
      readonly state?: 'draining' | 'active';
      readonly slots?: number;
    };
    /** @description All GPUs. */
    readonly GPUList: {
      readonly gpus: readonly components['schemas']['GPUShown'][];
      /** @description When they were last read */
      readonly taken_at: number | null;
      /** @description Why they could not be read, or why there are none */
      readonly problem: string | null;
      /** @description The lab is known to have no GPU, and servers run on the CPU */
      readonly runs_on_cpu: boolean;
    };
    /** @description A GPU, or a slice of one. */
    readonly GPUShown: {
      readonly uuid: string;
      /** @description The driver's number, which may change; the UUID does not */
      readonly index: number;
      readonly host: string;
      readonly model: string;
      readonly memory_mib: number;
      readonly parent_uuid: string | null;
      readonly mig_profile: string | null;
      /** @enum {string} */
      readonly state: 'free' | 'leased' | 'draining' | 'quarantined' | 'lost';
      /** @description Why it is neither free nor simply leased */
      readonly reason: string | null;
      /** @description It is given again by itself, without anybody's act */
      readonly in_service: boolean;
      /** @description How many sessions may share it; 1: it is given as a whole */
      readonly slots: number;
      readonly leases: readonly components['schemas']['Holder'][];
      readonly telemetry: components['schemas']['TelemetryShown'] | null;
      /** @description When the telemetry was read */
      readonly taken_at: number | null;
    };
    /** @description A change of what is said of a group. */
    readonly GroupChange: {
      /**
       * @description Of the document that the change was made from; 0: there was none; left out: whatever is there
       * @default null
       */
      readonly revision: number | null;
      /**
       * @description discriminator enum property added by openapi-typescript
       * @enum {string}
       */
      readonly level: 'group';
      readonly name: string;
      /** @description The fields that it is to set; null: none */
      readonly document: {
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: since ever */
        readonly window_days?: number | null;
        /** @description How long a session lasts unless extended */
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
        /** @description Fields that hold instead until a moment */
        readonly boost?: {
          /**
           * Format: date-time
           * @description The moment, with its offset from UTC
           */
          readonly until: string;
          /** @description GPUs at once; a slot of a shared GPU counts as one */
          readonly max_gpus?: number | null;
          /** @description GPU-hours in any `window_days` days */
          readonly gpu_hours?: number | null;
          /** @description Length of the rolling window; null: since ever */
          readonly window_days?: number | null;
          /** @description How long a session lasts unless extended */
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
      } | null;
    };
    /** @description A session that has a GPU, or a slot of it. What whoever asks may not know is `null`. */
    readonly Holder: {
      readonly id: string | null;
      readonly user: string | null;
      readonly slot: number;
      /** @description Since when the GPU has not been used */
      readonly idle_since: number | null;
    };
    /** @description What is wrong with a line of a file. */
    readonly LineProblem: {
      /** @description 1 is the head; null: the file as a whole */
      readonly line: number | null;
      readonly message: string;
    };
    /** @description The sessions of whoever asks. */
    readonly OwnSessions: {
      readonly leases: readonly components['schemas']['SessionShown'][];
    };
    /** @description What changes would mean at this moment. */
    readonly Preview: {
      /** @description Sessions that would be beyond their limits; they go on all the same */
      readonly exceeding: readonly components['schemas']['Affected'][];
      /** @description Waiting requests that would be refused */
      readonly refused: readonly components['schemas']['Affected'][];
      /** @description Waiting requests that would start at once */
      readonly startable: readonly components['schemas']['Affected'][];
      /** @description Waiting requests that would start now, and could not then */
      readonly held_back: readonly components['schemas']['Affected'][];
    };
    /** @description Why something was not done. */
    readonly Problem: {
      /** @description A short label for programs */
      readonly error: string;
      /** @description What happened, why, and what to do, for people */
      readonly message: string;
    };
    /** @description Those who wait, the next one first. */
    readonly Queue: {
      readonly queue: readonly components['schemas']['Waiting'][];
      /** @description How many wait in all, also those that are not told here */
      readonly length: number;
    };
    /** @description A page of the table. */
    readonly QuotaPage: {
      readonly rows: readonly components['schemas']['QuotaRow'][];
      /** @description How many rows there are on all pages */
      readonly total: number;
    };
    /** @description A row of the table: what the level says, and what is in force for a user, or by default. */
    readonly QuotaRow: {
      /** @enum {string} */
      readonly level: 'default' | 'group' | 'user';
      /** @description Of the group or user; empty for the default */
      readonly name: string;
      /** @description The fields that the level sets; null: none */
      readonly document: {
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: since ever */
        readonly window_days?: number | null;
        /** @description How long a session lasts unless extended */
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
        /** @description Fields that hold instead until a moment */
        readonly boost?: {
          /**
           * Format: date-time
           * @description The moment, with its offset from UTC
           */
          readonly until: string;
          /** @description GPUs at once; a slot of a shared GPU counts as one */
          readonly max_gpus?: number | null;
          /** @description GPU-hours in any `window_days` days */
          readonly gpu_hours?: number | null;
          /** @description Length of the rolling window; null: since ever */
          readonly window_days?: number | null;
          /** @description How long a session lasts unless extended */
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
      } | null;
      /** @description Changes with the document; 0: there is none */
      readonly revision: number;
      readonly updated_at: number | null;
      readonly updated_by: string | null;
      readonly groups: readonly string[];
      readonly effective: components['schemas']['EffectiveLimits'] | null;
      readonly used: components['schemas']['Used'] | null;
    };
    /** @description A session: a server of a user with the GPUs that it has, or had. */
    readonly SessionShown: {
      readonly id: string;
      readonly user: string;
      /** @description The server's name; empty for the user's default server */
      readonly server: string;
      readonly image: string;
      /** @description UUIDs; none for a server without a GPU */
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
      /** @description From when on its user is warned of the end */
      readonly warning_at: number | null;
      readonly can_extend: boolean;
      /** @description null with `can_extend`: without an end */
      readonly extendable_until: number | null;
      /** @description Since when its GPUs have not been used */
      readonly idle_since: number | null;
      readonly ended_at: number | null;
      readonly end_reason: string | null;
    };
    /** @description A page of sessions. */
    readonly Sessions: {
      readonly leases: readonly components['schemas']['SessionShown'][];
      /** @description How many there are on all pages */
      readonly total: number;
    };
    /** @description What one level says. */
    readonly StoredQuota: {
      /** @enum {string} */
      readonly level: 'default' | 'group' | 'user';
      /** @description Of the group or user; empty for the default */
      readonly name: string;
      /** @description The fields that the level sets; null: none */
      readonly document: {
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: since ever */
        readonly window_days?: number | null;
        /** @description How long a session lasts unless extended */
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
        /** @description Fields that hold instead until a moment */
        readonly boost?: {
          /**
           * Format: date-time
           * @description The moment, with its offset from UTC
           */
          readonly until: string;
          /** @description GPUs at once; a slot of a shared GPU counts as one */
          readonly max_gpus?: number | null;
          /** @description GPU-hours in any `window_days` days */
          readonly gpu_hours?: number | null;
          /** @description Length of the rolling window; null: since ever */
          readonly window_days?: number | null;
          /** @description How long a session lasts unless extended */
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
      } | null;
      /** @description Changes with the document; 0: there is none */
      readonly revision: number;
      readonly updated_at: number | null;
      readonly updated_by: string | null;
    };
    /** @description What taking quotas from a file would mean at this moment. */
    readonly TablePreview: {
      /** @description Of all quotas together; with it in `If-Match` the file is taken only if no quota has been changed since */
      readonly revision: number;
      /** @description How many problems there are; with any nothing is taken */
      readonly problem_count: number;
      /** @description The first 200 problems */
      readonly problems: readonly components['schemas']['LineProblem'][];
      /** @description Lines that give a document to a level that has none */
      readonly added: number;
      /** @description Lines that change a document */
      readonly changed: number;
      /** @description Lines that take a document away */
      readonly removed: number;
      /** @description Lines that say what is there already */
      readonly unchanged: number;
      /** @description The first 200 changes */
      readonly changes: readonly components['schemas']['DocumentChange'][];
      readonly effect: components['schemas']['Preview'];
    };
    /** @description What a GPU last said of itself; `null` for what it does not tell. */
    readonly TelemetryShown: {
      readonly utilization_percent: number | null;
      readonly memory_used_mib: number | null;
      readonly temperature_c: number | null;
      readonly power_w: number | null;
      readonly power_limit_w: number | null;
    };
    /** @description What was used. */
    readonly UsageList: {
      readonly rows: readonly components['schemas']['UsageShown'][];
      readonly since: number;
      readonly until: number;
    };
    /** @description What somebody, or a GPU, used in a piece of time. */
    readonly UsageShown: {
      readonly name: string;
      readonly bucket_start: number;
      /** @description A slot of a shared GPU counts as its part of one */
      readonly gpu_hours: number;
      /** @description How many sessions began */
      readonly leases: number;
    };
    /** @description What is used of limits. */
    readonly Used: {
      readonly gpus: number;
      /** @description Within the window, where there is a limit of hours */
      readonly gpu_hours: number;
    };
    /** @description A change of what is said of a user. */
    readonly UserChange: {
      /**
       * @description Of the document that the change was made from; 0: there was none; left out: whatever is there
       * @default null
       */
      readonly revision: number | null;
      /**
       * @description discriminator enum property added by openapi-typescript
       * @enum {string}
       */
      readonly level: 'user';
      readonly name: string;
      /** @description The fields that it is to set; null: none */
      readonly document: {
        /** @description GPUs at once; a slot of a shared GPU counts as one */
        readonly max_gpus?: number | null;
        /** @description GPU-hours in any `window_days` days */
        readonly gpu_hours?: number | null;
        /** @description Length of the rolling window; null: since ever */
        readonly window_days?: number | null;
        /** @description How long a session lasts unless extended */
        readonly session_hours?: number | null;
        /** @description Longest session, extensions included */
        readonly max_session_hours?: number | null;
        /** @description A GPU that is idle for longer is taken back */
        readonly idle_minutes?: number | null;
        /** @description Share of a busy lab */
        readonly weight?: number;
        /** @description Patterns of models that may be used */
        readonly gpu_models?: readonly string[] | null;
        /** @description Fields that hold instead until a moment */
        readonly boost?: {
          /**
           * Format: date-time
           * @description The moment, with its offset from UTC
           */
          readonly until: string;
          /** @description GPUs at once; a slot of a shared GPU counts as one */
          readonly max_gpus?: number | null;
          /** @description GPU-hours in any `window_days` days */
          readonly gpu_hours?: number | null;
          /** @description Length of the rolling window; null: since ever */
          readonly window_days?: number | null;
          /** @description How long a session lasts unless extended */
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
      } | null;
    };
    /** @description A server that waits for a GPU. */
    readonly Waiting: {
      readonly id: string;
      readonly user: string;
      /** @description The server's name; empty for the user's default server */
      readonly server: string;
      readonly gpus: number;
      /** @description The wished model, as a pattern */
      readonly gpu_model: string | null;
      /** @enum {string} */
      readonly share: 'exclusive' | 'shared';
      readonly created_at: number;
      /** @description 1 is next */
      readonly position: number;
      /** @description How many wait in all */
      readonly length: number;
      /** @description A sentence on what it waits for */
      readonly reason: string;
      /** @description When it starts if nobody ends earlier and nobody comes before it */
      readonly expected_start: number | null;
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
  readonly listQuotas: {
    readonly parameters: {
      readonly query?: {
        readonly level?: 'default' | 'group' | 'user';
        /** @description Part of the name, in whatever case */
        readonly search?: string;
        /** @description By name, by the latest change, by GPU-hours used, by GPUs held, or by a limit in force; with a «-» before it the largest first */
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
        /** @description Begin; left out: 30 days before the end */
        readonly from?: string | number;
        /** @description End; left out: now */
        readonly to?: string | number;
        /** @description For whom to sum up; a user in several groups counts in each */
        readonly by?: 'user' | 'group' | 'gpu';
        /** @description Into which pieces to divide the time, in UTC; not more than 1000 of them */
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
        /** @description Only what this user did */
        readonly by?: string;
        /** @description Only this kind of change, such as `quota` or `quota.set` */
        readonly what?: string;
        /** @description Only what was done to this */
        readonly target?: string;
        /** @description Begin */
        readonly from?: string | number;
        /** @description End */
        readonly to?: string | number;
        readonly limit?: number;
        readonly offset?: number;
        /** @description `csv` has all rows, and no pages */
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
