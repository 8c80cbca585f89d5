import type { Mode } from '@thermocline/contracts';

/** What one mode made of one task. */
export interface ChoiceOutcome {
  /** Of each choice, nats. */
  logLikelihoods: number[];
  /** The same behind the unconditional context, where the task has one. */
  unconditional: number[] | null;
  /** The choice of the highest log-likelihood; of equals the first. */
  chosen: number;
  /** The choice of the highest log-likelihood per character. */
  chosenNorm: number;
  /** The choice whose log-likelihood gains most by the question. */
  chosenMutual: number | null;
}

/** A mean over tasks and its standard error, `null` below two tasks. */
export interface Estimate {
  mean: number;
  standardError: number | null;
}

/** How a mode compares with another one, task by task. */
export interface ChoiceComparison {
  with: Mode;
  /** Share of tasks on which both choose the same. */
  agreement: number;
  agreementNorm: number;
  /** Mean of the differences of accuracy, of this mode less the other. */
  difference: Estimate;
  differenceNorm: Estimate;
}

/** How often one mode is right. */
export interface ChoiceScore {
  mode: Mode;
  /** By the sum of log-likelihoods. */
  accuracy: Estimate;
  /** By the sum over the characters of the choice. */
  accuracyNorm: Estimate;
  /** By what the question adds; over the tasks that have an unconditional context, if any has. */
  accuracyMutual: Estimate | null;
  /** `null` for the mode the others are compared with. */
  comparison: ChoiceComparison | null;
}

/** Tells which choices a task's log-likelihoods choose. */
export function toOutcome(
  logLikelihoods: number[],
  unconditional: number[] | null,
  lengths: readonly number[],
): ChoiceOutcome {
  const each = (value: (i: number) => number) => logLikelihoods.map((_, i) => value(i));
  const likelihood = (i: number) => logLikelihoods[i] as number;
  return {
    logLikelihoods,
    unconditional,
    chosen: argmax(logLikelihoods),
    chosenNorm: argmax(each((i) => likelihood(i) / (lengths[i] as number))),
    chosenMutual:
      unconditional && argmax(each((i) => likelihood(i) - (unconditional[i] as number))),
  };
}

/** The first of the highest, as NumPy's. */
function argmax(values: readonly number[]): number {
  let best = 0;
  for (const [i, value] of values.entries()) if (value > (values[best] as number)) best = i;
  return best;
}

/** Adds up what modes made of tasks; the first mode is the one the others are compared with. */
export class ChoiceTally {
  readonly #modes: ModeTally[];

  constructor(modes: readonly Mode[]) {
    this.#modes = modes.map((mode) => ({
      mode,
      accuracy: new CountMean(),
      accuracyNorm: new CountMean(),
      accuracyMutual: new CountMean(),
      agreement: new CountMean(),
      agreementNorm: new CountMean(),
      difference: new CountMean(),
      differenceNorm: new CountMean(),
    }));
  }

  /** @param outcomes - [modes] */
  add(answer: number, outcomes: readonly ChoiceOutcome[]): void {
    const right = (chosen: number) => (chosen === answer ? 1 : 0);
    const first = outcomes[0] as ChoiceOutcome;
    for (const [i, tally] of this.#modes.entries()) {
      const { chosen, chosenNorm, chosenMutual } = outcomes[i] as ChoiceOutcome;
      tally.accuracy.add(right(chosen));
      tally.accuracyNorm.add(right(chosenNorm));
      if (chosenMutual !== null) tally.accuracyMutual.add(right(chosenMutual));
      tally.agreement.add(chosen === first.chosen ? 1 : 0);
      tally.agreementNorm.add(chosenNorm === first.chosenNorm ? 1 : 0);
      tally.difference.add(right(chosen) - right(first.chosen));
      tally.differenceNorm.add(right(chosenNorm) - right(first.chosenNorm));
    }
  }

  scores(): ChoiceScore[] {
    const reference = this.#modes[0]?.mode as Mode;
    return this.#modes.map((tally, i) => ({
      mode: tally.mode,
      accuracy: estimate(tally.accuracy),
      accuracyNorm: estimate(tally.accuracyNorm),
      accuracyMutual: tally.accuracyMutual.count > 0 ? estimate(tally.accuracyMutual) : null,
      comparison:
        i === 0
          ? null
          : {
              with: reference,
              agreement: tally.agreement.mean,
              agreementNorm: tally.agreementNorm.mean,
              difference: estimate(tally.difference),
              differenceNorm: estimate(tally.differenceNorm),
            },
    }));
  }
}

interface ModeTally {
  mode: Mode;
  accuracy: CountMean;
  accuracyNorm: CountMean;
  accuracyMutual: CountMean;
  agreement: CountMean;
  agreementNorm: CountMean;
  difference: CountMean;
  differenceNorm: CountMean;
}

/** A mean of whole numbers, whose sums are exact. */
class CountMean {
  count = 0;
  #sum = 0;
  #squares = 0;

  add(value: number): void {
    this.count += 1;
    this.#sum += value;
    this.#squares += value * value;
  }

  get mean(): number {
    return this.#sum / this.count;
  }

  /** From the spread over the tasks, with n − 1 as the harness; `null` below two. */
  get standardError(): number | null {
    const { count } = this;
    if (count < 2) return null;
    return Math.sqrt((this.#squares - this.#sum ** 2 / count) / (count - 1) / count);
  }
}

function estimate({ mean, standardError }: CountMean): Estimate {
  return { mean, standardError };
}
