export type { SolveOptions } from './options.js';
