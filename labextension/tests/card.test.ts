/** The renderer of records: what it draws, and that what comes from anywhere stays text. */

import { describe, expect, it } from 'vitest';
import { RECORD_MIME } from '../src/card';
import extension from '../src/mime';
import type { RecordCard } from '../src/mime';

const RECORD = {
  run: 'r1',
  seq: 0,
  status: 'ok',
  error: null,
  reads: [{ name: 'table', fingerprint: { digest: 'f1:blake3:aa', shape: [4, 3], reason: null } }],
  writes: [],
  params: { alpha: 'f:1.0', big: 'i:90071992547409931', name: 's:f:1' },
  metrics: [{ name: 'mae', value: 0.123456789, step: null, model: 'a1:m', data: 'f1:blake3:aa' }],
  models: [
    { name: 'model', type: 'sklearn.linear_model.Ridge', digest: 'a1:m', reason: null, trained_on: null }
  ],
  files: [],
  artifacts: [],
  notes: []
};

async function drawn(payload: unknown, metadata: object = {}): Promise<HTMLElement> {
  const renderer = extension.rendererFactory.createRenderer({} as never) as RecordCard;
  await renderer.renderModel({
    data: { [RECORD_MIME]: payload },
    metadata: { [RECORD_MIME]: metadata },
    trusted: false,
    setData: () => undefined
  } as never);
  return renderer.node;
}

describe('the card', () => {
  it('is safe without trust, and the first choice', () => {
    expect(extension.rendererFactory.safe).toBe(true);
    expect(extension.rank).toBe(0);
  });

  it('shows the values that were encoded, not their encoding', async () => {
    const node = await drawn({ record: RECORD, digest: 'j1:…' }, { name: 'ridge', full: true });
    expect(node.querySelector('summary b')!.textContent).toBe('ridge · completed');
    expect([...node.querySelectorAll('code')].map(c => c.textContent)).toEqual([
      'alpha = 1',
      'big = 90071992547409931',
      'name = f:1'
    ]);
    expect(node.textContent).toContain('mae 0.123457 of model on table');
    expect(node.querySelector('details')!.open).toBe(true);
  });

  it('is one line that opens, unless the whole card was asked for', async () => {
    const node = await drawn({ record: RECORD });
    expect(node.querySelector('details')!.open).toBe(false);
    expect(node.querySelector('summary')!.textContent).toBe(
      'tracked · completed · mae 0.123457 · model: Ridge'
    );
  });

  it('names the reports that are kept, and on which data', async () => {
    const artifacts = [
      { name: 'confusion_matrix.json', kind: 'detail', about: { data: 'f1:blake3:aa' } },
      { name: 'record.json', kind: 'detail', about: {} },
      { name: 'plot.png', kind: 'figure' }
    ];
    const text = (await drawn({ record: { ...RECORD, artifacts } }, { full: true })).textContent!;
    expect(text).toContain('confusion_matrix.json on table');
    expect(text).toContain('plot.png (figure)');
    expect(text).not.toContain('record.json');
  });

  it('calls what has no name as the cell does, and lists a judged model once', async () => {
    const metrics = [{ ...RECORD.metrics[0], data: 'f1:blake3:zz', on: 'y[100:]' }];
    const model = { ...RECORD.models[0], trained_on: 'f1:blake3:yy', on: 'X[:100]' };
    const models = [model, { ...model, evaluation: 'a1:blake3:00' }];
    const text = (await drawn({ record: { ...RECORD, metrics, models } }, { full: true })).textContent!;
    expect(text).toContain('mae 0.123457 of model on y[100:]');
    expect(text.split('trained on X[:100]').length).toBe(2);
  });

  it('tells metrics of one name apart in its line', async () => {
    const two = [RECORD.metrics[0], { ...RECORD.metrics[0], value: 2, data: 'f1:blake3:bb' }];
    const node = await drawn({ record: { ...RECORD, metrics: two } });
    expect(node.querySelector('summary')!.textContent).toContain('mae 0.123457 on table · mae 2 ·');
  });

  it('keeps hostile text as text in every field', async () => {
    const bad = '<img src=x onerror="window.hit=1"></script><b>';
    const node = await drawn(
      {
        record: {
          ...RECORD,
          error: bad,
          status: 'error',
          params: { [bad]: bad },
          metrics: [{ ...RECORD.metrics[0], name: bad }],
          models: [{ ...RECORD.models[0], name: bad, type: bad }],
          files: [{ path: bad, mode: 'read', size: null, reason: bad }],
          artifacts: [{ name: bad, kind: 'figure' }],
          notes: [bad]
        }
      },
      { name: bad, full: true }
    );
    expect(node.querySelector('img, script')).toBeNull();
    expect(node.textContent!.split('<img').length).toBeGreaterThan(8);
  });

  it.each([null, 1, 'x', [], {}, { record: 3 }, { record: { status: 1 } }])(
    'says what it cannot read: %j',
    async given => {
      expect((await drawn(given)).textContent).toContain('no record that this version of nbops can read');
    }
  );

  it('stays usable with a name of a megabyte', async () => {
    const node = await drawn({
      record: { ...RECORD, metrics: [{ ...RECORD.metrics[0], name: 'x'.repeat(1e6) }] }
    });
    expect(node.textContent!.length).toBeLessThan(2000);
  });
});
