import { formatBytes } from '@thermocline/runtime';
import { planSyntheticModel, plantsSparsity, SHAPES } from '@thermocline/synth';
import { formatShare } from '../format.js';
import { table } from '../table.js';
import { print, printJson } from '../terminal.js';

/** The shapes that can be written, with their sizes in four bits. */
export function listShapes(json = false): void {
  const shapes = Object.keys(SHAPES).map((name) => {
    const { recipe, parameters, bytes } = planSyntheticModel(name);
    const { about, arch, layers, fullLayers, dModel, nFf, activation, sparsity } = recipe.shape;
    return {
      name,
      about,
      arch,
      layers,
      full_layers: fullLayers ?? layers,
      d_model: dModel,
      n_ff: nFf,
      activation,
      sparsity: plantsSparsity(recipe.shape) ? sparsity : 0,
      parameters,
      q4_0_bytes: bytes,
    };
  });
  if (json) {
    printJson({ shapes });
    return;
  }
  const rows = shapes.map((shape) => [
    shape.name,
    shape.layers < shape.full_layers
      ? `${shape.layers} of ${shape.full_layers}`
      : String(shape.layers),
    `${shape.d_model} × ${shape.n_ff}`,
    shape.activation,
    shape.sparsity > 0 ? formatShare(shape.sparsity) : '',
    formatBytes(shape.q4_0_bytes),
    shape.about,
  ]);
  const head = ['shape', 'layers', 'width × neurons', 'activation', 'sparse', 'Q4_0', ''];
  print(table(rows, { head, right: [1, 2, 4, 5] }));
}
