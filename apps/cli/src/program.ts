import { Command, Option } from 'commander';
import manifest from '../package.json' with { type: 'json' };
import {
  collect,
  listOf,
  listOfIds,
  mode,
  modes,
  number,
  share,
  weightType,
  wholeNumber,
} from './options.js';

/**
 * The command line as commander sees it. Commands are loaded when called, so that `--help` and
 * a mistyped option answer at once.
 */
export function createProgram(): Command {
  const program = new Command('thermocline')
    .description('Runs language models by computing only the neurons that fire.')
    .version(manifest.version, '-V, --version', 'print the version')
    .helpCommand(false)
    // What stands after a command is the command's; `profile merge` needs it.
    .enablePositionalOptions()
    .exitOverride()
    .showHelpAfterError('Run with --help to see what is possible.')
    .addHelpText(
      'after',
      '\nMODEL is a GGUF file or a Hugging Face folder; left out, it is the demo model.\n' +
        'Exit codes: 0 done, 1 failed, 2 wrong usage, 130 stopped with Ctrl-C.',
    );

  const run = program
    .command('run [MODEL]')
    .description('generate text after a prompt')
    .requiredOption('-p, --prompt <text>', 'text to continue; - reads it from stdin')
    .option('-n, --max-tokens <n>', 'generate at most n tokens', wholeNumber(0), 256)
    .action(async (model, options) => (await import('./commands/run.js')).run(model, options));
  withJson(withContext(withModel(withSampling(run))));

  const chat = program
    .command('chat [MODEL]')
    .description('talk with a model; Ctrl-C stops an answer, Ctrl-D leaves')
    .option('--system <text>', 'what the model is told before the first turn')
    .option('-n, --max-tokens <n>', 'tokens per answer at most', wholeNumber(1), 512)
    .action(async (model, options) => (await import('./commands/chat.js')).chat(model, options));
  withContext(withModel(withSampling(chat)));

  const logits = program
    .command('logits [MODEL]')
    .description('the most likely next tokens after a prompt')
    .option('-p, --prompt <text>', 'text; gets BOS where the model asks for it')
    .addOption(new Option('--tokens <ids>', 'token ids, taken as they are').argParser(listOfIds))
    .option('--top <k>', 'how many', wholeNumber(1), 10)
    .action(async (model, options) =>
      (await import('./commands/logits.js')).logits(model, options),
    );
  withJson(withContext(withModel(logits)));

  const evaluate = program
    .command('eval [MODEL]')
    .description('perplexity on a text, and what modes lose against dense')
    .requiredOption('--text <file>', 'a text, documents separated by <|endoftext|>, or .npy ids')
    .option('--tokens <n>', 'score at most n tokens', wholeNumber(1))
    .option('--context <n>', 'tokens per window (default: 512)', wholeNumber(2))
    .option('--compare', 'set every mode that this model can run in beside dense')
    .option('--layers', 'show the figures of every layer')
    .option('--html <file>', 'draw the figures over depth as a page with charts')
    .option('--svg <file>', 'draw them as a figure for a paper')
    .action(async (model, options) =>
      (await import('./commands/eval.js')).evaluate(model, options),
    );
  withJson(withModel(evaluate));

  const tokenize = program
    .command('tokenize [MODEL]')
    .description('the token ids of a text; vocabulary-only GGUF files work too')
    .option('--text <text>', 'text; left out, it is read from stdin as it is')
    .action(async (model, options) =>
      (await import('./commands/tokenize.js')).tokenize(model, options),
    );
  withJson(tokenize);

  const inspect = program
    .command('inspect [FILE]')
    .description('what is in a model, an artifact, a hardware file or a benchmark')
    .option('--all', 'list every tensor and every metadata entry')
    .option('--html <file>', 'draw a profile or a predictor set as a page with charts')
    .option('--svg <file>', 'draw it as a figure for a paper')
    .action(async (file, options) =>
      (await import('./commands/inspect.js')).inspect(file, options),
    );
  withJson(inspect);

  addProfile(program);
  addTrain(program);
  addChoices(program);
  addSynth(program);
  addBench(program);

  const solve = program
    .command('solve <PROFILE>')
    .description('decide where every neuron lives, and explain the plan')
    .option('-o, --output <file>', 'write the plan')
    .option('--predictors <file>', 'plan for mode predicted with these predictors')
    .addOption(
      new Option('--method <method>', 'own: made for this; highs: the general solver').choices([
        'own',
        'highs',
      ]),
    )
    .option('--time-limit <s>', 'seconds; the best plan until then counts', number(0.001, 86_400))
    .option('--all', 'list every layer')
    .action(async (path, options) => (await import('./commands/solve.js')).solve(path, options));
  withJson(withMachine(solve));

  const estimate = program
    .command('estimate [MODEL]')
    .description('will this model run there, and how fast, before anything is loaded')
    .action(async (model, options) =>
      (await import('./commands/estimate.js')).estimate(model, options),
    );
  withJson(withMachine(estimate));

  const probe = program
    .command('probe')
    .description('measure the memory tiers of this machine')
    .option('--drive <folder>', 'measure the drive that holds this folder', '.')
    .option('--no-drive', 'measure no drive')
    .option('--no-gpu', 'look for no GPU')
    .option('--name <name>', 'name of the machine in the result; default: its parts')
    .option('--threads <n>', 'threads that read memory', wholeNumber(1))
    .action(async (options) => (await import('./commands/probe.js')).probe(options));
  withJson(probe).option('-o, --output <file>', 'write a hardware file, for solve --hardware');

  const doctor = program
    .command('doctor')
    .description('explain what Thermocline finds on this machine and what it makes of it')
    .action(async (options) => (await import('./commands/doctor.js')).doctor(options));
  withJson(doctor);

  program
    .command('demo', { hidden: true })
    .description('the demo model tells a story and shows what it skipped')
    .action(async () => (await import('./commands/demo.js')).demo());
  return program;
}

