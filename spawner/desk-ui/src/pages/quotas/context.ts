/** The staged changes and their editing, shared by the cells of the quota table. */
import { createContext, useContext } from 'react';
import type { QuotaDocument, QuotaField, QuotaRow, QuotaValue } from '../../api/types';
import type { Staged } from './staging';

export interface Editing {
  readonly staged: Staged;
  readonly canEdit: (row: QuotaRow) => boolean;
  readonly setField: (row: QuotaRow, field: QuotaField, value: QuotaValue | undefined) => void;
  readonly setDocument: (row: QuotaRow, document: QuotaDocument | null) => void;
  readonly open: (row: QuotaRow) => void;
}

export const EditingContext = createContext<Editing | null>(null);

export function useEditing(): Editing {
  const editing = useContext(EditingContext);
  if (editing === null) throw new Error('useEditing must be used within an EditingContext.');
  return editing;
}
