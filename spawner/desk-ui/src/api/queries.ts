/** What the pages ask of the API, each once however many components show it. */
import { useEffect, useRef } from 'react';
import { keepPreviousData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useDesk, type Desk } from '../config';
import { call, query } from './client';
import type {
  AuditRow,
  Bucket,
  Effective,
  LabReading,
  Level,
  Page,
  Preview,
  Queue,
  QuotaChange,
  QuotaRow,
  Session,
  StoredQuota,
  TablePreview,
  UsageBy,
  UsageRow
} from './types';

const LAB_MS = 2_000;
const SESSIONS_MS = 5_000;
const path = encodeURIComponent;

/** All GPUs with their telemetry, again every two seconds while the page is seen. */
export function useLab(enabled = true) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['gpus'],
    enabled,
    queryFn: async ({ signal }) => (await call<LabReading>(desk, 'GET', 'gpus', { signal })).data,
    refetchInterval: LAB_MS
  });
}

/** One's own live sessions. */
export function useMySessions() {
  const desk = useDesk();
  const client = useQueryClient();
  const sessions = useQuery({
    queryKey: ['leases', 'me'],
    queryFn: async ({ signal }) =>
      (await call<{ leases: readonly Session[] }>(desk, 'GET', 'leases/me', { signal })).data
        .leases,
    refetchInterval: SESSIONS_MS
  });
  // What is not live any more has ended, however: by its user, its time, or an administrator.
  const before = useRef<readonly string[]>([]);
  useEffect(() => {
    const live = sessions.data?.map(session => session.id) ?? before.current;
    if (before.current.some(id => !live.includes(id))) {
      void client.invalidateQueries({ queryKey: ['leases', 'past'] });
    }
    before.current = live;
  }, [client, sessions.data]);
  return sessions;
}

/** A user's ended sessions, the latest first. */
export function usePastSessions(user: string, offset: number, limit: number) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['leases', 'past', user, offset, limit],
    queryFn: async ({ signal }) => {
      const parameters = query({ user, state: 'ended', offset, limit });
      const { data } = await call<{ leases: readonly Session[]; total: number }>(
        desk,
        'GET',
        `leases${parameters}`,
        { signal }
      );
      return { rows: data.leases, total: data.total };
    },
    placeholderData: keepPreviousData
  });
}

/** Those who wait, as far as one may see them. */
export function useQueue() {
  const desk = useDesk();
  return useQuery({
    queryKey: ['queue'],
    queryFn: async ({ signal }) => (await call<Queue>(desk, 'GET', 'queue', { signal })).data,
    refetchInterval: SESSIONS_MS
  });
}

/** The limits in force for a user. */
export function useEffective(user: string) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['quotas', 'effective', user],
    queryFn: async ({ signal }) =>
      (await call<Effective>(desk, 'GET', `quotas/users/${path(user)}/effective`, { signal })).data,
    refetchInterval: 30_000
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
    queryFn: async ({ signal }) =>
      (await call<Page<QuotaRow>>(desk, 'GET', `quotas${query({ ...view })}`, { signal })).data,
    placeholderData: (previous, before) =>
      (before?.queryKey[2] as QuotaView | undefined)?.level === view.level ? previous : undefined
  });
}

/** What a set of changes would mean, asked anew for each set. */
export function usePreview(changes: readonly QuotaChange[]) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['preview', changes],
    queryFn: async ({ signal }) =>
      (await call<Preview>(desk, 'POST', 'quotas/preview', { body: { changes }, signal })).data,
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

/** GPU-hours in a range of time. */
export function useUsage(view: UsageView | null) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['usage', view],
    enabled: view !== null,
    queryFn: async ({ signal }) =>
      (
        await call<{ rows: readonly UsageRow[] }>(
          desk,
          'GET',
          `usage${view === null ? '' : query({ ...view })}`,
          { signal }
        )
      ).data.rows,
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

/** A page of the changes that were made. */
export function useAudit(view: AuditView) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['audit', view],
    queryFn: async ({ signal }) =>
      (await call<Page<AuditRow>>(desk, 'GET', `audit${query({ ...view })}`, { signal })).data,
    placeholderData: keepPreviousData
  });
}

