import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PickleError, readTensorPickle } from './read-tensor-pickle.js';

const text = (value: string) => {
  const bytes = Buffer.from(value);
  return Buffer.from([0x58, bytes.length, 0, 0, 0, ...bytes]);
};
const code = (...values: (number | string | Buffer)[]) =>
  Buffer.concat(
    values.map((value) => {
      if (typeof value === 'number') return Buffer.of(value);
      return typeof value === 'string' ? Buffer.from(value, 'latin1') : value;
    }),
  );
const int = (value: number) => {
  const bytes = Buffer.alloc(5, 0x4a);
  bytes.writeInt32LE(value, 1);
  return bytes;
};

interface Parts {
  storage?: string;
  length?: Buffer;
  offset?: Buffer;
  shape?: Buffer;
  strides?: Buffer;
}

/** As torch writes a tensor; 20 numbers in one dimension unless asked otherwise. */
function pickle(parts: Parts = {}): Buffer {
  const { storage = 'torch\nLongStorage\n', length = int(20), offset = int(0) } = parts;
  const { shape = code(int(20), 0x85), strides = code(int(1), 0x85) } = parts;
  const id = code('((', text('storage'), 'c', storage, text('0'), text('cpu'), length, 'tQ');
  const hooks = code(0x89, 'ccollections\nOrderedDict\n)R');
  return code(
    0x80,
    2,
    'ctorch._utils\n_rebuild_tensor_v2\n',
    id,
    offset,
    shape,
    strides,
    hooks,
    'tR.',
  );
}

describe('readTensorPickle', () => {
  it('describes a tensor', () => {
    expect(readTensorPickle(pickle())).toEqual({
      type: 'i64',
      key: '0',
      storageLength: 20,
      offset: 0,
      shape: [20],
      strides: [1],
    });
  });

  it('refuses names of globals that are no text at once, however they are nested', () => {
    const doubling = Array.from({ length: 40 }, (_, i) => code('q', i, 'h', i, 0x86));
    const name = code(text('x'), 0x93, '.');
    for (const module of [code(')', ...doubling), code(')', Buffer.alloc(900_000, 0x85))]) {
      const pickle = code(0x80, 2, module, name);
      expect(() => readTensorPickle(pickle)).toThrow(PickleError);
      expect(() => readTensorPickle(pickle)).toThrow('the name of a global is no text');
    }
  });

  it.each([
    ['a tuple', code('(', 0x85, text('x'), 0x93, '.')],
    ['the memo', code('(q', 0, 'h', 0, 't.')],
    ['a global', code('(', text('x'), 0x93, '.')],
  ])('refuses a mark in %s', (_, rest) => {
    const pickle = code(0x80, 2, rest);
    expect(() => readTensorPickle(pickle)).toThrow(PickleError);
    expect(() => readTensorPickle(pickle)).toThrow('a mark is no value');
  });

  it.each([
    [
      'runs no program',
      code(0x80, 2, 'cos\nsystem\n', text('id'), 0x85, 'R.'),
      /GLOBAL at byte 2 .*"os\.system"/,
    ],
    [
      'nor one by another way',
      code(0x80, 4, text('os'), text('system'), 0x93, '.'),
      /STACK_GLOBAL at byte 20 .*os\.system/,
    ],
    ['nor by INST', code('(ios\nsystem\n.'), /INST at byte 1/],
    [
      'nor through a storage',
      pickle({ storage: 'torch\nload\n' }),
      /GLOBAL at byte 49 .*torch\.load/,
    ],
    ['names no prototype', pickle({ storage: 'torch\nconstructor\n' }), /torch\.constructor/],
    ['calls no number', code('K', 1, ')R.'), /REDUCE at byte 3 .*cannot be called/],
    ['calls no storage type', code('ctorch\nLongStorage\n)R.'), /cannot be called/],
    ['has no unknown opcode', code(0xff), /0xff at byte 0/],
    ['builds nothing', code('N', 'Nb.'), /BUILD at byte 2/],
    ['ends', code(0x80, 2), /byte 2 .*ends too early/],
    ['has no text of 4 GiB', code('X', 0xff, 0xff, 0xff, 0xff), /ends too early/],
    [
      'has no number of 255 bytes',
      code(0x8a, 255, Buffer.alloc(255, 1)),
      /LONG1 at byte 0 .*too large/,
    ],
    ['has no number beyond exact ones', code(0x8a, 8, Buffer.alloc(8, 0x7f)), /too large/],
    ['pops nothing from nothing', code('t.'), /no mark/],
    ['reduces nothing', code('R.'), /too little on the stack/],
    ['remembers nothing', code('h', 3, '.'), /BINGET at byte 0/],
    ['saves one value', code('NN.'), /more than one value/],
    ['saves a tensor', code('N.'), /no tensor/],
    ['stays in its storage', pickle({ length: int(19) }), /reaches beyond/],
    ['also with an offset', pickle({ offset: int(1) }), /reaches beyond/],
    ['also with strides', pickle({ strides: code(int(2), 0x85) }), /reaches beyond/],
    ['has no negative stride', pickle({ strides: code(int(-1), 0x85) }), /not the parts/],
    ['has no negative shape', pickle({ shape: code(int(-1), 0x85) }), /not the parts/],
    [
      'has a stride for every size',
      pickle({ strides: code(int(1), int(1), 0x86) }),
      /not the parts/,
    ],
    ['has a storage of some length', pickle({ length: Buffer.from('N') }), /names no storage/],
  ])('%s', (_, bytes, message) => {
    expect(() => readTensorPickle(bytes)).toThrow(PickleError);
    expect(() => readTensorPickle(bytes)).toThrow(message);
  });

  it('gives a tensor within its storage or an error for every mutation', () => {
    const sound = pickle({
      shape: code(int(4), int(5), 0x86),
      strides: code(int(5), int(1), 0x86),
    });
    const change = fc.record({
      at: fc.nat(sound.length),
      remove: fc.nat(8),
      insert: fc.uint8Array({ maxLength: 8 }),
    });
    let survived = 0;
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        let bytes: Buffer = sound;
        for (const { at, remove, insert } of changes) {
          bytes = Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + remove)]);
        }
        try {
          const { shape, strides, offset, storageLength } = readTensorPickle(bytes);
          const last = shape.reduce((sum, n, i) => sum + (n - 1) * (strides[i] as number), offset);
          expect(shape.includes(0) || last < storageLength).toBe(true);
          survived++;
        } catch (error) {
          expect(error).toBeInstanceOf(PickleError);
        }
      }),
      { numRuns: 5000 },
    );
    expect(survived).toBeGreaterThan(0);
  });

  it('takes a time that grows with the file only', () => {
    // Each level doubles what a program that unfolds it would have to build: 2^200,000.
    const levels = code('N', Buffer.alloc(1_000_000, code('q', 0, 'h', 0, 0x86)), '.');
    const start = performance.now();
    expect(() => readTensorPickle(levels)).toThrow(/no tensor/);
    expect(performance.now() - start).toBeLessThan(5000);
  });
});
