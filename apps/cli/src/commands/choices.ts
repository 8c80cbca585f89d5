import type { Mode } from '@thermocline/contracts';
import { evaluateChoices, readChoiceTasks } from '@thermocline/runtime';
import { openDetails } from '../choices/details-file.js';
import { choicesJson, detailsJson } from '../choices/json.js';
import { showChoices, truncationNotice } from '../choices/table.js';
import { EXIT } from '../exit-codes.js';
import { Interrupt } from '../interrupt.js';
import { type ModelOptions, openModel } from '../open-model.js';
import { callerPath } from '../paths.js';
import { startProgress } from '../progress.js';
import { note, printJson } from '../terminal.js';
import { UsageError } from '../usage-error.js';

export interface ChoicesOptions extends Omit<ModelOptions, 'mode'> {
  tasks: string;
  mode?: (Mode | 'auto')[];
  limit?: number;
  delimiter?: string;
  details?: string;
  json?: boolean;
}

/** `thermocline choices`: how often a model picks the right one of several answers. */
export async function choices(path: string | undefined, options: ChoicesOptions): Promise<void> {
  using interrupt = new Interrupt();
  const { mode: modes, tasks: tasksPath, limit, delimiter, details, ...modelOptions } = options;
  const file = callerPath(tasksPath);
  if (details !== undefined && callerPath(details) === file) {
    throw new UsageError(`${file} is read: write the details to another file.`);
  }
  const tasks = await readChoiceTasks(file, limit);
  const auto = modes?.includes('auto') === true;
  const asked = { ...modelOptions, ...(auto && { mode: 'auto' as const }) };
  await using model = await openModel(path, asked, interrupt.signal);
  // Only now: an earlier file is not emptied for a model that cannot be opened.
  await using report = await openDetails(details);
  using progress = await startProgress('Answering');
  const result = await evaluateChoices(model, tasks, {
    signal: interrupt.signal,
    onProgress: (done, total) => progress.update(done, total, `${done} of ${total}`),
    onTask: (task) => report.write(detailsJson(task)),
    // What auto chose is the model's default by now.
    ...(modes !== undefined && {
      modes: modes.map((mode) => (mode === 'auto' ? model.defaultMode : mode)),
    }),
    ...(delimiter !== undefined && { delimiter }),
  });
  progress[Symbol.dispose]();
  if (options.json) printJson(choicesJson(model, result));
  else showChoices(result);
  if (result.truncated > 0) note(`note: ${truncationNotice(result)}`);
  if (!result.aborted) return;
  note('note: stopped early; these are the tasks until there.');
  process.exitCode = EXIT.interrupted;
}
