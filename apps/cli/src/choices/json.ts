import type { ChoiceEvaluation, ChoiceResult, Estimate, Model } from '@thermocline/runtime';
import { lossJson } from '../loss-json.js';

/** What `choices --json` prints; accuracies are called as in the harness. */
export function choicesJson({ info }: Model, result: ChoiceEvaluation) {
  const { tasks, chance, truncated, context, bos, aborted, scores } = result;
  return {
    model: info.name,
    tasks,
    chance,
    truncated,
    context,
    bos,
    aborted,
    modes: scores.map((score) => ({
      mode: score.mode,
      measured_loss: lossJson(score.loss),
      ...estimateJson('acc', score.accuracy),
      ...estimateJson('acc_norm', score.accuracyNorm),
      ...(score.accuracyMutual && estimateJson('acc_mutual_info', score.accuracyMutual)),
      ...(score.comparison && {
        compared_with: score.comparison.with,
        agreement: score.comparison.agreement,
        agreement_norm: score.comparison.agreementNorm,
        ...estimateJson('acc_difference', score.comparison.difference),
        ...estimateJson('acc_norm_difference', score.comparison.differenceNorm),
      }),
      tps: (score.stats.tokens / score.stats.timeMs) * 1000,
    })),
  };
}

function estimateJson(name: string, { mean, standardError }: Estimate) {
  return { [name]: mean, [`${name}_stderr`]: standardError };
}

/** A line of `--details`. */
export function detailsJson({ index, task, truncated, outcomes }: ChoiceResult) {
  return {
    index,
    ...(task.id !== undefined && { id: task.id }),
    answer: task.answer,
    ...(truncated.some((tokens) => tokens > 0) && { truncated }),
    modes: Object.fromEntries(
      outcomes.map(({ mode, outcome }) => [
        mode,
        {
          log_likelihoods: outcome.logLikelihoods,
          chosen: outcome.chosen,
          chosen_norm: outcome.chosenNorm,
          ...(outcome.unconditional && {
            unconditional: outcome.unconditional,
            chosen_mutual_info: outcome.chosenMutual,
          }),
        },
      ]),
    ),
  };
}