/** `profile [MODEL]`, and what is done with profiles that are there. */
function addProfile(program: Command): void {
  const profile = program
    .command('profile [MODEL]')
    .description('count which neurons fire on a text; also: profile merge, profile import')
    // What stands after `merge` or `import` is theirs, also where the options have one name.
    .enablePositionalOptions()
    .option('--corpus <file...>', 'texts, folders, globs or - for stdin; NAME=PATH counts it apart')
    .option('-o, --output <file>', 'write the profile; FILE.partial keeps progress')
    .option('--tokens <n>', 'read at most n tokens, over all shards', wholeNumber(1), 131_072)
    .option('--context <n>', 'tokens per window (default: 512)', wholeNumber(1))
    .option('--shard <i/n>', 'do one part of the run; auto/N takes i from Kubernetes or Slurm')
    .option('--seed <s>', 'order in which documents are drawn', wholeNumber(0), 0)
    .option('--text-key <key>', 'field of JSON lines that holds the text (default: text)')
    .option('--sparsity <share>', 'not to count as firing, for SiLU and GELU', number(0, 1))
    .option('--no-coactivation', 'do not keep which neurons fire together')
    .option('--restart', 'forget the progress of an earlier call')
    .action(async (model, options) =>
      (await import('./commands/profile.js')).profile(model, options),
    );
  // Its --sparsity is another one than that of predictors, which it has no use for.
  profile
    .optionsGroup('How it is computed:')
    .addOption(new Option('--mode <mode>', 'how the FFN is computed').choices(modes));
  withJson(withLoading(profile));

  const merge = profile
    .command('merge <FILE...>')
    .description('add profiles of one model up: shards of a run, or runs over other texts')
    .option('-o, --output <file>', 'write the profile')
    .option('--allow-overlap', 'also where two profiles counted the same text')
    .action(async (files, options) =>
      (await import('./commands/profile-merge.js')).merge(files, options),
    );
  withJson(merge);

  const imported = profile
    .command('import <PATH...>')
    .description('make a profile of counts that another program wrote')
    .option('--model <model>', 'the model they are of; left out, the demo model')
    .option('-o, --output <file>', 'write the profile')
    .option(
      '--tokens <n>',
      'tokens they were counted on, where the files do not say',
      wholeNumber(1),
    )
    .action(async (paths, options) =>
      (await import('./commands/profile-import.js')).importProfile(paths, options),
    );
  withJson(imported);
}

