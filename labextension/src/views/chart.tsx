/**
 * A chart, drawn by the Vega that JupyterLab brings, in the colours of the theme; the same figures as a table.
 *
 * It goes through the rendermime registry, which loads Vega when the first chart is drawn: none of it is in our bundle.
 */

import { MimeModel } from '@jupyterlab/rendermime';
import type { JSONObject } from '@lumino/coreutils';
import * as React from 'react';
import type { Spec } from '../charts';
import { attached } from './attached';
import { useDesk } from './desk';

const VEGA_LITE = 'application/vnd.vegalite.v5+json';

export interface ITable {
  head: string[];
  rows: string[][];
}

export function Chart(props: { label: string; spec: Spec; table: ITable }): JSX.Element {
  const { label, spec, table } = props;
  const host = React.useRef<HTMLDivElement>(null);
  const { rendermime } = useDesk();
  const [width, setWidth] = React.useState(0);
  const theme = useTheme();
  const [failed, setFailed] = React.useState(false);
  const text = JSON.stringify(spec);

  React.useEffect(() => {
    const node = host.current!;
    // In steps, so that dragging the panel's edge doesn't draw at each pixel.
    const measure = () => setWidth(Math.floor(node.clientWidth / 20) * 20);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    return () => observer.disconnect();
  }, []);

  React.useEffect(() => {
    const node = host.current!;
    if (
      width === 0 ||
      rendermime === null ||
      rendermime.preferredMimeType({ [VEGA_LITE]: {} }, 'any') === undefined
    ) {
      return;
    }
    const renderer = rendermime.createRenderer(VEGA_LITE);
    const model = new MimeModel({
      trusted: true,
      data: {
        [VEGA_LITE]: {
          ...(JSON.parse(text) as object),
          width,
          config: colours(node),
          autosize: { type: 'fit-x', contains: 'padding' }
        },
        // With a picture there already, the renderer makes none to keep beside the chart.
        'image/png': '-'
      },
      metadata: { [VEGA_LITE]: { embed_options: { actions: false, renderer: 'svg', tooltip: true } } }
    });
    let gone = false;
    const takeAway = attached(renderer, node);
    renderer.renderModel(model).catch(() => !gone && setFailed(true));
    return () => {
      gone = true;
      takeAway();
    };
  }, [text, width, rendermime, theme]);

  return (
    <figure className="nbops-Chart" role="group" aria-label={label}>
      <figcaption>{label}</figcaption>
      <div
        ref={host}
        className="nbops-Chart-picture"
        role="img"
        aria-label={`Chart: ${label}. The figures are in the table below.`}
      />
      <details open={failed || rendermime === null || undefined}>
        <summary>As a table</summary>
        <table className="nbops-Table">
          <thead>
            <tr>
              {table.head.map((h, i) => (
                <th key={i} scope="col">
                  <bdi>{h}</bdi>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.slice(0, 200).map((r, i) => (
              <tr key={i}>
                {r.map((cell, j) => (
                  <td key={j}>
                    <bdi>{cell}</bdi>
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
        {table.rows.length > 200 && <p className="nbops-quiet">and {table.rows.length - 200} more rows</p>}
      </details>
    </figure>
  );
}

/** The name of Lab's theme: charts are drawn anew when it changes. */
function useTheme(): string {
  const read = () => document.body.dataset.jpThemeName ?? '';
  const [name, setName] = React.useState(read);
  React.useEffect(() => {
    // The variables change a moment after the attribute: the theme's style sheet is loaded in between.
    const observer = new MutationObserver(() => window.setTimeout(() => setName(read()), 200));
    observer.observe(document.body, {
      attributes: true,
      attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light']
    });
    return () => observer.disconnect();
  }, []);
  return name;
}

function colours(node: HTMLElement): JSONObject {
  const style = getComputedStyle(node);
  const of = (name: string) => style.getPropertyValue(name).trim() || null;
  const text = of('--jp-ui-font-color1');
  const quiet = of('--jp-ui-font-color2');
  const line = of('--jp-border-color2');
  const font = of('--jp-ui-font-family');
  const axis = { labelColor: quiet, titleColor: quiet, gridColor: line, domainColor: line, tickColor: line };
  const range = [
    '--jp-brand-color1',
    '--jp-warn-color1',
    '--jp-success-color1',
    '--jp-error-color1',
    '--jp-info-color1',
    '--jp-ui-font-color2' // --jp-accent-color1 is the green of --jp-success-color1
  ];
  return {
    background: 'transparent',
    font,
    axis: { ...axis, labelLimit: 110, labelFontSize: 11, titleFontSize: 11, titleFontWeight: 'normal' },
    legend: {
      labelColor: text,
      titleColor: quiet,
      labelFontSize: 11,
      titleFontSize: 11,
      orient: 'bottom',
      columns: 2,
      labelLimit: 130
    },
    header: { labelColor: text, titleColor: quiet },
    title: { color: text },
    text: { color: text },
    view: { stroke: 'transparent' },
    mark: { color: of('--jp-brand-color1'), tooltip: true },
    rule: { color: quiet },
    range: { category: range.map(of).filter(colour => colour !== null) }
  };
}
