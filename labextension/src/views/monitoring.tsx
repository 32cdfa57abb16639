import * as React from 'react';
import type { MonitoringModel } from '../model/monitoringModel';
import type { IStore } from '../nouns';
import { Empty, Frame, useModel } from './parts';

export function MonitoringView(props: {
  model: MonitoringModel;
  can?: IStore['can'];
  deployments?: string[];
}): JSX.Element {
  const model = useModel(props.model);
  return <Frame model={model}>{() => <Empty title="Nothing yet" />}</Frame>;
}
