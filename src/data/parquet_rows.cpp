#include <dlfcn.h>

#include <array>
#include <memory>

#include "peft/data/parquet_table.h"
#include "peft/data/rows.h"

namespace peft {
namespace {

std::filesystem::path program_folder() {
  std::error_code unreadable;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", unreadable);
  check<IoError>(!unreadable, "/proc/self/exe: {}", unreadable.message());
  return program.parent_path();
}

/// Loads the plug-in, once and for good: its library keeps threads.
const ParquetTable& parquet_table(const std::string& file) {
  const std::filesystem::path library = program_folder() / kParquetLibrary;
  check<DataError>(
      std::filesystem::exists(library),
      "{}: Parquet needs {} beside the program, which is built where Arrow is found "
      "(-DPEFT_ARROW_DIR=<site-packages>/pyarrow); or write the rows as JSON: python -c \"import "
      "pandas; pandas.read_parquet('{}').to_json('rows.jsonl', orient='records', lines=True)\"",
      file, kParquetLibrary, file);
  void* const loaded = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  const char* const reason = loaded == nullptr ? ::dlerror() : "";
  check<IoError>(loaded != nullptr, "{} cannot be loaded: {}", library.string(),
                 reason == nullptr ? "unknown" : reason);
  using Function = const ParquetTable* (*)();
  const auto function = reinterpret_cast<Function>(::dlsym(loaded, kParquetTableFunction));
  const ParquetTable* const table = function == nullptr ? nullptr : function();
  check<IoError>(table != nullptr && table->version == kParquetTableVersion,
                 "{}: belongs to another version", library.string());
  return *table;
}

/// Rows of a Parquet file, which come from the plug-in as JSON; their "lines" are row numbers.
class ParquetRows final : public RowSource {
 public:
  explicit ParquetRows(const std::filesystem::path& file)
      : name_(file.string()), table_(parquet_table(name_)), file_(nullptr, table_.close) {
    file_.reset(table_.open(name_.c_str(), reason_.data(), reason_.size()));
    check<DataError>(file_ != nullptr, "{}: {}", name_, reason_.data());
  }

  std::optional<RawRow> next() override {
    size_t length = 0;
    const char* const text = table_.next(file_.get(), &length, reason_.data(), reason_.size());
    if (text == nullptr) {
      check<DataError>(reason_[0] == '\0', "{}:{}: {}", name_, rows_ + 1, reason_.data());
      return std::nullopt;
    }
    check_row_size(name_, ++rows_, length);
    return RawRow{std::string(text, length), rows_, 1, rows_ == 1};
  }

  Json parse(const RawRow& row) const override {
    return parse_json<DataError>(row.text, fmt::format("{}:{}", name_, row.line),
                                 {.bytes = kLargestRow});
  }

 private:
  std::string name_;
  const ParquetTable& table_;
  std::unique_ptr<void, void (*)(void*)> file_;
  std::array<char, 512> reason_{};
  int64_t rows_ = 0;
};

}  // namespace

std::unique_ptr<RowSource> open_parquet_rows(const std::filesystem::path& file) {
  return std::make_unique<ParquetRows>(file);
}

}  // namespace peft
