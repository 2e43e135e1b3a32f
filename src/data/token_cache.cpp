#include "peft/data/token_cache.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include "peft/data/inspect.h"
#include "peft/io/input_file.h"
#include "peft/util/log.h"
#include "peft/util/temporaries.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

// To be raised with every change of what a row becomes: no old file may stand for new rules.
constexpr int kRules = 1;
constexpr std::string_view kMagic = "PEFTTOK1";
constexpr size_t kBuffer = size_t{1} << 20;
constexpr size_t kLargestReport = size_t{1} << 30;
constexpr auto kKept = std::chrono::hours(24 * 30);

/// One example in the index.
struct IndexEntry {
  uint64_t begin;   // of its ids in the file, in bytes; its labels follow them
  uint64_t length;  // tokens
  int64_t line;
  int64_t prompt_length;
  int32_t file;
  int32_t label;
  float score;
  int32_t unused;
};
static_assert(sizeof(IndexEntry) == 48);

/// The end of the file.
struct Footer {
  char magic[8];
  uint64_t examples;
  uint64_t index_begin;   // in bytes
  uint64_t report_begin;  // in bytes, up to the footer
  char sha256[64];        // of everything before the footer
};
static_assert(sizeof(Footer) == 96);

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

/// A file in memory, read-only and for good.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& file) {
    const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    check<IoError>(descriptor >= 0, "{}: {}", file.string(), std::strerror(errno));
    size_ = static_cast<size_t>(::lseek(descriptor, 0, SEEK_END));
    data_ = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, descriptor, 0);
    const int reason = errno;
    ::close(descriptor);
    check<IoError>(data_ != MAP_FAILED, "{}: cannot be mapped into memory: {}", file.string(),
                   std::strerror(reason));
  }
  ~MappedFile() {
    if (data_ != MAP_FAILED) {
      ::munmap(data_, size_);
    }
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::span<const int32_t> tokens(uint64_t begin, uint64_t count) const {
    return {reinterpret_cast<const int32_t*>(static_cast<const std::byte*>(data_) + begin), count};
  }

 private:
  void* data_ = MAP_FAILED;
  size_t size_ = 0;
};

/// Reads the footer and checks that everything before it is what was written.
Footer checked_footer(const InputFile& file) {
  Footer footer{};
  check<IoError>(file.size() > sizeof(footer), "it is too short");
  const uint64_t end = file.size() - sizeof(footer);
  file.read(end, std::as_writable_bytes(std::span(&footer, 1)));
  check<IoError>(
      std::string_view(footer.magic, sizeof(footer.magic)) == kMagic && footer.index_begin <= end &&
          footer.report_begin <= end &&
          footer.report_begin - footer.index_begin == footer.examples * sizeof(IndexEntry),
      "its last part is damaged");
  Sha256 hash;
  std::vector<std::byte> piece(kBuffer);
  for (uint64_t place = 0; place < end; place += piece.size()) {
    piece.resize(static_cast<size_t>(std::min<uint64_t>(kBuffer, end - place)));
    file.read(place, piece);
    hash.update(piece);
  }
  check<IoError>(hash.finish() == std::string_view(footer.sha256, sizeof(footer.sha256)),
                 "its SHA-256 does not match");
  return footer;
}

DataReport read_report(const Json& json) {
  DataReport report;
  JsonReader<IoError> reader(json, "report");
  reader.read("format", report.format);
  reader.read("decision", report.decision);
  reader.read("rows", report.rows);
  reader.read("examples", report.examples);
  reader.read("tokens", report.tokens);
  reader.read("scored_tokens", report.scored_tokens);
  reader.read("longest", report.longest);
  reader.read("truncated", report.truncated);
  reader.read("dropped_too_long", report.dropped_too_long);
  reader.read("dropped_unscored", report.dropped_unscored);
  reader.read("without_stop", report.without_stop);
  reader.read("split_per_turn", report.split_per_turn);
  reader.read("duplicates", report.duplicates);
  reader.read("special_in_text", report.special_in_text);
  reader.read("bad_rows", report.bad_rows);
  reader.read("refusals", report.refusals);
  reader.read("notes", report.notes);
  reader.read("sha256", report.sha256);
  Json places;
  reader.read("places", places);
  for (const auto& [name, text] : places.items()) {
    report.places[name] = text.get<std::string>();
  }
  reader.finish();
  return report;
}

