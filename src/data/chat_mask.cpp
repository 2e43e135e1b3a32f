#include "peft/data/chat_mask.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "peft/data/plain_text.h"
#include "peft/data/shared_encoding.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Rendering = EncodedText;

/// Tokens of an answer: [begin, end), and its stop token, the last of them, or -1.
struct Span {
  size_t begin = 0;
  size_t end = 0;
  int64_t stop = -1;
};

bool is_prefix(const std::vector<int32_t>& ids, size_t count, const std::vector<int32_t>& of) {
  return count <= ids.size() && count <= of.size() &&
         std::equal(ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(count), of.begin());
}

/// Finds the answers of one conversation.
class ConversationMasker {
 public:
  ConversationMasker(const Conversation& conversation, const DataOptions& options,
                     const TextPipeline& pipeline, const std::vector<int32_t>& stop_ids,
                     const std::string& where)
      : marks_(options.special_in_text == "plain"
                   ? std::make_unique<PlainMarks>(conversation, pipeline, where)
                   : nullptr),
        unmarked_(conversation),
        conversation_(marks_ ? marks_->conversation() : conversation),
        options_(options),
        pipeline_(pipeline),
        stop_ids_(stop_ids),
        where_(where),
        whole_(render(conversation.messages.size(), /*generation=*/false)) {
    known_ = &whole_;
  }

  MaskedConversation everything() const {
    FormattedRow row{whole_.tokens.ids, all_labels(whole_.tokens.ids, pipeline_.tokenizer)};
    row.stop = turn_end(row.ids, 0).value_or(-1);
    for (size_t turn = 0; turn < conversation_.messages.size(); ++turn) {
      const bool stop_is_masked = is_answer(turn) && !options_.train_on_eos;
      if (conversation_.weights[turn].is_plain() && !stop_is_masked) {
        continue;
      }
      const Turn rendered = render_turn(turn);
      const std::optional<Span> span = locate(rendered, whole_);
      if (!span) {
        refuse(turn, rendered,
               conversation_.weights[turn].is_plain()
                   ? "with data.train_on_eos false, its end can"
                   : "a message that counts more or less must stand apart: it can",
               "");
      }
      weigh(row, *span, turn, whole_);
      if (stop_is_masked && span->stop >= 0) {
        row.labels[static_cast<size_t>(span->stop)] = kIgnored;
      }
    }
    settle_weights(row);
    return {{std::move(row)}, Border::kIds};
  }

  MaskedConversation answers() const {
    std::vector<std::pair<size_t, Turn>> turns;
    for (const size_t turn : trained_turns()) {
      turns.emplace_back(turn, render_turn(turn));
    }
    MaskedConversation result;
    FormattedRow row = masked(whole_);
    for (const auto& [turn, rendered] : turns) {
      std::optional<Span> span = span_by_ids(rendered, whole_);
      if (!span) {
        result.border = Border::kOffsets;
        span = span_by_text(rendered, whole_);
      }
      if (!span) {
        return one_by_one(turns);
      }
      train(row, *span, turn, whole_);
    }
    settle_weights(row);
    result.rows.push_back(std::move(row));
    return result;
  }

 private:
  /// The turns before one, ready for it to be said, and the turns through it.
  struct Turn {
    Rendering prompt;
    Rendering through;
  };

  Rendering render(size_t count, bool generation) const {
    const auto& messages = conversation_.messages;
    Json head = Json::array();
    for (size_t i = 0; i < count; ++i) {
      head.push_back(messages[i]);
    }
    Rendering rendering;
    std::vector<TextSpan> plain;
    try {
      rendering.text = pipeline_.chat_template->render(head, conversation_.tools, generation);
      if (marks_) {
        plain = marks_->take_from(rendering.text);
      }
    } catch (const DataError& error) {
      fail<DataError>("{}: the chat template refuses {}: {}", where_,
                      count == messages.size()
                          ? std::string("this conversation")
                          : fmt::format("its first {} messages as a prompt", count),
                      error.what());
    }
    // Prompts and heads of a conversation begin as the whole of it does.
    rendering.tokens = known_ != nullptr && !marks_
                           ? encode_after(*known_, rendering.text, pipeline_.tokenizer)
                           : encode_plain(pipeline_.tokenizer, rendering.text,
                                          /*add_special_tokens=*/false, plain, where_);
    return rendering;
  }

  Turn render_turn(size_t turn) const {
    return {render(turn, /*generation=*/is_answer(turn)),
            turn + 1 == conversation_.messages.size() ? whole_ : render(turn + 1, false)};
  }

  bool is_answer(size_t turn) const { return conversation_.messages[turn]["role"] == "assistant"; }

