import type { ModelInfo } from '@thermocline/contracts';

/** How neurons of a kind of model usually fire. Shares are fractions. */
export interface TypicalFamily {
  name: string;
  /** Neurons that fire for a token. */
  firing: number;
  /** Neurons of one layer that make 80 % of its firings. */
  layerShare: number;
  /** The same over the whole model, where it is known; then layers differ in how often they fire. */
  modelShare?: number;
  /** Where the figures come from, and what was taken from a relative. */
  source: string;
}

const POWERINFER = 'PowerInfer (arXiv 2312.12456)';

/** Told apart by what a header says: activation, gate, width. The first that fits counts. */
const FAMILIES: { fits: (model: ModelInfo) => boolean; family: TypicalFamily }[] = [
  {
    fits: ({ arch, activation }) => arch === 'falcon' && activation === 'relu',
    family: {
      name: 'Falcon with ReLU',
      firing: 0.05,
      layerShare: 0.26,
      modelShare: 0.17,
      source: `${POWERINFER}: 95 % sparse (table 3); skew of OPT-30B`,
    },
  },
  {
    fits: ({ activation, gated }) => activation === 'relu' && !gated,
    family: {
      name: 'OPT and other plain ReLU',
      firing: 0.03,
      layerShare: 0.26,
      modelShare: 0.17,
      source: `${POWERINFER}: 96 to 98 % sparse (table 3), 26 % of a layer and 17 % of OPT-30B for 80 % of the firings (figure 4)`,
    },
  },
  {
    fits: ({ activation, d_model }) => activation === 'relu' && d_model >= 8192,
    family: {
      name: 'ReGLU of 70B',
      firing: 0.18,
      layerShare: 0.43,
      modelShare: 0.26,
      source: `${POWERINFER}: 82 % sparse (table 3), 43 % of a layer and 26 % of the model (figure 4)`,
    },
  },
  {
    fits: ({ activation, d_model }) => activation === 'relu' && d_model >= 5120,
    family: {
      name: 'ReGLU of 13B',
      firing: 0.22,
      layerShare: 0.47,
      source: `${POWERINFER}: 78 % sparse (table 3); 28 to 57 % of a layer in its published counts`,
    },
  },
  {
    fits: ({ activation }) => activation === 'relu',
    family: {
      name: 'ReGLU of 7B',
      firing: 0.3,
      layerShare: 0.57,
      source: `${POWERINFER}: 70 % sparse (table 3); 41 to 70 % of a layer in its published counts. Models trained for sparsity fire three times less`,
    },
  },
  {
    fits: ({ activation }) => activation === 'drelu',
    family: {
      name: 'double ReLU',
      firing: 0.1,
      layerShare: 0.43,
      modelShare: 0.26,
      source: `${POWERINFER}: Bamboo-7B 90 % sparse (table 3); skew of ReGLU-70B`,
    },
  },
  {
    fits: ({ activation }) => activation === 'relu2',
    family: {
      name: 'squared ReLU',
      firing: 0.093,
      layerShare: 0.43,
      modelShare: 0.26,
      source: 'Nemotron-3-Nano: 90.7 % zeros by a third party; skew of ReGLU-70B',
    },
  },
  {
    fits: ({ d_model }) => d_model >= 7168,
    family: {
      name: 'SwiGLU and GELU of 34B and more',
      firing: 0.47,
      layerShare: 0.69,
      source: `${POWERINFER}: 53 % of Yi-34B can be left out at less than 1 % of perplexity (table 3), 69 % of a layer (figure 4)`,
    },
  },
  {
    fits: () => true,
    family: {
      name: 'SwiGLU and GELU',
      firing: 0.58,
      layerShare: 0.69,
      source: `${POWERINFER}: 40 to 43 % can be left out at less than 1 % of perplexity (table 3), 69 % of a layer (figure 4)`,
    },
  },
];

/** What is typical of models like this one. */
export function typicalFamily(model: ModelInfo): TypicalFamily {
  return (FAMILIES.find(({ fits }) => fits(model)) as (typeof FAMILIES)[number]).family;
}

/**
 * Experts that a token usually goes to. A header's description names only how many there are.
 */
export function typicalActiveExperts(experts: number): number {
  if (experts <= 2) return 1;
  if (experts <= 16) return 2;
  return experts <= 32 ? 4 : 6;
}

/** The part of its experts that a token goes to; 1 without experts. */
export function routedShare({ experts }: ModelInfo): number {
  return experts === 1 ? 1 : typicalActiveExperts(experts) / experts;
}
