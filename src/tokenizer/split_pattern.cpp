#include "split_pattern.h"

#include <stdexcept>

namespace peft {
namespace {

/// A stretch of the subject and whether the pattern's matches (or with inversion, the rest) fill
/// it.
struct Stretch {
  ByteRange range;
  bool delimiter = false;
};

std::vector<Stretch> stretches(size_t size, const std::vector<ByteRange>& matches, bool invert) {
  std::vector<Stretch> result;
  result.reserve(2 * matches.size() + 1);
  size_t last = 0;
  for (const ByteRange& match : matches) {
    if (match.begin > last) {
      result.push_back({{last, match.begin}, invert});
    }
    result.push_back({match, !invert});
    last = match.end;
  }
  if (last < size) {
    result.push_back({{last, size}, invert});
  }
  return result;
}

/// A delimiter joins the piece before it unless that piece is (or ends with) a delimiter.
std::vector<ByteRange> merge_with_previous(const std::vector<Stretch>& all) {
  std::vector<ByteRange> pieces;
  bool after_delimiter = false;
  for (const Stretch& stretch : all) {
    if (stretch.delimiter && !after_delimiter && !pieces.empty()) {
      pieces.back().end = stretch.range.end;
    } else {
      pieces.push_back(stretch.range);
    }
    after_delimiter = stretch.delimiter;
  }
  return pieces;
}

/// A delimiter joins the piece behind it unless a delimiter follows.
std::vector<ByteRange> merge_with_next(const std::vector<Stretch>& all) {
  std::vector<ByteRange> pieces;
  for (size_t i = 0; i < all.size(); ++i) {
    const bool joins = all[i].delimiter && i + 1 < all.size() && !all[i + 1].delimiter;
    pieces.push_back({all[i].range.begin, all[joins ? i + 1 : i].range.end});
    i += joins;
  }
  return pieces;
}

std::vector<ByteRange> merge_neighbours(const std::vector<Stretch>& all) {
  std::vector<ByteRange> pieces;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && all[i].delimiter == all[i - 1].delimiter) {
      pieces.back().end = all[i].range.end;
    } else {
      pieces.push_back(all[i].range);
    }
  }
  return pieces;
}

std::vector<ByteRange> find_text(std::string_view subject, const std::string& text) {
  std::vector<ByteRange> found;
  for (size_t at = text.empty() ? std::string_view::npos : subject.find(text);
       at != std::string_view::npos; at = subject.find(text, at + text.size())) {
    found.push_back({at, at + text.size()});
  }
  return found;
}

std::vector<ByteRange> find_pattern(std::string_view subject, const Pattern& pattern) {
  std::vector<ByteRange> found;
  size_t from = 0;
  while (from <= subject.size()) {
    const auto match = pattern.find(subject, from);
    if (!match) {
      break;
    }
    const auto [begin, end] = *match;
    const bool empty = begin == end;
    // An empty match right behind another match is not one of its own.
    if (!empty || found.empty() || found.back().end != begin) {
      found.push_back({begin, end});
    }
    from = !empty ? end : end < subject.size() ? end + utf8_length(subject[end]) : end + 1;
  }
  return found;
}

}  // namespace

SplitPattern SplitPattern::text(std::string text) {
  SplitPattern result;
  result.text_ = std::move(text);
  return result;
}

SplitPattern SplitPattern::expression(const std::string& expression, const std::string& where) {
  SplitPattern result;
  try {
    result.pattern_.emplace(from_oniguruma(expression, where));
  } catch (const std::invalid_argument& error) {
    fail<ModelError>("{}: the regular expression {} is faulty: {}", where, json_excerpt(expression),
                     error.what());
  }
  return result;
}

SplitPattern SplitPattern::read(const Json& json, const std::string& where) {
  check<ModelError>(json.is_object() && json.size() == 1 && json.begin()->is_string(),
                    "{}: expected {{\"String\": text}} or {{\"Regex\": expression}}, found {}",
                    where, json_excerpt(json));
  const auto value = json.begin()->get<std::string>();
  if (json.contains("String")) {
    return text(value);
  }
  check<ModelError>(json.contains("Regex"), "{}: unknown kind of pattern \"{}\"", where,
                    json.begin().key());
  return expression(value, where);
}

std::vector<ByteRange> SplitPattern::matches(std::string_view subject) const {
  if (!pattern_) {
    return find_text(subject, text_);
  }
  try {
    return find_pattern(subject, *pattern_);
  } catch (const std::runtime_error& error) {
    fail<DataError>("the tokenizer's regular expression cannot split a text of {} bytes: {}",
                    subject.size(), error.what());
  }
}

SplitBehavior split_behavior(const std::string& name, const std::string& where) {
  static const std::vector<std::pair<std::string, SplitBehavior>> known = {
      {"Removed", SplitBehavior::kRemoved},
      {"Isolated", SplitBehavior::kIsolated},
      {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
      {"MergedWithNext", SplitBehavior::kMergedWithNext},
      {"Contiguous", SplitBehavior::kContiguous}};
  for (const auto& [known_name, behavior] : known) {
    if (name == known_name) {
      return behavior;
    }
  }
  fail<ModelError>("{}: unknown split behavior \"{}\"", where, name);
}

std::vector<ByteRange> split_at(size_t size, const std::vector<ByteRange>& matches,
                                SplitBehavior behavior, bool invert) {
  const std::vector<Stretch> all = stretches(size, matches, invert);
  std::vector<ByteRange> pieces;
  switch (behavior) {
    case SplitBehavior::kMergedWithPrevious:
      pieces = merge_with_previous(all);
      break;
    case SplitBehavior::kMergedWithNext:
      pieces = merge_with_next(all);
      break;
    case SplitBehavior::kContiguous:
      pieces = merge_neighbours(all);
      break;
    default:
      for (const Stretch& stretch : all) {
        if (behavior == SplitBehavior::kIsolated || !stretch.delimiter) {
          pieces.push_back(stretch.range);
        }
      }
  }
  std::erase_if(pieces, [](const ByteRange& piece) { return piece.size() == 0; });
  return pieces;
}

}  // namespace peft
