#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace peft {

/// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(std::span<const std::byte> bytes);
  /// The hash of everything so far as 64 lower-case hexadecimal digits; nothing may follow.
  std::string finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// SHA-256 of a text.
std::string sha256(std::string_view text);

/// SHA-256 of a file's bytes. Throws IoError when it cannot be read.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace peft
