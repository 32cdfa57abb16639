import * as React from 'react';
import type { NotebookModel } from '../model/notebookModel';
import type { IStore } from '../nouns';
import { Empty, Frame, useModel } from './parts';

export function NotebookView(props: {
  model: NotebookModel;
  can?: IStore['can'];
  deployments?: string[];
}): JSX.Element {
  const model = useModel(props.model);
  return <Frame model={model}>{() => <Empty title="Nothing yet" />}</Frame>;
}
