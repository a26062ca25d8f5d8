/** The queries and mutations of the pages. Components that use the same query share its result. */
import { useEffect, useRef } from 'react';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useDesk, type Desk } from '../config';
import { call, callHub, query } from './client';
import type {
  AuditPage,
  Bucket,
  ChangedCount,
  EffectiveQuota,
  GPUChange,
  GPUList,
  GPUsChange,
  Group,
  GroupList,
  Level,
  OwnSessions,
  QuotaPreview,
  Queue,
  QuotaChange,
  QuotaPage,
  Session,
  SessionPage,
  SessionReport,
  StoredQuota,
  QuotaTablePreview,
  ReturnedGPUs,
  UsageBy,
  UsageList
} from './types';

const LAB_MS = 2_000;
const SESSIONS_MS = 5_000;
const SERVERS_MS = 10_000;
const QUOTA_MS = 30_000;
const path = encodeURIComponent;

/** Return the function that gets a resource for a query. */
function get<T>(desk: Desk, resource: string) {
  return ({ signal }: { readonly signal: AbortSignal }) =>
    call<T>(desk, 'GET', resource, { signal });
}

/** All GPUs with their telemetry. */
export function useLab(enabled = true) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['gpus'],
    enabled,
    queryFn: get<GPUList>(desk, 'gpus'),
    refetchInterval: LAB_MS
  });
}

/** The live sessions of the user. */
export function useMySessions() {
  const desk = useDesk();
  const client = useQueryClient();
  const sessions = useQuery({
    queryKey: ['leases', 'me'],
    queryFn: get<OwnSessions>(desk, 'leases/me'),
    select: data => data.leases,
    refetchInterval: SESSIONS_MS
  });
  // Sessions start and end by themselves, too. What else is shown of them follows at once.
  const previous = useRef<readonly string[] | null>(null);
  useEffect(() => {
    if (sessions.data === undefined) return;
    const live = sessions.data.map(({ id }) => id);
    const before = previous.current ?? live;
    previous.current = live;
    const ended = before.some(id => !live.includes(id));
    const changed = ended || live.some(id => !before.includes(id));
    if (ended) void client.invalidateQueries({ queryKey: ['leases', 'past'] });
    if (changed) void client.invalidateQueries({ queryKey: ['quotas', 'effective'] });
  }, [client, sessions.data]);
  return sessions;
}

/** The ended sessions of a user, latest first. */
export function usePastSessions(user: string, offset: number, limit: number) {
  const desk = useDesk();
  const parameters = { user, state: 'ended', offset, limit };
  return useQuery({
    queryKey: ['leases', 'past', parameters],
    queryFn: get<SessionPage>(desk, `leases${query(parameters)}`),
    placeholderData: keepPreviousData
  });
}

export interface SessionView {
  readonly user: string;
  readonly gpu: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly offset: number;
  readonly limit: number;
}

/** A page of the sessions that the user may see, running and ended. */
export function useSessionReport(view: SessionView) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['leases', 'report', view],
    queryFn: get<SessionReport>(desk, `sessions${query({ ...view })}`),
    placeholderData: keepPreviousData
  });
}

/** The requests in the queue that the user may see. */
export function useQueue() {
  const desk = useDesk();
  return useQuery({
    queryKey: ['queue'],
    queryFn: get<Queue>(desk, 'queue'),
    refetchInterval: SESSIONS_MS
  });
}

/** A server of the user, as the Hub has it. */
export interface HubServer {
  /** Empty for the default server. */
  readonly name: string;
  readonly state: 'ready' | 'starting' | 'stopping' | 'stopped';
}

/** The answer of the Hub's address `gpudock/servers`. */
export interface HubServers {
  /** Whether users may have servers with names. */
  readonly named_servers: boolean;
  /** How many servers with names a user may have; null: any number. */
  readonly limit: number | null;
  readonly servers: readonly HubServer[];
  /** The token for calls of the Hub that change something. */
  readonly xsrf: string;
}

