import { expectTypeOf } from 'vitest';
import type { Artifact } from './artifact.js';
import type { TensorArray } from './tensor.js';

declare const artifact: Artifact;
expectTypeOf(artifact.read('x', 'I64')).resolves.toEqualTypeOf<BigInt64Array>();
expectTypeOf(artifact.read('x', 'BF16')).resolves.toEqualTypeOf<Uint16Array>();
expectTypeOf<TensorArray<'F32' | 'I8'>>().toEqualTypeOf<Float32Array | Int8Array>();
// @ts-expect-error not a type an artifact can hold
void artifact.read('x', 'F8_E4M3');
