#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "peft/data/dataset.h"
#include "peft/data/source_files.h"
#include "peft/util/durable_file.h"
#include "peft/util/sha256.h"

namespace peft {

/// Where tokenised data sets are kept unless data.cache names a folder: $PEFT_CACHE_DIR, else
/// $XDG_CACHE_HOME/peft, else ~/.cache/peft; empty where none of these is set.
std::filesystem::path token_cache_folder();

/// 64 hexadecimal digits of everything that decides ids and labels: the files' names, bytes and
/// limits, every option, tokenizer, template, stop tokens, and for a template that asks for the
/// date the day. `content`: DataReport::sha256.
std::string token_cache_key(const std::vector<SourceFiles>& parts, const std::string& content,
                            const DataOptions& options, const TextPipeline& pipeline);

/// Writes a tokenised data set while it is made. The file has ids, labels and, where there are
/// some, weights of every example one behind the other as 32-bit numbers, an index, the report, and
/// a last part with the places and the SHA-256 of all these.
class TokenCacheWriter {
 public:
  explicit TokenCacheWriter(ByteSink sink);

  void append(const Example& example);
  /// Everything of `dataset` but its examples' tokens, which were appended in their order. `parts`:
  /// of every file, which part of the mixture it belongs to.
  void finish(const Dataset& dataset, const std::vector<size_t>& parts);

 private:
  void write(std::span<const std::byte> bytes);
  void flush();

  ByteSink sink_;
  std::vector<std::byte> buffer_;
  Sha256 hash_;
  uint64_t written_ = 0;
  std::vector<uint64_t> lengths_;  // of the examples
  std::vector<bool> have_weights_;
};

/// Opens a file of that form; its tokens stay in the file, mapped into memory, which nobody
/// changes: it is written under another name and only ever removed. The weights of the files come
/// from `parts`. Nothing where there is no such file, or where it is not whole, which is said.
std::optional<Dataset> open_token_cache(const std::filesystem::path& file,
                                        const std::vector<SourceFiles>& parts);

/// Removes what nobody has opened for a month, and what a killed process left half-written.
void tidy_token_cache(const std::filesystem::path& folder);

}  // namespace peft
