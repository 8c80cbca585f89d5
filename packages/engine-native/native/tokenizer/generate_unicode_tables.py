#!/usr/bin/env python3
"""Writes unicode_tables.cc: which code points are letters, numbers, marks and so on.

Usage: python3 generate_unicode_tables.py > unicode_tables.cc

The Unicode version is that of the running Python; it is written into the file.
"""

import sys
import unicodedata

# General categories by their first letter; everything else is kOther.
CLASS_OF_MAJOR = {'L': 'kLetter', 'N': 'kNumber', 'M': 'kMark', 'P': 'kPunctuation', 'S': 'kSymbol'}

# The White_Space property, which unicodedata does not expose as such.
WHITE_SPACE = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B),
               0x2028, 0x2029, 0x202F, 0x205F, 0x3000}

SHORT = {'kLetter': 'L', 'kNumber': 'N', 'kMark': 'M', 'kPunctuation': 'P', 'kSymbol': 'S',
         'kSpace': 'Z', 'kOther': 'O'}


def class_of(code_point):
    if code_point in WHITE_SPACE:
        return 'kSpace'
    return CLASS_OF_MAJOR.get(unicodedata.category(chr(code_point))[0], 'kOther')


def main():
    starts = []
    previous = None
    for code_point in range(0x110000):
        current = class_of(code_point)
        if current != previous:
            starts.append(f'{{0x{code_point:X}, {SHORT[current]}}}')
            previous = current

    out = sys.stdout.write
    out(f'// Written by generate_unicode_tables.py from Unicode {unicodedata.unidata_version}; '
        'do not edit.\n')
    out('#include "tokenizer/unicode.h"\n\nnamespace thermocline {\nnamespace {\n')
    for name, letter in SHORT.items():
        out(f'constexpr CharClass {letter} = CharClass::{name};\n')
    out('}  // namespace\n\n')
    out('// Each entry says where a run of one class starts; it ends where the next starts.\n')
    out('// clang-format off\n')
    out(f'static const std::array<ClassRun, {len(starts)}> kClassRuns = {{{{\n')
    line = ' '
    for start in starts:
        if len(line) + len(start) + 2 > 100:
            out(line + '\n')
            line = ' '
        line += f' {start},'
    out(line + '\n}};\n// clang-format on\n\n')
    out('std::span<const ClassRun> ClassRuns() { return kClassRuns; }\n\n')
    out('}  // namespace thermocline\n')


if __name__ == '__main__':
    main()
