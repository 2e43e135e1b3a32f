#include "message_weight.h"

#include <fmt/format.h>

namespace peft {
namespace {

constexpr float kMostWeight = 1000.0F;  // a larger one is a slip

float read_weight(const Json& value, const std::string& place) {
  if (value.is_boolean()) {
    return value.get<bool>() ? 1.0F : 0.0F;
  }
  const float weight = value.is_number() ? value.get<float>() : -1.0F;
  check<DataError>(weight >= 0.0F && weight <= kMostWeight,
                   "{}: expected true, false or a number from 0 to {}, found {}", place,
                   kMostWeight, json_excerpt(value));
  return weight;
}

int64_t read_offset(const Json& entry, const char* name, int64_t least, int64_t length,
                    const std::string& place) {
  const Json value = entry.value(name, Json());
  check<DataError>(value.is_number_integer() && value >= least && value < length,
                   "{}.{}: expected a character's place from {} to {}, found {}", place, name,
                   least, length - 1, json_excerpt(value));
  return value.get<int64_t>();
}

}  // namespace

std::optional<float> weight_of(const Json& object, const RowMapping& mapping,
                               const std::string& place) {
  std::optional<float> weight;
  for (const std::string& key : mapping.weight_keys) {
    if (const Json* value = find_column(object, key); value != nullptr) {
      const bool is_null = value->is_null();
      weight = weight.value_or(1.0F) *
               (is_null ? 1.0F : read_weight(*value, fmt::format("{}.{}", place, key)));
    }
  }
  return weight;
}

std::vector<WeightedSpan> read_train_detail(const Json& list, int64_t length,
                                            const std::string& place) {
  check<DataError>(list.is_array(),
                   "{}: expected a list of {{\"begin_offset\", \"end_offset\", \"train\"}}, "
                   "found {}",
                   place, json_excerpt(list));
  check<DataError>(length > 0 || list.empty(), "{}: the content is empty, so it has no parts",
                   place);
  std::vector<WeightedSpan> spans;
  int64_t end = 0;
  const auto mask_until = [&](int64_t next) {
    if (next > end) {
      spans.push_back({end, next, 0.0F});
    }
  };
  for (size_t i = 0; i < list.size(); ++i) {
    const std::string entry = fmt::format("{}[{}]", place, i);
    check<DataError>(list[i].is_object() && list[i].contains("train"),
                     "{}: expected {{\"begin_offset\", \"end_offset\", \"train\"}}, found {}",
                     entry, json_excerpt(list[i]));
    const int64_t first = read_offset(list[i], "begin_offset", end, length, entry);
    const int64_t last = read_offset(list[i], "end_offset", first, length, entry);
    mask_until(first);
    end = last + 1;
    spans.push_back({first, end, read_weight(list[i].at("train"), entry + ".train")});
  }
  mask_until(length);
  return spans;
}

}  // namespace peft
