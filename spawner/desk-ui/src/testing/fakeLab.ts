/** A lab in memory that responds as the REST API does, for developing and testing the pages. */
import type {
  AuditRow,
  EffectiveQuota,
  EffectiveLimits,
  GPU,
  GPUChange,
  GPUList,
  Group,
  Level,
  Limit,
  QuotaPreview,
  QuotaChange,
  QuotaDocument,
  QuotaRow,
  QuotaValue,
  Session,
  SessionReportRow,
  StoredQuota,
  QuotaTablePreview,
  ReturnedGPUs,
  UsageRow,
  WaitingRequest
} from '../api/types';
import type { HubServer } from '../api/queries';
import { LIMITS } from '../pages/quotas/values';
import { makeGPUs, makePast, makeQueue, makeSessions } from './fakeData';

export interface FakeResponse {
  readonly status: number;
  readonly body: unknown;
}

export interface FakeLabOptions {
  readonly user: string;
  readonly users: number;
  /** No GPUs, no sessions, no requests and no quotas. */
  readonly empty: boolean;
  /** The lab is known to have no GPU. */
  readonly cpu?: boolean;
  /** One of the GPUs is gone. */
  readonly gone?: boolean;
  /** Every call fails. */
  readonly broken: boolean;
  readonly now: () => number;
}

const HOUR = 3600;
const DAY = 24 * HOUR;
const SHIPPED: { readonly [limit in Limit]: QuotaValue } = {
  max_gpus: 1,
  gpu_hours: null,
  window_days: 30,
  session_hours: 4,
  max_session_hours: 12,
  idle_minutes: null,
  weight: 1,
  gpu_models: null
};
const GROUPS = ['vision', 'language', 'robotics', 'students'];

export class FakeLab {
  gpus: GPU[];
  sessions: Session[];
  past: Session[];
  queue: WaitingRequest[];
  servers: HubServer[];
  audit: AuditRow[] = [];
  groups: Group[] = [
    {
      ...emptyGroup('vision'),
      members: [
        { name: 'ada', fixed: true },
        { name: 'linus', fixed: false }
      ],
      managers: [{ name: 'grace', fixed: true }]
    },
    ...GROUPS.slice(1).map(emptyGroup)
  ];
  /** All calls that change something, in order: method and path. */
  readonly calls: string[] = [];
  readonly documents = new Map<string, StoredQuota>();
  private readonly people: readonly string[];

  constructor(private readonly options: FakeLabOptions) {
    const now = options.now();
    this.people = [
      'ada',
      'grace',
      'linus',
      'margaret',
      ...Array.from({ length: options.users - 4 }, (_, i) => `user${String(i).padStart(4, '0')}`)
    ].slice(0, Math.max(1, options.users));
    this.gpus = options.empty ? [] : makeGPUs(now);
    if (options.gone) {
      this.gpus = this.gpus.map((gpu, place) =>
        place === 5 ? { ...gpu, state: 'lost', reported: false, reason: 'It is gone.' } : gpu
      );
    }
    this.sessions = options.empty ? [] : makeSessions(now, options.user);
    this.queue = options.empty ? [] : makeQueue(now, options.user);
    this.past = options.empty ? [] : makePast(now, options.user);
    this.servers = options.empty
      ? []
      : [
          { name: 'sweep', state: 'ready' },
          { name: 'old', state: 'stopped' }
        ];
    if (!options.empty) {
      this.put('default', '', { max_gpus: 1, max_session_hours: 12 }, 'admin');
      this.put('group', 'vision', { max_gpus: 4, gpu_hours: 400, group_max_gpus: 8 }, 'admin');
      this.put('group', 'students', { session_hours: 4, idle_minutes: 30 }, 'admin');
      this.put('user', 'ada', { max_gpus: 2, gpu_models: ['*A100*', '*H100*'] }, 'grace');
      const until = new Date((now + 8 * DAY) * 1000).toISOString();
      this.put('user', 'linus', { weight: 2, boost: { until, max_gpus: 4 } }, 'admin');
    }
  }

