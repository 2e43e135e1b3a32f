#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "io/temporary_directory.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"

namespace peft {

/// A tokenizer.json with the 256 bytes and a few merges ("Ġthe", "aaaa"), to be changed by a test.
inline Json tiny_byte_level() {
  Json vocab = Json::object();
  int next_character = 0x100;
  for (int byte = 0; byte < 256; ++byte) {
    const bool itself = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    const int character = itself ? byte : next_character++;
    std::string token;
    if (character < 0x80) {
      token += static_cast<char>(character);
    } else {
      token += static_cast<char>(0xC0 | (character >> 6));
      token += static_cast<char>(0x80 | (character & 0x3F));
    }
    vocab[token] = byte;
  }
  int id = 256;
  for (const char* const merged : {"he", "Ġt", "Ġthe", "aa", "aaaa"}) {
    vocab[merged] = id++;
  }
  const auto byte_level = [](bool use_regex) {
    return Json{{"type", "ByteLevel"},
                {"add_prefix_space", false},
                {"trim_offsets", true},
                {"use_regex", use_regex}};
  };
  return Json{
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", Json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level(true)},
      {"post_processor", nullptr},
      {"decoder", byte_level(true)},
      {"model",
       {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"h e", "Ġ t", "Ġt he", "a a", "aa aa"}}}}};
}

/// An entry of "added_tokens".
inline Json added_token(int id, const std::string& content, bool special = true) {
  return Json{{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
              {"rstrip", false}, {"normalized", false}, {"special", special}};
}

/// A folder with files put into it and the tokenizer they make.
class TokenizerFolder {
 public:
  explicit TokenizerFolder(const Json& tokenizer) { put("tokenizer.json", tokenizer.dump()); }
  TokenizerFolder() = default;

  void put(const std::string& name, const std::string& bytes) { put_file(folder_ / name, bytes); }
  std::unique_ptr<Tokenizer> load() const { return load_tokenizer(folder_.path()); }

  /// The text of the error that loading ends with, without the folder's name.
  std::string error() const {
    std::string text = error_text([this] { load(); });
    const std::string folder = folder_.path().string() + "/";
    for (size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      text.erase(at, folder.size());
    }
    return text;
  }

 private:
  TemporaryDirectory folder_;
};

}  // namespace peft
