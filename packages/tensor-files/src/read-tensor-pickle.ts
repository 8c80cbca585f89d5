import { opcodeName } from './pickle-opcodes.js';
import type { ElementType } from './stored-array.js';

/** Storages of numbers. Others (complex, quantised, bool) are not read. */
const STORAGES: Record<string, ElementType> = {
  CharStorage: 'i8',
  ByteStorage: 'u8',
  ShortStorage: 'i16',
  IntStorage: 'i32',
  LongStorage: 'i64',
  HalfStorage: 'f16',
  BFloat16Storage: 'bf16',
  FloatStorage: 'f32',
  DoubleStorage: 'f64',
};

/** What a pickle says of a tensor. */
export interface TensorDescription {
  type: ElementType;
  /** Names the storage among those of the archive. */
  key: string;
  /** Elements of the storage. */
  storageLength: number;
  /** Element with which the tensor begins. */
  offset: number;
  shape: number[];
  strides: number[];
}

class Storage {
  constructor(
    readonly type: ElementType,
    readonly key: string,
    readonly length: number,
  ) {}
}
class Tensor {
  constructor(readonly description: TensorDescription) {}
}
class StorageType {
  constructor(readonly type: ElementType) {}
}
/** An OrderedDict or a dict. The hooks of a tensor are an empty one. */
class Dict extends Map<string, Value> {}
const MARK = Symbol('mark');
const REBUILD_TENSOR = Symbol('torch._utils._rebuild_tensor_v2');
const ORDERED_DICT = Symbol('collections.OrderedDict');

type Value =
  | number
  | string
  | boolean
  | null
  | symbol
  | Storage
  | StorageType
  | Tensor
  | Dict
  | readonly Value[];

/** What is wrong with a pickle; the offset is a byte of it. */
export class PickleError extends Error {}

/**
 * Reads the pickle that `torch.save` writes of one dense tensor. It is a small machine that knows
 * the opcodes such a pickle has and three globals, and refuses everything else: nothing is
 * imported, called or built but the description of a tensor. Every step takes at least one byte,
 * so it ends; nothing is larger than the pickle.
 *
 * @throws PickleError naming opcode and offset
 */
export function readTensorPickle(bytes: Buffer): TensorDescription {
  const machine = new PickleMachine(bytes, TENSOR_NEEDS);
  const value = machine.run();
  if (value instanceof Tensor) return value.description;
  throw machine.error('what was saved is no tensor');
}

/**
 * The same of the pickle of `model.state_dict()`: a dictionary of names and dense tensors. What
 * torch attaches to it (versions of modules) is read and forgotten.
 *
 * @throws PickleError naming opcode and offset
 */
export function readStateDictPickle(bytes: Buffer): Map<string, TensorDescription> {
  const machine = new PickleMachine(bytes, STATE_DICT_NEEDS);
  const value = machine.run();
  if (!(value instanceof Dict)) throw machine.error('what was saved is no dictionary of tensors');
  const tensors = new Map<string, TensorDescription>();
  for (const [name, entry] of value) {
    if (!(entry instanceof Tensor)) {
      throw machine.error(`${JSON.stringify(name.slice(0, 80))} is no tensor`);
    }
    tensors.set(name, entry.description);
  }
  return tensors;
}

/** What else than the opcodes of one tensor is followed, and what a refusal says of others. */
interface Needs {
  dictionaries: boolean;
  refusal: string;
}
const TENSOR_NEEDS: Needs = {
  dictionaries: false,
  refusal: 'a plain tensor needs no such opcode',
};
const STATE_DICT_NEEDS: Needs = {
  dictionaries: true,
  refusal: 'a dictionary of plain tensors needs no such opcode',
};
const DICTIONARY_OPCODES = new Set(['EMPTY_DICT', 'SETITEM', 'SETITEMS', 'BUILD']);

class PickleMachine {
  #at = 0;
  /** Where the opcode at work begins. */
  #opcodeAt = 0;
  readonly #stack: Value[] = [];
  readonly #memo = new Map<number, Value>();

  constructor(
    private readonly bytes: Buffer,
    private readonly needs: Needs,
  ) {}

  run(): Value {
    for (;;) {
      this.#opcodeAt = this.#at;
      const code = this.#take(1)[0] as number;
      if (code === 0x2e) return this.#stop();
      this.#step(code);
    }
  }

