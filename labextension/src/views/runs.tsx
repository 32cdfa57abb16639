import * as React from 'react';
import type { RunsModel } from '../model/runsModel';
import type { IStore } from '../nouns';
import { Empty, Frame, useModel } from './parts';

export function RunsView(props: {
  model: RunsModel;
  can?: IStore['can'];
  deployments?: string[];
}): JSX.Element {
  const model = useModel(props.model);
  return <Frame model={model}>{() => <Empty title="Nothing yet" />}</Frame>;
}