  /** Respond to a call. *path* is relative to the API and has the query. */
  respond(method: string, path: string, body: unknown, ifMatch: string | null): FakeResponse {
    if (this.options.broken) {
      return failure(503, 'unavailable', 'The database is not responding. Try again in a moment.');
    }
    const url = new URL(path, 'http://fake/');
    const parts = url.pathname.split('/').filter(Boolean).map(decodeURIComponent);
    if (method !== 'GET') this.calls.push(`${method} ${url.pathname.slice(1)}`);
    switch (parts[0]) {
      case 'gpus':
        if (method === 'DELETE') this.gpus = this.gpus.filter(gpu => gpu.uuid !== parts[1]);
        if (method !== 'PATCH') return ok(this.lab());
        return parts[1] === undefined ? this.returnGPUs() : this.changeGPU(parts[1], body);
      case 'leases':
        return this.leases(method, parts, url.searchParams);
      case 'groups':
        return this.changeGroups(method, parts);
      case 'sessions':
        return this.sessionReport(url.searchParams);
      case 'queue':
        if (method === 'DELETE') this.queue = this.queue.filter(entry => entry.id !== parts[1]);
        return ok({ queue: this.queue, length: this.queue.length });
      case 'quotas':
        return this.quotas(method, parts, url.searchParams, body);
      case 'quotas.csv':
        return this.table(parts[1] === 'preview', String(body), ifMatch);
      case 'usage':
        return ok({ rows: this.options.empty ? [] : this.usage(url.searchParams) });
      case 'audit':
        return this.auditPage(url.searchParams);
      default:
        return failure(404, 'not_found', 'Page not found.');
    }
  }

  /** Respond to a call of the Hub. *path* is relative to the Hub. */
  respondAsHub(method: string, path: string): FakeResponse {
    if (this.options.broken) return failure(503, 'unavailable', 'The Hub is not responding.');
    if (method === 'DELETE') {
      this.calls.push(`DELETE ${path}`);
      this.servers = this.servers.filter(({ name }) => !path.endsWith(`/servers/${name}`));
      return { status: 204, body: null };
    }
    return ok({
      named_servers: true,
      limit: 3,
      servers: [{ name: '', state: 'ready' }, ...this.servers],
      xsrf: 'the-token'
    });
  }

  /** End a session. */
  end(id: string, end_text: string): void {
    const ended_at = this.options.now();
    const state = 'ended';
    const gone = this.sessions.filter(session => session.id === id);
    this.sessions = this.sessions.filter(session => session.id !== id);
    this.past = [
      ...gone.map(one => ({ ...one, state, ended_at, end_reason: end_text, end_text }) as const),
      ...this.past
    ];
  }

  /** Store a document, as changed by a user. */
  put(level: Level, name: string, document: QuotaDocument | null, by: string): void {
    const key = `${level}/${name}`;
    const before = this.documents.get(key);
    const updated_at = this.options.now() - 3 * HOUR;
    this.documents.set(key, {
      level,
      name,
      document,
      revision: (before?.revision ?? 0) + 1,
      updated_at,
      updated_by: by
    });
    this.audit.unshift({
      sequence: this.audit.length + 1,
      at: updated_at,
      by,
      what: document === null ? 'quota.remove' : 'quota.set',
      target: level === 'default' ? 'default' : `${level}/${name}`,
      target_name: level === 'default' ? 'lab default' : name,
      before: before?.document ?? null,
      after: document
    });
  }

  private lab(): GPUList {
    const now = this.options.now();
    const wave = (seed: number, low: number, high: number) =>
      Math.round(low + ((high - low) * (1 + Math.sin(now / 3 + seed))) / 2);
    return {
      taken_at: now,
      problem: this.options.cpu
        ? 'Docker Engine has no NVIDIA GPU to give, so servers run on the CPU. If there is a GPU, install its driver and restart the lab.'
        : null,
      runs_on_cpu: this.options.cpu === true,
      gpus: this.gpus.map((gpu, index) => {
        const busy = gpu.leases.some(holder => holder.idle_since === null);
        return gpu.state === 'lost'
          ? gpu
          : {
              ...gpu,
              telemetry: {
                utilization_percent: busy ? wave(index, 70, 99) : 0,
                memory_used_mib: busy ? wave(index, 9000, gpu.memory_mib * 0.9) : 4,
                temperature_c: busy ? wave(index, 58, 74) : 34,
                power_w: busy ? wave(index, 210, 390) : 52,
                power_limit_w: 400
              }
            };
      })
    };
  }

  private changeGPU(uuid: string, body: unknown): FakeResponse {
    const change = body as GPUChange;
    const gpu = this.gpus.find(item => item.uuid === uuid);
    if (gpu === undefined) return failure(404, 'not_found', 'The lab has no such GPU.');
    const state =
      change.state === 'draining' ? 'draining' : gpu.leases.length > 0 ? 'leased' : 'free';
    const changed = change.slots
      ? { ...gpu, slots: change.slots }
      : { ...gpu, state, in_service: state !== 'draining', reason: null };
    this.gpus = this.gpus.map(item => (item === gpu ? (changed as GPU) : item));
    return ok(changed);
  }

