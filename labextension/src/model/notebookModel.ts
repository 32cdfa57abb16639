/** This notebook: its tracked cells in order, and where their data came from. */

import type { IGraph, INotebook } from '../nouns';
import { asApiError, ViewModel } from './viewModel';

export class NotebookModel extends ViewModel {
  override readonly nouns = new Set(['record', 'run', 'model', 'model version']);
  notebook: INotebook | null = null;
  graph: IGraph | null = null;
  /** Why there is no graph: the cells are shown all the same. */
  graphError: string | null = null;
  /** Whether the lineage graph is open: it is loaded only then. */
  graphOpen = false;
  /** The cell that is marked, because it was clicked here or is active in the notebook. */
  activeCell: string | null = null;

  get path(): string | null {
    return this.api.path;
  }

  toggleGraph(): void {
    this.graphOpen = !this.graphOpen;
    this.changed();
    if (this.graphOpen) {
      void this.refresh();
    }
  }

  setActiveCell(id: string | null): void {
    if (id !== this.activeCell) {
      this.activeCell = id;
      this.changed();
    }
  }

  protected async load(): Promise<() => void> {
    if (this.path === null) {
      return () => this.clear();
    }
    let problem: string | null = null;
    const [notebook, graph] = await Promise.all([
      this.api.notebook(),
      this.graphOpen
        ? this.api.lineage().catch(error => {
            problem = asApiError(error).message;
            return null;
          })
        : null
    ]);
    return () => {
      this.notebook = notebook;
      this.graph = graph;
      this.graphError = problem;
    };
  }

  protected clear(): void {
    this.notebook = null;
    this.graph = this.graphError = null;
  }
}
