#include "peft/data/prompt_format.h"

#include <algorithm>
#include <utility>

#include "labelled_row.h"
#include "peft/data/plain_text.h"
#include "peft/data/stop_tokens.h"
#include "peft/util/text.h"

namespace peft {
namespace {

using Layout = RowMapping::Layout;

// Without a tokenizer the model's own vocabulary is the limit; who has the model checks that.
constexpr int64_t kNoVocabulary = int64_t{1} << 31;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

PromptFormat::PromptFormat(const DataOptions& options, const TextPipeline& pipeline)
    : options_(options), pipeline_(pipeline), stop_ids_(stop_set(pipeline)) {
  const std::vector<std::string> modes = {"assistant", "last_assistant", "completion", "all"};
  check<UsageError>(std::find(modes.begin(), modes.end(), options.train_on) != modes.end(),
                    "data.train_on: expected one of {}, found \"{}\"{}", join(modes, ", "),
                    options.train_on, did_you_mean(options.train_on, modes));
  if (!pipeline.tokenizer.reads_text()) {
    return;
  }
  for (int64_t id = 0; id < pipeline.tokenizer.vocabulary_size(); ++id) {
    if (pipeline.tokenizer.is_special(static_cast<int32_t>(id))) {
      special_texts_.push_back(pipeline.tokenizer.token(static_cast<int32_t>(id)));
      special_starts_ += special_texts_.back().substr(0, 1);
    }
  }
  if (options.task != Task::kLanguageModel) {
    frames_ = text_frames(pipeline.tokenizer);
  }
  adds_bos_ = starts_with_bos(pipeline.tokenizer.encode("a", /*add_special_tokens=*/true).ids);
  if (pipeline.chat_template != nullptr) {
    const std::string& source = pipeline.chat_template->source();
    knows_tools_ = source.find("tool_calls") != std::string::npos;
    reads_tools_ = source.find("tools") != std::string::npos;
  }
}

FormattedSource PromptFormat::format(const Json& row, const RowMapping& mapping,
                                     const std::string& where) const {
  const bool has_template = pipeline_.chat_template != nullptr;
  switch (mapping.shape) {
    case RowShape::kTokens:
      return format_tokens(row, mapping, where);
    case RowShape::kChat:
      check<DataError>(has_template,
                       "{}: chat rows need a chat template and this model has none; --set "
                       "data.chat_template=chatml, or a file",
                       where);
      return format_chat(read_conversation(row, mapping, knows_tools_, where), where);
    case RowShape::kInstruct:
      return has_template ? format_chat(instruct_conversation(row, mapping, where), where)
                          : format_pair(instruct_text(row, mapping, where), where);
    case RowShape::kPair:
      return format_pair({text_column(row, mapping, "prompt", where),
                          text_column(row, mapping, "completion", where)},
                         where);
    case RowShape::kSegments:
      return format_segments(mapping.column(row, "segments"), where);
    case RowShape::kClassification:
      return format_classification(row, mapping, where);
    case RowShape::kText:
      return format_text(text_column(row, mapping, "text", where), where);
  }
  fail<DataError>("{}: unknown shape", where);
}

std::vector<int32_t> PromptFormat::id_column(const Json& row, const RowMapping& mapping,
                                             const std::string& name,
                                             const std::string& where) const {
  const Json& list = mapping.column(row, name);
  check<DataError>(list.is_array() && !list.empty(),
                   "{}: {}: expected a list of token ids, found {}", where, name,
                   json_excerpt(list));
  const Tokenizer& tokenizer = pipeline_.tokenizer;
  const int64_t vocabulary = tokenizer.reads_text() ? tokenizer.vocabulary_size() : kNoVocabulary;
  std::vector<int32_t> ids;
  ids.reserve(list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& id = list[i];
    const bool ignored = name == "labels" && id == kIgnored;
    check<DataError>(id.is_number_integer() && (ignored || (id >= 0 && id < vocabulary)),
                     "{}: {}[{}]: expected a token id from 0 to {}{}, found {}", where, name, i,
                     vocabulary - 1, name == "labels" ? " or -100" : "", json_excerpt(id));
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

FormattedSource PromptFormat::format_tokens(const Json& row, const RowMapping& mapping,
                                            const std::string& where) const {
  FormattedRow formatted;
  formatted.ids = id_column(row, mapping, "input_ids", where);
  if (options_.task != Task::kLanguageModel) {
    return labelled_tokens(std::move(formatted.ids), row, mapping, options_, where);
  }
  formatted.labels = mapping.column(row, "labels").is_null()
                         ? formatted.ids
                         : id_column(row, mapping, "labels", where);
  check<DataError>(formatted.labels.size() == formatted.ids.size(),
                   "{}: labels: expected {}, one for each of input_ids, found {}", where,
                   formatted.ids.size(), formatted.labels.size());
  FormattedSource source;
  for (size_t i = 0; i < formatted.ids.size(); ++i) {
    const bool is_other =
        formatted.labels[i] != kIgnored && formatted.labels[i] != formatted.ids[i];
    source.other_labels = source.other_labels || is_other;
  }
  source.rows.push_back(std::move(formatted));
  return source;
}

FormattedSource PromptFormat::format_chat(const Conversation& conversation,
                                          const std::string& where) const {
  MaskedConversation masked =
      mask_conversation(conversation, options_, pipeline_, stop_ids_, where);
  FormattedSource source;
  source.rows = std::move(masked.rows);
  source.border = masked.border;
  source.has_weight = conversation.has_weight;
  source.has_train_detail = conversation.has_train_detail;
  source.tools_ignored = !conversation.tools.is_null() && !reads_tools_;
  source.without_bos = adds_bos_ && source.rows.size() > 0 && !starts_with_bos(source.rows[0].ids);
  for (const Json& message : conversation.messages) {
    source.calls_ignored =
        source.calls_ignored || (!knows_tools_ && !message.value("tool_calls", Json()).empty());
    source.special_in_text =
        source.special_in_text || holds_special(message["content"].get<std::string>());
  }
  return source;
}

FormattedSource PromptFormat::format_pair(const PromptCompletion& pair,
                                          const std::string& where) const {
  FormattedSource source;
  source.glued = !pair.prompt.empty() && !pair.completion.empty() &&
                 !is_space(pair.prompt.back()) && !is_space(pair.completion.front());
  source.special_in_text = holds_special(pair.prompt) || holds_special(pair.completion);
  const Encoding tokens = encode_text(pair.prompt + pair.completion, where, &source.extra_bos);
  FormattedRow row{tokens.ids, all_labels(tokens.ids, pipeline_.tokenizer)};
  if (options_.train_on != "all") {
    // A token over the border belongs to the completion, whose first characters it holds.
    const int64_t border = count_code_points(pair.prompt);
    for (size_t i = 0; i < row.ids.size(); ++i) {
      const auto [begin, end] = tokens.offsets[i];
      const bool added = begin == end;
      if (added ? i + 1 < row.ids.size() || i == 0 : end <= border) {
        row.labels[i] = kIgnored;
      }
    }
  }
  append_eos(row);
  source.rows.push_back(std::move(row));
  return source;
}

FormattedSource PromptFormat::format_text(const std::string& text, const std::string& where) const {
  FormattedSource source;
  source.special_in_text = holds_special(text);
  Encoding tokens = encode_text(text, where, &source.extra_bos);
  FormattedRow row;
  row.labels = all_labels(tokens.ids, pipeline_.tokenizer);
  row.ids = std::move(tokens.ids);
  source.rows.push_back(std::move(row));
  return source;
}

/// The segments' texts one behind the other, tokenised once and as they are: who writes a mask
/// writes the special tokens, too. A token over a border belongs to the segment in which it ends.
FormattedSource PromptFormat::format_segments(const Json& list, const std::string& where) const {
  check<DataError>(list.is_array() && !list.empty(),
                   "{}: segments: expected a list of {{\"text\", \"label\"}}, found {}", where,
                   json_excerpt(list));
  std::string text;
  std::vector<int64_t> ends;  // of the segments, in code points
  for (size_t i = 0; i < list.size(); ++i) {
    const Json& segment = list[i];
    check<DataError>(segment.is_object() && segment.value("text", Json()).is_string() &&
                         segment.value("label", Json()).is_boolean(),
                     "{}: segments[{}]: expected {{\"text\": a string, \"label\": true or false}}, "
                     "found {}",
                     where, i, json_excerpt(segment));
    const auto& part = segment.at("text").get_ref<const std::string&>();
    text += part;
    ends.push_back((ends.empty() ? 0 : ends.back()) + count_code_points(part));
  }
  const Encoding tokens = pipeline_.tokenizer.encode(text, /*add_special_tokens=*/false);
  FormattedRow row{tokens.ids, all_labels(tokens.ids, pipeline_.tokenizer)};
  for (size_t i = 0; i < row.ids.size(); ++i) {
    const auto place = std::lower_bound(ends.begin(), ends.end(), tokens.offsets[i].second);
    const auto segment = std::min<size_t>(place - ends.begin(), list.size() - 1);
    row.labels[i] = list[segment].at("label").get<bool>() ? row.labels[i] : kIgnored;
  }
  FormattedSource source;
  source.without_bos = adds_bos_ && !starts_with_bos(row.ids);
  source.rows.push_back(std::move(row));
  return source;
}

FormattedSource PromptFormat::format_classification(const Json& row, const RowMapping& mapping,
                                                    const std::string& where) const {
  FormattedSource source =
      labelled_row(row, mapping, options_, pipeline_.tokenizer, frames_, where);
  for (const char* name : {"text", "text_pair"}) {
    const Json& text = mapping.column(row, name);
    source.special_in_text =
        source.special_in_text || (text.is_string() && holds_special(text.get<std::string>()));
  }
  return source;
}

Encoding PromptFormat::encode_text(const std::string& text, const std::string& where,
                                   bool* extra_bos) const {
  const bool is_plain = options_.special_in_text == "plain";
  const std::vector<TextSpan> plain(is_plain ? 1 : 0, {0, text.size()});
  Encoding tokens =
      encode_plain(pipeline_.tokenizer, text, /*add_special_tokens=*/true, plain, where);
  const std::optional<int32_t> bos = pipeline_.tokenizer.special().bos;
  const bool doubled = bos && tokens.ids.size() > 1 && tokens.ids[0] == *bos &&
                       tokens.ids[1] == *bos && tokens.offsets[0].first == tokens.offsets[0].second;
  if (doubled) {
    *extra_bos = true;
    tokens.ids.erase(tokens.ids.begin());
    tokens.offsets.erase(tokens.offsets.begin());
  }
  return tokens;
}

void PromptFormat::append_eos(FormattedRow& row) const {
  const std::optional<int32_t> eos = pipeline_.tokenizer.special().eos;
  if (!eos) {
    return;
  }
  if (row.ids.empty() || row.ids.back() != *eos) {
    row.ids.push_back(*eos);
    row.labels.push_back(*eos);
  }
  row.stop = static_cast<int64_t>(row.ids.size()) - 1;
  row.labels.back() = options_.train_on_eos ? *eos : kIgnored;
}

bool PromptFormat::starts_with_bos(const std::vector<int32_t>& ids) const {
  return !ids.empty() && pipeline_.tokenizer.special().bos == ids[0];
}

bool PromptFormat::holds_special(const std::string& text) const {
  for (size_t place = text.find_first_of(special_starts_); place != std::string::npos;
       place = text.find_first_of(special_starts_, place + 1)) {
    const std::string_view rest = std::string_view(text).substr(place);
    if (std::any_of(special_texts_.begin(), special_texts_.end(),
                    [&](const std::string& special) { return rest.starts_with(special); })) {
      return true;
    }
  }
  return false;
}

}  // namespace peft
