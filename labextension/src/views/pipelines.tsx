import * as React from 'react';
import type { PipelinesModel } from '../model/pipelinesModel';
import type { IStore } from '../nouns';
import { Empty, Frame, useModel } from './parts';

export function PipelinesView(props: {
  model: PipelinesModel;
  can?: IStore['can'];
  deployments?: string[];
}): JSX.Element {
  const model = useModel(props.model);
  return <Frame model={model}>{() => <Empty title="Nothing yet" />}</Frame>;
}
