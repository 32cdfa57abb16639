/** nbops's mark: a notebook cell and the loop it goes through. */

import { LabIcon } from '@jupyterlab/ui-components';

const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">
  <g class="jp-icon3" fill="#616161">
    <path d="M2 2h2v12H2z"/>
    <path d="M10 3.2V1l3.6 3.1L10 7.200V5.200A3 3 0 0 0 7 8H5a5 5 0 0 1 5-4.800z"/>
    <path d="M9 12.800V15l-3.600-3.100L9 8.800v2A3 3 0 0 0 12 8h2a5 5 0 0 1-5 4.800z"/>
  </g>
</svg>`;

export const logo = new LabIcon({ name: 'nbops:logo', svgstr: svg });
