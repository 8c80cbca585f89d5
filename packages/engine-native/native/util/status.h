// How the core reports failure: every call that can fail returns a Status or a
// Result<T>; nothing throws on input, nothing aborts.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace thermocline {

// One code per kind of failure that a caller can act on. The names on the
// JavaScript side are the same words in upper case (see StatusCodeName).
enum class StatusCode {
  kOk,
  kFileNotFound,             // the path does not exist or cannot be opened
  kIo,                       // the system refused a read or write
  kModelCorrupt,             // a model file contradicts itself or is truncated
  kModelUnsupported,         // well-formed, but an architecture or option we do not run
  kWeightTypeUnsupported,    // a tensor type we do not read
  kTokenizerUnsupported,     // a vocabulary or pre-tokenizer we do not know
  kArtifactCorrupt,          // an artifact contradicts itself or is truncated
  kArtifactFormat,           // another artifact kind than expected
  kArtifactVersion,          // a newer or older format version
  kArtifactModelMismatch,    // made for another model
  kInvalidArgument,          // the caller's value is out of range
  kContextOverflow,          // more tokens than the session's context holds
  kOutOfMemory,              // a tier's budget or the system has no room
  kAborted,                  // the caller asked to stop
  kClosed,                   // the engine or session is closed
  kModeUnsupported,          // the mode does not fit this model
  kInternal,                 // a broken invariant of ours
};

// "MODEL_CORRUPT" for kModelCorrupt, and so on.
const char* StatusCodeName(StatusCode code);

// The outcome of a call. `message` is a whole sentence that names the place and
// the remedy; `path` names the file concerned, empty when there is none.
class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message, std::string path = {})
      : code_(code), message_(std::move(message)), path_(std::move(path)) {}

  static Status Ok() { return {}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  const std::string& path() const { return path_; }

  // The same status with the file named, unless one is named already.
  Status WithPath(const std::string& path) && {
    if (!ok() && path_.empty()) path_ = path;
    return std::move(*this);
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
  std::string path_;
};

// A value or the reason there is none. REQUIRES: value() only when ok().
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}          // NOLINT: implicit by design
  Result(Status status) : state_(std::move(status)) {}   // NOLINT: implicit by design

  bool ok() const { return std::holds_alternative<T>(state_); }
  Status status() const { return ok() ? Status::Ok() : std::get<Status>(state_); }
  T& value() & { return std::get<T>(state_); }
  const T& value() const& { return std::get<T>(state_); }
  T&& value() && { return std::get<T>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

#define TC_CONCAT_INNER(a, b) a##b
#define TC_CONCAT(a, b) TC_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expr` is a failed Status.
#define RETURN_IF_ERROR(expr)                                   \
  do {                                                          \
    ::thermocline::Status tc_status = (expr);                   \
    if (!tc_status.ok()) return tc_status;                      \
  } while (false)

// `ASSIGN_OR_RETURN(auto x, Compute());` binds the value or returns the status.
#define ASSIGN_OR_RETURN(lhs, expr) ASSIGN_OR_RETURN_IMPL(TC_CONCAT(tc_result_, __LINE__), lhs, expr)
#define ASSIGN_OR_RETURN_IMPL(result, lhs, expr) \
  auto result = (expr);                          \
  if (!result.ok()) return result.status();      \
  lhs = std::move(result).value()

}  // namespace thermocline
