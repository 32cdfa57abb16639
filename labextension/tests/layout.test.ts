/** The drawing of graphs: every node below what it came from, no two in one place, whatever the graph. */

import { describe, expect, it } from 'vitest';
import { layout, NODE_HEIGHT, type Arrow } from '../src/layout';

/** A small generator with a seed, so that a failure can be seen again. */
function random(seed: number): () => number {
  return () => {
    seed = (seed * 1664525 + 1013904223) % 4294967296;
    return seed / 4294967296;
  };
}

describe('the layered layout', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])('puts each node below its sources (random acyclic graph %i)', seed => {
    const next = random(seed);
    const ids = Array.from({ length: 5 + Math.floor(next() * 60) }, (_, i) => `n${i}`);
    const arrows: Arrow[] = [];
    for (let i = 0; i < ids.length * 2; i++) {
      const [a, b] = [Math.floor(next() * ids.length), Math.floor(next() * ids.length)].sort((x, y) => x - y);
      arrows.push([ids[a!]!, ids[b!]!]);
    }
    const { nodes, width, height } = layout(ids, arrows);
    expect(nodes.size).toBe(ids.length);
    for (const [from, to] of arrows) {
      if (from !== to) {
        expect(nodes.get(to)!.y).toBeGreaterThanOrEqual(nodes.get(from)!.y + NODE_HEIGHT);
      }
    }
    const places = new Set([...nodes.values()].map(n => `${n.x},${n.y}`));
    expect(places.size).toBe(ids.length);
    for (const node of nodes.values()) {
      expect(node.x >= 0 && node.y >= 0 && node.x < width && node.y < height).toBe(true);
    }
  });

  it('draws cycles, loops and edges to nowhere without harm', () => {
    const { nodes } = layout(
      ['a', 'b', 'c'],
      [
        ['a', 'b'],
        ['b', 'a'],
        ['c', 'c'],
        ['c', 'gone']
      ]
    );
    expect(nodes.get('b')!.y).toBeGreaterThan(nodes.get('a')!.y);
    expect(nodes.size).toBe(3);
    expect(layout([], []).nodes.size).toBe(0);
  });

  it('draws a chain of 20,000 nodes', () => {
    const ids = Array.from({ length: 20_000 }, (_, i) => `n${i}`);
    expect(
      layout(
        ids,
        ids.slice(1).map((id, i): Arrow => [ids[i]!, id])
      ).nodes.size
    ).toBe(20_000);
  });

  it('crosses no edges where it need not', () => {
    const { nodes } = layout(
      ['a', 'b', 'x', 'y'],
      [
        ['a', 'y'],
        ['b', 'x']
      ]
    );
    expect(nodes.get('a')!.x < nodes.get('b')!.x).toBe(nodes.get('y')!.x < nodes.get('x')!.x);
  });
});