/** `train [MODEL]`, and predictors that others trained. */
function addTrain(program: Command): void {
  const train = program
    .command('train [MODEL]')
    .description('train what predicts the neurons that fire; also: train import')
    .enablePositionalOptions()
    .option('--profile <file>', 'what fires how often, from profile')
    .option('--corpus <file...>', 'texts, folders, globs or - for stdin, to train on')
    .option('-o, --output <file>', 'write the predictor set; FILE.partial keeps progress')
    .addOption(
      new Option(
        '--kind <kind>',
        'trained (default), or without training: factorised, signs, gate; SiLU and GELU models: gate',
      ).choices(['trained', 'factorised', 'signs', 'gate']),
    )
    .option('--recall <share>', 'value recall to calibrate for (default: 0.985)', share)
    .option('--sparsity <share>', 'kind gate: neurons to leave out instead', share)
    .option('--budget <size>', 'of all predictors: a size such as 200MiB, or a share such as 6%')
    .option('--lookahead', 'predict from the layer before, which leaves time to fetch')
    .addOption(
      new Option('--type <type>', 'of the weights (default: q8_0)').choices([
        'f16',
        'q8_0',
        'q4_0',
      ]),
    )
    .option('--every-layer', 'also where prediction does not pay')
    .option('--tokens <n>', 'train on at most n tokens', wholeNumber(1), 131_072)
    .option('--window <n>', 'tokens per window (default: 512)', wholeNumber(2))
    .option('--epochs <n>', 'passes over them at most', wholeNumber(1))
    .option('--seed <s>', 'order of documents and of samples', wholeNumber(0), 0)
    .option('--text-key <key>', 'field of JSON lines that holds the text (default: text)')
    .option('--test <file>', 'measure the loss on this text rather than on what was held out')
    .option('--test-tokens <n>', 'tokens it is measured on (default: 8192)', wholeNumber(2))
    .option('--cache <size>', 'room for samples beside the output (default: 8GiB)')
    .option('--keep-samples', 'leave them there')
    .option('--restart', 'forget the progress of an earlier call')
    .action(async (model, options) => (await import('./commands/train.js')).train(model, options));
  // It computes in the mode that shows everything, with no predictors but those it makes.
  withJson(withLoading(train));

  const imported = train
    .command('import <PATH...>')
    .description("make a predictor set of PowerInfer's: fc1 and fc2 in .pt or GGUF files")
    .option('--model <model>', 'the model they are for; left out, the demo model')
    .option('-o, --output <file>', 'write the predictor set')
    .option('--threshold <value>', 'score above which a neuron fires, where no file says', Number)
    .option('--approximate', 'also what can be taken over only nearly')
    .action(async (paths, options) =>
      (await import('./commands/train-import.js')).importPredictors(paths, options),
    );
  withJson(imported);
}

/** `choices [MODEL]`: the one command that takes several modes. */
function addChoices(program: Command): void {
  const choices = program
    .command('choices [MODEL]')
    .description('how often a model picks the right one of several answers, as the harness counts')
    .requiredOption('--tasks <file>', 'JSON lines of context, choices and answer')
    .addOption(
      new Option(
        '--mode <mode...>',
        'how the FFN is computed; several are compared task by task; auto as in run',
      ).choices([...modes, 'auto']),
    )
    .addOption(maxLoss())
    .option('--limit <n>', 'answer the first n tasks', wholeNumber(1))
    .option('--delimiter <text>', 'between context and choice (default: one space)')
    .option('--details <file>', 'write what was made of each task, as JSON lines')
    .action(async (model, options) =>
      (await import('./commands/choices.js')).choices(model, options),
    );
  withJson(withContext(withLoading(withPredictors(choices))));
}

