/**
 * The renderer of `application/vnd.nbops.record.v1+json`: a compact card that opens.
 *
 * Text nodes only, so it is safe in a notebook that nobody has trusted yet. What it cannot read it says.
 */

import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { asRecord, heading, RECORD_MIME, rows, summary } from './card';
import { decode, type Json } from './wire';

/** How the kernel asked for the card to be drawn: the metadata of the output. */
interface IAsked {
  name?: unknown;
  full?: unknown;
}

export class RecordCard extends Widget implements IRenderMime.IRenderer {
  constructor() {
    super();
    this.addClass('nbops-RecordCard');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const payload = model.data[RECORD_MIME] as { record?: Json } | undefined;
    const record = asRecord(decode(payload?.record ?? null));
    const asked = (model.metadata[RECORD_MIME] ?? {}) as IAsked;
    this.node.replaceChildren(
      record === null
        ? unreadable()
        : card(record, typeof asked.name === 'string' ? asked.name : null, asked.full === true)
    );
  }
}

function card(
  record: NonNullable<ReturnType<typeof asRecord>>,
  name: string | null,
  full: boolean
): HTMLElement {
  const kind = record.status !== 'ok' ? 'error' : record.notes.length > 0 ? 'note' : 'ok';
  const box = element('details', 'nbops-RecordCard-box');
  box.dataset.nbopsKind = kind;
  (box as HTMLDetailsElement).open = full;
  const head = element('summary');
  head.append(element('b', undefined, heading(record, name)));
  const said = summary(record);
  if (said) {
    head.append(element('span', undefined, ` · ${said}`));
  }
  box.append(head);
  const table = element('table');
  const body = table.appendChild(element('tbody'));
  for (const row of rows(record)) {
    const line = body.appendChild(element('tr'));
    const label = element('th', undefined, row.label);
    label.setAttribute('scope', 'row');
    const cell = element('td');
    if (row.entries.length === 1 || row.label === 'parameters') {
      row.entries.forEach((entry, i) => {
        cell.append(
          i > 0 ? ' · ' : '',
          row.label === 'parameters' ? element('code', undefined, entry) : entry
        );
      });
    } else {
      const list = cell.appendChild(element('ul'));
      row.entries.forEach(entry => list.append(element('li', undefined, entry)));
    }
    line.append(label, cell);
  }
  if (body.childElementCount > 0) {
    box.append(table);
  }
  return box;
}

function unreadable(): HTMLElement {
  const text = 'nbops · this output is no record that this version of nbops can read';
  return element('div', 'nbops-RecordCard-unreadable', text);
}

function element(tag: string, className?: string, text?: string): HTMLElement {
  const node = document.createElement(tag);
  if (className) {
    node.className = className;
  }
  if (text !== undefined) {
    node.textContent = text;
  }
  return node;
}

const extension: IRenderMime.IExtension = {
  id: 'nbops-labextension:record',
  description: 'Shows the record of a tracked cell.',
  rendererFactory: { safe: true, mimeTypes: [RECORD_MIME], createRenderer: () => new RecordCard() },
  rank: 0,
  dataType: 'json'
};

export default extension;
