import { LabIcon } from '@jupyterlab/ui-components';

const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3 jp-icon-selectable" fill="#616161" fill-rule="evenodd"
    d="M2 4h2v1h17a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1h-2v2h-9v-2H4v4H2V4Zm2 3v8h16V7H4Zm9 4a3 3 0 1 1 6 0 3 3 0 0 1-6 0Zm2 0a1 1 0 1 0 2 0 1 1 0 0 0-2 0ZM6 9h5v1.5H6V9Zm0 2.7h5v1.5H6v-1.5Z"/>
</svg>`;

/** A graphics card. */
export const gpuIcon = new LabIcon({ name: 'jupyterlab-gpudock:gpu', svgstr: SVG });
