/** What the cells of the quota table share. */
import { createContext, useContext } from 'react';
import type { QuotaDocument, QuotaField, QuotaRow, QuotaValue } from '../../api/types';
import type { Staged } from './staging';

export interface Editing {
  readonly staged: Staged;
  readonly mayEdit: (row: QuotaRow) => boolean;
  readonly setField: (row: QuotaRow, field: QuotaField, value: QuotaValue | undefined) => void;
  readonly setDocument: (row: QuotaRow, document: QuotaDocument | null) => void;
  readonly open: (row: QuotaRow) => void;
}

export const EditingContext = createContext<Editing | null>(null);

export function useEditing(): Editing {
  const editing = useContext(EditingContext);
  if (editing === null) throw new Error('useEditing is for components within the quota page.');
  return editing;
}
