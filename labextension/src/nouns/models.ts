/** Registered models, gates, promotions and approvals. */

import type { Json, Num } from '../wire';

export interface IVersion {
  name: string;
  number: number;
  run: string;
  type: string;
  format: string;
  metrics: { [name: string]: Num };
  created_at: string;
  created_by: string;
  libraries?: { [name: string]: string };
}

export interface IModelRow {
  name: string;
  versions: IVersion[];
  aliases: { [alias: string]: number };
}

export interface IGateResult {
  gate: string;
  outcome: 'passed' | 'failed' | 'not checked';
  asked: string;
  seen: string;
  why: string;
}

export interface IPromotion {
  id: string;
  model: string;
  alias: string;
  deployment: string | null;
  action: string;
  from_version: number | null;
  to_version: number | null;
  run: string | null;
  results: IGateResult[];
  by: string;
  at: string;
  cause: string | null;
}

export interface IModel extends IModelRow {
  history: IPromotion[];
  deployments: string[];
  /** Of the deployments that follow no alias, the version: there is nothing to roll back. */
  pinned: { [deployment: string]: number };
}

export interface IModelCard {
  markdown: string;
  facts: { [name: string]: Json };
}

export interface IPromotionWish {
  source: string;
  name: string;
  model?: string;
  to?: string;
  candidate?: string;
  why?: string;
}

export interface IGatesReport {
  results: IGateResult[];
  /** `pending`: it would wait for a second person. */
  would: 'promoted' | 'pending' | 'refused';
  candidate: { [name: string]: Json };
}

/** A promotion that waits for a second person. */
export interface IApproval {
  id: string;
  model: string;
  deployment: string | null;
  alias: string;
  candidate: string;
  run: string | null;
  results: IGateResult[];
  by: string;
  at: string;
}
