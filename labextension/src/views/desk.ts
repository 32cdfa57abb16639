/** What a view may ask of JupyterLab: given by `index.ts` once, reached through a React context. */

import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import * as React from 'react';
import type { View } from '../model/panelModel';

export interface IDesk {
  /** Renders charts through Lab's own Vega; null where there is none. */
  rendermime: IRenderMimeRegistry | null;
  /** Draw Markdown, sanitized, into a node; returns how to take it away again. Null where Lab has no renderer. */
  markdown: ((text: string, node: HTMLElement) => () => void) | null;
  /** Open a file of the server's root. */
  openFile(path: string): void;
  /** Open the notebook as a run executed it. */
  openExecuted(run: string, name: string): void;
  /** Scroll the notebook in front to a cell, and make it active. */
  showCell(cellId: string): void;
  /** Ask before something that changes what others see. */
  confirm(title: string, body: string, action: string): Promise<boolean>;
  /** Ask for a sentence; null: cancelled. */
  ask(title: string, label: string): Promise<string | null>;
  show(view: View): void;
}

export const Desk = React.createContext<IDesk>({
  rendermime: null,
  markdown: null,
  openFile: () => undefined,
  openExecuted: () => undefined,
  showCell: () => undefined,
  confirm: async () => false,
  ask: async () => null,
  show: () => undefined
});

export const useDesk = (): IDesk => React.useContext(Desk);
