/** A table with selectable rows. The server sorts, filters and pages them. */
import {
  rowSelectionFeature,
  rowSortingFeature,
  tableFeatures,
  useTable,
  type ColumnDef,
  type RowData,
  type RowSelectionState,
  type SortingState
} from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { t } from '../strings';
import { Icon } from './Status';

const features = tableFeatures({ rowSelectionFeature, rowSortingFeature });
export type Column<T extends RowData> = ColumnDef<typeof features, T> & {
  /** Classes of the column's cells, and the tooltip of its heading. */
  readonly meta?: { readonly className?: string; readonly title?: string };
};

export interface Sort {
  readonly column: string;
  readonly descending: boolean;
}

interface DataTableProps<T extends RowData> {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly rowId: (row: T) => string;
  readonly rowClass?: (row: T) => string;
  readonly sort?: Sort | null;
  readonly onSort?: (sort: Sort) => void;
  readonly selected?: RowSelectionState;
  readonly onSelect?: (selected: RowSelectionState) => void;
  readonly rowLabel?: (row: T) => string;
  readonly empty: ReactNode;
}

const NO_SELECTION: RowSelectionState = {};
const SORT = {
  asc: { aria: 'ascending', icon: 'sort-up' },
  desc: { aria: 'descending', icon: 'sort-down' }
} as const;

export function DataTable<T extends RowData>(props: DataTableProps<T>) {
  const { caption, columns, rows, rowId, sort, onSort, selected, onSelect, empty } = props;
  const sorting: SortingState = sort ? [{ id: sort.column, desc: sort.descending }] : [];
  const rowSelection = selected ?? NO_SELECTION;
  const table = useTable({
    features,
    columns,
    data: rows,
    getRowId: rowId,
    manualSorting: true,
    enableSortingRemoval: false,
    state: { sorting, rowSelection },
    onSortingChange: change => {
      const [first] = typeof change === 'function' ? change(sorting) : change;
      if (first) onSort?.({ column: first.id, descending: first.desc });
    },
    onRowSelectionChange: change =>
      onSelect?.(typeof change === 'function' ? change(rowSelection) : change)
  });
  return (
    <div className="table-responsive gd-table" tabIndex={0} role="region" aria-label={caption}>
      <table className="table table-sm align-middle mb-0">
        <caption className="visually-hidden">{caption}</caption>
        <thead>
          {table.getHeaderGroups().map(group => (
            <tr key={group.id}>
              {onSelect && (
                <th scope="col" className="gd-select">
                  <SelectAll
                    all={table.getIsAllRowsSelected()}
                    some={table.getIsSomeRowsSelected()}
                    onChange={value => table.toggleAllRowsSelected(value)}
                  />
                </th>
              )}
              {group.headers.map(header => {
                const meta = (header.column.columnDef as Column<T>).meta;
                const direction = header.column.getIsSorted();
                const sortable = onSort !== undefined && header.column.getCanSort();
                const label = <table.FlexRender header={header} />;
                return (
                  <th
                    key={header.id}
                    scope="col"
                    className={meta?.className}
                    title={meta?.title}
                    aria-sort={direction ? SORT[direction].aria : undefined}
                  >
                    {sortable ? (
                      <button
                        type="button"
                        className="gd-sort"
                        onClick={() => header.column.toggleSorting(direction === 'asc')}
                      >
                        {label}
                        <Icon name={direction ? SORT[direction].icon : 'sort'} />
                      </button>
                    ) : (
                      label
                    )}
                  </th>
                );
              })}
            </tr>
          ))}
        </thead>
        <tbody>
          {table.getRowModel().rows.map(row => (
            <tr key={row.id} className={props.rowClass?.(row.original)}>
              {onSelect && (
                <td className="gd-select">
                  <input
                    type="checkbox"
                    className="form-check-input"
                    aria-label={t.table.select(props.rowLabel?.(row.original) ?? row.id)}
                    checked={row.getIsSelected()}
                    onChange={event => row.toggleSelected(event.target.checked)}
                  />
                </td>
              )}
              {row.getAllCells().map(cell => (
                <td key={cell.id} className={(cell.column.columnDef as Column<T>).meta?.className}>
                  <table.FlexRender cell={cell} />
                </td>
              ))}
            </tr>
          ))}
          {rows.length === 0 && (
            <tr>
              <td colSpan={columns.length + (onSelect ? 1 : 0)}>{empty}</td>
            </tr>
          )}
        </tbody>
      </table>
    </div>
  );
}

interface SelectAllProps {
  readonly all: boolean;
  readonly some: boolean;
  readonly onChange: (value: boolean) => void;
}

function SelectAll({ all, some, onChange }: SelectAllProps) {
  return (
    <input
      ref={box => {
        if (box) box.indeterminate = some && !all;
      }}
      type="checkbox"
      className="form-check-input"
      aria-label={t.table.selectAll}
      checked={all}
      onChange={event => onChange(event.target.checked)}
    />
  );
}
