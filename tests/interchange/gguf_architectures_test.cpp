#include <gtest/gtest.h>

#include "io/gguf_builder.h"
#include "io/temporary_directory.h"
#include "peft/interchange/gguf_import.h"
#include "peft/interchange/gguf_model.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

const fs::path kArchitectureFixtures =
    fs::path(PEFT_SOURCE_DIR) / "tests" / "fixtures" / "interchange" / "architectures";

class GgufArchitectures : public testing::TestWithParam<const char*> {
 protected:
  GgufArchitectures() {
    import_gguf(fixture(".gguf"), directory_ / "out", {.dtype = "float32"});
    config_ = read_json<ModelError>(directory_ / "out/config.json");
    original_ = read_json<ModelError>(fixture(".json"));
  }

  static fs::path fixture(const std::string& ending) {
    return kArchitectureFixtures / (GetParam() + ending);
  }

  TemporaryDirectory directory_;
  Json config_, original_;
};

TEST_P(GgufArchitectures, GiveTheOriginalWeightsByteForByte) {
  EXPECT_EQ(bytes_of_file(directory_ / "out/model.safetensors"),
            bytes_of_file(fixture(".safetensors")));
}

/// Keys that transformers 5 spells otherwise, or that say nothing about what the model computes.
bool is_spelled_otherwise(const std::string& key, const Json& original) {
  return key == "bos_token_id" || key == "eos_token_id" || key == "pad_token_id" ||
         key == "rope_scaling" || key == "original_max_position_embeddings" ||
         (key == "head_dim" && original.is_null());
}

TEST_P(GgufArchitectures, GiveTheOriginalConfig) {
  for (const auto& [key, value] : config_.items()) {
    if (original_.contains(key) && !is_spelled_otherwise(key, original_.at(key))) {
      EXPECT_EQ(value, original_.at(key)) << key;
    }
  }
  EXPECT_EQ(config_.at("model_type"), original_.at("model_type"));
  EXPECT_EQ(config_.at("architectures"), original_.at("architectures"));
}

INSTANTIATE_TEST_SUITE_P(All, GgufArchitectures,
                         testing::Values("mixtral", "qwen2", "qwen3", "qwen3moe", "gemma", "gemma2",
                                         "gemma3", "phi3", "gpt2", "gptneox"),
                         [](const auto& instance) { return std::string(instance.param); });

/// The config of a fixture.
Json imported_config(const std::string& name) {
  return read_gguf_model(GgufFile(kArchitectureFixtures / (name + ".gguf"))).config;
}

TEST(GgufArchitecture, KeepsGemma3sTwoRopes) {
  const Json config = imported_config("gemma3");
  EXPECT_EQ(config.at("rope_theta"), 1e6);
  EXPECT_EQ(config.at("rope_local_base_freq"), 1e4);
  EXPECT_EQ(config.at("layer_types").dump(),
            R"(["sliding_attention","sliding_attention","sliding_attention","sliding_attention",)"
            R"("sliding_attention","full_attention","sliding_attention"])");
}

TEST(GgufArchitecture, KeepsPhi3sFactors) {
  EXPECT_EQ(imported_config("phi3").at("rope_scaling").dump(),
            R"({"type":"longrope","short_factor":[1.1,1.2],"long_factor":[2.1,3.3]})");
  EXPECT_EQ(imported_config("phi3").at("original_max_position_embeddings"), 16);
}

TEST(GgufArchitecture, KeepsTheRotatedShareOfGptNeoX) {
  EXPECT_EQ(imported_config("gptneox").at("rotary_pct"), 0.5);
  EXPECT_EQ(imported_config("gptneox").at("use_parallel_residual"), false);
}

/// Keys and an embedding of the smallest model of an architecture.
GgufBuilder smallest_of(const std::string& architecture) {
  return GgufBuilder()
      .string("general.architecture", architecture)
      .u32(architecture + ".block_count", 1)
      .u32(architecture + ".embedding_length", 4)
      .u32(architecture + ".feed_forward_length", 2)
      .u32(architecture + ".context_length", 8)
      .u32(architecture + ".attention.head_count", 2)
      .f32(architecture + ".attention.layer_norm_rms_epsilon", 1e-6f)
      .f32(architecture + ".attention.layer_norm_epsilon", 1e-5f)
      .tensor("token_embd.weight", {4, 3}, 0, 0);
}

