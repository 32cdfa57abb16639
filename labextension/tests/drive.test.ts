/** The drive of executed notebooks: read from the run's store, never written. */

import { describe, expect, it } from 'vitest';
import { RunsDrive } from '../src/drive';
import { FakeServer } from './fakeServer';
import { run } from './samples';

describe('the drive', () => {
  const content = { cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 };
  const detail = { params: {}, metrics: [], records: [], children: [], artifacts: [] };
  const server = new FakeServer({
    'runs/r1': { ...detail, run: run({ ended_at: '2026-03-05T09:01:00Z' }) },
    'runs/r2': { ...detail, run: run({ ended_at: null }) },
    'runs/r1/log': { executed: null, artifact: 'a1:blake3:aa', error: null, tail: '' },
    'runs/r1/artifacts/a1%3Ablake3%3Aaa': content,
    'runs/r2/log': { executed: null, artifact: null, error: null, tail: '' }
  });
  const drive = new RunsDrive(server.api, {} as never);

  it('gives the notebook that was kept, of the workspace it was opened from, and may not be written', async () => {
    expect(drive.pathOf('r1', 'fit <1>/../x', server.api.at('dir/a.ipynb'))).toBe(
      'nbops:r1/fit _1__.._x.ipynb'
    );
    const model = await drive.get('r1/fit.ipynb');
    expect(model.content).toEqual(content);
    expect(model.writable).toBe(false);
    expect(server.asked).toEqual([
      'GET runs/r1?path=dir%2Fa.ipynb',
      'GET runs/r1/log?path=dir%2Fa.ipynb',
      'GET runs/r1/artifacts/a1%3Ablake3%3Aaa?path=dir%2Fa.ipynb'
    ]);
    await expect(drive.save()).rejects.toThrow('can be read, not changed');
  });

  it('dates the copy by the end of its run, or by its start while it has none', async () => {
    const entry = { content: false };
    expect((await drive.get('r1/x.ipynb', entry)).last_modified).toBe('2026-03-05T09:01:00Z');
    expect((await drive.get('r2/x.ipynb', entry)).last_modified).toBe('2026-03-05T09:00:00Z');
    expect(Date.parse((await drive.get('', entry)).last_modified)).not.toBeNaN();
  });

  it('asks for no content where only the entry is wanted, and says where none was kept', async () => {
    expect((await drive.get('r2/x.ipynb', { content: false })).content).toBeNull();
    await expect(drive.get('r2/x.ipynb')).rejects.toThrow('no executed notebook is kept of run r2');
  });
});
