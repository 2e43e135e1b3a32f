#include "peft/interchange/gguf_import.h"

#include "peft/interchange/gguf_model.h"
#include "peft/interchange/gguf_tokenizer.h"
#include "peft/interchange/gguf_vocabulary.h"
#include "peft/interchange/gguf_weights.h"
#include "peft/io/gguf.h"
#include "peft/util/durable_file.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

Dtype dtype_of(const std::string& name) {
  if (name == "bfloat16") {
    return Dtype::kBF16;
  }
  if (name == "float16") {
    return Dtype::kF16;
  }
  check<UsageError>(name == "float32",
                    "dtype: expected \"bfloat16\", \"float16\" or \"float32\", found \"{}\"",
                    escaped(name));
  return Dtype::kF32;
}

void write_json(const fs::path& path, const Json& json) {
  write_file(path, json.dump(2) + "\n");
}

/// The type of the weights and the special ids stand in config.json, too.
Json completed_config(Json config, const std::string& dtype, const GgufVocabulary& vocabulary) {
  const Json null = nullptr;
  config["torch_dtype"] = dtype;
  config["bos_token_id"] = vocabulary.bos ? Json(*vocabulary.bos) : null;
  config["eos_token_id"] = vocabulary.eos ? Json(*vocabulary.eos) : null;
  config["pad_token_id"] = vocabulary.pad ? Json(*vocabulary.pad) : null;
  return config;
}

}  // namespace

ImportSummary import_gguf(const fs::path& gguf, const fs::path& out, const ImportOptions& options) {
  const Dtype dtype = dtype_of(options.dtype);
  const GgufFile file(gguf);
  const GgufModel model = read_gguf_model(file);
  const GgufVocabulary vocabulary = read_gguf_vocabulary(file, model.vocabulary);
  const Json tokenizer = tokenizer_json(vocabulary, gguf.string());

  ImportSummary summary;
  write_folder(out, options.overwrite, [&](const fs::path& folder) {
    summary.parameters = write_gguf_weights(file, model, dtype, folder / "model.safetensors");
    write_json(folder / "config.json", completed_config(model.config, options.dtype, vocabulary));
    write_json(folder / "generation_config.json", generation_config(vocabulary));
    write_json(folder / "tokenizer.json", tokenizer);
    write_json(folder / "tokenizer_config.json", tokenizer_config(vocabulary, model.positions));
  });
  summary.tensors = static_cast<int64_t>(model.weights.size());
  summary.tokens = static_cast<int64_t>(vocabulary.tokens.size());
  return summary;
}

}  // namespace peft
