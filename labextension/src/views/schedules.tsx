import * as React from 'react';
import type { SchedulesModel } from '../model/schedulesModel';
import type { IStore } from '../nouns';
import { Empty, Frame, useModel } from './parts';

export function SchedulesView(props: {
  model: SchedulesModel;
  can?: IStore['can'];
  deployments?: string[];
}): JSX.Element {
  const model = useModel(props.model);
  return <Frame model={model}>{() => <Empty title="Nothing yet" />}</Frame>;
}