  #step(code: number): void {
    const stack = this.#stack;
    const name = opcodeName(code);
    if (DICTIONARY_OPCODES.has(name) && !this.needs.dictionaries) {
      throw this.error(this.needs.refusal);
    }
    switch (name) {
      case 'PROTO':
        this.#require((this.#take(1)[0] as number) <= 5, 'the protocol is not known');
        return;
      case 'FRAME':
        this.#take(8);
        return;
      case 'MARK':
        stack.push(MARK);
        return;
      case 'NONE':
        stack.push(null);
        return;
      case 'NEWTRUE':
        stack.push(true);
        return;
      case 'NEWFALSE':
        stack.push(false);
        return;
      case 'BININT':
        stack.push(this.#take(4).readInt32LE());
        return;
      case 'BININT1':
        stack.push(this.#take(1)[0] as number);
        return;
      case 'BININT2':
        stack.push(this.#take(2).readUInt16LE());
        return;
      case 'LONG1':
        stack.push(this.#long());
        return;
      case 'BINUNICODE':
        stack.push(this.#take(this.#take(4).readUInt32LE()).toString('utf8'));
        return;
      case 'SHORT_BINUNICODE':
        stack.push(this.#take(this.#take(1)[0] as number).toString('utf8'));
        return;
      case 'EMPTY_TUPLE':
        stack.push([]);
        return;
      case 'TUPLE1':
      case 'TUPLE2':
      case 'TUPLE3':
        stack.push(this.#popMany(code - 0x84));
        return;
      case 'TUPLE':
        stack.push(this.#popToMark());
        return;
      case 'BINPUT':
        this.#remember(this.#take(1)[0] as number);
        return;
      case 'LONG_BINPUT':
        this.#remember(this.#take(4).readUInt32LE());
        return;
      case 'MEMOIZE':
        this.#remember(this.#memo.size);
        return;
      case 'BINGET':
        stack.push(this.#remembered(this.#take(1)[0] as number));
        return;
      case 'LONG_BINGET':
        stack.push(this.#remembered(this.#take(4).readUInt32LE()));
        return;
      case 'GLOBAL':
        stack.push(this.#global(this.#line(), this.#line()));
        return;
      case 'STACK_GLOBAL': {
        const [module, name] = this.#popMany(2);
        stack.push(this.#global(module, name));
        return;
      }
      case 'BINPERSID':
        stack.push(this.#storage(this.#pop()));
        return;
      case 'REDUCE': {
        const [callable, args] = this.#popMany(2);
        stack.push(this.#reduce(callable, args));
        return;
      }
      case 'EMPTY_DICT':
        stack.push(new Dict());
        return;
      case 'SETITEM':
        this.#setItems(this.#popMany(2));
        return;
      case 'SETITEMS':
        this.#setItems(this.#popToMark());
        return;
      case 'BUILD': {
        // The attributes of a dictionary. torch keeps versions of modules there, nobody else's.
        const attributes = this.#pop();
        const sound = attributes instanceof Dict && this.#top() instanceof Dict;
        this.#require(sound, 'only a dictionary may have attributes');
        return;
      }
      default:
        throw this.error(this.needs.refusal);
    }
  }

  #stop(): Value {
    const value = this.#pop();
    this.#require(this.#stack.length === 0, 'there is more than one value');
    return value;
  }

  #setItems(items: readonly Value[]): void {
    const dict = this.#top();
    if (!(dict instanceof Dict)) throw this.error('this is no dictionary');
    this.#require(items.length % 2 === 0, 'a name has no value');
    for (let i = 0; i < items.length; i += 2) {
      const name = items[i];
      if (typeof name !== 'string') throw this.error('a name is no text');
      dict.set(name, items[i + 1] as Value);
    }
  }

  #global(module: Value | undefined, name: Value | undefined): Value {
    if (module === 'torch._utils' && name === '_rebuild_tensor_v2') return REBUILD_TENSOR;
    if (module === 'collections' && name === 'OrderedDict') return ORDERED_DICT;
    if (module === 'torch' && typeof name === 'string' && Object.hasOwn(STORAGES, name)) {
      return new StorageType(STORAGES[name] as ElementType);
    }
    // A tuple that holds itself twice, and so on, would be endless as text.
    const spelt = typeof module === 'string' && typeof name === 'string';
    if (!spelt) throw this.error('the name of a global is no text');
    const asked = `${module}.${name}`.slice(0, 80);
    throw this.error(`asks for ${JSON.stringify(asked)}, which plain tensors do not need`);
  }

  #storage(id: Value): Storage {
    const [kind, type, key, , length, ...more] = Array.isArray(id) ? (id as Value[]) : [];
    const sound =
      kind === 'storage' &&
      type instanceof StorageType &&
      typeof key === 'string' &&
      isSize(length) &&
      more.length === 0;
    if (!sound) throw this.error('this names no storage of a tensor');
    return new Storage(type.type, key, length);
  }

  #reduce(callable: Value | undefined, args: Value | undefined): Value {
    if (!Array.isArray(args)) throw this.error('the arguments are no tuple');
    if (callable === ORDERED_DICT && args.length === 0) return new Dict();
    if (callable !== REBUILD_TENSOR) throw this.error('this cannot be called');
    const [storage, offset, shape, strides, , hooks] = args as Value[];
    const sound =
      args.length === 6 &&
      storage instanceof Storage &&
      isSize(offset) &&
      isSizes(shape) &&
      isSizes(strides) &&
      shape.length === strides.length &&
      hooks instanceof Dict &&
      hooks.size === 0;
    if (!sound) throw this.error('these are not the parts of a tensor');
    const reach = shape.reduce((sum, size, i) => sum + (size - 1) * (strides[i] as number), offset);
    const within = shape.includes(0) || (Number.isSafeInteger(reach) && reach < storage.length);
    this.#require(within, 'the tensor reaches beyond its storage');
    const { type, key, length: storageLength } = storage;
    return new Tensor({
      type,
      key,
      storageLength,
      offset,
      shape: [...shape],
      strides: [...strides],
    });
  }

  #long(): number {
    const length = this.#take(1)[0] as number;
    this.#require(length <= 8, 'the number is too large');
    let value = 0n;
    for (const byte of [...this.#take(length)].reverse()) value = (value << 8n) | BigInt(byte);
    const number = Number(BigInt.asIntN(8 * length, value));
    this.#require(Number.isSafeInteger(number), 'the number is too large');
    return number;
  }

  /** A line of ASCII. Names of globals are short. */
  #line(): string {
    const end = this.bytes.indexOf(0x0a, this.#at);
    this.#require(end >= 0, 'the pickle ends too early');
    const line = this.#take(end - this.#at).toString('latin1');
    this.#take(1);
    return line;
  }

  #take(length: number): Buffer {
    this.#require(length <= this.bytes.length - this.#at, 'the pickle ends too early');
    this.#at += length;
    return this.bytes.subarray(this.#at - length, this.#at);
  }

  #top(): Value {
    const value = this.#stack.at(-1);
    if (value === undefined) throw this.error('there is nothing on the stack');
    return value;
  }

  #pop(): Value {
    const value = this.#top();
    this.#stack.pop();
    return value;
  }

  #popMany(count: number): Value[] {
    this.#require(this.#stack.length >= count, 'there is too little on the stack');
    const values = this.#stack.splice(-count);
    this.#require(!values.includes(MARK), 'a mark is no value');
    return values;
  }

  #popToMark(): Value[] {
    const mark = this.#stack.lastIndexOf(MARK);
    this.#require(mark >= 0, 'there is no mark on the stack');
    return this.#stack.splice(mark).slice(1);
  }

  #remember(index: number): void {
    const value = this.#top();
    this.#require(value !== MARK, 'a mark is no value');
    this.#memo.set(index, value);
  }

  #remembered(index: number): Value {
    const value = this.#memo.get(index);
    if (value === undefined) throw this.error('nothing is remembered there');
    return value;
  }

  #require(condition: boolean, reason: string): void {
    if (!condition) throw this.error(reason);
  }

  /** An error that names the opcode at work. */
  error(reason: string): PickleError {
    const code = this.bytes[this.#opcodeAt];
    const opcode = code === undefined ? 'an opcode' : opcodeName(code);
    return new PickleError(`${opcode} at byte ${this.#opcodeAt} of the pickle: ${reason}`);
  }
}

function isSize(value: Value | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function isSizes(value: Value | undefined): value is readonly number[] {
  return Array.isArray(value) && (value as Value[]).every(isSize);
}
