#include "peft/interchange/gguf_model.h"

#include <algorithm>
#include <array>
#include <utility>

#include "gguf_architectures.h"
#include "gguf_fields.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

struct Architecture {
  const char* name;  // as general.architecture says it
  GgufModel (*read)(const GgufFields& fields);
};

constexpr std::array<Architecture, 10> kArchitectures = {{{"llama", read_llama_family},
                                                          {"qwen2", read_llama_family},
                                                          {"qwen3", read_llama_family},
                                                          {"qwen3moe", read_llama_family},
                                                          {"gemma", read_gemma_family},
                                                          {"gemma2", read_gemma_family},
                                                          {"gemma3", read_gemma_family},
                                                          {"phi3", read_phi3},
                                                          {"gpt2", read_gpt2},
                                                          {"gptneox", read_gpt_neox}}};

}  // namespace

std::vector<int64_t> GgufSource::gguf_shape() const {
  std::vector<int64_t> result = shape;
  if (change == GgufChange::kTransposed) {
    std::reverse(result.begin(), result.end());
  }
  if (experts > 0) {
    result.insert(result.begin(), experts);
  }
  return result;
}

std::string gguf_architecture_names() {
  std::vector<std::string> names;
  for (const Architecture& entry : kArchitectures) {
    names.emplace_back(entry.name);
  }
  return join(names, ", ");
}

GgufModel read_gguf_model(const GgufFile& file) {
  const GgufFields fields(file);
  const auto* const found =
      std::find_if(kArchitectures.begin(), kArchitectures.end(),
                   [&](const Architecture& entry) { return fields.architecture() == entry.name; });
  check<ModelError>(found != kArchitectures.end(),
                    "{}: general.architecture: expected one of {}, found \"{}\"", fields.where(),
                    gguf_architecture_names(), escaped(fields.architecture()));
  JsonReader<ModelError> reader(file.values(), fields.where());
  int64_t parts = 1;
  reader.read("split.count", parts);
  check<ModelError>(parts <= 1,
                    "{}: one of {} parts; join them first with `llama-gguf-split --merge`",
                    fields.where(), parts);
  return found->read(fields);
}

}  // namespace peft
