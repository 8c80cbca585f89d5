/** Every opcode of Python's pickle up to protocol 5, so that a refused one can be named. */
const NAMES =
  '28 MARK 2e STOP 30 POP 31 POP_MARK 32 DUP 46 FLOAT 49 INT 4a BININT 4b BININT1 4c LONG 4d BININT2 ' +
  '4e NONE 50 PERSID 51 BINPERSID 52 REDUCE 53 STRING 54 BINSTRING 55 SHORT_BINSTRING 56 UNICODE ' +
  '58 BINUNICODE 61 APPEND 62 BUILD 63 GLOBAL 64 DICT 7d EMPTY_DICT 65 APPENDS 67 GET 68 BINGET ' +
  '69 INST 6a LONG_BINGET 6c LIST 5d EMPTY_LIST 6f OBJ 70 PUT 71 BINPUT 72 LONG_BINPUT 73 SETITEM ' +
  '74 TUPLE 29 EMPTY_TUPLE 75 SETITEMS 47 BINFLOAT 80 PROTO 81 NEWOBJ 82 EXT1 83 EXT2 84 EXT4 ' +
  '85 TUPLE1 86 TUPLE2 87 TUPLE3 88 NEWTRUE 89 NEWFALSE 8a LONG1 8b LONG4 42 BINBYTES ' +
  '43 SHORT_BINBYTES 8c SHORT_BINUNICODE 8d BINUNICODE8 8e BINBYTES8 8f EMPTY_SET 90 ADDITEMS ' +
  '91 FROZENSET 92 NEWOBJ_EX 93 STACK_GLOBAL 94 MEMOIZE 95 FRAME 96 BYTEARRAY8 97 NEXT_BUFFER ' +
  '98 READONLY_BUFFER';

const words = NAMES.split(' ');
const byCode = new Map<number, string>();
for (let i = 0; i < words.length; i += 2) {
  byCode.set(Number.parseInt(words[i] as string, 16), words[i + 1] as string);
}

/** The name of an opcode, or its number where it is none. */
export function opcodeName(code: number): string {
  return byCode.get(code) ?? `0x${code.toString(16).padStart(2, '0')}`;
}
