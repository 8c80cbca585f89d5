import { describe, expect, it } from 'vitest';
import { parseModelInfo } from './model-info.js';
import { sampleModel } from './testing/sample-artifacts.js';

describe('parseModelInfo', () => {
  it('reads what JSON.stringify writes', () => {
    expect(parseModelInfo(JSON.parse(JSON.stringify(sampleModel())))).toEqual(sampleModel());
  });

  it.each<[string, object]>([
    ['layers', { layers: 0 }],
    ['n_ff', { layers: 13 }],
    ['n_ff.2', { n_ff: [8, 8, -1] }],
    ['n_ff', { experts: 8 }],
    ['kv_heads', { kv_heads: 3 }],
    ['d_model', { d_model: 2 ** 60 }],
    ['vocab', { vocab: '256' }],
    ['weight_types', { weight_types: undefined }],
  ])('names %s when it is wrong', (field, change) => {
    const attempt = () => parseModelInfo({ ...sampleModel(), ...change });
    expect(attempt).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
    expect(attempt).toThrow(field);
  });
});
