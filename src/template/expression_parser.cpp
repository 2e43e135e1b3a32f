#include "peft/template/expression_parser.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "peft/template/builtins.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int kNestingLimit = 64;
// Chains such as a + b + c grow to the left without nesting the parser; their trees are bounded
// too.
constexpr int kTreeLimit = 256;

std::vector<ExpressionPtr> parts_of(ExpressionPtr first, ExpressionPtr second = nullptr) {
  std::vector<ExpressionPtr> parts;
  parts.push_back(std::move(first));
  if (second) {
    parts.push_back(std::move(second));
  }
  return parts;
}

std::optional<Comparison> comparison_of(std::string_view text) {
  static constexpr std::pair<std::string_view, Comparison> kComparisons[] = {
      {"==", Comparison::kEqual},  {"!=", Comparison::kNotEqual},
      {"<", Comparison::kLess},    {"<=", Comparison::kLessEqual},
      {">", Comparison::kGreater}, {">=", Comparison::kGreaterEqual}};
  for (const auto& [spelling, comparison] : kComparisons) {
    if (spelling == text) {
      return comparison;
    }
  }
  return std::nullopt;
}

}  // namespace

ExpressionParser::Nesting::Nesting(ExpressionParser& parser) : parser_(parser) {
  if (parser.nesting_ >= kNestingLimit) {
    parser.fail_here(fmt::format("nested deeper than {}", kNestingLimit));
  }
  ++parser.nesting_;
}

TemplateToken ExpressionParser::take() {
  TemplateToken token = tokens_[at_];
  at_ += at_ + 1 < tokens_.size() ? 1 : 0;
  return token;
}

bool ExpressionParser::skip_operator(std::string_view text) {
  const bool found = is_operator(text);
  if (found) {
    take();
  }
  return found;
}

bool ExpressionParser::skip_name(std::string_view text) {
  const bool found = is_name(text);
  if (found) {
    take();
  }
  return found;
}

void ExpressionParser::expect_operator(std::string_view text) {
  if (!skip_operator(text)) {
    fail_here(fmt::format("expected \"{}\"", text));
  }
}

void ExpressionParser::expect_kind(TokenKind kind, std::string_view what) {
  if (current().kind != kind) {
    fail_here(fmt::format("expected {}", what));
  }
  take();
}

std::string ExpressionParser::expect_name() {
  if (current().kind != TokenKind::kName) {
    fail_here("expected a name");
  }
  return take().text;
}

void ExpressionParser::fail_here(std::string_view what) const {
  fail_at(current(), what);
}

void ExpressionParser::fail_at(const TemplateToken& token, std::string_view what) const {
  static constexpr const char* kNames[] = {"text",     "\"{{\"", "\"}}\"", "\"{%\"", "\"%}\"", "",
                                           "a string", "",       "",       "",       "the end"};
  const std::string_view kind = kNames[static_cast<int>(token.kind)];
  fail<ModelError>("chat template: line {}: {}, found {}", token.line, what,
                   kind.empty() ? fmt::format("\"{}\"", escaped(token.text)) : kind);
}

void ExpressionParser::add_names(const std::vector<std::string>& names) {
  names_.insert(names_.end(), names.begin(), names.end());
}

ExpressionPtr ExpressionParser::make(ExpressionKind kind, int64_t line,
                                     std::vector<ExpressionPtr> parts) const {
  auto node = std::make_unique<TemplateExpression>();
  node->kind = kind;
  node->line = line;
  for (const ExpressionPtr& part : parts) {
    node->depth = std::max(node->depth, part ? part->depth + 1 : 0);
  }
  node->parts = std::move(parts);
  if (node->depth > kTreeLimit) {
    fail_here(fmt::format("an expression of more than {} levels", kTreeLimit));
  }
  return node;
}

ExpressionPtr ExpressionParser::expression(bool with_conditional) {
  const Nesting nesting(*this);
  ++expressions_;
  ExpressionPtr node = with_conditional ? conditional() : disjunction();
  --expressions_;
  check_names();
  return node;
}

bool ExpressionParser::ends_tuple(std::string_view end_word) const {
  const TokenKind kind = current().kind;
  return kind == TokenKind::kOutputEnd || kind == TokenKind::kBlockEnd || is_operator(")") ||
         (!end_word.empty() && is_name(end_word));
}

ExpressionPtr ExpressionParser::tuple(bool with_conditional, std::string_view end_word) {
  const int64_t line = current().line;
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  while (!ends_tuple(end_word)) {
    items.push_back(expression(with_conditional));
    if (!skip_operator(",")) {
      break;
    }
    is_tuple = true;
  }
  if (is_tuple) {
    return make(ExpressionKind::kTuple, line, std::move(items));
  }
  if (items.empty()) {
    fail_here("expected an expression");
  }
  return std::move(items.front());
}

