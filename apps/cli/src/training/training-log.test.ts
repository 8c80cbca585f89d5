import { describe, expect, it } from 'vitest';
import { TrainingLog } from './training-log.js';

describe('TrainingLog', () => {
  it('writes a line for each layer, and one where there was none for long', () => {
    const lines: string[] = [];
    let now = 0;
    const log = new TrainingLog(
      3,
      (line) => lines.push(line),
      () => now,
    );
    log.layer({ layer: 0, kind: 'trained', rank: 96, reason: '', resumed: true });
    now = 20_000;
    log.progress({ phase: 'collect', fraction: 0.2 });
    now = 31_000;
    log.progress({ phase: 'collect', fraction: 0.43 });
    now = 41_000;
    log.progress({ phase: 'train', layer: 1, fraction: 0.5 });
    log.layer({ layer: 1, kind: 'trained', rank: 160, reason: '', resumed: false });
    now = 41_600;
    const reason = '95.0 % of its neurons fire';
    log.layer({ layer: 2, kind: 'none', reason, resumed: false });
    expect(lines).toEqual([
      'layer 0 (1 of 3): trained, width 96, from an earlier call',
      'watching the model read, 43 %',
      'layer 1 (2 of 3): trained, width 160, 41 s',
      'layer 2 (3 of 3): no predictor, 95.0 % of its neurons fire, 1 s',
    ]);
  });
});
