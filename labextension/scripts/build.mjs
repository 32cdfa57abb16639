// What `jupyter-builder build .` does, without needing jupyter-builder: the bundle goes to src/nbops/labextension.
import { spawnSync } from 'node:child_process';

const builder = 'node_modules/@jupyter/builder/lib/build-labextension.js';
const core = 'node_modules/@jupyterlab/core-meta/core.package.json';
const words = [builder, '--core-package-file', core, ...process.argv.slice(2), '.'];
process.exit(spawnSync(process.execPath, words, { stdio: 'inherit' }).status ?? 1);
