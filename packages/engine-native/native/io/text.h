// Text from files: UTF-8 checks, and quoting for messages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace thermocline {

// Length in bytes of the well-formed UTF-8 character at the start of `text`; 0 when
// there is none (overlong forms, surrogates and values past U+10FFFF are malformed).
size_t Utf8CharLength(std::string_view text);

bool IsValidUtf8(std::string_view text);

// REQUIRES: a Unicode scalar value.
void AppendUtf8(uint32_t code_point, std::string& out);

// What a file says, made safe to print: malformed bytes become U+FFFD, control
// characters become spaces, and text past `max_bytes` is cut and ends with "...".
std::string Printable(std::string_view text, size_t max_bytes = 120);

// Printable text between double quotes, for messages.
std::string Quoted(std::string_view text);

}  // namespace thermocline