/** All servers of the user, those that do not run included. */
export function useHubServers() {
  const desk = useDesk();
  return useQuery({
    queryKey: ['servers'],
    queryFn: ({ signal }) =>
      callHub<HubServers>(desk, 'GET', 'gpudock/servers', desk.xsrf, { signal }),
    refetchInterval: SERVERS_MS
  });
}

/** Delete a server that does not run. The workspace is kept. */
export function useDeleteServer() {
  const desk = useDesk();
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (name: string) => {
      // A token that was read long ago may be of a former sign-in.
      const { xsrf } = await callHub<HubServers>(desk, 'GET', 'gpudock/servers', desk.xsrf);
      const server = `api/users/${path(desk.user)}/servers/${path(name)}`;
      await callHub(desk, 'DELETE', server, xsrf, { body: { remove: true } });
    },
    onSettled: () => client.invalidateQueries({ queryKey: ['servers'] })
  });
}

/** The limits in force for a user. */
export function useEffective(user: string) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['quotas', 'effective', user],
    queryFn: get<EffectiveQuota>(desk, `quotas/users/${path(user)}/effective`),
    refetchInterval: QUOTA_MS
  });
}

export interface QuotaView {
  readonly level: Level;
  readonly search: string;
  readonly sort: string;
  readonly offset: number;
  readonly limit: number;
}

/** A page of the quota table. */
export function useQuotas(view: QuotaView) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['quotas', 'table', view],
    queryFn: get<QuotaPage>(desk, `quotas${query({ ...view })}`),
    placeholderData: (data, previous) =>
      (previous?.queryKey[2] as QuotaView | undefined)?.level === view.level ? data : undefined
  });
}

/** The groups that the user may see, with their members and managers. */
export function useGroups() {
  const desk = useDesk();
  return useQuery({ queryKey: ['groups'], queryFn: get<GroupList>(desk, 'groups') });
}

export interface GroupChange {
  readonly kind:
    'create' | 'delete' | 'addMember' | 'removeMember' | 'addManager' | 'removeManager';
  readonly group: string;
  /** Whose membership or right changes. */
  readonly user?: string;
}

/** Change a group at the Hub, at once. */
export function useChangeGroup() {
  const desk = useDesk();
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ kind, group, user = '' }: GroupChange) => {
      const method = kind === 'delete' || kind.startsWith('remove') ? 'DELETE' : 'PUT';
      const people = kind.endsWith('Member') ? 'members' : 'managers';
      const whose = user === '' ? '' : `/${people}/${path(user)}`;
      return call<Group | null>(desk, method, `groups/${path(group)}${whose}`);
    },
    onSettled: () =>
      Promise.all([['groups'], ['quotas']].map(queryKey => client.invalidateQueries({ queryKey })))
  });
}

/** The documents that are stored now for the levels of *changes*. */
export function useStored(changes: readonly { readonly level: Level; readonly name: string }[]) {
  const desk = useDesk();
  const resources = changes.map(({ level, name }) =>
    level === 'default' ? 'quotas/default' : `quotas/${level}s/${path(name)}`
  );
  return useQuery({
    queryKey: ['stored', resources],
    queryFn: context =>
      Promise.all(resources.map(resource => get<StoredQuota>(desk, resource)(context))),
    gcTime: 0,
    staleTime: Infinity,
    retry: 1
  });
}

/** The impact of quota changes on running and waiting servers. Nothing is cached. */
export function usePreview(changes: readonly QuotaChange[]) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['preview', changes],
    queryFn: ({ signal }) =>
      call<QuotaPreview>(desk, 'POST', 'quotas/preview', { body: { changes }, signal }),
    gcTime: 0,
    staleTime: 0,
    retry: false
  });
}

export interface UsageView {
  readonly from: number;
  readonly to: number;
  readonly by: UsageBy;
  readonly bucket: Bucket;
}

