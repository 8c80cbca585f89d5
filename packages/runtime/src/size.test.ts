import { describe, expect, it } from 'vitest';
import { formatBytes, parseSize } from './size.js';

describe('parseSize', () => {
  it.each([
    ['0', 0],
    ['123', 123],
    ['7B', 7],
    ['8GiB', 8 * 2 ** 30],
    ['8gib', 8 * 2 ** 30],
    ['8G', 8 * 2 ** 30],
    ['8GB', 8e9],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['512MiB', 512 * 2 ** 20],
    ['64k', 65536],
    ['2TiB', 2 * 2 ** 40],
    [' 3MB ', 3e6],
    ['0.3B', 0],
  ])('reads %s', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  it.each(['', 'GiB', '-1', '8 GiB more', '1e3', '8XiB', '8iB', 'NaN', '0x10', '99999999PiB'])(
    'refuses "%s"',
    (text) => {
      expect(() => parseSize(text)).toThrow(/is not a size/);
    },
  );
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [1023, '1023 B'],
    [1024, '1.0 KiB'],
    [16_138_528, '15.4 MiB'],
    [200 * 2 ** 20, '200 MiB'],
    [2 ** 20 - 1, '1.0 MiB'],
    [1.5 * 2 ** 30, '1.5 GiB'],
  ])('writes %d', (bytes, text) => {
    expect(formatBytes(bytes)).toBe(text);
  });
});
