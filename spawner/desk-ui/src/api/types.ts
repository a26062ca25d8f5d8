/** The pages' names for the types of the REST API. Times are Unix time in seconds, memory is MiB. */
import type { components, operations } from './schema';

type Schemas = components['schemas'];

export type GPU = Schemas['GPU'];
export type GPUState = GPU['state'];
export type Holder = Schemas['Holder'];
export type GPUList = Schemas['GPUList'];
export type GPUChange = Schemas['GPUChange'];
export type GPUsChange = Schemas['GPUsChange'];
export type ReturnedGPUs = Schemas['ReturnedGPUs'];
export type Session = Schemas['Session'];
export type OwnSessions = Schemas['OwnSessions'];
export type SessionPage = Schemas['SessionPage'];
export type SessionReport = Schemas['SessionReport'];
export type SessionReportRow = Schemas['SessionReportRow'];
export type WaitingRequest = Schemas['WaitingRequest'];
export type Queue = Schemas['Queue'];

export type StoredQuota = Schemas['StoredQuota'];
export type QuotaRow = Schemas['QuotaRow'];
export type QuotaPage = Schemas['QuotaPage'];
export type Level = StoredQuota['level'];
/** A field that is left out is not set at that level; null is no limit. */
export type QuotaDocument = Schemas['GroupQuotaDocument'];
export type Boost = NonNullable<QuotaDocument['boost']>;
export type QuotaField = Exclude<keyof QuotaDocument, 'boost'>;
export type QuotaValue = EffectiveLimit['value'];
export type EffectiveLimit = Schemas['EffectiveLimit'];
export type EffectiveLimits = Schemas['EffectiveLimits'];
export type Limit = keyof EffectiveLimits;
export type EffectiveQuota = Schemas['EffectiveQuota'];
/** One level's document as it is to be; null removes it. */
export type QuotaChange = Pick<StoredQuota, 'level' | 'name' | 'document' | 'revision'>;
export type ChangedCount = Schemas['ChangedCount'];
export type QuotaPreview = Schemas['QuotaPreview'];
export type QuotaTablePreview = Schemas['QuotaTablePreview'];

export type Group = Schemas['Group'];
export type GroupList = Schemas['GroupList'];

export type UsageRow = Schemas['UsageRow'];
export type UsageList = Schemas['UsageList'];
export type AuditRow = Schemas['AuditRow'];
export type AuditPage = Schemas['AuditPage'];

type UsageQuery = Required<NonNullable<operations['getUsage']['parameters']['query']>>;
export type UsageBy = UsageQuery['by'];
export type Bucket = UsageQuery['bucket'];
