/**
 * What every view's model does: load when asked, once at a time, and keep what went wrong.
 *
 * A refresh asked for while one is under way is done after it, so the last thing shown is never older than the last
 * event. What comes back for a workspace that has been left meanwhile is dropped.
 */

import { VDomModel } from '@jupyterlab/ui-components';
import { ApiError, type Api } from '../api';

export abstract class ViewModel extends VDomModel {
  /** The nouns of the store's events that concern this view; empty: all of them. */
  readonly nouns: ReadonlySet<string> = new Set();
  loading = false;
  /** Whether there is anything to show: a load has worked. */
  loaded = false;
  /** Why it could not be loaded; gone with the next load that works. */
  error: ApiError | null = null;
  /** Why what the user asked for could not be done; gone with the next thing asked for. */
  problem: ApiError | null = null;

  private refreshing: Promise<void> | null = null;
  private again = false;
  private generation = 0;
  private shown = false;
  private stale = true;

  constructor(protected api: Api) {
    super();
  }

  /** Another notebook or workspace: everything shown is of the old one. */
  setApi(api: Api): void {
    this.api = api;
    this.generation += 1;
    this.loaded = false;
    this.error = this.problem = null;
    this.clear();
    this.touch();
  }

  /** Shown or hidden: a hidden view loads nothing, and catches up when it is shown. */
  setShown(shown: boolean): void {
    this.shown = shown;
    if (shown && this.stale) {
      void this.refresh();
    }
  }

  /** The store has changed in something of this view. */
  touch(): void {
    this.stale = true;
    if (this.shown) {
      void this.refresh();
    }
  }

  /** Load again; resolves when what is shown is at least as new as this call. */
  refresh(): Promise<void> {
    if (this.refreshing) {
      this.again = true;
      return this.refreshing;
    }
    this.refreshing = this.loop().finally(() => {
      this.refreshing = null;
    });
    return this.refreshing;
  }

  /** Do something that the server may refuse: its sentence is then this view's problem, and the answer null. */
  protected async attempt<T>(act: () => Promise<T>): Promise<T | null> {
    const generation = this.generation;
    this.problem = null;
    try {
      const answer = await act();
      return generation === this.generation ? answer : null;
    } catch (error) {
      if (generation === this.generation) {
        this.problem = asApiError(error);
        this.changed();
      }
      return null;
    }
  }

  dismissProblem(): void {
    this.problem = null;
    this.changed();
  }

  protected changed(): void {
    if (!this.isDisposed) {
      this.stateChanged.emit();
    }
  }

  /** Load what the view shows. Return how to take it over: it is left out if the workspace has changed meanwhile. */
  protected abstract load(): Promise<() => void>;

  /** Forget what was loaded. */
  protected abstract clear(): void;

  private async loop(): Promise<void> {
    this.loading = true;
    if (!this.loaded) {
      this.changed();
    }
    do {
      this.again = false;
      this.stale = false;
      const generation = this.generation;
      let take: () => void;
      try {
        const takeOver = await this.load();
        take = () => {
          takeOver();
          this.error = null;
          this.loaded = true;
        };
      } catch (error) {
        take = () => {
          this.error = asApiError(error);
        };
      }
      if (generation !== this.generation) {
        this.again = true;
      } else {
        take();
      }
    } while (this.again && !this.isDisposed);
    this.loading = false;
    this.changed();
  }
}

export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError(String(error), 0, 'Error', {});
}

/** The items of a list, whether the route pages it or not. */
export function items<T>(answer: T[] | { items: T[] }): T[] {
  return Array.isArray(answer) ? answer : answer.items;
}
