/**
 * A layered drawing of a directed graph, from top to bottom: each node below all it came from.
 *
 * Layers by the longest path; the order within a layer by the mean place of the neighbours, swept down and up a few
 * times (K. Sugiyama, S. Tagawa, M. Toda, 1981: the barycentre method). An edge that would close a cycle is drawn, but
 * doesn't count. Pure and deterministic: the same graph is drawn the same way.
 */

export const NODE_WIDTH = 150;
export const NODE_HEIGHT = 34;
const GAP_X = 18;
const GAP_Y = 34;
const SWEEPS = 4;

export interface IPlaced {
  id: string;
  /** Of the upper left corner. */
  x: number;
  y: number;
}

export interface ILayout {
  nodes: Map<string, IPlaced>;
  width: number;
  height: number;
}

export type Arrow = readonly [from: string, to: string];

export function layout(ids: readonly string[], arrows: readonly Arrow[]): ILayout {
  const known = new Set(ids);
  const used = acyclic(
    ids,
    arrows.filter(([a, b]) => known.has(a) && known.has(b) && a !== b)
  );
  const layers = ordered(byLayer(ids, used), used);
  const widest = Math.max(1, ...layers.map(layer => layer.length));
  const width = widest * (NODE_WIDTH + GAP_X) - GAP_X;
  const nodes = new Map<string, IPlaced>();
  layers.forEach((layer, depth) => {
    const free = width - (layer.length * (NODE_WIDTH + GAP_X) - GAP_X);
    layer.forEach((id, i) => {
      nodes.set(id, { id, x: free / 2 + i * (NODE_WIDTH + GAP_X), y: depth * (NODE_HEIGHT + GAP_Y) });
    });
  });
  return { nodes, width, height: Math.max(0, layers.length * (NODE_HEIGHT + GAP_Y) - GAP_Y) };
}

/** The edges without those that lead back to a node on the way to where they start. */
function acyclic(ids: readonly string[], arrows: readonly Arrow[]): Arrow[] {
  const after = group(arrows, 0);
  const state = new Map<string, 'open' | 'done'>();
  const kept: Arrow[] = [];
  for (const root of ids) {
    if (state.has(root)) {
      continue;
    }
    // Depth first without recursion: a chain may be thousands of nodes long.
    const stack: { id: string; next: number }[] = [{ id: root, next: 0 }];
    state.set(root, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1]!;
      const arrow = (after.get(top.id) ?? [])[top.next];
      top.next += 1;
      if (arrow === undefined) {
        state.set(top.id, 'done');
        stack.pop();
      } else if (state.get(arrow[1]) !== 'open') {
        kept.push(arrow);
        if (!state.has(arrow[1])) {
          state.set(arrow[1], 'open');
          stack.push({ id: arrow[1], next: 0 });
        }
      }
    }
  }
  return kept;
}

function byLayer(ids: readonly string[], arrows: readonly Arrow[]): string[][] {
  const after = group(arrows, 0);
  const waiting = new Map(ids.map(id => [id, 0]));
  arrows.forEach(([, to]) => waiting.set(to, waiting.get(to)! + 1));
  const depth = new Map(ids.map(id => [id, 0]));
  const ready = ids.filter(id => waiting.get(id) === 0);
  for (let i = 0; i < ready.length; i++) {
    for (const [from, to] of after.get(ready[i]!) ?? []) {
      depth.set(to, Math.max(depth.get(to)!, depth.get(from)! + 1));
      waiting.set(to, waiting.get(to)! - 1);
      if (waiting.get(to) === 0) {
        ready.push(to);
      }
    }
  }
  const layers: string[][] = [];
  ids.forEach(id => (layers[depth.get(id)!] ??= []).push(id));
  return layers;
}

function ordered(layers: string[][], arrows: readonly Arrow[]): string[][] {
  const before = group(arrows, 1);
  const after = group(arrows, 0);
  const place = new Map<string, number>();
  const note = (layer: string[]) => layer.forEach((id, i) => place.set(id, i - layer.length / 2));
  layers.forEach(note);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0;
    const order = down ? layers : [...layers].reverse();
    for (const layer of order) {
      const mean = (id: string): number => {
        const near = (down ? before : after).get(id) ?? [];
        const sum = near.reduce((total, arrow) => total + place.get(arrow[down ? 0 : 1])!, 0);
        return near.length > 0 ? sum / near.length : place.get(id)!;
      };
      const means = new Map(layer.map(id => [id, mean(id)]));
      layer.sort((a, b) => means.get(a)! - means.get(b)!);
      note(layer);
    }
  }
  return layers;
}

function group(arrows: readonly Arrow[], end: 0 | 1): Map<string, Arrow[]> {
  const groups = new Map<string, Arrow[]>();
  for (const arrow of arrows) {
    const key = arrow[end];
    const found = groups.get(key);
    if (found) {
      found.push(arrow);
    } else {
      groups.set(key, [arrow]);
    }
  }
  return groups;
}