  std::vector<size_t> trained_turns() const {
    std::vector<size_t> turns;
    for (size_t turn = conversation_.prompt_messages; turn < conversation_.messages.size();
         ++turn) {
      if (is_answer(turn)) {
        turns.push_back(turn);
      }
    }
    const bool whole_completion =
        options_.train_on == "completion" && conversation_.prompt_messages > 0;
    if (options_.train_on != "assistant" && !whole_completion && turns.size() > 1) {
      turns = {turns.back()};
    }
    std::erase_if(turns, [&](size_t turn) { return conversation_.weights[turn].whole == 0.0F; });
    return turns;
  }

  /// The stop token of a rendering's last turn, which begins at `from`: the first one behind the
  /// last token that is neither a stop token nor white space.
  std::optional<int64_t> turn_end(const std::vector<int32_t>& ids, size_t from) const {
    const std::optional<size_t> found = find_turn_end(ids, from, pipeline_.tokenizer, stop_ids_);
    return found ? std::optional(static_cast<int64_t>(*found)) : std::nullopt;
  }

  std::optional<Span> locate(const Turn& turn, const Rendering& whole) const {
    const std::optional<Span> span = span_by_ids(turn, whole);
    return span ? span : span_by_text(turn, whole);
  }

  std::optional<Span> span_by_ids(const Turn& turn, const Rendering& whole) const {
    const std::vector<int32_t>& prompt = turn.prompt.tokens.ids;
    const std::vector<int32_t>& through = turn.through.tokens.ids;
    if (!is_prefix(prompt, prompt.size(), through)) {
      return std::nullopt;
    }
    const std::optional<int64_t> stop = turn_end(through, prompt.size());
    const size_t end = stop ? static_cast<size_t>(*stop) + 1 : through.size();
    if (!is_prefix(through, end, whole.tokens.ids)) {
      return std::nullopt;
    }
    return Span{prompt.size(), end, stop.value_or(-1)};
  }

  std::optional<Span> span_by_text(const Turn& turn, const Rendering& whole) const {
    if (!turn.through.text.starts_with(turn.prompt.text)) {
      return std::nullopt;
    }
    const int64_t begin = count_code_points(turn.prompt.text);
    const auto& offsets = turn.through.tokens.offsets;
    const size_t first = first_reaching(offsets, begin);
    const std::optional<int64_t> stop = turn_end(turn.through.tokens.ids, first);
    const int64_t end =
        stop ? offsets[static_cast<size_t>(*stop)].second : count_code_points(turn.through.text);
    if (!whole.text.starts_with(
            turn.through.text.substr(0, code_point_offset(turn.through.text, end)))) {
      return std::nullopt;
    }
    return span_in(whole.tokens, begin, end,
                   stop ? turn.through.tokens.ids[static_cast<size_t>(*stop)] : -1);
  }

  /// First token that holds a character at or behind `place`. A token over the border belongs to
  /// the answer, whose first characters it holds.
  static size_t first_reaching(const std::vector<std::pair<int64_t, int64_t>>& offsets,
                               int64_t place) {
    return static_cast<size_t>(
        std::find_if(offsets.begin(), offsets.end(),
                     [&](const auto& offset) { return offset.second > place; }) -
        offsets.begin());
  }

  static Span span_in(const Encoding& tokens, int64_t begin, int64_t end, int32_t stop_id) {
    Span span;
    span.begin = first_reaching(tokens.offsets, begin);
    span.end = span.begin;
    while (span.end < tokens.ids.size() && tokens.offsets[span.end].first < end) {
      ++span.end;
    }
    if (span.end > span.begin && tokens.ids[span.end - 1] == stop_id) {
      span.stop = static_cast<int64_t>(span.end) - 1;
    }
    return span;
  }

  static FormattedRow masked(const Rendering& rendering) {
    return {rendering.tokens.ids, std::vector<int32_t>(rendering.tokens.ids.size(), kIgnored)};
  }

  void train(FormattedRow& row, const Span& span, size_t turn, const Rendering& rendering) const {
    std::copy(row.ids.begin() + static_cast<std::ptrdiff_t>(span.begin),
              row.ids.begin() + static_cast<std::ptrdiff_t>(span.end),
              row.labels.begin() + static_cast<std::ptrdiff_t>(span.begin));
    row.stop = span.stop;
    row.answer_begin = static_cast<int64_t>(span.begin);
    row.answer_end = static_cast<int64_t>(span.end);
    if (span.stop >= 0 && !options_.train_on_eos) {
      row.labels[static_cast<size_t>(span.stop)] = kIgnored;
    }
    weigh(row, span, turn, rendering);
  }