/** `bench [MODEL…]`, and what is done with its results. */
function addBench(program: Command): void {
  const counts = (least: number) => listOf(wholeNumber(least));
  const bench = program
    .command('bench [MODEL...]')
    .description(
      'how fast models run, in every mode and beside other engines; also: bench compare, bench kernels',
    )
    .enablePositionalOptions()
    .optionsGroup('What is measured:')
    .option('--mode <modes>', 'dense,exact,… (default: all that the model runs in)', listOf(mode))
    .option('--threads <list>', 'threads that compute (default: the cores)', counts(1))
    .option('--batch <list>', 'sequences that decode together', counts(1), [1])
    .option('--context <list>', 'tokens in the cache before decoding', counts(0), [0])
    .option('--busy-core [list]', 'cores kept busy meanwhile, such as 0,1', counts(0))
    .option('--prompt-tokens <n>', 'of the prefill; 0: none', wholeNumber(0), 512)
    .option('--generate <n>', 'tokens to decode; 0: none', wholeNumber(0), 128)
    .option('--rounds <n>', 'processes per case', wholeNumber(1), 3)
    .addOption(
      new Option('--decode <how>', 'given tokens, or the most likely in the own loop')
        .choices(['forced', 'greedy'])
        .default('forced'),
    )
    .addOption(
      new Option('--round-order <order>', 'of the cases: back and forth, or always the same')
        .choices(['alternating', 'fixed'])
        .default('alternating'),
    )
    .option('--seed <s>', 'of the given tokens', wholeNumber(0), 0)
    .option('--time-limit <s>', 'seconds a process may take', number(0.1, 86_400), 600)
    .option('--idle-wait <s>', 'seconds to wait for an idle machine; 0: none', number(0, 3600), 10)
    .optionsGroup('Beside other engines:')
    .option('--peer <name>', 'node-llama-cpp or node-llama-cpp=FOLDER', collect)
    .option('--peer-url <url>', "a server of OpenAI's protocol: http://host:port/v1", collect)
    .option('--peer-model <name>', 'its model (default: the first it lists)')
    .option('--peer-key-env <variable>', 'environment variable that holds its key')
    .option('--peer-command <template>', 'a program, with {model} {threads} {prompt} …', collect)
    .option('--peer-pattern <regex>', 'how to read its output; else it is JSON of llama-bench')
    .optionsGroup('How it is computed:')
    .option('--predictors <file>', 'for mode predicted or threshold, from train')
    .option('--recall <share>', 'run the predictors at this value recall', share)
    .option('--sparsity <share>', 'run them so that this share of the neurons is left out', share)
    .addOption(new Option('--kv-type <type>', 'type of the KV cache').choices(['f16', 'f32']))
    .option('--kernels <set>', 'kernel set; doctor lists them')
    .option('--plan <file>', 'where the neurons live, from solve')
    .action(async (models, options) =>
      (await import('./commands/bench.js')).bench(models, options),
    );
  withJson(bench)
    .option('-o, --output <file>', 'write the result as JSON, for bench compare')
    .option('--csv <file>', 'write every round as a row of a table')
    .option('--html <file>', 'draw the result as a page with charts')
    .option('--svg <file>', 'draw it as a figure for a paper');

  const compare = bench
    .command('compare <BEFORE> <AFTER>')
    .description('judge two results case by case; exit code 1 when something is slower')
    .option('--threshold <share>', 'change that counts as none', share, 0.05)
    .option('--confidence <share>', 'of the intervals', share, 0.95)
    .option('--other-machine', 'also where they ran on different machines')
    .option('--markdown', 'print a table for a pull request or a step summary')
    .action(async (before, after, options) =>
      (await import('./commands/bench-compare.js')).benchCompare(before, after, options),
    );
  withJson(compare);

  const kernels = bench
    .command('kernels')
    .description('how near each kernel comes to what the machine can do')
    .option('--kernel <names>', 'read,rows,… (default: all)', listOf(String))
    .option('--type <types>', 'weight types (default: F16,Q8_0,Q4_0,Q4_K)', listOf(weightType))
    .option('--threads <list>', 'threads that compute (default: the cores)', counts(1))
    .option('--tokens <n>', 'that pass together in gemm and down-batch', wholeNumber(1))
    .option('--kernels <set>', 'kernel set; doctor lists them')
    .option('--working-set <size>', 'memory read in a pass, far beyond the caches', '256MiB')
    .option('--passes <n>', 'of which the best counts', wholeNumber(1), 12)
    .action(async (options) => (await import('./commands/bench-kernels.js')).benchKernels(options));
  withJson(kernels);
}

/** `synth [SHAPE]`, and whether a file does what was planted in it. */
function addSynth(program: Command): void {
  const synth = program
    .command('synth [SHAPE]')
    .description('write a model of a known shape with random weights and planted sparsity')
    .enablePositionalOptions()
    .option('-o, --output <file>', 'write the model, a GGUF file')
    .option('--list', 'name the shapes')
    .addOption(
      new Option('--type <type>', 'of the weights; the numbers are the same in all')
        .choices(['F16', 'Q8_0', 'Q4_0'])
        .default('Q4_0'),
    )
    .addOption(
      new Option('--layout <layout>', 'usual: for every program; packed: a down row per neuron')
        .choices(['usual', 'packed'])
        .default('usual'),
    )
    .addOption(
      new Option('--order <order>', 'of the neurons of a layer; hottest-first: as packing does')
        .choices(['random', 'hottest-first'])
        .default('random'),
    )
    .option('--sparsity <share>', "neurons that are left at zero (default: the shape's)", share)
    .option('--skew <a>', 'exponent of the power law of firing rates (default: 0.8)', number(0, 2))
    .option('--rank <n>', 'columns that tell what fires (default: width / 7)', wholeNumber(32))
    .option('--predictability <p>', 'how much of it they tell (default: 0.95)', share)
    .option('--layers <n>', "layers to write (default: the shape's)", wholeNumber(1))
    .option('--seed <s>', 'same seed, same bytes (default: 1)', wholeNumber(0))
    .option('--predictors <file>', 'also write the predictors that are planted')
    .option('--over-prediction <r>', 'theirs, per firing neuron (default: 1.25)', number(0.5, 10))
    .action(async (shape, options) => (await import('./commands/synth.js')).synth(shape, options));
  withJson(synth);

  const verify = synth
    .command('verify <MODEL>')
    .description('do the neurons fire as often as was planted? exit code 1 beyond 10 %')
    .option('--tokens <n>', 'random tokens to read', wholeNumber(1), 4096)
    .action(async (model, options) =>
      (await import('./commands/synth-verify.js')).verify(model, options),
    );
  withJson(withLoading(verify));
}