/** GPU-hours in a time range; null: no query. */
export function useUsage(view: UsageView | null) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['usage', view],
    enabled: view !== null,
    queryFn: get<UsageList>(desk, `usage${query({ ...view })}`),
    select: data => data.rows,
    placeholderData: keepPreviousData
  });
}

export interface AuditView {
  readonly by: string;
  readonly what: string;
  readonly target: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly offset: number;
  readonly limit: number;
}

/** A page of the audit log. */
export function useAudit(view: AuditView) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['audit', view],
    queryFn: get<AuditPage>(desk, `audit${query({ ...view })}`),
    placeholderData: keepPreviousData
  });
}

/** Return a mutation that calls the API, and updates what it changes in the lab. */
function useLabMutation<V, T = unknown>(send: (desk: Desk, variables: V) => Promise<T>) {
  const desk = useDesk();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (variables: V) => send(desk, variables),
    onSettled: () =>
      Promise.all(
        [['gpus'], ['leases'], ['queue'], ['quotas', 'effective']].map(queryKey =>
          client.invalidateQueries({ queryKey })
        )
      )
  });
}

/** End a session: its server is stopped, its workspace is kept. */
export const useRelease = () =>
  useLabMutation((desk, id: string) => call(desk, 'DELETE', `leases/${path(id)}`));

/** Extend a session as far as the quota allows. */
export const useExtend = () =>
  useLabMutation((desk, id: string) =>
    call<Session>(desk, 'POST', `leases/${path(id)}/extend`, { body: {} })
  );

/** Remove a request from the queue. */
export const useCancelRequest = () =>
  useLabMutation((desk, id: string) => call(desk, 'DELETE', `queue/${path(id)}`));

/** Drain a GPU, return it to service, or divide it into slots. */
export const useChangeGPU = () =>
  useLabMutation((desk, { uuid, change }: { uuid: string; change: GPUChange }) =>
    call(desk, 'PATCH', `gpus/${path(uuid)}`, { body: change })
  );

/** Return all GPUs to service that are quarantined or lost, and fit. */
export const useChangeGPUs = () =>
  useLabMutation((desk, change: GPUsChange) =>
    call<ReturnedGPUs>(desk, 'PATCH', 'gpus', { body: change })
  );

/** Remove a GPU that is gone for good from the list. */
export const useForgetGPU = () =>
  useLabMutation((desk, uuid: string) => call(desk, 'DELETE', `gpus/${path(uuid)}`));

/** Return a mutation that calls the API, and updates all quotas after it succeeds. */
function useQuotaMutation<V>(send: (desk: Desk, variables: V) => Promise<ChangedCount>) {
  const desk = useDesk();
  const client = useQueryClient();
  return useMutation({
    mutationFn: (variables: V) => send(desk, variables),
    onSuccess: () => client.invalidateQueries({ queryKey: ['quotas'] })
  });
}

/** Save quota changes, all or none. */
export const useSaveQuotas = () =>
  useQuotaMutation((desk, changes: readonly QuotaChange[]) =>
    call<ChangedCount>(desk, 'PATCH', 'quotas', { body: { changes } })
  );

export interface PreviewedFile {
  readonly content: Blob;
  /** Of all quotas, at the time of the preview. */
  readonly revision: number;
}

/** Import the quotas of a CSV file, all or none, unless a quota was changed since the preview. */
export const useImportQuotas = () =>
  useQuotaMutation((desk, { content, revision }: PreviewedFile) =>
    call<ChangedCount>(desk, 'PUT', 'quotas.csv', {
      headers: { 'If-Match': `"${revision}"` },
      body: content
    })
  );

/** The impact of the quotas of a CSV file. Nothing is changed. */
export function usePreviewFile() {
  const desk = useDesk();
  return useMutation({
    mutationFn: (content: Blob) =>
      call<QuotaTablePreview>(desk, 'POST', 'quotas.csv/preview', { body: content })
  });
}
