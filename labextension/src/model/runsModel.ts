/**
 * The table of runs: the server sorts, filters and counts; this keeps the pages that are in sight.
 *
 * Two or more selected runs can be compared; one can be opened.
 */

import type { ICurves, IComparison, IRunColumns, IRunDetail, IRunRow } from '../nouns';
import { asApiError, ViewModel } from './viewModel';

export const PAGE = 50;
const MOST_COMPARED = 20;

export interface IComparisonShown {
  comparison: IComparison;
  curves: { run: string; curves: ICurves }[];
}

export class RunsModel extends ViewModel {
  override readonly nouns = new Set(['run', 'record']);
  filter = '';
  /** The sentence of the server about a filter it can't read; the rows shown are of the last good one. */
  filterError: string | null = null;
  sort = 'started_at';
  descending = true;
  total = 0;
  /** Chosen columns (`params.alpha`, `metrics.mae`); null: those of the first page. */
  columns: string[] | null = null;
  known: IRunColumns | null = null;
  readonly selected = new Set<string>();
  compared: IComparisonShown | null = null;
  comparing = false;
  opened: IRunDetail | null = null;

  private pages = new Map<number, IRunRow[]>();
  private asked = new Set<number>();
  private first = 0;
  private last = 0;
  private version = 0;

  row(index: number): IRunRow | null {
    return this.pages.get(Math.floor(index / PAGE))?.[index % PAGE] ?? null;
  }

  /** The columns shown beside the fixed ones. */
  get shownColumns(): string[] {
    if (this.columns !== null) {
      return this.columns;
    }
    const seen = new Set<string>();
    for (const row of this.pages.get(0) ?? []) {
      Object.keys(row.metrics).forEach(name => seen.add(`metrics.${name}`));
    }
    return [...seen].slice(0, 3);
  }

  /** Rows `first` to `last` are in sight: load what is missing of them. */
  need(first: number, last: number): void {
    this.first = Math.floor(first / PAGE);
    this.last = Math.floor(Math.max(first, last) / PAGE);
    for (let page = this.first; page <= this.last; page++) {
      if (!this.pages.has(page) && !this.asked.has(page) && page * PAGE < this.total) {
        void this.loadPage(page);
      }
    }
  }

  setFilter(filter: string): Promise<void> {
    this.filter = filter;
    return this.anew();
  }

  /** Sort by a column; the same column again turns the order round. */
  setSort(column: string): Promise<void> {
    this.descending = this.sort === column ? !this.descending : column !== 'name';
    this.sort = column;
    return this.anew();
  }

  setColumns(columns: string[] | null): void {
    this.columns = columns;
    this.changed();
  }

  async loadKnown(): Promise<void> {
    const known = await this.attempt(() => this.api.runColumns());
    if (known) {
      this.known = known;
      this.changed();
    }
  }

  toggle(id: string): void {
    if (!this.selected.delete(id)) {
      this.selected.add(id);
    }
    this.changed();
  }

  clearSelection(): void {
    this.selected.clear();
    this.compared = null;
    this.changed();
  }

  async compare(): Promise<void> {
    const ids = [...this.selected].slice(0, MOST_COMPARED);
    this.comparing = true;
    this.changed();
    const answer = await this.attempt(() =>
      Promise.all([this.api.compare(ids), ...ids.map(id => this.api.curves(id))])
    );
    this.comparing = false;
    if (answer) {
      const [comparison, ...curves] = answer;
      this.compared = { comparison, curves: curves.map((c, i) => ({ run: ids[i]!, curves: c })) };
    }
    this.changed();
  }

  closeComparison(): void {
    this.compared = null;
    this.changed();
  }

  async open(id: string): Promise<void> {
    const detail = await this.attempt(() => this.api.run(id));
    if (detail) {
      this.opened = detail;
      this.changed();
    }
  }

  close(): void {
    this.opened = null;
    this.changed();
  }

  artifactUrl(run: string, digest: string): string {
    return this.api.artifactUrl(run, digest);
  }

  protected async load(): Promise<() => void> {
    const version = this.version;
    const pages: number[] = [];
    for (let page = this.first; page <= this.last; page++) {
      pages.push(page);
    }
    if (!pages.includes(0) && this.columns === null) {
      pages.push(0);
    }
    const opened = this.opened?.run;
    try {
      const [answers, detail] = await Promise.all([
        Promise.all(pages.map(page => this.ask(page))),
        opened && !opened.ended_at ? this.api.run(opened.id) : null
      ]);
      return () => {
        if (version !== this.version) {
          return;
        }
        this.filterError = null;
        this.pages = new Map(answers.map((answer, i) => [pages[i]!, answer.items]));
        this.asked.clear();
        this.total = answers[0]!.total;
        if (detail && this.opened?.run.id === detail.run.id) {
          this.opened = detail;
        }
      };
    } catch (error) {
      const said = asApiError(error);
      if (said.status === 400 && this.filter) {
        return () => {
          this.filterError = said.message;
        };
      }
      throw error;
    }
  }

  protected clear(): void {
    this.pages.clear();
    this.asked.clear();
    this.total = 0;
    this.first = this.last = 0;
    this.known = null;
    this.compared = this.opened = null;
    this.selected.clear();
    this.filterError = null;
    this.version += 1;
  }

  private anew(): Promise<void> {
    this.version += 1;
    this.first = this.last = 0;
    this.asked.clear();
    this.changed();
    return this.refresh();
  }

  private ask(page: number) {
    return this.api.runs({
      filter: this.filter.trim(),
      sort: this.sort,
      descending: this.descending,
      limit: PAGE,
      offset: page * PAGE,
      columns: this.columns?.join(',')
    });
  }

  private async loadPage(page: number): Promise<void> {
    const version = this.version;
    this.asked.add(page);
    const answer = await this.attempt(() => this.ask(page));
    if (answer && version === this.version) {
      this.pages.set(page, answer.items);
      this.total = answer.total;
      this.changed();
    }
    this.asked.delete(page);
  }
}