ExpressionPtr ExpressionParser::conditional() {
  const size_t unknown = unknown_.size();
  ExpressionPtr value = disjunction();
  while (is_name("if")) {
    const Branch branch(*this);
    unknown_.resize(unknown);
    const int64_t line = take().line;
    std::vector<ExpressionPtr> parts = parts_of(disjunction(), std::move(value));
    parts.push_back(skip_name("else") ? expression() : nullptr);
    value = make(ExpressionKind::kConditional, line, std::move(parts));
  }
  return value;
}

ExpressionPtr ExpressionParser::disjunction() {
  ExpressionPtr left = conjunction();
  while (is_name("or")) {
    const int64_t line = take().line;
    left = make(ExpressionKind::kOr, line, parts_of(std::move(left), conjunction()));
  }
  return left;
}

ExpressionPtr ExpressionParser::conjunction() {
  ExpressionPtr left = negation();
  while (is_name("and")) {
    const int64_t line = take().line;
    left = make(ExpressionKind::kAnd, line, parts_of(std::move(left), negation()));
  }
  return left;
}

ExpressionPtr ExpressionParser::negation() {
  if (!is_name("not")) {
    return comparison();
  }
  const Nesting nesting(*this);
  const int64_t line = take().line;
  return make(ExpressionKind::kNot, line, parts_of(negation()));
}

ExpressionPtr ExpressionParser::comparison() {
  std::vector<ExpressionPtr> parts = parts_of(sum());
  std::vector<Comparison> comparisons;
  const int64_t line = current().line;
  while (true) {
    const bool negated = is_name("not") && next().kind == TokenKind::kName && next().text == "in";
    if (negated || is_name("in")) {
      take();
      if (negated) {
        take();
      }
      comparisons.push_back(negated ? Comparison::kNotIn : Comparison::kIn);
    } else {
      const auto found =
          current().kind == TokenKind::kOperator ? comparison_of(current().text) : std::nullopt;
      if (!found) {
        break;
      }
      take();
      comparisons.push_back(*found);
    }
    parts.push_back(sum());
  }
  if (comparisons.empty()) {
    return std::move(parts.front());
  }
  ExpressionPtr node = make(ExpressionKind::kCompare, line, std::move(parts));
  node->comparisons = std::move(comparisons);
  return node;
}

ExpressionPtr ExpressionParser::sum() {
  ExpressionPtr left = concatenation();
  while (is_operator("+") || is_operator("-")) {
    const TemplateToken token = take();
    const auto kind = token.text == "+" ? ExpressionKind::kAdd : ExpressionKind::kSubtract;
    left = make(kind, token.line, parts_of(std::move(left), concatenation()));
  }
  return left;
}

ExpressionPtr ExpressionParser::concatenation() {
  std::vector<ExpressionPtr> parts = parts_of(product());
  const int64_t line = current().line;
  while (skip_operator("~")) {
    parts.push_back(product());
  }
  return parts.size() == 1 ? std::move(parts.front())
                           : make(ExpressionKind::kConcatenate, line, std::move(parts));
}

ExpressionPtr ExpressionParser::product() {
  ExpressionPtr left = power();
  while (is_operator("*") || is_operator("/") || is_operator("//") || is_operator("%")) {
    const TemplateToken token = take();
    const auto kind = token.text == "*"    ? ExpressionKind::kMultiply
                      : token.text == "/"  ? ExpressionKind::kDivide
                      : token.text == "//" ? ExpressionKind::kFloorDivide
                                           : ExpressionKind::kModulo;
    left = make(kind, token.line, parts_of(std::move(left), power()));
  }
  return left;
}

ExpressionPtr ExpressionParser::power() {
  ExpressionPtr left = unary();
  while (is_operator("**")) {
    const int64_t line = take().line;
    left = make(ExpressionKind::kPower, line, parts_of(std::move(left), unary()));
  }
  return left;
}

ExpressionPtr ExpressionParser::unary(bool with_filters) {
  ExpressionPtr node;
  if (is_operator("-") || is_operator("+")) {
    const Nesting nesting(*this);
    const TemplateToken token = take();
    const auto kind = token.text == "-" ? ExpressionKind::kNegative : ExpressionKind::kPositive;
    node = make(kind, token.line, parts_of(unary(/*with_filters=*/false)));
  } else {
    node = primary();
  }
  node = postfix(std::move(node));
  return with_filters ? filter_chain(std::move(node)) : std::move(node);
}

}  // namespace peft
