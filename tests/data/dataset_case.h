#pragma once

#include <gtest/gtest.h>

#include "data/error_text.h"
#include "data/fake_tokenizer.h"
#include "io/temporary_directory.h"
#include "peft/data/dataset.h"

namespace peft {

inline constexpr const char* kTwoTurns =
    "{% for m in messages %}{{ '<a>' if m['role'] == 'assistant' else '<u>' }}{{ m['content'] }}<e>"
    "{% endfor %}{% if add_generation_prompt %}<a>{% endif %}";

/// Rows in a file of their own, read as data sets.
class DatasetTest : public testing::Test {
 protected:
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    put_file(folder_ / name, text);
    return folder_ / name;
  }
  Dataset load(const std::string& rows, const DataOptions& options = {}) const {
    return load_dataset({{.path = write("d.jsonl", rows)}}, options, pipeline());
  }
  /// Loads with the chat template.
  Dataset load_chat(const std::string& rows, const DataOptions& options = {}) const {
    return load_dataset({{.path = write("d.jsonl", rows)}}, options, chat_pipeline());
  }
  std::vector<std::string> shown(const Dataset& dataset) const {
    std::vector<std::string> rows;
    for (const Example& example : dataset.examples) {
      rows.push_back(marked(example, tokenizer_));
    }
    return rows;
  }
  /// The message of a DataError without the folder in front.
  template <class E = DataError>
  std::string fault(const std::string& rows, const DataOptions& options = {}) const {
    return bare(error_text<E>([&] { load(rows, options); }));
  }
  std::string chat_fault(const std::string& rows, const DataOptions& options = {}) const {
    return bare(error_text<DataError>([&] { load_chat(rows, options); }));
  }
  std::string bare(std::string text) const {
    const std::string folder = folder_.path().string() + "/";
    for (size_t at = text.find(folder); at != std::string::npos; at = text.find(folder)) {
      text.erase(at, folder.size());
    }
    return text;
  }
  TextPipeline pipeline() const { return {tokenizer_, nullptr, {2}}; }
  TextPipeline chat_pipeline() const { return {tokenizer_, &template_, {2}}; }

  TemporaryDirectory folder_;
  FakeTokenizer tokenizer_;
  ChatTemplate template_{kTwoTurns, tokenizer_.special()};
};

using Shown = std::vector<std::string>;

}  // namespace peft
