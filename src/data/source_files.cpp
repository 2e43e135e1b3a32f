#include "peft/data/source_files.h"

#include <glob.h>

#include <algorithm>
#include <limits>
#include <memory>

#include "peft/util/text.h"
#include "registered_dataset.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kExtensions[] = {".jsonl", ".ndjson", ".json",   ".csv",
                                       ".tsv",   ".txt",    ".parquet"};
// What other tools write beside the rows.
constexpr const char* kNotRows[] = {"dataset_info.json", "dataset_infos.json", "dataset_dict.json",
                                    "state.json"};
constexpr std::string_view kAboutRows[] = {"readme", "license", "licence",
                                           "notice", "copying", "source"};

bool is_data_file(const fs::path& file) {
  const std::string name = file.filename().string();
  const std::string lower = lower_ascii(name);
  const std::string extension = lower_ascii(file.extension().string());
  return !name.starts_with('.') && fs::is_regular_file(file) &&
         std::find(std::begin(kExtensions), std::end(kExtensions), extension) !=
             std::end(kExtensions) &&
         std::find(std::begin(kNotRows), std::end(kNotRows), name) == std::end(kNotRows) &&
         std::none_of(std::begin(kAboutRows), std::end(kAboutRows),
                      [&](std::string_view start) { return lower.starts_with(start); });
}

/// True for "train.jsonl" and "train-00000-of-00002.parquet" of the split "train".
bool is_of_split(const fs::path& file, std::string_view split) {
  const std::string name = lower_ascii(file.filename().string());
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  return name.starts_with(split) && !is_letter(name[split.size()]);
}

std::vector<fs::path> of_split(const std::vector<fs::path>& files,
                               std::initializer_list<std::string_view> names) {
  std::vector<fs::path> found;
  for (const fs::path& file : files) {
    if (std::any_of(names.begin(), names.end(),
                    [&](std::string_view name) { return is_of_split(file, name); })) {
      found.push_back(file);
    }
  }
  return found;
}

std::vector<fs::path> files_of_folder(const fs::path& folder, bool held_out) {
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    if (is_data_file(entry.path())) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  // Beside files of rows a text file is a licence, a list of packages, a note.
  const auto is_text = [](const fs::path& file) {
    return lower_ascii(file.extension().string()) == ".txt";
  };
  if (!std::all_of(files.begin(), files.end(), is_text)) {
    std::erase_if(files, is_text);
  }
  check<DataError>(!files.empty(), "{}: no data files in this folder; expected {}", folder.string(),
                   fmt::join(kExtensions, ", "));
  const auto train = of_split(files, {"train"});
  const auto valid = of_split(files, {"valid", "validation", "val", "eval", "dev"});
  const auto test = of_split(files, {"test"});
  const bool has_splits = !train.empty() || !valid.empty() || !test.empty();
  if (!has_splits) {
    return files;
  }
  const auto& wanted = !held_out ? train : valid.empty() ? test : valid;
  check<DataError>(!wanted.empty(), "{}: its files name splits, and none is for {}; name a file",
                   folder.string(), held_out ? "evaluation" : "training");
  return wanted;
}

std::vector<fs::path> files_of_pattern(const std::string& pattern) {
  glob_t found{};
  const int status = ::glob(pattern.c_str(), 0, nullptr, &found);
  const std::unique_ptr<glob_t, decltype(&::globfree)> owner(&found, &::globfree);
  std::vector<fs::path> files;
  for (size_t i = 0; status == 0 && i < found.gl_pathc; ++i) {
    if (fs::is_regular_file(found.gl_pathv[i])) {
      files.emplace_back(found.gl_pathv[i]);
    }
  }
  check<DataError>(!files.empty(), "{}: no file fits this pattern", pattern);
  return files;
}

std::vector<fs::path> files_of(const DataSource& source) {
  std::error_code unknown;
  if (fs::is_directory(source.path, unknown)) {
    return files_of_folder(source.path, source.held_out);
  }
  const std::string name = source.path.string();
  const bool is_there = fs::exists(source.path, unknown);
  if (!is_there && name.find_first_of("*?[") != std::string::npos) {
    return files_of_pattern(name);
  }
  check<DataError>(is_there, "{}: no such file", name);
  check<DataError>(fs::is_regular_file(source.path, unknown), "{}: not a regular file", name);
  return {source.path};
}

SourceFiles part_of(const DataSource& source, int64_t limit) {
  std::error_code unknown;
  const auto registered =
      fs::exists(source.path, unknown) ? std::nullopt : find_registered(source.path);
  if (!registered) {
    return {files_of(source), source.weight, limit, source.held_out};
  }
  DataSource there = source;
  there.path = registered->file;
  return {files_of(there), source.weight, std::min(limit, registered->limit.value_or(limit)),
          source.held_out, registered->columns};
}

}  // namespace

std::vector<SourceFiles> source_files(const std::vector<DataSource>& sources) {
  std::vector<SourceFiles> parts;
  for (const DataSource& source : sources) {
    check<UsageError>(source.weight > 0.0 && source.weight <= 1000.0,
                      "{}: weight: expected a number above 0 and up to 1000, found {}",
                      source.path.string(), source.weight);
    const int64_t limit = source.limit.value_or(std::numeric_limits<int64_t>::max());
    check<UsageError>(limit > 0, "{}: limit: expected a positive number, found {}",
                      source.path.string(), limit);
    parts.push_back(part_of(source, limit));
  }
  return parts;
}

}  // namespace peft
