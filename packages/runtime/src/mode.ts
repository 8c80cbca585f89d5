import { type EngineInfo, MODES, type Mode, PipelineError } from '@thermocline/contracts';

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

function whatIsMissing(mode: Mode, { model }: EngineInfo): string {
  switch (mode) {
    case 'predicted':
      return 'Mode "predicted" needs a predictor set for this model, and none is loaded.';
    case 'threshold':
      return 'Mode "threshold" needs calibrated thresholds for this model, and none are loaded.';
    case 'exact':
      return `Mode "exact" skips neurons that are exactly zero, and with the activation "${model.activation}" none are.`;
    case 'dense':
      return 'Mode "dense" is not offered by this engine.';
  }
}
