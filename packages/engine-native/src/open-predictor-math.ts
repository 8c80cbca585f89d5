import { native } from './binding.js';
import { checkInteger, checkOptions } from './check-arguments.js';
import { hostInfo } from './host-info.js';
import { toPipelineError } from './native-error.js';
import { NativePredictorMath } from './predictor-math.js';

export interface OpenPredictorMathOptions {
  /** Threads to fit and score with; default: the cores. */
  threads?: number;
}

/**
 * The arithmetic that predictors are trained and measured with, in C++ on all cores. Calls of one
 * object wait for one another.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `NATIVE_BINARY_MISSING`
 *
 * @example
 * await using math = await openPredictorMath();
 * const { predictor } = await math.fit(train, heldOut, { kind: 'trained', rank: 96 });
 */
export async function openPredictorMath(
  options: OpenPredictorMathOptions = {},
): Promise<NativePredictorMath> {
  checkOptions(options);
  const threads = checkInteger(options.threads ?? hostInfo().cpu.cores, 'threads', 1, 1024);
  try {
    return new NativePredictorMath(native().openMath(threads));
  } catch (error) {
    throw toPipelineError(error);
  }
}