GgufModel model_of(const GgufBuilder& builder) {
  const TemporaryDirectory directory;
  put_file(directory / "m.gguf", builder.file(std::string(128, '\0')));
  return read_gguf_model(GgufFile(directory / "m.gguf"));
}

std::string model_fault(const GgufBuilder& builder) {
  const std::string text = error_text([&] { model_of(builder); });
  const size_t begin = text.find(".gguf: ");
  return begin == std::string::npos ? text : text.substr(begin + 7);
}

TEST(GgufArchitecture, ScalesScoresOfTheLargestGemmasByTheHiddenSize) {
  const auto scalar = [](const std::string& name, uint32_t layers) {
    GgufBuilder builder;
    builder.string("general.architecture", name)
        .u32(name + ".block_count", layers)
        .u32(name + ".embedding_length", 8)
        .u32(name + ".feed_forward_length", 2)
        .u32(name + ".context_length", 8)
        .u32(name + ".attention.head_count", 2)
        .u32(name + ".attention.key_length", 6)
        .u32(name + ".attention.value_length", 6)
        .f32(name + ".attention.layer_norm_rms_epsilon", 1e-6f)
        .tensor("token_embd.weight", {4, 3}, 0, 0);
    return model_of(builder).config.at("query_pre_attn_scalar");
  };
  EXPECT_EQ(scalar("gemma2", 46), 4);
  EXPECT_EQ(scalar("gemma2", 42), 6);
  EXPECT_EQ(scalar("gemma3", 62), 4);
  EXPECT_EQ(scalar("gemma3", 48), 6);
}

TEST(GgufArchitecture, ReadsExpertsOfOlderFiles) {
  const GgufModel model = model_of(smallest_of("llama")
                                       .u32("llama.expert_count", 2)
                                       .u32("llama.expert_used_count", 1)
                                       .tensor("blk.0.ffn_gate.0.weight", {4, 2}, 0, 64));
  const GgufSource& source =
      model.weights.at("model.layers.0.block_sparse_moe.experts.1.w2.weight");
  EXPECT_EQ(source.gguf_name, "blk.0.ffn_down.1.weight");
  EXPECT_EQ(source.gguf_shape(), (std::vector<int64_t>{4, 2}));
}

TEST(GgufArchitecture, RefusesVariantsByName) {
  EXPECT_EQ(model_fault(smallest_of("mamba")),
            "general.architecture: expected one of llama, qwen2, qwen3, qwen3moe, gemma, gemma2, "
            "gemma3, phi3, gpt2, gptneox, found \"mamba\"");
  EXPECT_EQ(model_fault(smallest_of("qwen3moe").u32("qwen3moe.expert_shared_count", 1)),
            "qwen3moe.expert_shared_count: this variant of qwen3moe is not supported");
  EXPECT_EQ(model_fault(smallest_of("qwen3moe")), "qwen3moe.expert_count: missing");
  EXPECT_EQ(model_fault(smallest_of("qwen3moe")
                            .u32("qwen3moe.expert_count", 2)
                            .u32("qwen3moe.expert_used_count", 3)),
            "3 of 2 experts per token");
  EXPECT_EQ(model_fault(smallest_of("gpt2").u32("gpt2.attention.head_count_kv", 1)),
            "2 heads and 1 key and value heads of 2 elements do not make the hidden 4, as those of "
            "gpt2 must");
  EXPECT_EQ(model_fault(smallest_of("phi3")
                            .u32("phi3.rope.scaling.original_context_length", 2)
                            .f32("phi3.rope.scaling.attn_factor", 1.2f)
                            .tensor("rope_factors_short.weight", {1}, 0, 64)
                            .tensor("rope_factors_long.weight", {1}, 0, 96)),
            "phi3.rope.scaling.attn_factor: 1.2 is not longrope's factor for 8 of 2 positions, "
            "1.7320508075688772; other scalings of the positions are not supported");
}

}  // namespace
}  // namespace peft