  /** Return all GPUs but those that are lost. */
  private returnGPUs(): FakeResponse {
    const returned = this.gpus.filter(gpu => gpu.state === 'quarantined').map(({ uuid }) => uuid);
    const lost = this.gpus.filter(gpu => gpu.state === 'lost');
    returned.forEach(uuid => this.changeGPU(uuid, { state: 'active' }));
    const answer: ReturnedGPUs = {
      returned,
      kept: lost.map(({ uuid, reason }) => ({ uuid, reason: reason ?? '' }))
    };
    return ok(answer);
  }

  private leases(method: string, parts: string[], parameters: URLSearchParams): FakeResponse {
    if (parts[1] === 'me') {
      return ok({ leases: this.sessions.filter(item => item.user === this.options.user) });
    }
    const session = this.sessions.find(item => item.id === parts[1]);
    if (method === 'DELETE' && session) {
      this.sessions = this.sessions.map(item =>
        item === session ? { ...item, state: 'stopping' } : item
      );
      return { status: 202, body: null };
    }
    if (method === 'POST' && session) {
      const ends_at = session.extendable_until;
      const extended = { ...session, ends_at, can_extend: false };
      this.sessions = this.sessions.map(item => (item === session ? extended : item));
      return ok(extended);
    }
    if (parameters.get('state') === 'ended') {
      const { past } = this;
      const offset = Number(parameters.get('offset'));
      return ok({
        leases: past.slice(offset, offset + Number(parameters.get('limit'))),
        total: past.length
      });
    }
    return failure(404, 'not_found', 'Session not found.');
  }

  private quotas(
    method: string,
    parts: string[],
    parameters: URLSearchParams,
    body: unknown
  ): FakeResponse {
    if (parts[1] === 'preview')
      return ok(this.preview((body as { changes: QuotaChange[] }).changes));
    if (parts[3] === 'effective') return ok(this.effective(parts[2] ?? ''));
    if (parts.length > 1) {
      const level = (parts[1] ?? '').replace(/s$/, '') as Level;
      return ok(this.stored(level, parts[2] ?? ''));
    }
    if (method === 'PATCH') return this.save((body as { changes: QuotaChange[] }).changes);
    const level = (parameters.get('level') ?? 'user') as Level;
    const search = parameters.get('search') ?? '';
    const groups = this.groups.map(group => group.name);
    const names = level === 'user' ? this.people : level === 'group' ? groups : [''];
    const found = names.filter(name => name.includes(search));
    const sort = parameters.get('sort') ?? 'name';
    const rows = found.map(name => this.row(level, name));
    const value = (row: QuotaRow): string | number =>
      sort.endsWith('name')
        ? row.name
        : sort.endsWith('used')
          ? (row.used?.gpu_hours ?? 0)
          : Number(row.effective?.[sort.replace('-', '') as Limit].value ?? Infinity);
    rows.sort((a, b) => (value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : 0));
    if (sort.startsWith('-')) rows.reverse();
    const offset = Number(parameters.get('offset') ?? 0);
    const limit = Number(parameters.get('limit') ?? 50);
    return ok({ rows: rows.slice(offset, offset + limit), total: rows.length });
  }

  private save(changes: readonly QuotaChange[]): FakeResponse {
    const stale = changes.find(
      change => this.stored(change.level, change.name).revision !== change.revision
    );
    if (stale) {
      return failure(412, 'conflict', `The quota of ${stale.name} was changed by someone else.`);
    }
    for (const change of changes) {
      this.put(change.level, change.name, change.document, this.options.user);
    }
    return ok({ changed: changes.length, contradictions: contradictionsOf(changes) });
  }

  private preview(changes: readonly QuotaChange[]): QuotaPreview {
    const low = changes.filter(change => change.document?.max_gpus === 0);
    const sessions = this.sessions.filter(item => low.some(change => change.name === item.user));
    return {
      exceeding: sessions.map(({ user, server }) => ({
        user,
        server,
        reason: 'it has 1 GPU, and the limit would be 0.'
      })),
      refused: [],
      startable: [],
      held_back: [],
      contradictions: contradictionsOf(changes)
    };
  }

