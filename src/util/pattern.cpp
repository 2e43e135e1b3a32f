#define PCRE2_CODE_UNIT_WIDTH 8
#include "peft/util/pattern.h"

#include <fmt/format.h>
#include <pcre2.h>

#include <stdexcept>
#include <string>

namespace peft {
namespace {

constexpr uint32_t kMatchLimit = 10'000'000;
constexpr uint32_t kDepthLimit = 100'000;
constexpr uint32_t kHeapLimit = 64 * 1024;      // KiB
constexpr size_t kLargestPattern = 64 * 1024;   // bytes
constexpr size_t kJitStackStart = 32 * 1024;    // bytes
constexpr size_t kJitStackLimit = 64ULL << 20;  // bytes

struct CodeFree {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct ContextFree {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct StackFree {
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};
struct MatchFree {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

using Code = std::unique_ptr<pcre2_code, CodeFree>;
using MatchData = std::unique_ptr<pcre2_match_data, MatchFree>;

std::string message_of(int error) {
  PCRE2_UCHAR buffer[256];
  pcre2_get_error_message(error, buffer, sizeof buffer);
  return reinterpret_cast<const char*>(buffer);
}

/// What a match writes to. One per thread, so that a pattern itself stays shareable; the stack of
/// compiled matches grows only as far as a subject needs.
struct Workspace {
  MatchData data{pcre2_match_data_create(1, nullptr)};
  std::unique_ptr<pcre2_match_context, ContextFree> context{pcre2_match_context_create(nullptr)};
  std::unique_ptr<pcre2_jit_stack, StackFree> stack{
      pcre2_jit_stack_create(kJitStackStart, kJitStackLimit, nullptr)};

  Workspace() {
    if (data == nullptr || context == nullptr || stack == nullptr) {
      throw std::bad_alloc();
    }
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_depth_limit(context.get(), kDepthLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimit);
    pcre2_jit_stack_assign(context.get(), nullptr, stack.get());
  }
};

Code compile(std::string_view expression, uint32_t options) {
  if (expression.size() > kLargestPattern) {
    throw std::invalid_argument(
        fmt::format("a pattern of {} bytes is longer than {}", expression.size(), kLargestPattern));
  }
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(expression.data()), expression.size(),
                          PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C | options, &error,
                          &offset, nullptr));
  if (code == nullptr) {
    throw std::invalid_argument(fmt::format("{} at offset {}", message_of(error), offset));
  }
  // A pattern the just-in-time compiler cannot take is interpreted, under the same limits.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  return code;
}

}  // namespace

struct Pattern::Compiled {
  Code search;
  Code whole;  // the same between \A and \z

  static std::optional<std::pair<size_t, size_t>> match(const pcre2_code* code,
                                                        std::string_view subject, size_t from) {
    static thread_local const Workspace workspace;
    // The library validates a subject once, when it is searched from its beginning: doing it again
    // for every later match would make a long text quadratic.
    const int result = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(subject.data()),
                                   subject.size(), from, from > 0 ? PCRE2_NO_UTF_CHECK : 0,
                                   workspace.data.get(), workspace.context.get());
    if (result == PCRE2_ERROR_NOMATCH) {
      return std::nullopt;
    }
    if (result < 0) {
      throw std::runtime_error(message_of(result));
    }
    const PCRE2_SIZE* const offsets = pcre2_get_ovector_pointer(workspace.data.get());
    return std::pair<size_t, size_t>(offsets[0], offsets[1]);
  }
};

Pattern::Pattern(std::string_view expression)
    : compiled_(new Compiled{compile(expression, 0),
                             compile(expression, PCRE2_ANCHORED | PCRE2_ENDANCHORED)}) {}

Pattern::~Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;

std::optional<std::pair<size_t, size_t>> Pattern::find(std::string_view subject,
                                                       size_t from) const {
  if (from > subject.size()) {
    return std::nullopt;
  }
  return Compiled::match(compiled_->search.get(), subject, from);
}

bool Pattern::full_match(std::string_view subject) const {
  return Compiled::match(compiled_->whole.get(), subject, 0).has_value();
}

}  // namespace peft
