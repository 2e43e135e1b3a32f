#include "peft/data/token_cache.h"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "peft/data/inspect.h"
#include "peft/util/temporaries.h"
#include "token_cache_format.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

// To be raised with every change of what a row becomes: no old file may stand for new rules.
constexpr int kRules = 5;
constexpr auto kKept = std::chrono::hours(24 * 30);

template <class T>
std::span<const std::byte> bytes_of(const T& value) {
  return std::as_bytes(std::span(&value, 1));
}

/// Every option that decides ids and labels. A new field of DataOptions does not compile here until
/// somebody has thought of it.
Json option_fields(const DataOptions& options) {
  const auto& [format, train_on, train_on_eos, max_length, overflow, columns, special_in_text,
               text_split, skip_bad, refuses, keep_cut, task, label_names, cache, cache_from] =
      options;
  static_cast<void>(cache);
  static_cast<void>(cache_from);
  return {{"format", format},
          {"train_on", train_on},
          {"train_on_eos", train_on_eos},
          {"max_length", max_length},
          {"overflow", overflow},
          {"columns", columns},
          {"special_in_text", special_in_text},
          {"text_split", text_split},
          {"skip_bad", skip_bad},
          {"refuses", refuses},
          {"keep_cut", keep_cut},
          {"task", static_cast<int>(task)},
          {"label_names", label_names}};
}

/// Templates that print the date make other ids tomorrow.
std::string day_for(const std::string& chat_template) {
  if (chat_template.find("strftime_now") == std::string::npos) {
    return "";
  }
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  ::localtime_r(&now, &local);
  return fmt::format("{}-{}-{}", local.tm_year, local.tm_mon, local.tm_mday);
}

}  // namespace

fs::path token_cache_folder() {
  const auto variable = [](const char* name) -> fs::path {
    const char* const value = std::getenv(name);
    return value == nullptr ? "" : value;
  };
  if (const fs::path own = variable("PEFT_CACHE_DIR"); !own.empty()) {
    return own;
  }
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) {
    return cache / "peft";
  }
  const fs::path home = variable("HOME");
  return home.empty() ? home : home / ".cache/peft";
}

std::string token_cache_key(const std::vector<SourceFiles>& parts, const std::string& content,
                            const DataOptions& options, const TextPipeline& pipeline) {
  const std::string chat_template =
      pipeline.chat_template == nullptr ? "" : pipeline.chat_template->source();
  Json files = Json::array();
  for (const SourceFiles& part : parts) {
    Json names = Json::array();
    for (const fs::path& file : part.files) {
      names.push_back(file.string());
    }
    files.push_back({{"files", names},
                     {"limit", part.limit},
                     {"held_out", part.held_out},
                     {"columns", part.columns}});
  }
  const Json all = {{"rules", kRules},
                    {"parts", files},
                    {"content", content},
                    {"options", option_fields(options)},
                    {"tokenizer", pipeline.tokenizer_hash},
                    {"has_template", pipeline.chat_template != nullptr},
                    {"chat_template", chat_template},
                    {"day", day_for(chat_template)},
                    {"stop_ids", pipeline.stop_ids}};
  return sha256(all.dump(-1, ' ', false, Json::error_handler_t::replace));
}

TokenCacheWriter::TokenCacheWriter(ByteSink sink) : sink_(std::move(sink)) {
  buffer_.reserve(kTokenCachePiece);
}

void TokenCacheWriter::append(const Example& example) {
  write(std::as_bytes(std::span<const int32_t>(example.ids)));
  write(std::as_bytes(std::span<const int32_t>(example.labels)));
  write(std::as_bytes(std::span<const float>(example.weights)));
  lengths_.push_back(example.ids.size());
  have_weights_.push_back(!example.weights.empty());
}

void TokenCacheWriter::finish(const Dataset& dataset, const std::vector<size_t>& parts) {
  write(std::vector<std::byte>((8 - written_ % 8) % 8));
  TokenCacheFooter footer{};
  footer.examples = lengths_.size();
  footer.index_begin = written_;
  uint64_t begin = 0;
  for (size_t i = 0; i < lengths_.size(); ++i) {
    const Example& example = dataset.examples[i];
    write(bytes_of(TokenCacheEntry{begin, lengths_[i], example.line, example.prompt_length,
                                   example.answer_end, example.file, example.label, example.score,
                                   have_weights_[i] ? 1 : 0, example.second_type}));
    begin += (have_weights_[i] ? 3 : 2) * lengths_[i] * sizeof(int32_t);
  }
  footer.report_begin = written_;
  Json files = Json::array();
  for (const fs::path& file : dataset.files) {
    files.push_back(file.string());
  }
  const std::string rest = Json{
      {"report", report_json(dataset.report)},
      {"label_names", dataset.label_names},
      {"files", files},
      {"parts", parts}}.dump(-1, ' ', false, Json::error_handler_t::replace);
  write(std::as_bytes(std::span(rest)));
  flush();
  std::memcpy(footer.magic, kTokenCacheMagic.data(), sizeof(footer.magic));
  std::memcpy(footer.sha256, hash_.finish().data(), sizeof(footer.sha256));
  sink_(bytes_of(footer));
}

void TokenCacheWriter::write(std::span<const std::byte> bytes) {
  written_ += bytes.size();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kTokenCachePiece) {
    flush();
  }
}

void TokenCacheWriter::flush() {
  hash_.update(buffer_);
  sink_(buffer_);
  buffer_.clear();
}

void tidy_token_cache(const fs::path& folder) {
  remove_dead_temporaries(folder);
  std::error_code unknown;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, unknown)) {
    const bool is_old = entry.path().extension() == ".tokens" &&
                        fs::file_time_type::clock::now() - entry.last_write_time(unknown) > kKept;
    if (is_old && !unknown) {
      fs::remove(entry.path(), unknown);
    }
  }
}

}  // namespace peft
