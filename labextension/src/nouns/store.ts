/** What every view needs: pages, the store, its events. */

export type Severity = 'ok' | 'warn' | 'alert' | 'unknown';

export interface IPage<T> {
  items: T[];
  total: number;
  limit: number;
  offset: number;
}

export interface IStore {
  store: string;
  home: string;
  root: string;
  why: string;
  exists: boolean;
  version: string;
  identity: string;
  durability: string;
  /** Names of nbops.toml or the store. */
  deployments?: string[];
  pipelines?: string[];
  can: { write: boolean; promote: boolean; approve: boolean; rollback: boolean; delete: boolean };
  seq: number;
}

export interface IEvent {
  seq: number;
  at: string;
  noun: string;
  name: string;
  what: string;
}

export interface IEvents {
  events?: IEvent[];
  seq: number;
}
