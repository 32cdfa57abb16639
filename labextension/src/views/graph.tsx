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
const MOST_HEIGHT = 480;
/** Smaller than this nothing can be read: a larger graph begins with its middle in sight instead. */
const LEAST_SCALE = 0.6;

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
  const width = useWidth(svg);
  const home = React.useMemo((): ITransform => {
    const scale = Math.max(LEAST_SCALE, Math.min(1, (width - 2 * MARGIN) / placed.width));
    return { scale, x: (width - placed.width * scale) / 2, y: MARGIN };
  }, [width, placed]);
  const height = Math.min(MOST_HEIGHT, Math.max(80, placed.height * home.scale + 2 * MARGIN));
  const [moved, setMoved] = React.useState<ITransform | null>(null);
  const transform = moved ?? home;
  const zoom = (by: number) => {
    const scale = Math.min(8, Math.max(0.05, transform.scale * by));
    const ratio = scale / transform.scale;
    const [cx, cy] = [width / 2, height / 2];
    setMoved({ scale, x: cx - (cx - transform.x) * ratio, y: cy - (cy - transform.y) * ratio });
  };
  const fit = () => {
    const scale = Math.min(1, (width - 2 * MARGIN) / placed.width, (height - 2 * MARGIN) / placed.height);
    setMoved({ scale, x: (width - placed.width * scale) / 2, y: (height - placed.height * scale) / 2 });
  };
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
  const pan = usePan((dx, dy) => setMoved({ ...transform, x: transform.x + dx, y: transform.y + dy }));
  return (
    <div className="nbops-Graph">
      <svg
        ref={svg}
        role="group"
        aria-label={`${label}: ${nodes.length} nodes. Zoom with Ctrl and the wheel, drag to move.`}
        style={{ height }}
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
function usePan(move: (dx: number, dy: number) => void): React.SVGProps<SVGSVGElement> {
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
      move(event.clientX - last.current.x, event.clientY - last.current.y);
      last.current = { x: event.clientX, y: event.clientY };
    },
    onPointerUp: () => {
      last.current = null;
    }
  };
}

function useWidth(svg: React.RefObject<SVGSVGElement>): number {
  const [width, setWidth] = React.useState(320);
  React.useEffect(() => {
    const node = svg.current!;
    const measure = () => setWidth(node.clientWidth || 320);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, [svg]);
  return width;
}
