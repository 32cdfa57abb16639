/** The status bar's item: the current run of the notebook in front. */

import * as React from 'react';
import type { PanelModel } from '../model/panelModel';
import { useModel } from './parts';

export function RunStatusItem(props: { model: PanelModel; onClick: () => void }): JSX.Element | null {
  const { current } = useModel(props.model);
  if (current === null) {
    return null;
  }
  const text = `nbops: ${current.name} ${current.status === 'IN_PROGRESS' ? 'running' : current.status.toLowerCase()}`;
  return (
    <button type="button" className="nbops-StatusItem-button" onClick={props.onClick} title="Show the runs">
      {text.slice(0, 60)}
    </button>
  );
}
