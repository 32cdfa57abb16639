import * as React from 'react';
import type { ModelsModel } from '../model/modelsModel';
import type { IStore } from '../nouns';
import { Empty, Frame, useModel } from './parts';

export function ModelsView(props: {
  model: ModelsModel;
  can?: IStore['can'];
  deployments?: string[];
}): JSX.Element {
  const model = useModel(props.model);
  return <Frame model={model}>{() => <Empty title="Nothing yet" />}</Frame>;
}
