import { describe, expect, it } from 'vitest';
import { CTRL_C, CTRL_D, onTerminal, terminalMissing } from '../testing/on-terminal.js';
import { runCli } from '../testing/run-cli.js';

describe('thermocline chat', () => {
  it('takes a turn per line from a pipe, and says what the model is not', async () => {
    const stdin = 'Once upon a time\n\nThen\n/reset\nOnce upon a time\n';
    const { code, stdout, stderr } = await runCli(['chat', '-n', '6'], { stdin });
    expect(code).toBe(0);
    expect(stderr).toMatch(/no chat template: it does not answer, it continues/);
    const answers = stdout.trimEnd().split('\n');
    // After a reset the same turn has the same answer.
    expect(answers[0]).toBe(answers.at(-1));
    expect(stderr.match(/ of neurons fired /g)).toHaveLength(3);
    expect(stdout + stderr).not.toContain('\x1b');
  });

  it('goes on after a turn that does not fit, and says what to do', async () => {
    const stdin = `${'word '.repeat(600)}\nOnce\n`;
    const { code, stdout, stderr } = await runCli(['chat', '-n', '4'], { stdin });
    expect(code).toBe(0);
    expect(stderr).toMatch(/CONTEXT_OVERFLOW/);
    expect(stderr).toMatch(/holds 0 tokens\. \/reset/);
    expect(stdout.trim()).not.toBe('');
  });

  const missing = terminalMissing();
  describe.skipIf(missing !== undefined)(`on a terminal${missing ? ` (${missing})` : ''}`, () => {
    it('stops the answer at Ctrl-C and not the program', async () => {
      const { code, output, failed } = await onTerminal(
        ['chat', '-n', '100000', '--context', '512', '--ignore-eos', '--threads', '1'],
        [
          { expect: '›' },
          { send: 'Once upon a time\r' },
          { expect: ' ' },
          { expect: 'the' },
          { send: CTRL_C },
          { expect: 'neurons fired' },
          { expect: '›' },
          { send: '/help\r' },
          { expect: '/reset' },
          { expect: '›' },
          { send: CTRL_D },
        ],
      );
      expect({ failed, code }).toEqual({ failed: null, code: 0 });
      expect(output).not.toContain('error:');
    });

    it('leaves at the second Ctrl-C at the prompt, not at the first', async () => {
      const { code, failed } = await onTerminal(
        ['chat'],
        [
          { expect: '›' },
          { send: CTRL_C },
          { expect: 'Ctrl-C again' },
          { expect: '›' },
          { send: CTRL_C },
        ],
      );
      expect({ failed, code }).toEqual({ failed: null, code: 0 });
    });
  });
});
