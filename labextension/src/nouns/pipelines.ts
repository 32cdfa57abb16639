/** Parameters, pipelines and their runs. */

import type { Json } from '../wire';
import type { IRun } from './runs';

export interface IParameter {
  name: string;
  type: string;
  /** What values of the type are: int, float, bool, str, … */
  base?: string;
  /** The default as the notebook writes it. */
  written?: string | null;
  /** Its value is read from `env` where the notebook runs, and is never shown or sent. */
  secret?: boolean;
  env?: string | null;
  default: Json;
  help: string | null;
  choices?: Json[] | null;
  min?: number | null;
  max?: number | null;
  /** As said to people: "≥ 0, < 1". */
  bounds?: string;
  required: boolean;
  steps?: string[];
}

export interface IPipelineStep {
  name: string;
  notebook: string;
  contents_path: string | null;
  needs: string[];
  inputs: string[];
  outputs: string[];
}

export interface IPipeline {
  name: string;
  steps: IPipelineStep[];
  order: string[];
  edges: [string, string, string][];
  last_run: IRun | null;
  parameters?: IParameter[];
}

export interface IPlan {
  steps: { name: string; state: string; why: string }[];
}

export interface IPipelineRun {
  run: IRun;
  steps: {
    run: IRun | null;
    name?: string;
    state: string;
    why: string;
    progress: { cell: number; cells: number } | null;
    executed: string | null;
  }[];
}
