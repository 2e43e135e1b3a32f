#include "peft/interchange/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

// The only values of these that Llama 3.x was published with; the file keeps just their effect.
constexpr double kLowFrequencyFactor = 1.0;
constexpr double kHighFrequencyFactor = 4.0;
constexpr int64_t kLlama3Positions = 8192;

using Reader = JsonReader<ModelError>;

int64_t positive(Reader& reader, const std::string& key) {
  int64_t value = 0;
  reader.require(key, value);
  check<ModelError>(value > 0 && value <= int64_t{1} << 31,
                    "{}: {}: expected a positive number, found {}", reader.where(), key, value);
  return value;
}

void check_architecture(Reader& reader, const Json& values) {
  std::string architecture;
  reader.require("general.architecture", architecture);
  check<ModelError>(architecture == "llama",
                    "{}: expected the architecture \"llama\", found \"{}\"", reader.where(),
                    escaped(architecture));
  int64_t parts = 1;
  reader.read("split.count", parts);
  check<ModelError>(parts <= 1,
                    "{}: one of {} parts; join them first with `llama-gguf-split --merge`",
                    reader.where(), parts);
  // Variants that share the name and compute something else.
  for (const char* key : {"llama.expert_count", "llama.attention.scale", "llama.logit_scale",
                          "llama.embedding_scale", "llama.residual_scale"}) {
    const auto found = values.find(key);
    check<ModelError>(found == values.end() || (found->is_number() && found->get<double>() == 0.0),
                      "{}: {}: this variant of llama is not supported", reader.where(), key);
  }
}

void read_heads(Reader& reader, GgufLlama& llama) {
  llama.heads = positive(reader, "llama.attention.head_count");
  llama.kv_heads = llama.heads;
  reader.read("llama.attention.head_count_kv", llama.kv_heads);
  check<ModelError>(llama.kv_heads > 0 && llama.heads % llama.kv_heads == 0,
                    "{}: {} heads do not share {} key and value heads evenly", reader.where(),
                    llama.heads, llama.kv_heads);
  if (!reader.read("llama.attention.key_length", llama.head_dim)) {
    check<ModelError>(llama.hidden % llama.heads == 0,
                      "{}: {} heads do not divide {} hidden elements", reader.where(), llama.heads,
                      llama.hidden);
    llama.head_dim = llama.hidden / llama.heads;
  }
  int64_t value_length = llama.head_dim;
  int64_t rotated = llama.head_dim;
  reader.read("llama.attention.value_length", value_length);
  reader.read("llama.rope.dimension_count", rotated);
  check<ModelError>(llama.head_dim > 0 && llama.head_dim % 2 == 0 && llama.head_dim <= 65536,
                    "{}: heads of {} elements", reader.where(), llama.head_dim);
  check<ModelError>(value_length == llama.head_dim && rotated == llama.head_dim,
                    "{}: heads of {} elements with {} rotated and values of {} are not supported",
                    reader.where(), llama.head_dim, rotated, value_length);
}

/// What the wavelength of each pair of a head is divided by under Llama 3's scaling.
std::vector<double> llama3_factors(const GgufLlama& llama, double factor) {
  std::vector<double> factors;
  const auto original = static_cast<double>(kLlama3Positions);
  for (int64_t i = 0; i < llama.head_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(llama.head_dim);
    const double wavelength = 2.0 * std::numbers::pi * std::pow(llama.rope_theta, exponent);
    const double smooth = (original / wavelength - kLowFrequencyFactor) /
                          (kHighFrequencyFactor - kLowFrequencyFactor);
    const double kept = std::clamp(smooth, 0.0, 1.0);
    factors.push_back(1.0 / ((1.0 - kept) / factor + kept));
  }
  return factors;
}

/// The file holds the scaling as one factor per pair of elements; config.json holds its parameters.
Json llama3_scaling(const GgufFile& file, const GgufLlama& llama) {
  const GgufTensor& tensor = file.tensors().at("rope_freqs.weight");
  const std::string where = file.path().string() + ": rope_freqs.weight";
  check<ModelError>(tensor.elements() == llama.head_dim / 2, "{}: expected {} factors, found {}",
                    where, llama.head_dim / 2, tensor.elements());
  std::vector<float> found(static_cast<size_t>(tensor.elements()));
  file.read_rows(tensor, 0, found);
  if (std::all_of(found.begin(), found.end(), [](float f) { return f == 1.0f; })) {
    return nullptr;
  }
  const double factor = found.back();
  const std::vector<double> expected = llama3_factors(llama, factor);
  for (size_t i = 0; i < found.size(); ++i) {
    check<ModelError>(std::abs(found[i] - expected[i]) <= 1e-4 * expected[i],
                      "{}: factor {} is {}, where Llama 3's rule gives {}; other scalings of the "
                      "positions are not supported",
                      where, i, found[i], expected[i]);
  }
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", kLowFrequencyFactor},
          {"high_freq_factor", kHighFrequencyFactor},
          {"original_max_position_embeddings", kLlama3Positions}};
}

