#include "peft/interchange/gguf_weights.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "peft/io/float_formats.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kElementsAtOnce = int64_t{1} << 20;

/// Where a Hugging Face tensor comes from.
struct Source {
  std::string gguf_name;
  std::vector<int64_t> shape;
  int64_t permuted_heads =
      0;  ///< q and k: heads whose rows llama.cpp interleaves; 0 for the others
};

using Sources = std::map<std::string, Source>;

void add_projection(Sources& sources, const std::string& name, const std::string& gguf_name,
                    std::vector<int64_t> shape, bool with_bias, int64_t permuted_heads = 0) {
  if (with_bias) {
    sources[name + ".bias"] = {gguf_name + ".bias", {shape[0]}, permuted_heads};
  }
  sources[name + ".weight"] = {gguf_name + ".weight", std::move(shape), permuted_heads};
}

void add_layer(Sources& sources, const GgufLlama& llama, int64_t layer) {
  const std::string name = fmt::format("model.layers.{}.", layer);
  const std::string gguf = fmt::format("blk.{}.", layer);
  const int64_t q = llama.heads * llama.head_dim;
  const int64_t kv = llama.kv_heads * llama.head_dim;
  const auto add = [&](const char* part, const char* gguf_part, std::vector<int64_t> shape,
                       bool with_bias, int64_t heads = 0) {
    add_projection(sources, name + part, gguf + gguf_part, std::move(shape), with_bias, heads);
  };
  add("input_layernorm", "attn_norm", {llama.hidden}, false);
  add("self_attn.q_proj", "attn_q", {q, llama.hidden}, llama.attention_bias, llama.heads);
  add("self_attn.k_proj", "attn_k", {kv, llama.hidden}, llama.attention_bias, llama.kv_heads);
  add("self_attn.v_proj", "attn_v", {kv, llama.hidden}, llama.attention_bias);
  add("self_attn.o_proj", "attn_output", {llama.hidden, q}, llama.attention_bias);
  add("post_attention_layernorm", "ffn_norm", {llama.hidden}, false);
  add("mlp.gate_proj", "ffn_gate", {llama.mlp, llama.hidden}, llama.mlp_bias);
  add("mlp.up_proj", "ffn_up", {llama.mlp, llama.hidden}, llama.mlp_bias);
  add("mlp.down_proj", "ffn_down", {llama.hidden, llama.mlp}, llama.mlp_bias);
}

Sources sources_of(const GgufLlama& llama) {
  Sources sources;
  add_projection(sources, "model.embed_tokens", "token_embd", {llama.vocabulary, llama.hidden},
                 false);
  add_projection(sources, "model.norm", "output_norm", {llama.hidden}, false);
  if (!llama.tied) {
    add_projection(sources, "lm_head", "output", {llama.vocabulary, llama.hidden}, false);
  }
  for (int64_t layer = 0; layer < llama.layers; ++layer) {
    add_layer(sources, llama, layer);
  }
  return sources;
}

/// All disagreements between the file's tensors and the config's, in one message.
void check_tensors(const GgufFile& file, const Sources& sources) {
  std::vector<std::string> faults;
  std::map<std::string, const Source*> by_gguf_name;
  for (const auto& [name, source] : sources) {
    by_gguf_name[source.gguf_name] = &source;
    const auto found = file.tensors().find(source.gguf_name);
    if (found == file.tensors().end()) {
      faults.push_back(source.gguf_name + ": not in the file");
    } else if (found->second.shape != source.shape) {
      faults.push_back(fmt::format("{}: expected ({}), found ({})", source.gguf_name,
                                   fmt::join(source.shape, ", "),
                                   fmt::join(found->second.shape, ", ")));
    }
  }
  for (const auto& [name, tensor] : file.tensors()) {
    // The factors of Llama 3's rope scaling went into the config.
    if (by_gguf_name.count(name) == 0 && name != "rope_freqs.weight") {
      faults.push_back(name + ": not a tensor of this architecture");
    }
  }
  check<ModelError>(faults.empty(), "{}: {} tensors do not fit the model it describes\n  {}",
                    file.path().string(), faults.size(), join(faults, "\n  "));
}

/// llama.cpp rotates neighbours, Hugging Face halves: row 2 i + c of a head there is row
/// c Dh / 2 + i here.
std::vector<float> with_halves(const std::vector<float>& values, int64_t rows, int64_t heads) {
  const int64_t width = static_cast<int64_t>(values.size()) / rows;
  const int64_t head_dim = rows / heads;
  std::vector<float> out(values.size());
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t head = row / head_dim;
    const int64_t i = row % head_dim;
    const int64_t to = head * head_dim + i % 2 * (head_dim / 2) + i / 2;
    std::copy_n(values.begin() + row * width, width, out.begin() + to * width);
  }
  return out;
}

/// Rounds values to `dtype` and gives them to the sink.
void write_values(const std::vector<float>& values, Dtype dtype, const std::string& where,
                  const ByteSink& sink) {
  if (dtype == Dtype::kF32) {
    sink(std::as_bytes(std::span(values)));
    return;
  }
  std::vector<uint16_t> rounded(values.size());
  std::transform(values.begin(), values.end(), rounded.begin(),
                 dtype == Dtype::kBF16 ? bfloat16_from_float : half_from_float);
  if (dtype == Dtype::kF16) {
    for (size_t i = 0; i < values.size(); ++i) {
      check<ModelError>((rounded[i] & 0x7FFFu) != 0x7C00u || std::isinf(values[i]),
                        "{}: {} does not fit float16; choose bfloat16 or float32", where,
                        values[i]);
    }
  }
  sink(std::as_bytes(std::span(rounded)));
}

void write_tensor(const GgufFile& file, const Source& source, Dtype dtype, const ByteSink& sink) {
  const GgufTensor& tensor = file.tensors().at(source.gguf_name);
  const std::string where = fmt::format("{}: {}", file.path().string(), source.gguf_name);
  if (source.permuted_heads > 0) {
    std::vector<float> values(static_cast<size_t>(tensor.elements()));
    file.read_rows(tensor, 0, values);
    write_values(with_halves(values, tensor.shape[0], source.permuted_heads), dtype, where, sink);
    return;
  }
  const int64_t rows_at_once = std::max<int64_t>(1, kElementsAtOnce / tensor.row_elements());
  for (int64_t row = 0; row < tensor.rows(); row += rows_at_once) {
    const int64_t rows = std::min(rows_at_once, tensor.rows() - row);
    std::vector<float> values(static_cast<size_t>(rows * tensor.row_elements()));
    file.read_rows(tensor, row, values);
    write_values(values, dtype, where, sink);
  }
}

}  // namespace

int64_t write_gguf_weights(const GgufFile& file, const GgufLlama& llama, Dtype dtype,
                           const std::filesystem::path& out) {
  const Sources sources = sources_of(llama);
  check_tensors(file, sources);
  std::vector<TensorLayout> layouts;
  int64_t elements = 0;
  for (const auto& [name, source] : sources) {
    layouts.push_back({name, dtype, source.shape});
    elements += file.tensors().at(source.gguf_name).elements();
  }
  write_safetensors(out, std::move(layouts), [&](const TensorLayout& tensor, const ByteSink& sink) {
    write_tensor(file, sources.at(tensor.name), dtype, sink);
  });
  return elements;
}

}  // namespace peft
