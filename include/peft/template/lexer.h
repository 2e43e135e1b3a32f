#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace peft {

enum class TokenKind {
  kText,
  kOutputBegin,
  kOutputEnd,
  kBlockBegin,
  kBlockEnd,
  kName,
  kString,
  kInteger,
  kReal,
  kOperator,
  kEnd
};

/// A token; `text` is the value of strings, the spelling of everything else.
struct TemplateToken {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  int64_t line = 1;
};

/// The value of a string literal from what stands between its quotes. Throws ModelError for a bad
/// escape.
std::string string_literal(std::string_view body, int64_t line);

/// Tokens of a template with trim_blocks and lstrip_blocks on; comments are gone, raw blocks are
/// text. Ends with kEnd. Throws ModelError with the line of what is no token.
std::vector<TemplateToken> template_tokens(std::string_view source);

}  // namespace peft
