#include "label_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>

#include "peft/util/json.h"
#include "peft/util/text.h"

namespace peft {
namespace {

std::optional<int32_t> whole_number(const std::string& text) {
  int32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() ? std::optional(number)
                                                                  : std::nullopt;
}

}  // namespace

LabelSet::LabelSet(std::vector<std::string> names)
    : names_(std::move(names)), is_closed_(!names_.empty()) {
  for (size_t i = 0; i < names_.size(); ++i) {
    numbers_[names_[i]] = static_cast<int32_t>(i);
    takes_places_ = takes_places_ && !whole_number(names_[i]);
  }
}

int32_t LabelSet::number(const std::string& label, const std::string& where) {
  if (const auto found = numbers_.find(label); found != numbers_.end()) {
    return found->second;
  }
  const auto count = static_cast<int32_t>(names_.size());
  if (is_closed_) {
    const std::optional<int32_t> place = takes_places_ ? whole_number(label) : std::nullopt;
    const bool known = place && *place >= 0 && *place < count;
    check<DataError>(known, "{}: the label \"{}\" is none of the {} known ones ({}{}){}", where,
                     escaped(label), count, escaped(names_[0]), count > 1 ? ", ..." : "",
                     did_you_mean(label, names_));
    return *place;
  }
  names_.push_back(label);
  numbers_[label] = count;
  return count;
}

std::vector<std::string> LabelSet::arrange(std::vector<Example>& examples) const {
  if (is_closed_) {
    return names_;
  }
  std::vector<std::optional<int32_t>> values;
  for (const std::string& name : names_) {
    values.push_back(whole_number(name));
  }
  const bool all_numbers = std::all_of(values.begin(), values.end(),
                                       [](const auto& value) { return value.has_value(); });
  std::vector<size_t> order(names_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return all_numbers ? *values[a] < *values[b] : names_[a] < names_[b];
  });
  std::vector<std::string> sorted;
  std::vector<int32_t> new_numbers(names_.size());
  for (size_t place = 0; place < order.size(); ++place) {
    sorted.push_back(names_[order[place]]);
    new_numbers[order[place]] = static_cast<int32_t>(place);
  }
  for (Example& example : examples) {
    if (example.label >= 0) {
      example.label = new_numbers[static_cast<size_t>(example.label)];
    }
  }
  return sorted;
}

}  // namespace peft
