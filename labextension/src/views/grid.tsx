/**
 * A table of any number of rows of one height, of which only those in sight are drawn.
 *
 * Rows may not be there yet: `onSight` tells which are looked at, and `row` gives null until they have come.
 * It is one stop for the Tab key; arrows, Page, Home and End move within, Space selects, Enter opens.
 */

import * as React from 'react';

export const ROW_HEIGHT = 26;
const CHECK = 24;
const GAP = 8;
const SPARE = 6;
/** Browsers can't scroll further than some 16 million pixels; nobody scrolls to row 600,000 either. */
const MOST = 600_000;

export interface IColumn<T> {
  id: string;
  label: string;
  /** Pixels it has at least, and its part of what is over. */
  width: number;
  grow?: number;
  right?: boolean;
  sortable?: boolean;
  draw(row: T): React.ReactNode;
}

export function Grid<T>(props: {
  label: string;
  columns: readonly IColumn<T>[];
  total: number;
  row(index: number): T | null;
  rowKey(row: T): string;
  onSight(first: number, last: number): void;
  sort: string;
  descending: boolean;
  /** Which rows these are: with others the table begins at its top again. */
  of: string;
  onSort(column: string): void;
  isSelected(row: T): boolean;
  onToggle(row: T): void;
  onOpen(row: T): void;
}): JSX.Element {
  const { columns, total, row, onSight } = props;
  const body = React.useRef<HTMLDivElement>(null);
  const [top, setTop] = React.useState(0);
  const [height, setHeight] = React.useState(400);
  const [active, setActive] = React.useState(0);
  const rows = Math.min(total, MOST);
  const first = Math.max(0, Math.floor(top / ROW_HEIGHT) - SPARE);
  const last = Math.min(rows - 1, Math.ceil((top + height) / ROW_HEIGHT) + SPARE);

  React.useEffect(() => {
    const node = body.current!;
    const measure = () => setHeight(node.clientHeight || 400);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, []);
  const order = `${props.sort} ${props.descending} ${props.of}`;
  React.useEffect(() => {
    body.current!.scrollTop = 0;
    setTop(0);
    setActive(0);
  }, [order]);
  React.useEffect(() => {
    if (rows > 0) {
      onSight(first, last);
    }
    // `onSight` is a new function with each drawing; what matters is what is in sight.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [first, last, rows]);

  // The same for each row, whatever stands in it: rows are placed apart from one another.
  const style = {
    gridTemplateColumns: `${CHECK}px ${columns.map(c => `minmax(${c.width}px, ${c.grow ?? 0}fr)`).join(' ')}`,
    minWidth: CHECK + columns.reduce((sum, c) => sum + c.width + GAP, 2 * GAP)
  };
  const go = (to: number) => {
    const index = Math.max(0, Math.min(rows - 1, to));
    setActive(index);
    const node = body.current!;
    const y = index * ROW_HEIGHT;
    if (y < node.scrollTop) {
      node.scrollTop = y;
    } else if (y + 2 * ROW_HEIGHT > node.scrollTop + node.clientHeight) {
      node.scrollTop = y + 2 * ROW_HEIGHT - node.clientHeight;
    }
  };
  const onKeyDown = (event: React.KeyboardEvent) => {
    const page = Math.max(1, Math.floor(height / ROW_HEIGHT) - 2);
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -rows, End: rows }[
      event.key
    ];
    const current = row(active);
    if (step !== undefined) {
      go(active + step);
    } else if (event.key === ' ' && current !== null) {
      props.onToggle(current);
    } else if (event.key === 'Enter' && current !== null) {
      props.onOpen(current);
    } else {
      return;
    }
    event.preventDefault();
  };

  const drawn: JSX.Element[] = [];
  for (let index = first; index <= last; index++) {
    const item = row(index);
    const selected = item !== null && props.isSelected(item);
    drawn.push(
      <div
        key={item === null ? `waiting-${index}` : props.rowKey(item)}
        id={`nbops-row-${index}`}
        role="row"
        aria-rowindex={index + 2}
        aria-selected={selected}
        className={index === active ? 'nbops-Grid-row nbops-mod-active' : 'nbops-Grid-row'}
        style={{ top: index * ROW_HEIGHT, height: ROW_HEIGHT, ...style }}
        onClick={() => {
          setActive(index);
          if (item !== null) {
            props.onOpen(item);
          }
        }}
      >
        <span role="gridcell" onClick={event => event.stopPropagation()}>
          {item !== null && (
            <input
              type="checkbox"
              tabIndex={-1}
              aria-label="Select for comparison"
              checked={selected}
              onChange={() => props.onToggle(item)}
            />
          )}
        </span>
        {columns.map(column => (
          <span key={column.id} role="gridcell" className={column.right ? 'nbops-right' : undefined}>
            {item === null ? '…' : column.draw(item)}
          </span>
        ))}
      </div>
    );
  }

  return (
    <div
      className="nbops-Grid"
      role="grid"
      aria-label={props.label}
      aria-rowcount={total + 1}
      aria-multiselectable
    >
      <div
        className="nbops-Grid-scroll"
        ref={body}
        tabIndex={0}
        aria-activedescendant={rows > 0 ? `nbops-row-${active}` : undefined}
        role="rowgroup"
        onScroll={event => setTop(event.currentTarget.scrollTop)}
        onKeyDown={onKeyDown}
      >
        <div className="nbops-Grid-head" role="row" aria-rowindex={1} style={style}>
          <span role="columnheader" aria-label="Selected" />
          {columns.map(column => {
            const sorted = props.sort === column.id;
            const said = sorted ? (props.descending ? 'descending' : 'ascending') : 'none';
            return (
              <span
                key={column.id}
                role="columnheader"
                aria-sort={said}
                className={column.right ? 'nbops-right' : undefined}
              >
                {column.sortable === false ? (
                  <bdi>{column.label}</bdi>
                ) : (
                  <button type="button" onClick={() => props.onSort(column.id)} title={column.label}>
                    <bdi>{column.label}</bdi>
                    {sorted ? (props.descending ? ' ▾' : ' ▴') : ''}
                  </button>
                )}
              </span>
            );
          })}
        </div>
        <div
          className="nbops-Grid-rows"
          role="presentation"
          style={{ height: rows * ROW_HEIGHT, minWidth: style.minWidth }}
        >
          {drawn}
        </div>
      </div>
      {total > rows && (
        <p className="nbops-quiet">
          The first {MOST.toLocaleString('en-US')} are listed: filter for the others.
        </p>
      )}
    </div>
  );
}