/** What every command that loads a model takes. */
function withModel(command: Command): Command {
  command
    .optionsGroup('How it is computed:')
    .addOption(
      new Option(
        '--mode <mode>',
        'how the FFN is computed; auto: the fastest within --max-loss',
      ).choices([...modes, 'auto']),
    )
    .addOption(maxLoss());
  return withLoading(withPredictors(command));
}

function maxLoss(): Option {
  const meaning = 'perplexity that --mode auto may lose (default: 1%)';
  return new Option('--max-loss <share>', meaning).argParser(share);
}

/** What chooses neurons in the lossy modes. */
function withPredictors(command: Command): Command {
  return command
    .optionsGroup('How it is computed:')
    .option('--predictors <file>', 'what predicts the neurons that fire, from train')
    .option('--recall <share>', 'run the predictors at this value recall', share)
    .option('--sparsity <share>', 'run them so that this share of the neurons is left out', share);
}

/** How a model is loaded. */
function withLoading(command: Command): Command {
  return command
    .optionsGroup('How it is computed:')
    .option('--ram <size>', 'system memory that may be used, such as 8GiB')
    .option('--vram <size>', 'GPU memory that may be used')
    .option('--threads <n>', 'threads that compute', wholeNumber(1))
    .addOption(new Option('--kv-type <type>', 'type of the KV cache').choices(['f16', 'f32']))
    .option('--kernels <set>', 'kernel set; doctor lists them')
    .option('--plan <file>', 'where the neurons live, from solve; its budgets hold');
}

/** What every command takes that places neurons on a machine. */
function withMachine(command: Command): Command {
  return command
    .optionsGroup('The machine and its work:')
    .option(
      '--hardware <name>',
      'a shipped machine or a file of probe; left out: this one, measured',
    )
    .option('--ram <size>', 'system memory that may be used, such as 8GiB')
    .option('--vram <size>', 'GPU memory that may be used')
    .addOption(
      new Option('--objective <objective>', 'what to make best').choices(['latency', 'impact']),
    )
    .addOption(new Option('--mode <mode>', 'how the FFN will be computed').choices(modes))
    .option('--context <n>', 'tokens the KV cache holds', wholeNumber(1))
    .addOption(new Option('--kv-type <type>', 'type of the KV cache').choices(['f16', 'f32']))
    .option('--over-prediction <r>', 'neurons predicted per firing one', number(1, 100));
}

function withContext(command: Command): Command {
  return command.option('--context <n>', 'context length in tokens', wholeNumber(1));
}

function withSampling(command: Command): Command {
  return command
    .optionsGroup('What is said:')
    .option('--temp <t>', 'temperature; 0 takes the most likely token', number(0, 100), 0)
    .option('--top-k <k>', 'keep the k most likely tokens; 0: all', wholeNumber(0), 0)
    .option('--top-p <p>', 'keep the likeliest tokens up to this probability', number(0, 1), 1)
    .option('--min-p <p>', "drop tokens below this share of the likeliest's", number(0, 1), 0)
    .option('--repeat-penalty <r>', 'make recent tokens less likely; 1: off', number(0, 100), 1)
    .option('--seed <s>', 'same seed, same tokens', wholeNumber(0), 0)
    .option('--stop <text>', 'end before this text; may be given several times', collect)
    .option('--ignore-eos', 'go on past the end-of-text token');
}

function withJson(command: Command): Command {
  return command
    .optionsGroup('Output:')
    .option('--json', 'print one JSON object on stdout and nothing else there');
}