  /// Gives the tokens of a message its weight, and those of its content that of the character they
  /// end with.
  void weigh(FormattedRow& row, const Span& span, size_t turn, const Rendering& rendering) const {
    const MessageWeight& weight = conversation_.weights[turn];
    if (weight.is_plain()) {
      return;
    }
    row.weights.resize(row.ids.size(), 1.0F);
    const int64_t content = weight.spans.empty() ? 0 : content_start(turn, span, rendering);
    for (size_t i = span.begin; i < span.end; ++i) {
      const int64_t last = rendering.tokens.offsets[i].second - 1 - content;
      const auto part = std::find_if(weight.spans.begin(), weight.spans.end(), [&](const auto& s) {
        return s.begin <= last && last < s.end;
      });
      row.weights[i] = weight.whole * (part == weight.spans.end() ? 1.0F : part->weight);
    }
  }

  /// Where a message's content begins in a rendering, in characters. Templates may strip white
  /// space around it.
  int64_t content_start(size_t turn, const Span& span, const Rendering& rendering) const {
    const auto& content = unmarked_.messages[turn]["content"].get_ref<const std::string&>();
    const int64_t first = rendering.tokens.offsets[span.begin].first;
    const size_t begin = code_point_offset(rendering.text, first);
    const auto& [stop_begin, stop_end] = rendering.tokens.offsets[span.end - 1];
    const size_t end = code_point_offset(rendering.text, span.stop < 0 ? stop_end : stop_begin);
    const std::string_view said = std::string_view(rendering.text).substr(begin, end - begin);
    const std::string bare = without_space(content);
    for (const std::string& text : {content, bare}) {
      const size_t place = said.find(text);
      if (!text.empty() && place != std::string_view::npos && place == said.rfind(text)) {
        return first + count_code_points(said.substr(0, place)) -
               count_code_points(content.substr(0, content.find(text)));
      }
    }
    fail<DataError>(
        "{}: messages[{}]: its parts have weights, and the chat template does not write its "
        "content once and as it is, so they cannot be told apart; weigh the whole message",
        where_, turn);
  }

  MaskedConversation one_by_one(const std::vector<std::pair<size_t, Turn>>& turns) const {
    MaskedConversation result{{}, Border::kPerTurn};
    for (const auto& [turn, rendered] : turns) {
      const std::optional<Span> span = locate(rendered, rendered.through);
      if (!span) {
        refuse(turn, rendered, "its answer can", ", or set data.train_on to \"all\"");
      }
      FormattedRow row = masked(rendered.through);
      train(row, *span, turn, rendered.through);
      settle_weights(row);
      result.rows.push_back(std::move(row));
    }
    return result;
  }

  [[noreturn]] void refuse(size_t turn, const Turn& rendered, std::string_view what,
                           std::string_view way_out) const {
    const std::vector<int32_t>& prompt = rendered.prompt.tokens.ids;
    const std::vector<int32_t>& through = rendered.through.tokens.ids;
    const size_t place = static_cast<size_t>(
        std::mismatch(prompt.begin(), prompt.end(), through.begin(), through.end()).first -
        prompt.begin());
    fail<DataError>(
        "{}: messages[{}]: {}not be told from what stands before: token {} is {} in the prompt and "
        "{} in the conversation; use another data.chat_template{}",
        where_, turn, what, place, spelled(prompt, place), spelled(through, place), way_out);
  }

  std::string spelled(const std::vector<int32_t>& ids, size_t place) const {
    return place < ids.size()
               ? fmt::format("\"{}\" ({})", escaped(pipeline_.tokenizer.token(ids[place])),
                             ids[place])
               : "missing";
  }

  std::unique_ptr<const PlainMarks> marks_;
  const Conversation& unmarked_;
  const Conversation& conversation_;
  const DataOptions& options_;
  const TextPipeline& pipeline_;
  const std::vector<int32_t>& stop_ids_;
  const std::string& where_;
  const Rendering* known_ = nullptr;  // the whole, once there is one
  Rendering whole_;
};

}  // namespace

MaskedConversation mask_conversation(const Conversation& conversation, const DataOptions& options,
                                     const TextPipeline& pipeline,
                                     const std::vector<int32_t>& stop_ids,
                                     const std::string& where) {
  const ConversationMasker masker(conversation, options, pipeline, stop_ids, where);
  return options.train_on == "all" ? masker.everything() : masker.answers();
}

void settle_weights(FormattedRow& row) {
  bool all_alike = true;
  for (size_t i = 0; i < row.weights.size(); ++i) {
    row.labels[i] = row.weights[i] == 0.0F ? kIgnored : row.labels[i];
    row.weights[i] = row.labels[i] == kIgnored ? 1.0F : row.weights[i];
    all_alike = all_alike && row.weights[i] == 1.0F;
  }
  if (all_alike) {
    row.weights.clear();
  }
}

std::vector<int32_t> all_labels(const std::vector<int32_t>& ids, const Tokenizer& tokenizer) {
  std::vector<int32_t> labels = ids;
  if (!ids.empty() && tokenizer.special().bos == ids[0]) {
    labels[0] = kIgnored;
  }
  return labels;
}

}  // namespace peft