  /** Preview or import a file with the columns level, name and max_gpus. */
  private table(dry: boolean, text: string, ifMatch: string | null): FakeResponse {
    const lines = text.trim().split('\n').slice(1);
    const rows = lines.map(row => {
      const [level = '', name = '', cell = ''] = row.split(',');
      const before = this.stored(level as Level, name).document;
      const after = cell === '' ? null : ({ max_gpus: Number(cell) } as QuotaDocument);
      return { level: level as Level, name, before, after };
    });
    const problems = rows.flatMap(({ after }, index) =>
      Number.isInteger(after?.max_gpus ?? 0)
        ? []
        : [{ line: index + 2, message: 'max_gpus is a whole number, or null for no limit.' }]
    );
    const changes = problems.length
      ? []
      : rows.filter(({ before, after }) => JSON.stringify(before) !== JSON.stringify(after));
    const warnings = rows.flatMap(({ level, name }, index) =>
      level === 'user' && !this.people.includes(name)
        ? [{ line: index + 2, message: `the lab has no user "${name}".` }]
        : []
    );
    const revision = this.audit.length;
    if (dry) {
      const added = changes.filter(({ before }) => before === null).length;
      const removed = changes.filter(({ after }) => after === null).length;
      const preview: QuotaTablePreview = {
        revision,
        problem_count: problems.length,
        problems: problems.slice(0, 200),
        warning_count: warnings.length,
        warnings: warnings.slice(0, 200),
        added,
        changed: changes.length - added - removed,
        removed,
        unchanged: problems.length ? 0 : rows.length - changes.length,
        changes: changes.slice(0, 200),
        effect: this.preview(
          changes.map(({ level, name, after }) => ({ level, name, document: after, revision: 0 }))
        )
      };
      return ok(preview);
    }
    if (ifMatch !== `"${revision}"`) {
      return failure(412, 'changed_meanwhile', 'Quotas were changed by grace since the preview.');
    }
    for (const { level, name, after } of changes) this.put(level, name, after, this.options.user);
    const made = changes.map(change => ({ ...change, document: change.after }));
    return ok({ changed: changes.length, contradictions: contradictionsOf(made) });
  }

  private stored(level: Level, name: string): StoredQuota {
    const none = { level, name, document: null, revision: 0, updated_at: null, updated_by: null };
    return this.documents.get(`${level}/${name}`) ?? none;
  }

  private groupsOf(user: string): string[] {
    const number = this.people.indexOf(user);
    return number < 3 ? ['vision'] : [GROUPS[number % GROUPS.length] ?? 'students'];
  }

  private limits(user: string): EffectiveLimits {
    const levels: [string, QuotaDocument | null][] = [
      ['user', this.stored('user', user).document],
      ...this.groupsOf(user).map(
        group => [`group ${group}`, this.stored('group', group).document] as [string, QuotaDocument]
      ),
      ['default', this.stored('default', '').document]
    ];
    return Object.fromEntries(
      LIMITS.map(limit => {
        const level = levels.find(([, document]) => document?.[limit] !== undefined);
        const value = level?.[1]?.[limit] ?? (level ? null : SHIPPED[limit]);
        return [limit, { value, origin: level?.[0] ?? 'default' }];
      })
    ) as EffectiveLimits;
  }

  private effective(user: string): EffectiveQuota {
    return {
      user,
      groups: this.groupsOf(user),
      limits: this.limits(user),
      used: {
        gpus: this.sessions
          .filter(session => session.user === user)
          .reduce((sum, session) => sum + session.gpus.length, 0),
        gpu_hours: this.options.empty ? 0 : 342.5
      },
      caps: this.options.empty
        ? []
        : [
            {
              group: 'vision',
              max_gpus: 8,
              gpu_hours: null,
              window_days: 30,
              used: { gpus: 7, gpu_hours: 1203 }
            }
          ]
    };
  }

  private row(level: Level, name: string): QuotaRow {
    return {
      ...this.stored(level, name),
      groups: level === 'user' ? this.groupsOf(name) : [],
      effective: level === 'user' ? this.limits(name) : null,
      used: level === 'user' ? { gpus: name.length % 3, gpu_hours: (name.length * 17) % 90 } : null
    };
  }

