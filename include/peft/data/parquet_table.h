#pragma once

#include <cstddef>

namespace peft {

/// What libpeft_parquet.so offers. The one plug-in that knows Apache Arrow; no exception crosses.
/// Whoever calls gives room for `size` bytes of a reason.
struct ParquetTable {
  int version;  ///< kParquetTableVersion of the sources that it was built from
  /// Opens a file; null with a reason when it cannot be read.
  void* (*open)(const char* path, char* reason, size_t size);
  /// The next row as the text of a JSON object, valid until the next call; null at the end, and
  /// with a reason when reading failed.
  const char* (*next)(void* file, size_t* length, char* reason, size_t size);
  void (*close)(void* file);
};

inline constexpr int kParquetTableVersion = 1;
/// Name of the library, and of its function without arguments that returns a const ParquetTable*.
inline constexpr const char* kParquetLibrary = "libpeft_parquet.so";
inline constexpr const char* kParquetTableFunction = "peft_parquet_table";

}  // namespace peft
