/** How charts look on a page or on paper. */
export interface Theme {
  ink: string;
  faint: string;
  background: string;
  font: string;
  fontSize: number;
  /** Colour of a layer, from the first to the last. */
  depth(layer: number, layers: number): string;
}

// Viridis (van der Walt and Smith, 2015): even in lightness, so that it reads in grey and for
// colour-blind people.
const VIRIDIS =
  '440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725'.split(' ');

export const DEPTH_STEPS = 16;

/** The part of the scale that stands out from white, or from a dark page. */
const PARTS = { light: [0, 0.72], dark: [0.36, 1] } as const;

/** Black on white, with every colour spelled out, for programs that know no style sheets. */
export const PAPER: Theme = {
  ink: '#1a1a1a',
  faint: '#8a8a8a',
  background: '#ffffff',
  font: 'Helvetica, Arial, Liberation Sans, sans-serif',
  fontSize: 9,
  depth: (layer, layers) => depthColor('light', depthStep(layer, layers)),
};

/** Colours come from the page's style sheet, which follows the reader's light or dark mode. */
export const SCREEN: Theme = {
  ink: 'currentColor',
  faint: 'var(--faint)',
  background: 'var(--background)',
  font: 'inherit',
  fontSize: 12,
  depth: (layer, layers) => `var(--depth-${depthStep(layer, layers)})`,
};

function depthStep(layer: number, layers: number): number {
  return layers > 1 ? Math.round((layer / (layers - 1)) * (DEPTH_STEPS - 1)) : 0;
}

/** The colour of a depth on a light or a dark background. */
export function depthColor(mode: 'light' | 'dark', step: number): string {
  const [from, to] = PARTS[mode];
  return viridis(from + ((to - from) * step) / (DEPTH_STEPS - 1));
}

function viridis(share: number): string {
  const place = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const index = Math.min(Math.floor(place), VIRIDIS.length - 2);
  return mix(VIRIDIS[index] as string, VIRIDIS[index + 1] as string, place - index);
}

/** A cell of a heat map: white for 0 to dark blue for 1, and the ink that shows on it. */
export function heat(share: number): { fill: string; ink: string } {
  const fill =
    share < 0.5 ? mix('f4f7fb', '7fa8d1', share * 2) : mix('7fa8d1', '08306b', share * 2 - 1);
  return { fill, ink: share < 0.6 ? '#1a1a1a' : '#ffffff' };
}

/** A colour between two, both as six hexadecimal digits. */
function mix(a: string, b: string, share: number): string {
  const channels = [0, 2, 4].map((at) => {
    const [from, to] = [a, b].map((color) => Number.parseInt(color.slice(at, at + 2), 16));
    const value = Math.round((from as number) + ((to as number) - (from as number)) * share);
    return value.toString(16).padStart(2, '0');
  });
  return `#${channels.join('')}`;
}
