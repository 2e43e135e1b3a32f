#include <stdexcept>

#include "split_pattern.h"

namespace peft {
namespace {

/// The last are superscripts and fractions of Latin-1, which Oniguruma counts in.
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}\\xB2\\xB3\\xB9\\xBC-\\xBE";

bool is_script(std::string_view name) {
  try {
    Pattern(fmt::format("\\p{{sc:{}}}", name));
    return true;
  } catch (const std::invalid_argument&) {
    return false;
  }
}

/// Rewrites the escapes and modes in which the two dialects differ.
class Translator {
 public:
  Translator(std::string_view expression, const std::string& where)
      : expression_(expression), where_(where) {}

  std::string translate() {
    while (at_ < expression_.size()) {
      step();
    }
    // In Ruby ^ and $ always look at lines.
    return "(?m)" + result_;
  }

 private:
  void step() {
    const char c = expression_[at_];
    if (c == '\\') {
      const size_t begin = result_.size();
      escape(/*in_class=*/false);
      atom_ = begin;
    } else if (c == '[') {
      atom_ = result_.size();
      character_class();
    } else if (c == '(') {
      open_group();
    } else if (c == ')') {
      atom_ = groups_.empty() ? result_.size() : groups_.back();
      if (!groups_.empty()) {
        groups_.pop_back();
      }
      copy(1);
    } else if (c == '{') {
      interval();
    } else {
      if (c != '?' && c != '*' && c != '+') {
        atom_ = result_.size();
      }
      copy(utf8_length(c));
    }
  }

  void copy(size_t bytes) {
    result_.append(expression_.substr(at_, bytes));
    at_ += bytes;
  }

  void escape(bool in_class) {
    check<ModelError>(at_ + 1 < expression_.size(),
                      "{}: the regular expression ends with a backslash", where_);
    const char kind = expression_[at_ + 1];
    std::string spelled;
    switch (kind) {
      case 's':
        spelled = "\\p{White_Space}";
        break;
      case 'S':
        spelled = "\\P{White_Space}";
        break;
      case 'd':
        spelled = "\\p{Nd}";
        break;
      case 'D':
        spelled = "\\P{Nd}";
        break;
      case 'h':
        spelled = in_class ? "0-9A-Fa-f" : "[0-9A-Fa-f]";
        break;
      case 'w':
        spelled = in_class ? std::string(kWord) : "[" + std::string(kWord) + "]";
        break;
      case 'W':
        check<ModelError>(!in_class, "{}: \\W inside brackets is not supported", where_);
        spelled = "[^" + std::string(kWord) + "]";
        break;
      case 'p':
      case 'P':
        property();
        return;
      default:
        copy(2);
        return;
    }
    result_ += spelled;
    at_ += 2;
  }

  /// \p{Han} is a script here, and in PCRE2 also what the script shares with others.
  void property() {
    const size_t end = expression_.find('}', at_);
    if (end == std::string_view::npos || expression_.substr(at_ + 2, 1) != "{") {
      copy(2);
      return;
    }
    copy(expression_.substr(at_ + 3, 1) == "^" ? 4 : 3);
    const std::string_view name = expression_.substr(at_, end - at_);
    if (name.size() > 2 && is_script(name)) {
      result_ += "sc:";
    }
    copy(end + 1 - at_);
  }

  void character_class() {
    copy(1);
    if (at_ < expression_.size() && expression_[at_] == '^') {
      copy(1);
    }
    bool first = true;
    while (at_ < expression_.size() && (first || expression_[at_] != ']')) {
      const char c = expression_[at_];
      check<ModelError>(!expression_.substr(at_).starts_with("&&"),
                        "{}: intersection of character classes (&&) is not supported", where_);
      if (c == '\\') {
        escape(/*in_class=*/true);
      } else if (c == '[') {
        check<ModelError>(expression_.substr(at_).starts_with("[:"),
                          "{}: brackets inside brackets are not supported", where_);
        const size_t end = expression_.find(":]", at_);
        check<ModelError>(end != std::string_view::npos, "{}: [: without :]", where_);
        copy(end + 2 - at_);
      } else {
        copy(utf8_length(c));
      }
      first = false;
    }
    if (at_ < expression_.size()) {
      copy(1);
    }
  }

  /// Ruby's (?m) lets a dot match line ends, which is PCRE2's (?s).
  void open_group() {
    groups_.push_back(result_.size());
    copy(1);
    if (at_ >= expression_.size() || expression_[at_] != '?') {
      return;
    }
    const size_t end = expression_.find_first_not_of("imx-", at_ + 1);
    const bool flags =
        end != std::string_view::npos && (expression_[end] == ':' || expression_[end] == ')');
    for (const size_t stop = flags ? end : at_; at_ < stop; ++at_) {
      result_ += expression_[at_] == 'm' ? 's' : expression_[at_];
    }
  }

  /// In Ruby the plus of x{1,3}+ repeats; in PCRE2 it would make the interval possessive.
  void interval() {
    const size_t end = expression_.find('}', at_);
    const bool counts = end != std::string_view::npos && end > at_ + 1 &&
                        expression_.find_first_not_of("0123456789,", at_ + 1) == end;
    if (!counts) {
      atom_ = result_.size();
      copy(1);
      return;
    }
    copy(end + 1 - at_);
    if (at_ < expression_.size() && expression_[at_] == '+') {
      result_.insert(atom_, "(?:");
      result_ += ")";
    }
  }

  std::string_view expression_;
  const std::string& where_;
  std::string result_;
  size_t at_ = 0;
  size_t atom_ = 0;             // where in the result the last single item begins
  std::vector<size_t> groups_;  // where the open groups begin
};

}  // namespace

std::string from_oniguruma(std::string_view expression, const std::string& where) {
  return Translator(expression, where).translate();
}

}  // namespace peft
