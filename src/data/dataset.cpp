#include "peft/data/dataset.h"

#include <optional>
#include <span>
#include <utility>

#include "dataset_reader.h"
#include "peft/data/source_files.h"
#include "peft/data/stop_tokens.h"
#include "peft/data/token_cache.h"
#include "peft/util/log.h"
#include "peft/util/sha256.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kTokensInMemory = size_t{1} << 22;  // of a file, at 8 or 12 bytes each

/// What the files were when reading began.
struct FileState {
  int64_t bytes = 0;
  std::vector<std::filesystem::file_time_type> times;
  std::string hash;  ///< of the one file's bytes; of several, of their hashes one behind the other
};

FileState state_of(const std::vector<SourceFiles>& parts) {
  FileState state;
  std::vector<std::string> hashes;
  for (const SourceFiles& part : parts) {
    for (const std::filesystem::path& file : part.files) {
      check_not_stopped();
      hashes.push_back(sha256_of_file(file));
      state.bytes += static_cast<int64_t>(std::filesystem::file_size(file));
      state.times.push_back(std::filesystem::last_write_time(file));
    }
  }
  state.hash = hashes.size() == 1 ? hashes[0] : sha256(join(hashes, ""));
  return state;
}

/// A hash must not stand for bytes that came later.
void check_unchanged(const std::vector<SourceFiles>& parts, const FileState& state) {
  size_t place = 0;
  for (const SourceFiles& part : parts) {
    for (const std::filesystem::path& file : part.files) {
      check<DataError>(std::filesystem::last_write_time(file) == state.times[place++],
                       "{}: changed while it was read", file.string());
    }
  }
}

/// Reads everything. With a writer the tokens go there.
Dataset read_all(const std::vector<SourceFiles>& parts, const FileState& state,
                 const DataOptions& options, const TextPipeline& pipeline,
                 TokenCacheWriter* writer) {
  DatasetReader reader(options, pipeline, writer);
  for (size_t part = 0; part < parts.size(); ++part) {
    reader.read(parts[part], part);
  }
  check_unchanged(parts, state);
  Dataset dataset = reader.finish();
  dataset.report.sha256 = state.hash;
  if (writer != nullptr) {
    writer->finish(dataset, reader.parts());
  }
  return dataset;
}

/// Through a file of the cache, made now if it is not there. Nothing when it cannot be written.
std::optional<Dataset> read_cached(const std::vector<SourceFiles>& parts, const FileState& state,
                                   const DataOptions& options, const TextPipeline& pipeline) {
  const std::filesystem::path file =
      options.cache / (token_cache_key(parts, state.hash, options, pipeline) + ".tokens");
  if (std::optional<Dataset> dataset = open_token_cache(file, parts)) {
    log_info("tokens are those of {}", file.string());
    return dataset;
  }
  try {
    make_folders(options.cache);
    tidy_token_cache(options.cache);
    write_file(file, [&](const ByteSink& sink) {
      TokenCacheWriter writer(sink);
      read_all(parts, state, options, pipeline, &writer);
    });
  } catch (const IoError& error) {
    log_warning("tokens are kept in memory and not in data.cache: {}", error.what());
    return std::nullopt;
  }
  return open_token_cache(file, parts);
}

}  // namespace

void Dataset::walk(const std::function<void(const Example&)>& use) const {
  size_t tokens = 0;
  for (const Example& example : examples) {
    use(example);
    tokens += example.ids.size();
    const bool is_last = &example == &examples.back();
    if (give_back && (tokens > kTokensInMemory || is_last)) {
      give_back();
      tokens = 0;
    }
  }
}

Dataset load_dataset(const std::vector<DataSource>& sources, const DataOptions& options,
                     const TextPipeline& pipeline) {
  const std::vector<SourceFiles> parts = source_files(sources);
  const FileState state = state_of(parts);
  const bool is_cached = !options.cache.empty() && state.bytes >= options.cache_from &&
                         !pipeline.tokenizer_hash.empty() && options.refuses &&
                         options.keep_cut == 0;
  if (is_cached) {
    if (std::optional<Dataset> dataset = read_cached(parts, state, options, pipeline)) {
      return std::move(*dataset);
    }
  }
  return read_all(parts, state, options, pipeline, /*writer=*/nullptr);
}

std::string reference_answer(const Example& example, const TextPipeline& pipeline) {
  const std::vector<int32_t> answer(example.ids.begin() + example.prompt_length,
                                    example.ids.begin() + example.answer_end);
  const std::optional<size_t> stop =
      find_turn_end(answer, 0, pipeline.tokenizer, stop_set(pipeline));
  return pipeline.tokenizer.decode(std::span(answer).first(stop.value_or(answer.size())),
                                   /*skip_special_tokens=*/false);
}

}  // namespace peft
