#include "peft/data/stop_tokens.h"

#include <algorithm>
#include <functional>
#include <span>

namespace peft {
namespace {

bool holds(const std::vector<int32_t>& ids, int32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool is_space(const Tokenizer& tokenizer, int32_t id) {
  const std::string text = tokenizer.decode(std::span(&id, 1), /*skip_special_tokens=*/false);
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

/// First token for which `is_stop` holds in the tail of `ids` that consists of such tokens and of
/// white space.
std::optional<size_t> first_in_tail(const std::vector<int32_t>& ids, size_t from,
                                    const Tokenizer& tokenizer,
                                    const std::function<bool(int32_t)>& is_stop) {
  std::optional<size_t> found;
  for (size_t i = ids.size(); i > from; --i) {
    if (is_stop(ids[i - 1])) {
      found = i - 1;
    } else if (!is_space(tokenizer, ids[i - 1])) {
      break;
    }
  }
  return found;
}

}  // namespace

std::optional<size_t> find_turn_end(const std::vector<int32_t>& ids, size_t from,
                                    const Tokenizer& tokenizer,
                                    const std::vector<int32_t>& stop_ids) {
  return first_in_tail(ids, from, tokenizer, [&](int32_t id) { return holds(stop_ids, id); });
}

std::vector<int32_t> stop_set(const TextPipeline& pipeline) {
  std::vector<int32_t> stops = pipeline.stop_ids;
  if (pipeline.chat_template == nullptr || !pipeline.tokenizer.reads_text()) {
    return stops;
  }
  const Json probe = {{{"role", "user"}, {"content", "a"}},
                      {{"role", "assistant"}, {"content", "b"}}};
  std::vector<int32_t> ids;
  try {
    const std::string text = pipeline.chat_template->render(probe, Json(), false);
    ids = pipeline.tokenizer.encode(text, /*add_special_tokens=*/false).ids;
  } catch (const DataError&) {
    return stops;  // a template that refuses so plain a conversation is judged on the rows
  }
  const std::optional<size_t> end = first_in_tail(
      ids, 0, pipeline.tokenizer, [&](int32_t id) { return pipeline.tokenizer.is_special(id); });
  if (end && !holds(stops, ids[*end])) {
    stops.push_back(ids[*end]);
  }
  return stops;
}

}  // namespace peft
