/** A directed graph as SVG: zoom, pan, click; every node can be reached by keyboard and has a name. */

import * as React from 'react';
import { cut } from '../format';
import { layout, NODE_HEIGHT, NODE_WIDTH, type Arrow } from '../layout';
import { Button } from './parts';

export interface IGraphNode {
  id: string;
  label: string;
  /** What it is, shown small above the label. */
  kind: string;
  tone?: string;
  title?: string;
}

const MARGIN = 12;
const LETTERS = 20;

interface ITransform {
  scale: number;
  x: number;
  y: number;
}

export function Graph(props: {
  label: string;
  nodes: readonly IGraphNode[];
  arrows: readonly Arrow[];
  selected?: string | null;
  onClick: (id: string) => void;
}): JSX.Element {
  const { nodes, arrows, onClick, label, selected } = props;
  const svg = React.useRef<SVGSVGElement>(null);
  const shape = nodes.map(n => n.id).join('\n') + '\t' + arrows.map(a => a.join('>')).join('\n');
  const placed = React.useMemo(
    () =>
      layout(
        nodes.map(n => n.id),
        arrows
      ),
    // What counts is the shape: a redraw with new objects of the same content moves nothing.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    [shape]
  );
  const [transform, setTransform] = React.useState<ITransform>({ scale: 1, x: 0, y: 0 });
  const zoom = (by: number) =>
    setTransform(t => {
      const scale = Math.min(8, Math.max(0.1, t.scale * by));
      const [cx, cy] = [placed.width / 2, placed.height / 2];
      const ratio = scale / t.scale;
      return { scale, x: cx - (cx - t.x) * ratio, y: cy - (cy - t.y) * ratio };
    });
  const zoomRef = React.useRef(zoom);
  zoomRef.current = zoom;
  React.useEffect(() => {
    const node = svg.current!;
    // With Ctrl only, as in Lab's own viewers: the wheel alone scrolls the panel.
    const onWheel = (event: WheelEvent) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        zoomRef.current(event.deltaY < 0 ? 1.15 : 1 / 1.15);
      }
    };
    node.addEventListener('wheel', onWheel, { passive: false });
    return () => node.removeEventListener('wheel', onWheel);
  }, []);
  const pan = usePan(svg, setTransform);
  const fit = () => setTransform({ scale: 1, x: 0, y: 0 });
  const width = placed.width + 2 * MARGIN;
  const height = placed.height + 2 * MARGIN;
  return (
    <div className="nbops-Graph">
      <svg
        ref={svg}
        role="group"
        aria-label={`${label}: ${nodes.length} nodes. Zoom with Ctrl and the wheel, drag to move.`}
        viewBox={`${-MARGIN} ${-MARGIN} ${width} ${height}`}
        style={{ height: Math.min(480, Math.max(90, height)), maxWidth: '100%' }}
        {...pan}
      >
        <defs>
          <marker
            id="nbops-arrow"
            viewBox="0 0 8 8"
            refX="7"
            refY="4"
            markerWidth="6"
            markerHeight="6"
            orient="auto"
          >
            <path d="M0 0L8 4L0 8z" className="nbops-Graph-head" />
          </marker>
        </defs>
        <g transform={`translate(${transform.x} ${transform.y}) scale(${transform.scale})`}>
          {arrows.map(([from, to], i) => {
            const [a, b] = [placed.nodes.get(from), placed.nodes.get(to)];
            return a && b ? (
              <path key={i} className="nbops-Graph-edge" d={curve(a, b)} markerEnd="url(#nbops-arrow)" />
            ) : null;
          })}
          {nodes.map(node => {
            const at = placed.nodes.get(node.id)!;
            const said = `${node.kind} ${node.label}${node.title ? `, ${node.title}` : ''}`;
            return (
              <g
                key={node.id}
                role="button"
                tabIndex={0}
                aria-label={cut(said, 300)}
                aria-pressed={selected === node.id}
                className="nbops-Graph-node"
                data-kind={node.tone ?? node.kind}
                transform={`translate(${at.x} ${at.y})`}
                onClick={() => onClick(node.id)}
                onKeyDown={event => {
                  if (event.key === 'Enter' || event.key === ' ') {
                    event.preventDefault();
                    onClick(node.id);
                  }
                }}
              >
                <title>{cut(said, 1000)}</title>
                <rect width={NODE_WIDTH} height={NODE_HEIGHT} rx={4} />
                <text x={8} y={12} className="nbops-Graph-kind">
                  {cut(node.kind, 26)}
                </text>
                <text x={8} y={27}>
                  {cut(node.label, LETTERS)}
                </text>
              </g>
            );
          })}
        </g>
      </svg>
      <div className="nbops-Graph-tools">
        <Button onClick={() => zoom(1.3)} label="Zoom in">
          +
        </Button>
        <Button onClick={() => zoom(1 / 1.3)} label="Zoom out">
          −
        </Button>
        <Button onClick={fit} label="Show the whole graph">
          ⤢
        </Button>
      </div>
    </div>
  );
}

function curve(a: { x: number; y: number }, b: { x: number; y: number }): string {
  const [x1, y1, x2, y2] = [a.x + NODE_WIDTH / 2, a.y + NODE_HEIGHT, b.x + NODE_WIDTH / 2, b.y];
  const bend = Math.max(16, Math.abs(y2 - y1) / 2);
  return `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
}

/** Dragging moves the drawing; a click that doesn't move stays a click. */
function usePan(
  svg: React.RefObject<SVGSVGElement>,
  setTransform: React.Dispatch<React.SetStateAction<ITransform>>
): React.SVGProps<SVGSVGElement> {
  const last = React.useRef<{ x: number; y: number } | null>(null);
  return {
    onPointerDown: event => {
      last.current = { x: event.clientX, y: event.clientY };
    },
    onPointerMove: event => {
      if (last.current === null || event.buttons === 0) {
        last.current = null;
        return;
      }
      const box = svg.current!.getBoundingClientRect();
      const view = svg.current!.viewBox.baseVal;
      const ratio = Math.max(view.width / (box.width || 1), view.height / (box.height || 1));
      const dx = (event.clientX - last.current.x) * ratio;
      const dy = (event.clientY - last.current.y) * ratio;
      last.current = { x: event.clientX, y: event.clientY };
      setTransform(t => ({ ...t, x: t.x + dx, y: t.y + dy }));
    },
    onPointerUp: () => {
      last.current = null;
    }
  };
}
