import { type ActivationSource, type Engine, PipelineError } from '@thermocline/contracts';

/**
 * The engine as something to profile: Thermocline's own is, another may be.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when the engine does not show its activations
 */
export function activationSource(engine: Engine): ActivationSource {
  if ('sum' in engine && 'observe' in engine) return engine as Engine & ActivationSource;
  const reason = 'does not show its activations (ActivationSource of @thermocline/contracts)';
  throw new PipelineError('INVALID_ARGUMENT', `This engine ${reason}.`, {
    argument: 'engine',
    reason,
  });
}
