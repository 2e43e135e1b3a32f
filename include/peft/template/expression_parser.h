#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "peft/template/ast.h"
#include "peft/template/lexer.h"

namespace peft {

/// The token stream and the grammar of expressions, as Jinja's own parser has it.
class ExpressionParser {
 public:
  explicit ExpressionParser(std::vector<TemplateToken> tokens) : tokens_(std::move(tokens)) {}

  const TemplateToken& current() const { return tokens_[at_]; }
  const TemplateToken& next() const { return tokens_[std::min(at_ + 1, tokens_.size() - 1)]; }
  /// The current token, which is left behind.
  TemplateToken take();
  bool is_operator(std::string_view text) const { return is(TokenKind::kOperator, text); }
  bool is_name(std::string_view text) const { return is(TokenKind::kName, text); }
  /// Leaves the token behind if it is that one.
  bool skip_operator(std::string_view text);
  bool skip_name(std::string_view text);
  void expect_operator(std::string_view text);
  void expect_kind(TokenKind kind, std::string_view what);
  std::string expect_name();

  /// One expression, with or without the inline `if`.
  ExpressionPtr expression(bool with_conditional = true);
  /// One expression, or a tuple of several without parentheses.
  ExpressionPtr tuple(bool with_conditional = true, std::string_view end_word = "");
  /// A name, namespace attribute (if allowed) or tuple of them.
  ExpressionPtr target(bool with_attribute, std::string_view end_word = "");
  /// What follows a filter's input: `name(...) | name(...)`, the first bar already taken.
  ExpressionPtr filters(ExpressionPtr input);
  /// What stands for the captured text of a block.
  ExpressionPtr captured();

  /// Throws ModelError at the current token.
  [[noreturn]] void fail_here(std::string_view what) const;

  /// Names read by the expressions since the last call of this function.
  std::vector<std::string> take_names() { return std::exchange(names_, {}); }
  void add_names(const std::vector<std::string>& names);

  /// While it lives, filters and tests that we do not know are faults only where they are reached:
  /// Jinja's own rule inside `if`.
  class Branch {
   public:
    explicit Branch(ExpressionParser& parser) : parser_(parser) { ++parser_.branches_; }
    ~Branch() { --parser_.branches_; }
    Branch(const Branch&) = delete;
    Branch& operator=(const Branch&) = delete;

   private:
    ExpressionParser& parser_;
  };

  /// Counts one level of nesting while it lives; throws ModelError beyond 64.
  class Nesting {
   public:
    explicit Nesting(ExpressionParser& parser);
    ~Nesting() { --parser_.nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;

   private:
    ExpressionParser& parser_;
  };

 private:
  bool is(TokenKind kind, std::string_view text) const {
    return current().kind == kind && current().text == text;
  }
  [[noreturn]] void fail_at(const TemplateToken& token, std::string_view what) const;
  void expect_known(bool known);
  void check_names();
  bool ends_tuple(std::string_view end_word) const;
  ExpressionPtr make(ExpressionKind kind, int64_t line, std::vector<ExpressionPtr> parts) const;
  ExpressionPtr conditional();
  ExpressionPtr disjunction();
  ExpressionPtr conjunction();
  ExpressionPtr negation();
  ExpressionPtr comparison();
  ExpressionPtr sum();
  ExpressionPtr concatenation();
  ExpressionPtr product();
  ExpressionPtr power();
  ExpressionPtr unary(bool with_filters = true);
  ExpressionPtr primary();
  ExpressionPtr name_or_literal();
  ExpressionPtr list();
  ExpressionPtr dict();
  ExpressionPtr postfix(ExpressionPtr node);
  ExpressionPtr subscript(ExpressionPtr node);
  ExpressionPtr call(ExpressionPtr node);
  ExpressionPtr filter_chain(ExpressionPtr node);
  ExpressionPtr filter(ExpressionPtr input);
  ExpressionPtr test(ExpressionPtr node);
  void arguments(TemplateExpression& node);

  std::vector<TemplateToken> tokens_;
  size_t at_ = 0;
  int nesting_ = 0;
  int branches_ = 0;
  int expressions_ = 0;          // around the current token
  std::vector<size_t> unknown_;  // places of unknown names that an `if` behind them may excuse
  std::vector<std::string> names_;
};

}  // namespace peft
