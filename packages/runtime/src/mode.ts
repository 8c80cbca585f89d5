import {
  type EngineInfo,
  hasExactZeros,
  MODES,
  type Mode,
  PipelineError,
} from '@thermocline/contracts';
import { isLossy } from './is-lossy.js';
import type { Model } from './model.js';
import { type NamedLoss, namedLoss } from './use-predictors.js';

/**
 * The mode a call runs in: the one asked for, else the model's own.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when there is no such mode, `MODE_UNSUPPORTED` when the
 * model or this release cannot run in it; the message says what is missing
 *
 * @example
 * resolveMode(model.info, undefined); // 'exact' for a ReLU-gated model
 */
export function resolveMode(info: EngineInfo, mode: string | undefined): Mode {
  if (mode === undefined) return info.defaultMode;
  const known = MODES.find((name) => name === mode);
  if (known === undefined) {
    const reason = `there is no mode "${mode}"; the modes are ${MODES.join(', ')}`;
    throw new PipelineError('INVALID_ARGUMENT', `--mode: ${reason}.`, { argument: 'mode', reason });
  }
  if (info.modes.includes(known)) return known;
  const reason = whatIsMissing(known, info);
  const message = `${reason} This model runs in: ${info.modes.join(', ')}.`;
  throw new PipelineError('MODE_UNSUPPORTED', message, { reason });
}

/**
 * What a mode is known to lose; `null` where nothing is lost or nothing is known. Mode `threshold`
 * changes what every token is made of, so it is refused where its cost was never measured.
 *
 * @throws PipelineError `MODE_UNSUPPORTED`
 */
export function requireNamedLoss({ predictors }: Model, mode: Mode): NamedLoss | null {
  if (!isLossy(mode)) return null;
  const loss = predictors && namedLoss(predictors, mode);
  if (loss !== null || mode !== 'threshold') return loss;
  const reason = 'its cost at these thresholds was not measured';
  throw new PipelineError(
    'MODE_UNSUPPORTED',
    `Mode "threshold" does not run here: ${reason}. \`thermocline train --kind gate\` measures as it calibrates; stay within the sparsities it tried.`,
    { reason },
  );
}

function whatIsMissing(mode: Mode, { model }: EngineInfo): string {
  switch (mode) {
    case 'predicted':
      if (!hasExactZeros(model)) {
        return `Mode "predicted" is for the ReLU family; with the activation "${model.activation}" every neuron fires, and mode "threshold" is what leaves some out.`;
      }
      return 'Mode "predicted" needs a predictor set for this model, and none is loaded: --predictors FILE, from `thermocline train`.';
    case 'threshold':
      return 'Mode "threshold" needs a predictor set of gates for this model, and none is loaded: --predictors FILE, from `thermocline train --kind gate`.';
    case 'exact':
      return `Mode "exact" skips neurons that are exactly zero, and with the activation "${model.activation}" none are.`;
    case 'dense':
      return 'Mode "dense" is not offered by this engine.';
  }
}