  private usage(parameters: URLSearchParams): UsageRow[] {
    const by = parameters.get('by');
    const names =
      by === 'gpu'
        ? this.gpus.map(gpu => gpu.uuid)
        : by === 'group'
          ? GROUPS
          : this.people.slice(0, 12);
    const from = Math.floor(Number(parameters.get('from')) / DAY) * DAY;
    const to = Number(parameters.get('to'));
    const rows: UsageRow[] = [];
    for (let start = from; start < to; start += DAY) {
      for (const [index, name] of names.entries()) {
        const hours = Math.max(0, 14 * Math.sin(start / DAY / (index + 2)) + 6);
        if (hours > 0) rows.push({ name, bucket_start: start, gpu_hours: hours, leases: 2 });
      }
    }
    return rows;
  }

  private changeGroups(method: string, [, name, people, user]: string[]): FakeResponse {
    const adds = method === 'PUT';
    if (method === 'GET' || name === undefined) {
      const caller = this.options.user;
      const admin = caller === 'admin';
      const groups = admin
        ? this.groups
        : this.groups.filter(({ managers }) => managers.some(person => person.name === caller));
      return ok({ groups, from_sign_in: false, users: admin ? this.people : [] });
    }
    if (user === undefined) {
      this.groups = this.groups.filter(group => group.name !== name);
      if (adds) this.groups = [...this.groups, emptyGroup(name)];
      return ok(null);
    }
    if (people === 'members' && adds && !this.people.includes(user)) {
      return failure(404, 'not_found', `The Hub knows no user "${user}".`);
    }
    const changed = (all: Group['members']) => [
      ...all.filter(person => person.name !== user),
      ...(adds ? [{ name: user, fixed: false }] : [])
    ];
    this.groups = this.groups.map(group =>
      group.name !== name
        ? group
        : {
            ...group,
            members: people === 'members' ? changed(group.members) : group.members,
            managers: people === 'managers' || !adds ? changed(group.managers) : group.managers
          }
    );
    return ok(null);
  }

  private sessionReport(parameters: URLSearchParams): FakeResponse {
    const now = this.options.now();
    const rows = [...this.sessions, ...this.past]
      .map(session => this.reportRow(session, now))
      .filter(row => {
        const gpu = parameters.get('gpu');
        const [from, to] = [parameters.get('from'), parameters.get('to')].map(Number);
        return (
          row.user.includes(parameters.get('user') ?? '') &&
          (gpu === null || row.gpus.some(({ uuid }) => uuid === gpu)) &&
          (!from || row.ended_at === null || row.ended_at > from) &&
          (!to || row.started_at < to)
        );
      });
    const offset = Number(parameters.get('offset') ?? 0);
    return ok({
      rows: rows.slice(offset, offset + Number(parameters.get('limit') ?? 50)),
      total: rows.length
    });
  }

  private reportRow(session: Session, now: number): SessionReportRow {
    const hours = ((session.ended_at ?? now) - session.granted_at) / HOUR;
    return {
      id: session.id,
      user: session.user,
      server: session.server,
      image: session.image,
      gpus: session.gpus.map(uuid => {
        const gpu = this.gpus.find(item => item.uuid === uuid);
        return {
          uuid,
          index: gpu?.index ?? null,
          host: gpu?.host ?? null,
          model: gpu?.model ?? null,
          mig_profile: null
        };
      }),
      slots: session.slots,
      state: session.state,
      started_at: session.granted_at,
      ended_at: session.ended_at,
      hours,
      gpu_hours: hours * session.gpus.length,
      end_kind: session.ended_at === null ? null : 'stopped',
      end_text: session.end_text
    };
  }

  private auditPage(parameters: URLSearchParams): FakeResponse {
    const rows = this.audit.filter(row =>
      (['by', 'what', 'target'] as const).every(name =>
        row[name].includes(parameters.get(name) ?? '')
      )
    );
    const offset = Number(parameters.get('offset') ?? 0);
    return ok({
      rows: rows.slice(offset, offset + Number(parameters.get('limit') ?? 50)),
      total: rows.length
    });
  }
}

function contradictionsOf(
  changes: readonly Pick<QuotaChange, 'level' | 'name' | 'document'>[]
): readonly string[] {
  return changes.flatMap(({ level, name, document }) => {
    const hours = document?.session_hours ?? 0;
    const longest = document?.max_session_hours ?? SHIPPED.max_session_hours;
    return typeof longest === 'number' && hours > longest
      ? [`For the ${level} "${name}": sessions will last ${longest} h, the maximum.`]
      : [];
  });
}

function emptyGroup(name: string): Group {
  return { name, fixed: false, members: [], managers: [], manager_groups: [] };
}

function ok(body: unknown): FakeResponse {
  return { status: 200, body };
}

function failure(status: number, error: string, message: string): FakeResponse {
  return { status, body: { error, message } };
}
