#include <fmt/format.h>

#include <charconv>

#include "peft/template/builtins.h"
#include "peft/template/expression_parser.h"

namespace peft {

ExpressionPtr ExpressionParser::captured() {
  return make(ExpressionKind::kCaptured, current().line, {});
}

ExpressionPtr ExpressionParser::primary() {
  switch (current().kind) {
    case TokenKind::kName:
    case TokenKind::kString:
    case TokenKind::kInteger:
    case TokenKind::kReal:
      return name_or_literal();
    default:
      break;
  }
  if (is_operator("[")) {
    return list();
  }
  if (is_operator("{")) {
    return dict();
  }
  if (!is_operator("(")) {
    fail_here("expected an expression");
  }
  const int64_t line = take().line;
  ExpressionPtr node = is_operator(")") ? make(ExpressionKind::kTuple, line, {}) : tuple();
  expect_operator(")");
  return node;
}

ExpressionPtr ExpressionParser::name_or_literal() {
  const TemplateToken token = take();
  ExpressionPtr node = make(ExpressionKind::kConstant, token.line, {});
  if (token.kind == TokenKind::kString) {
    std::string text = token.text;
    while (current().kind == TokenKind::kString) {
      text += take().text;
    }
    node->constant = TemplateValue::text(std::move(text));
  } else if (token.kind == TokenKind::kReal) {
    double value = 0;
    std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    node->constant = TemplateValue::real(value);
  } else if (token.kind == TokenKind::kInteger) {
    int64_t value = 0;
    const auto read =
        std::from_chars(token.text.data(), token.text.data() + token.text.size(), value);
    if (read.ec != std::errc() || (token.text.size() > 1 && token.text.front() == '0')) {
      fail_here(fmt::format("expected an integer of 64 bits instead of {}", token.text));
    }
    node->constant = TemplateValue::integer(value);
  } else if (token.text == "true" || token.text == "True") {
    node->constant = TemplateValue::boolean(true);
  } else if (token.text == "false" || token.text == "False") {
    node->constant = TemplateValue::boolean(false);
  } else if (token.text != "none" && token.text != "None") {
    node->kind = ExpressionKind::kName;
    node->name = token.text;
    names_.push_back(token.text);
  }
  return node;
}

ExpressionPtr ExpressionParser::list() {
  const int64_t line = take().line;
  std::vector<ExpressionPtr> items;
  while (!is_operator("]")) {
    items.push_back(expression());
    if (!skip_operator(",")) {
      break;
    }
  }
  expect_operator("]");
  return make(ExpressionKind::kList, line, std::move(items));
}

ExpressionPtr ExpressionParser::dict() {
  const int64_t line = take().line;
  std::vector<ExpressionPtr> items;
  while (!is_operator("}")) {
    items.push_back(expression());
    expect_operator(":");
    items.push_back(expression());
    if (!skip_operator(",")) {
      break;
    }
  }
  expect_operator("}");
  return make(ExpressionKind::kDict, line, std::move(items));
}

ExpressionPtr ExpressionParser::target(bool with_attribute, std::string_view end_word) {
  const Nesting nesting(*this);
  const int64_t line = current().line;
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
  while (items.empty() || !(ends_tuple(end_word) || is_operator("="))) {
    if (skip_operator("(")) {
      items.push_back(target(with_attribute));
      expect_operator(")");
    } else {
      ExpressionPtr name = make(ExpressionKind::kName, current().line, {});
      name->name = expect_name();
      if (with_attribute && skip_operator(".")) {
        std::vector<ExpressionPtr> owner;
        owner.push_back(std::move(name));
        name = make(ExpressionKind::kAttribute, line, std::move(owner));
        name->name = expect_name();
      } else if (name->name == "loop") {
        fail_here("\"loop\" cannot be assigned");
      }
      items.push_back(std::move(name));
    }
    if (!skip_operator(",")) {
      break;
    }
    is_tuple = true;
  }
  return is_tuple ? make(ExpressionKind::kTuple, line, std::move(items)) : std::move(items.front());
}

ExpressionPtr ExpressionParser::postfix(ExpressionPtr node) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      node = subscript(std::move(node));
    } else if (is_operator("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::subscript(ExpressionPtr node) {
  const TemplateToken token = take();
  std::vector<ExpressionPtr> parts;
  parts.push_back(std::move(node));
  if (token.text == ".") {
    if (current().kind == TokenKind::kInteger) {
      parts.push_back(name_or_literal());
      return make(ExpressionKind::kItem, token.line, std::move(parts));
    }
    ExpressionPtr attribute = make(ExpressionKind::kAttribute, token.line, std::move(parts));
    attribute->name = expect_name();
    return attribute;
  }
  if (!is_operator(":")) {
    parts.push_back(expression());
    if (is_operator(",")) {
      fail_here("several keys in brackets are not supported");
    }
    if (skip_operator("]")) {
      return make(ExpressionKind::kItem, token.line, std::move(parts));
    }
  } else {
    parts.push_back(nullptr);
  }
  expect_operator(":");
  const auto bound = [&] { return is_operator(":") || is_operator("]") ? nullptr : expression(); };
  parts.push_back(bound());
  parts.push_back(skip_operator(":") ? bound() : nullptr);
  expect_operator("]");
  return make(ExpressionKind::kSlice, token.line, std::move(parts));
}

ExpressionPtr ExpressionParser::call(ExpressionPtr node) {
  std::vector<ExpressionPtr> parts;
  const int64_t line = current().line;
  parts.push_back(std::move(node));
  ExpressionPtr made = make(ExpressionKind::kCall, line, std::move(parts));
  arguments(*made);
  return made;
}

void ExpressionParser::arguments(TemplateExpression& node) {
  expect_operator("(");
  while (!is_operator(")")) {
    if (is_operator("*") || is_operator("**")) {
      fail_here("unpacked arguments are not supported");
    }
    const bool is_named = current().kind == TokenKind::kName &&
                          next().kind == TokenKind::kOperator && next().text == "=";
    if (is_named) {
      std::string name = take().text;
      take();
      node.named.emplace_back(std::move(name), expression());
    } else {
      if (!node.named.empty()) {
        fail_here("expected a named argument behind a named argument");
      }
      node.parts.push_back(expression());
    }
    const int below = is_named ? node.named.back().second->depth : node.parts.back()->depth;
    node.depth = std::max(node.depth, below + 1);
    if (!skip_operator(",")) {
      break;
    }
  }
  expect_operator(")");
}

ExpressionPtr ExpressionParser::filter_chain(ExpressionPtr node) {
  while (true) {
    if (skip_operator("|")) {
      node = filter(std::move(node));
    } else if (is_name("is")) {
      node = test(std::move(node));
    } else if (is_operator("(")) {
      node = call(std::move(node));
    } else {
      return node;
    }
  }
}

ExpressionPtr ExpressionParser::filters(ExpressionPtr input) {
  ExpressionPtr node = filter(std::move(input));
  while (skip_operator("|")) {
    node = filter(std::move(node));
  }
  check_names();
  return node;
}

// The filter or test at the current token. Outside `if` it must be one we know; whether it is
// outside is certain only at the end of the expression.
void ExpressionParser::expect_known(bool known) {
  if (!known && branches_ == 0 && current().kind == TokenKind::kName) {
    unknown_.push_back(at_);
  }
}

void ExpressionParser::check_names() {
  if (expressions_ == 0 && !unknown_.empty()) {
    const TemplateToken& token = tokens_[unknown_.front()];
    const bool is_test = tokens_[unknown_.front() - 1].text != "|";
    fail_at(token, is_test ? "expected a test we know" : "expected a filter we know");
  }
}

ExpressionPtr ExpressionParser::filter(ExpressionPtr input) {
  expect_known(find_filter(current().text) != nullptr);
  std::vector<ExpressionPtr> parts;
  const int64_t line = current().line;
  parts.push_back(std::move(input));
  ExpressionPtr node = make(ExpressionKind::kFilter, line, std::move(parts));
  node->name = expect_name();
  if (is_operator("(")) {
    arguments(*node);
  }
  return node;
}

ExpressionPtr ExpressionParser::test(ExpressionPtr node) {
  const int64_t line = take().line;
  const bool negated = skip_name("not");
  expect_known(find_test(current().text) != nullptr);
  std::vector<ExpressionPtr> parts;
  parts.push_back(std::move(node));
  ExpressionPtr made = make(ExpressionKind::kTest, line, std::move(parts));
  made->name = expect_name();
  const TokenKind kind = current().kind;
  const bool is_word = kind == TokenKind::kName;
  const bool joins = is_word && (is_name("else") || is_name("or") || is_name("and"));
  if (is_operator("(")) {
    arguments(*made);
  } else if ((is_word && !joins) || kind == TokenKind::kString || kind == TokenKind::kInteger ||
             kind == TokenKind::kReal || is_operator("[") || is_operator("{")) {
    if (is_name("is")) {
      fail_here("tests cannot be chained with \"is\"");
    }
    made->parts.push_back(postfix(primary()));
    made->depth = std::max(made->depth, made->parts.back()->depth + 1);
  }
  if (!negated) {
    return made;
  }
  std::vector<ExpressionPtr> inverted;
  inverted.push_back(std::move(made));
  return make(ExpressionKind::kNot, line, std::move(inverted));
}

}  // namespace peft
