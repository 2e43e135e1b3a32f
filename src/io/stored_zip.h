#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "peft/io/input_file.h"

namespace peft {

/// Where the bytes of a zip file's record lie.
struct ZipRecord {
  uint64_t begin = 0;  ///< byte offset in the file (absolute)
  uint64_t bytes = 0;
  uint32_t crc = 0;
};

/// True if the file begins as a zip file does.
bool is_zip(const InputFile& file);

/// The records of a zip file by name, as torch writes it: stored and not compressed, one disk, no
/// comment, no two records of one name, none over another. Throws ModelError for any other.
std::map<std::string, ZipRecord> read_stored_zip(const InputFile& file);

/// CRC-32 of bytes, as zip files have it.
uint32_t crc32_of(const std::string& bytes);

}  // namespace peft