void read_rest(const InputFile& file, const Footer& footer, const std::vector<SourceFiles>& parts,
               Dataset& dataset) {
  const uint64_t end = file.size() - sizeof(Footer);
  const Json rest = parse_json<IoError>(file.text(footer.report_begin, end - footer.report_begin),
                                        "report", {.bytes = kLargestReport});
  dataset.report = read_report(rest.at("report"));
  dataset.label_names = rest.at("label_names").get<std::vector<std::string>>();
  for (const Json& name : rest.at("files")) {
    dataset.files.emplace_back(name.get<std::string>());
  }
  for (const Json& part : rest.at("parts")) {
    dataset.weights.push_back(parts.at(part.get<size_t>()).weight);
  }
}

void read_examples(const InputFile& file, const Footer& footer, Dataset& dataset) {
  const auto map = std::make_shared<const MappedFile>(file.path());
  std::vector<IndexEntry> index(footer.examples);
  file.read(footer.index_begin, std::as_writable_bytes(std::span(index)));
  dataset.examples.reserve(index.size());
  for (const IndexEntry& entry : index) {
    Example example;
    example.ids = Tokens(map->tokens(entry.begin, entry.length), map);
    example.labels =
        Tokens(map->tokens(entry.begin + entry.length * sizeof(int32_t), entry.length), map);
    example.row = static_cast<int64_t>(dataset.examples.size());
    example.line = entry.line;
    example.file = entry.file;
    example.prompt_length = entry.prompt_length;
    example.label = entry.label;
    example.score = entry.score;
    dataset.examples.push_back(std::move(example));
  }
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
    files.push_back({{"files", names}, {"limit", part.limit}});
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
  buffer_.reserve(kBuffer);
}

void TokenCacheWriter::append(const Example& example) {
  write(std::as_bytes(std::span<const int32_t>(example.ids)));
  write(std::as_bytes(std::span<const int32_t>(example.labels)));
  lengths_.push_back(example.ids.size());
}

void TokenCacheWriter::finish(const Dataset& dataset, const std::vector<size_t>& parts) {
  write(std::vector<std::byte>((8 - written_ % 8) % 8));
  Footer footer{};
  footer.examples = lengths_.size();
  footer.index_begin = written_;
  uint64_t begin = 0;
  for (size_t i = 0; i < lengths_.size(); ++i) {
    const Example& example = dataset.examples[i];
    write(bytes_of(IndexEntry{begin, lengths_[i], example.line, example.prompt_length, example.file,
                              example.label, example.score, 0}));
    begin += 2 * lengths_[i] * sizeof(int32_t);
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
  std::memcpy(footer.magic, kMagic.data(), sizeof(footer.magic));
  std::memcpy(footer.sha256, hash_.finish().data(), sizeof(footer.sha256));
  sink_(bytes_of(footer));
}

void TokenCacheWriter::write(std::span<const std::byte> bytes) {
  written_ += bytes.size();
  buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
  if (buffer_.size() >= kBuffer) {
    flush();
  }
}

void TokenCacheWriter::flush() {
  hash_.update(buffer_);
  sink_(buffer_);
  buffer_.clear();
}

std::optional<Dataset> open_token_cache(const fs::path& path,
                                        const std::vector<SourceFiles>& parts) {
  std::error_code unknown;
  if (!fs::is_regular_file(path, unknown)) {
    return std::nullopt;
  }
  try {
    const InputFile file(path);
    const Footer footer = checked_footer(file);
    Dataset dataset;
    read_rest(file, footer, parts, dataset);
    read_examples(file, footer, dataset);
    fs::last_write_time(path, fs::file_time_type::clock::now(), unknown);
    return dataset;
  } catch (const Error& error) {
    log_warning("{}: this cache is made anew: {}", path.string(), error.what());
    return std::nullopt;
  }
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
