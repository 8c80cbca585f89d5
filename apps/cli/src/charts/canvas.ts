import type * as PlotLibrary from '@observablehq/plot';
import type { Theme } from './theme.js';

/** What a chart is drawn with: the library, a document without a browser, and how it shall look. */
export interface Canvas {
  Plot: typeof PlotLibrary;
  document: PlotLibrary.PlotOptions['document'];
  theme: Theme;
  width: number;
  height: number;
}

/** Loads the chart library, which takes a third of a second: only commands that draw do so. */
export async function openCanvas(theme: Theme, width: number, height: number): Promise<Canvas> {
  const [Plot, { DOMParser }] = await Promise.all([
    import('@observablehq/plot'),
    import('linkedom'),
  ]);
  const empty = '<svg xmlns="http://www.w3.org/2000/svg"></svg>';
  const document = new DOMParser().parseFromString(empty, 'image/svg+xml');
  return { Plot, document: document as Canvas['document'], theme, width, height };
}

/** Draws marks on the canvas and returns the SVG element as text. */
export function draw(canvas: Canvas, options: PlotLibrary.PlotOptions): string {
  const { Plot, document, theme, width, height } = canvas;
  const chart = Plot.plot({
    document,
    width,
    height,
    marginTop: 12,
    marginRight: 14,
    marginBottom: theme.fontSize * 3.6,
    marginLeft: theme.fontSize * 4.6,
    style: { fontSize: `${theme.fontSize}px`, fontFamily: theme.font },
    // Colours are given as they are.
    color: { type: 'identity' },
    ...options,
  });
  return tidy(String(chart.outerHTML), theme);
}

/** Colours without a style sheet, and coordinates to a hundredth of a point. */
function tidy(svg: string, theme: Theme): string {
  return svg
    .replace(/<style>[^<]*<\/style>/g, '')
    .replaceAll('currentColor', theme.ink)
    .replaceAll('var(--plot-background)', theme.background)
    .replace(/ (?:d|transform|[xy][12]?|width|height)="[^"]*"/g, (attribute) =>
      attribute.replace(/\d+\.\d{3,}/g, (number) => String(Math.round(Number(number) * 100) / 100)),
    );
}

/** An axis with its label in the middle, where papers have it. */
export function axis<T extends object>(label: string, options: T) {
  return { label, labelAnchor: 'center' as const, labelArrow: 'none' as const, ...options };
}

/** Powers of ten within bounds, every second or third one where there are many. */
export function decades(least: number, most: number): number[] {
  const first = Math.ceil(Math.log10(least) - 1e-9);
  const last = Math.floor(Math.log10(most) + 1e-9);
  const step = Math.ceil((last - first + 1) / 6);
  const exponents = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => last - i);
  return exponents.filter((_, i) => i % step === 0).map((exponent) => 10 ** exponent);
}
