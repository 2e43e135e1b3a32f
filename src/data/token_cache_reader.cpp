#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "peft/data/token_cache.h"
#include "peft/io/input_file.h"
#include "peft/util/log.h"
#include "token_cache_format.h"

namespace peft {
namespace {

constexpr size_t kLargestReport = size_t{1} << 30;

/// A file in memory, read-only and for good.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& file) {
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

  /// Drops the pages that were read; they stay in the file.
  void give_back() const { ::madvise(data_, size_, MADV_DONTNEED); }

  template <class T>
  std::span<const T> numbers(uint64_t begin, uint64_t count) const {
    return {reinterpret_cast<const T*>(static_cast<const std::byte*>(data_) + begin), count};
  }

 private:
  void* data_ = MAP_FAILED;
  size_t size_ = 0;
};

/// Reads the footer and checks that everything before it is what was written.
TokenCacheFooter checked_footer(const InputFile& file) {
  TokenCacheFooter footer{};
  check<IoError>(file.size() > sizeof(footer), "it is too short");
  const uint64_t end = file.size() - sizeof(footer);
  file.read(end, std::as_writable_bytes(std::span(&footer, 1)));
  check<IoError>(
      std::string_view(footer.magic, sizeof(footer.magic)) == kTokenCacheMagic &&
          footer.index_begin <= footer.report_begin && footer.report_begin <= end &&
          footer.examples <= end / sizeof(TokenCacheEntry) &&
          footer.report_begin - footer.index_begin == footer.examples * sizeof(TokenCacheEntry),
      "its last part is damaged");
  Sha256 hash;
  std::vector<std::byte> piece(kTokenCachePiece);
  for (uint64_t place = 0; place < end; place += piece.size()) {
    piece.resize(static_cast<size_t>(std::min<uint64_t>(kTokenCachePiece, end - place)));
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
  reader.read("contradicting_labels", report.contradicting_labels);
  reader.read("calls_ignored", report.calls_ignored);
  reader.read("other_labels", report.other_labels);
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

void read_rest(const InputFile& file, const TokenCacheFooter& footer,
               const std::vector<SourceFiles>& parts, Dataset& dataset) {
  const uint64_t end = file.size() - sizeof(TokenCacheFooter);
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

/// Whoever can write to the folder can also write the right sum under a wrong index.
void check_entry(const TokenCacheEntry& entry, const TokenCacheFooter& footer,
                 const Dataset& dataset) {
  const auto length = static_cast<int64_t>(entry.length);
  const auto labels = static_cast<int64_t>(dataset.label_names.size());
  const auto within = [](int64_t place, int64_t end) { return place >= 0 && place <= end; };
  const bool has_room =
      entry.length <= footer.index_begin && entry.begin <= footer.index_begin &&
      (2 + entry.has_weights) * entry.length * sizeof(int32_t) <= footer.index_begin - entry.begin;
  check<IoError>(within(entry.has_weights, 1) && has_room && entry.begin % sizeof(int32_t) == 0 &&
                     within(entry.prompt_length, length) && within(entry.answer_end, length) &&
                     within(entry.second_type, length) && within(entry.label + 1, labels) &&
                     within(entry.file + 1, static_cast<int64_t>(dataset.files.size())),
                 "its index is damaged");
}

void read_examples(const InputFile& file, const TokenCacheFooter& footer, Dataset& dataset) {
  const auto map = std::make_shared<const MappedFile>(file.path());
  std::vector<TokenCacheEntry> index(footer.examples);
  file.read(footer.index_begin, std::as_writable_bytes(std::span(index)));
  dataset.examples.reserve(index.size());
  for (const TokenCacheEntry& entry : index) {
    check_entry(entry, footer, dataset);
    Example example;
    const uint64_t bytes = entry.length * sizeof(int32_t);
    example.ids = Tokens(map->numbers<int32_t>(entry.begin, entry.length), map);
    example.labels = Tokens(map->numbers<int32_t>(entry.begin + bytes, entry.length), map);
    if (entry.has_weights != 0) {
      example.weights = Weights(map->numbers<float>(entry.begin + 2 * bytes, entry.length), map);
    }
    example.row = static_cast<int64_t>(dataset.examples.size());
    example.line = entry.line;
    example.file = entry.file;
    example.prompt_length = entry.prompt_length;
    example.answer_end = entry.answer_end;
    example.label = entry.label;
    example.score = entry.score;
    example.second_type = entry.second_type;
    dataset.examples.push_back(std::move(example));
  }
  dataset.give_back = [map] { map->give_back(); };
}

}  // namespace

std::optional<Dataset> open_token_cache(const std::filesystem::path& path,
                                        const std::vector<SourceFiles>& parts) {
  std::error_code unknown;
  if (!std::filesystem::is_regular_file(path, unknown)) {
    return std::nullopt;
  }
  try {
    const InputFile file(path);
    const TokenCacheFooter footer = checked_footer(file);
    Dataset dataset;
    read_rest(file, footer, parts, dataset);
    read_examples(file, footer, dataset);
    std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now(), unknown);
    return dataset;
  } catch (const std::exception& error) {
    log_warning("{}: this cache is made anew: {}", path.string(), error.what());
    return std::nullopt;
  }
}

}  // namespace peft
