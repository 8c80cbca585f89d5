// Draws docs/images/demo.svg: what `npm run demo` prints on this machine, as a terminal shows it.
//
//   node docs/images/make-demo-picture.mjs
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

const HERE = import.meta.dirname;
const BIN = join(HERE, '..', '..', 'apps', 'cli', 'dist', 'bin.cjs');
const COLUMNS = 100;
const [CELL_WIDTH, LINE_HEIGHT, MARGIN] = [8.4, 20, 20];
const FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace";
const FOREGROUND = '#d8dee9';
const COLORS = { 31: '#ff7b72', 32: '#7ee787', 33: '#e3b341', 34: '#79c0ff', 36: '#56d4dd' };

const ESCAPE = String.fromCharCode(27);
const STYLED = new RegExp(`${ESCAPE}\\[([\\d;]*)m|(.)`, 'gu');

const lines = [`${ESCAPE}[32m$${ESCAPE}[39m npm run demo`, '', ...runDemo().trimEnd().split('\n')];
const rows = lines.flatMap((line) => wrap(cells(line)));
writeFileSync(join(HERE, 'demo.svg'), draw(rows));

function runDemo() {
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, 'demo'], {
    encoding: 'utf8',
    env: { ...process.env, FORCE_COLOR: '1', NO_COLOR: '' },
  });
  if (status !== 0) throw new Error(`the demo ended with ${status}: ${stderr}`);
  return stdout;
}

/** The characters of a line, each with the style the escape sequences before it gave it. */
function cells(line) {
  const found = [];
  let style = {};
  for (const [, code, character] of line.matchAll(STYLED)) {
    if (character !== undefined) found.push({ character, style });
    else for (const part of code.split(';')) style = restyle(style, Number(part));
  }
  return found;
}

function restyle(style, code) {
  if (code === 0) return {};
  if (code === 1) return { ...style, bold: true };
  if (code === 2) return { ...style, dim: true };
  if (code === 22) return { ...style, bold: false, dim: false };
  return { ...style, color: COLORS[code] };
}

/** Breaks a line at spaces, as a terminal with a kind heart would. */
function wrap(line) {
  const rows = [];
  let rest = line;
  while (rest.length > COLUMNS) {
    const space = rest.slice(0, COLUMNS + 1).findLastIndex(({ character }) => character === ' ');
    const end = space > 0 ? space : COLUMNS;
    rows.push(rest.slice(0, end));
    rest = rest.slice(space > 0 ? end + 1 : end);
  }
  return [...rows, rest];
}

function draw(rows) {
  const width = 2 * MARGIN + COLUMNS * CELL_WIDTH;
  const height = 3 * MARGIN + rows.length * LINE_HEIGHT;
  const dots = ['#ff5f57', '#febc2e', '#28c840']
    .map((color, i) => `<circle cx="${MARGIN + 18 * i}" cy="18" r="6" fill="${color}"/>`)
    .join('');
  const texts = rows
    .map((row, index) => drawRow(row, 2 * MARGIN + (index + 1) * LINE_HEIGHT))
    .join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="What npm run demo prints">
<rect width="100%" height="100%" rx="10" fill="#0d1117"/>
${dots}
<g font-family="${FONT}" font-size="14" fill="${FOREGROUND}" xml:space="preserve">
${texts}
</g>
</svg>
`;
}

/** One text element per run of equal style, placed and stretched so that columns line up in any font. */
function drawRow(row, y) {
  const runs = [];
  row.forEach(({ character, style }, column) => {
    const last = runs.at(-1);
    if (last?.style === style) last.text += character;
    else runs.push({ style, column, text: character });
  });
  return runs
    .filter(({ text }) => text.trim() !== '')
    .map(({ style, column, text }) => {
      const { bold, dim, color } = style;
      const x = (MARGIN + column * CELL_WIDTH).toFixed(1);
      const length = ([...text].length * CELL_WIDTH).toFixed(1);
      const look =
        (bold ? ' font-weight="bold"' : '') +
        (dim ? ' opacity="0.6"' : '') +
        (color ? ` fill="${color}"` : '');
      return `<text x="${x}" y="${y}" textLength="${length}"${look}>${escapeXml(text)}</text>`;
    })
    .join('');
}

function escapeXml(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
