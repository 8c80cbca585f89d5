import { DEPTH_STEPS, depthColor } from './theme.js';

/** The style sheet of a page: system fonts, and the reader's light or dark mode. */
export function pageStyle(): string {
  return `
:root { color-scheme: light dark; --background: #ffffff; --text: #1b1f24; --faint: #646b75; --line: #d8dde3; ${depths('light')} }
@media (prefers-color-scheme: dark) {
  :root { --background: #14171c; --text: #e4e8ee; --faint: #949ca8; --line: #333a44; ${depths('dark')} }
}
body { margin: 2rem auto; padding: 0 1.25rem; max-width: 76rem; background: var(--background); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1rem; margin: 0 0 .5rem; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 30rem), 1fr)); gap: 2rem 2.5rem; margin: 1rem 0 2.5rem; }
figure { margin: 0; min-width: 0; }
.whole { grid-column: 1 / -1; }
figure svg { width: 100%; height: auto; font-family: inherit; overflow: visible; }
figcaption, small { color: var(--faint); font-size: .85rem; }
.facts { list-style: none; display: flex; flex-wrap: wrap; gap: 1rem 2.5rem; padding: 0; margin: 1.25rem 0; }
.facts strong { display: block; font-size: 1.6rem; line-height: 1.2; }
.legend { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.5rem; }
[aria-label=line] path { pointer-events: visibleStroke; }
[aria-label=line] path:hover { stroke-width: 5px; }
[aria-label=dot] :hover { stroke-width: 5px; stroke: currentColor; }
[aria-label=cell] rect:hover { stroke: currentColor; stroke-width: 2px; }
.wide { overflow-x: auto; max-height: 32rem; margin-bottom: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem; }
td { white-space: nowrap; }
th, td { text-align: right; padding: .2rem .8rem; border-bottom: 1px solid var(--line); }
thead th { position: sticky; top: 0; background: var(--background); }
tfoot td { font-weight: bold; }
@media (max-width: 60rem) { th, td { padding: .2rem .45rem; } }
@media print { .wide { max-height: none; } }
`;
}

function depths(mode: 'light' | 'dark'): string {
  return Array.from(
    { length: DEPTH_STEPS },
    (_, step) => `--depth-${step}: ${depthColor(mode, step)};`,
  ).join(' ');
}