Json rope_scaling(Reader& reader, const GgufFile& file, const GgufLlama& llama) {
  if (file.tensors().count("rope_freqs.weight") > 0) {
    return llama3_scaling(file, llama);
  }
  std::string type = "none";
  double factor = 1.0;
  reader.read("llama.rope.scaling.type", type);
  if (!reader.read("llama.rope.scaling.factor", factor) &&
      reader.read("llama.rope.scale_linear", factor) && factor != 1.0) {
    type = "linear";  // the key of older files
  }
  if (type == "none" || factor == 1.0) {
    return nullptr;
  }
  check<ModelError>(std::isfinite(factor) && factor > 0.0,
                    "{}: llama.rope.scaling.factor: expected a positive number, found {}",
                    reader.where(), factor);
  check<ModelError>(type == "linear" || type == "yarn",
                    "{}: llama.rope.scaling.type: expected \"none\", \"linear\" or \"yarn\", found "
                    "\"{}\"",
                    reader.where(), escaped(type));
  Json scaling = {{"rope_type", type}, {"factor", factor}};
  if (type == "yarn") {
    scaling["original_max_position_embeddings"] =
        positive(reader, "llama.rope.scaling.original_context_length");
  }
  return scaling;
}

}  // namespace

GgufLlama read_gguf_llama(const GgufFile& file) {
  Reader reader(file.values(), file.path().string());
  check_architecture(reader, file.values());
  GgufLlama llama;
  llama.layers = positive(reader, "llama.block_count");
  llama.hidden = positive(reader, "llama.embedding_length");
  llama.mlp = positive(reader, "llama.feed_forward_length");
  llama.positions = positive(reader, "llama.context_length");
  read_heads(reader, llama);
  reader.require("llama.attention.layer_norm_rms_epsilon", llama.eps);
  reader.read("llama.rope.freq_base", llama.rope_theta);
  check<ModelError>(std::isfinite(llama.eps) && llama.eps > 0.0 &&
                        std::isfinite(llama.rope_theta) && llama.rope_theta > 0.0,
                    "{}: expected a positive norm epsilon and rope base, found {} and {}",
                    reader.where(), llama.eps, llama.rope_theta);
  const auto embedding = file.tensors().find("token_embd.weight");
  check<ModelError>(embedding != file.tensors().end(), "{}: no tensor \"token_embd.weight\"",
                    reader.where());
  llama.vocabulary = embedding->second.rows();
  llama.tied = file.tensors().count("output.weight") == 0;
  llama.attention_bias = file.tensors().count("blk.0.attn_q.bias") > 0;
  llama.mlp_bias = file.tensors().count("blk.0.ffn_gate.bias") > 0;
  llama.rope_scaling = rope_scaling(reader, file, llama);
  return llama;
}

Json llama_config(const GgufLlama& llama, const std::string& dtype) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"model_type", "llama"},
          {"vocab_size", llama.vocabulary},
          {"hidden_size", llama.hidden},
          {"intermediate_size", llama.mlp},
          {"num_hidden_layers", llama.layers},
          {"num_attention_heads", llama.heads},
          {"num_key_value_heads", llama.kv_heads},
          {"head_dim", llama.head_dim},
          {"hidden_act", "silu"},
          {"max_position_embeddings", llama.positions},
          {"rms_norm_eps", llama.eps},
          {"rope_theta", llama.rope_theta},
          {"rope_scaling", llama.rope_scaling},
          {"tie_word_embeddings", llama.tied},
          {"attention_bias", llama.attention_bias},
          {"mlp_bias", llama.mlp_bias},
          {"attention_dropout", 0.0},
          {"initializer_range", 0.02},
          {"use_cache", true},
          {"torch_dtype", dtype}};
}

}  // namespace peft