/** Ends a session: its server is stopped, its workspace is kept. */
export function useRelease() {
  const desk = useDesk();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => call(desk, 'DELETE', `leases/${path(id)}`),
    onSettled: () => refresh(queries)
  });
}

/** Moves a session's end as far as the quota allows. */
export function useExtend() {
  const desk = useDesk();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (id: string) =>
      (await call<Session>(desk, 'POST', `leases/${path(id)}/extend`, { body: {} })).data,
    onSettled: () => refresh(queries)
  });
}

/** Takes a request out of the queue. */
export function useWithdraw() {
  const desk = useDesk();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (id: string) => call(desk, 'DELETE', `queue/${path(id)}`),
    onSettled: () => refresh(queries)
  });
}

export interface GPUChange {
  readonly uuid: string;
  readonly change: { readonly state: 'draining' | 'active' } | { readonly slots: number };
}

/** Drains a GPU, returns it to service, or divides it into slots. */
export function useChangeGPU() {
  const desk = useDesk();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ uuid, change }: GPUChange) =>
      call(desk, 'PATCH', `gpus/${path(uuid)}`, { body: change }),
    onSettled: () => refresh(queries)
  });
}

/** Takes a GPU that has gone for good out of the list. */
export function useForgetGPU() {
  const desk = useDesk();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (uuid: string) => call(desk, 'DELETE', `gpus/${path(uuid)}`),
    onSettled: () => refresh(queries)
  });
}

/** Saves changes of quotas, all or none. */
export function useSaveQuotas() {
  const desk = useDesk();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (changes: readonly QuotaChange[]) =>
      call(desk, 'PATCH', 'quotas', { body: { changes } }),
    onSuccess: () => queries.invalidateQueries({ queryKey: ['quotas'] })
  });
}

const CSV = 'text/csv; charset=utf-8';

/** What the limits of a CSV file would mean; nothing is changed. */
export function usePreviewFile() {
  const desk = useDesk();
  return useMutation({
    mutationFn: async (content: Blob) =>
      (
        await call<TablePreview>(desk, 'POST', 'quotas.csv/preview', {
          raw: { type: CSV, content }
        })
      ).data
  });
}

export interface ImportedFile {
  readonly content: Blob;
  /** Of all quotas, when it was previewed. */
  readonly revision: number;
}

/** Takes the limits of a CSV file, all lines or none, if no limit was changed since its preview. */
export function useImportQuotas() {
  const desk = useDesk();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ content, revision }: ImportedFile) =>
      (
        await call<{ changed: number }>(desk, 'PUT', 'quotas.csv', {
          headers: { 'If-Match': `"${revision}"` },
          raw: { type: CSV, content }
        })
      ).data,
    onSuccess: () => queries.invalidateQueries({ queryKey: ['quotas'] })
  });
}

async function refresh(queries: ReturnType<typeof useQueryClient>): Promise<void> {
  await Promise.all(
    [['gpus'], ['leases'], ['queue'], ['quotas', 'effective']].map(queryKey =>
      queries.invalidateQueries({ queryKey })
    )
  );
}

/** What is stored now of the levels that *changes* were made for, to compare them. */
export function useStored(changes: readonly { readonly level: Level; readonly name: string }[]) {
  const desk = useDesk();
  return useQuery({
    queryKey: ['stored', changes.map(({ level, name }) => [level, name])],
    queryFn: ({ signal }) =>
      Promise.all(changes.map(({ level, name }) => fetchStored(desk, level, name, signal))),
    gcTime: 0,
    staleTime: Infinity,
    retry: 1
  });
}

async function fetchStored(
  desk: Desk,
  level: Level,
  name: string,
  signal: AbortSignal
): Promise<StoredQuota> {
  const where = level === 'default' ? 'default' : `${level}s/${path(name)}`;
  return (await call<StoredQuota>(desk, 'GET', `quotas/${where}`, { signal })).data;
}
