#include "peft/template/lexer.h"

#include <algorithm>
#include <array>

#include "peft/template/python_text.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr std::array<std::string_view, 6> kLongOperators = {"**", "//", "==", "!=", ">=", "<="};
constexpr std::string_view kShortOperators = "+-*/%~[](){}><=.:|,;";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_name_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

// Line ends become \n, and one at the very end is dropped, as Jinja does before it looks further.
std::string normalized(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r') {
      text += '\n';
      i += i + 1 < source.size() && source[i + 1] == '\n' ? 1 : 0;
    } else {
      text += source[i];
    }
  }
  if (text.ends_with('\n')) {
    text.pop_back();
  }
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(normalized(source)), text_(source_) {}

  std::vector<TemplateToken> run() {
    while (at_ < text_.size()) {
      lex_outside();
    }
    add(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  // Text up to the next tag, and the tag.
  void lex_outside() {
    const size_t begin = at_;
    size_t tag = text_.find('{', begin);
    while (tag != std::string_view::npos &&
           (tag + 1 >= text_.size() ||
            std::string_view("{%#").find(text_[tag + 1]) == std::string_view::npos)) {
      tag = text_.find('{', tag + 1);
    }
    if (tag == std::string_view::npos) {
      add_text(text_.substr(begin));
      move_to(text_.size());
      return;
    }
    const char kind = text_[tag + 1];
    const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    const bool starts_line = begin == 0 || text_[begin - 1] == '\n';
    add_text(before_tag(text_.substr(begin, tag - begin), sign, kind != '{', starts_line));
    move_to(tag + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '#') {
      skip_comment();
    } else if (kind == '%' && lex_raw()) {
      return;
    } else {
      add(kind == '%' ? TokenKind::kBlockBegin : TokenKind::kOutputBegin, "");
      lex_inside(kind == '%');
    }
  }

  // What the tag leaves of the text in front of it.
  static std::string_view before_tag(std::string_view text, char sign, bool is_block,
                                     bool starts_line) {
    if (sign == '-') {
      return python_strip(text, StripSides::kRight);
    }
    if (sign == '+' || !is_block) {
      return text;
    }
    const size_t newline = text.rfind('\n');
    if (newline == std::string_view::npos && !starts_line) {
      return text;
    }
    const size_t line = newline == std::string_view::npos ? 0 : newline + 1;
    const bool blank = python_strip(text.substr(line), StripSides::kBoth).empty();
    return blank ? text.substr(0, line) : text;
  }

  void skip_comment() {
    const size_t end = text_.find("#}", at_);
    check<ModelError>(end != std::string_view::npos,
                      "chat template: line {}: a comment does not end", line_);
    // The sign belongs to the end mark only if it is inside the comment.
    const bool signed_end = end > at_ && (text_[end - 1] == '-' || text_[end - 1] == '+');
    move_to(signed_end ? end - 1 : end);
    leave_tag(/*trims_line=*/true);
  }

  // {% raw %} ... {% endraw %}: what is between is text.
  bool lex_raw() {
    size_t at = skip_space(at_);
    if (text_.substr(at, 3) != "raw") {
      return false;
    }
    at = skip_space(at + 3);
    const bool trims = text_.substr(at, 3) == "-%}";
    if (!trims && text_.substr(at, 2) != "%}") {
      return false;
    }
    move_to(trims ? skip_space(at + 3) : at + 2);
    for (size_t tag = text_.find("{%", at_); tag != std::string_view::npos;
         tag = text_.find("{%", tag + 1)) {
      const char sign = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
      const size_t word = skip_space(tag + 2 + (sign == '-' || sign == '+' ? 1 : 0));
      const size_t end = skip_space(word + 6);
      if (text_.substr(word, 6) == "endraw" && tag_ends_at(end)) {
        const bool starts_line = at_ == 0 || text_[at_ - 1] == '\n';
        add_text(before_tag(text_.substr(at_, tag - at_), sign, /*is_block=*/true, starts_line));
        move_to(end);
        leave_tag(/*trims_line=*/true);
        return true;
      }
    }
    fail<ModelError>("chat template: line {}: a raw block does not end", line_);
  }

  bool tag_ends_at(size_t at) const {
    return text_.substr(at, 2) == "%}" || text_.substr(at, 3) == "-%}" ||
           text_.substr(at, 3) == "+%}";
  }

  // Moves behind an end mark and the white space it takes along.
  void leave_tag(bool trims_line) {
    const char sign = text_[at_];
    move_to(at_ + (sign == '-' || sign == '+' ? 3 : 2));
    if (sign == '-') {
      move_to(skip_space(at_));
    } else if (sign != '+' && trims_line && at_ < text_.size() && text_[at_] == '\n') {
      move_to(at_ + 1);
    }
  }

  void lex_inside(bool is_block) {
    brackets_.clear();
    while (true) {
      move_to(skip_space(at_));
      check<ModelError>(at_ < text_.size(), "chat template: line {}: a tag does not end", line_);
      if (brackets_.empty() && inside_ends(is_block)) {
        add(is_block ? TokenKind::kBlockEnd : TokenKind::kOutputEnd, "");
        leave_tag(is_block);
        return;
      }
      lex_token();
    }
  }

  bool inside_ends(bool is_block) const {
    if (is_block) {
      return tag_ends_at(at_);
    }
    return text_.substr(at_, 2) == "}}" || text_.substr(at_, 3) == "-}}";
  }

  void lex_token() {
    const char c = text_[at_];
    if (c == '\'' || c == '"') {
      lex_string(c);
    } else if (is_digit(c)) {
      lex_number();
    } else if (is_name_byte(c)) {
      size_t end = at_;
      while (end < text_.size() && is_name_byte(text_[end])) {
        ++end;
      }
      add_and_move(TokenKind::kName, end);
    } else {
      lex_operator();
    }
  }

  void lex_operator() {
    const std::string_view two = text_.substr(at_, 2);
    if (std::find(kLongOperators.begin(), kLongOperators.end(), two) != kLongOperators.end()) {
      add_and_move(TokenKind::kOperator, at_ + 2);
      return;
    }
    const char c = text_[at_];
    check<ModelError>(kShortOperators.find(c) != std::string_view::npos,
                      "chat template: line {}: unexpected \"{}\"", line_,
                      escaped(text_.substr(at_, 1)));
    track_bracket(c);
    add_and_move(TokenKind::kOperator, at_ + 1);
  }

  void track_bracket(char c) {
    if (c == '(' || c == '[' || c == '{') {
      brackets_ += c == '(' ? ')' : c == '[' ? ']' : '}';
    } else if (c == ')' || c == ']' || c == '}') {
      check<ModelError>(brackets_.ends_with(c), "chat template: line {}: unexpected \"{}\"", line_,
                        c);
      brackets_.pop_back();
    }
  }

  size_t digits_end(size_t at) const {
    while (at < text_.size() &&
           (is_digit(text_[at]) ||
            (text_[at] == '_' && at + 1 < text_.size() && is_digit(text_[at + 1])))) {
      ++at;
    }
    return at;
  }

  // Behind a fraction and an exponent, as far as a number that ends in front of `at` has them.
  size_t real_end(size_t at) const {
    if (at + 1 < text_.size() && text_[at] == '.' && is_digit(text_[at + 1])) {
      at = digits_end(at + 1);
    }
    if (at + 1 < text_.size() && (text_[at] == 'e' || text_[at] == 'E')) {
      const size_t exponent = at + 1 + (text_[at + 1] == '+' || text_[at + 1] == '-' ? 1 : 0);
      at = exponent < text_.size() && is_digit(text_[exponent]) ? digits_end(exponent) : at;
    }
    return at;
  }

  void lex_number() {
    const size_t whole = digits_end(at_);
    // "loop.0.1" has no fraction: a number behind a dot is an element's index.
    const size_t end = at_ == 0 || text_[at_ - 1] != '.' ? real_end(whole) : whole;
    check<ModelError>(end >= text_.size() || !is_name_byte(text_[end]),
                      "chat template: line {}: a number in a form we do not read", line_);
    std::string digits(text_.substr(at_, end - at_));
    std::erase(digits, '_');
    add(end > whole ? TokenKind::kReal : TokenKind::kInteger, digits);
    move_to(end);
  }

  void lex_string(char quote) {
    size_t end = at_ + 1;
    while (end < text_.size() && text_[end] != quote) {
      end += text_[end] == '\\' ? 2 : 1;
    }
    check<ModelError>(end < text_.size(), "chat template: line {}: a string does not end", line_);
    add(TokenKind::kString, string_literal(text_.substr(at_ + 1, end - at_ - 1), line_));
    move_to(end + 1);
  }

  size_t skip_space(size_t at) const {
    const std::string_view rest = text_.substr(std::min(at, text_.size()));
    return text_.size() - python_strip(rest, StripSides::kLeft).size();
  }

  void move_to(size_t at) {
    line_ += std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                        text_.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    at_ = at;
  }

  void add(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), line_}); }
  void add_text(std::string_view text) {
    if (!text.empty()) {
      add(TokenKind::kText, std::string(text));
    }
  }
  void add_and_move(TokenKind kind, size_t end) {
    add(kind, std::string(text_.substr(at_, end - at_)));
    move_to(end);
  }

  std::string source_;
  std::string_view text_;
  size_t at_ = 0;
  int64_t line_ = 1;
  std::string brackets_;  // closing brackets still expected, innermost last
  std::vector<TemplateToken> tokens_;
};

}  // namespace

std::vector<TemplateToken> template_tokens(std::string_view source) {
  check<ModelError>(is_utf8(source), "chat template: expected UTF-8 text");
  return Lexer(source).run();
}

}  // namespace peft
