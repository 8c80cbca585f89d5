/** A question with one right answer among several. */
export interface ChoiceTask {
  /** What stands before the continuation; one for all choices, or one for each. */
  context: string | readonly string[];
  /** The texts to choose from. */
  choices: readonly string[];
  /** What is scored after the contexts, where those are what differs (Winogrande). */
  continuation?: string;
  /** Index of the right choice. */
  answer: number;
  /** A context that says nothing of the question: what a choice is worth without it is taken off. */
  unconditional?: string;
  /** What the task is called in reports. */
  id?: string | number;
}

/** A text whose log-likelihood after a context is wanted. */
export interface ChoiceText {
  context: string;
  continuation: string;
}

/**
 * What is scored for a task. A choice stands behind the context and a delimiter, as in EleutherAI's
 * harness, where that is one space.
 */
export function choiceTexts(task: ChoiceTask, delimiter: string): ChoiceText[] {
  const { context, choices, continuation } = task;
  return choices.map((choice, i) => ({
    context: typeof context === 'string' ? context : (context[i] as string),
    continuation: delimiter + (continuation ?? choice),
  }));
}

/** The same without the question; `null` where the task names no such context. */
export function unconditionalTexts(task: ChoiceTask, delimiter: string): ChoiceText[] | null {
  const { unconditional } = task;
  if (unconditional === undefined) return null;
  return choiceTexts(task, delimiter).map(({ continuation }) => ({
    context: unconditional,
    continuation,
  }));
}

/**
 * By what the log-likelihood of each choice is divided for `acc_norm`: its characters, Unicode code
 * points, without the delimiter.
 */
export function choiceLengths({ choices, continuation }: ChoiceTask): number[] {
  return choices.map((choice) => [...(continuation ?? choice)].length);
}
