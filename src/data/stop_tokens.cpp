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

/// The special tokens at the end of a conversation whose last turn is an assistant's with these
/// members; empty where the template refuses so plain a conversation, which is judged on the rows.
std::vector<int32_t> special_tail(const TextPipeline& pipeline, const Json& members) {
  Json answer = {{"role", "assistant"}};
  answer.update(members);
  const Json probe = {{{"role", "user"}, {"content", "a"}}, answer};
  std::vector<int32_t> ids;
  try {
    const std::string text = pipeline.chat_template->render(probe, Json(), false);
    ids = pipeline.tokenizer.encode(text, /*add_special_tokens=*/false).ids;
  } catch (const Error&) {
    return {};
  }
  const Tokenizer& tokenizer = pipeline.tokenizer;
  std::vector<int32_t> tail;
  const auto first =
      first_in_tail(ids, 0, tokenizer, [&](int32_t id) { return tokenizer.is_special(id); });
  for (size_t i = first.value_or(ids.size()); i < ids.size(); ++i) {
    if (tokenizer.is_special(ids[i])) {
      tail.push_back(ids[i]);
    }
  }
  return tail;
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
  const auto add = [&](const std::vector<int32_t>& tail, bool whole) {
    if (!tail.empty() && (whole || tail.size() == 1) && !holds(stops, tail.front())) {
      stops.push_back(tail.front());
    }
  };
  add(special_tail(pipeline, {{"content", "b"}}), /*whole=*/true);
  // A call may end in a token of its own; where several follow, those before the last close
  // brackets.
  const Json call = {{"type", "function"},
                     {"id", "abcdefgh1"},
                     {"function", {{"name", "f"}, {"arguments", Json::object()}}}};
  add(special_tail(pipeline, {{"content", ""}, {"tool_calls", Json::array({call})}}),
      /*whole=*/false);
  return stops;
}

}  // namespace peft
