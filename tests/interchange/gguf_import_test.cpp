#include "peft/interchange/gguf_import.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "io/gguf_builder.h"
#include "io/temporary_directory.h"
#include "peft/io/gguf.h"
#include "peft/io/hf_directory.h"
#include "peft/util/sha256.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

const fs::path kFixtures = fs::path(PEFT_SOURCE_DIR) / "tests" / "fixtures" / "interchange";
const fs::path kTiny = kFixtures / "tiny.gguf";

/// The fault of importing a file, without the path in front.
std::string fault_of(const std::string& content) {
  const TemporaryDirectory directory;
  const fs::path file = directory / "m.gguf";
  put_file(file, content);
  const std::string text = error_text([&] { import_gguf(file, directory / "out"); });
  EXPECT_TRUE(text.starts_with(file.string() + ": ")) << text;
  EXPECT_FALSE(fs::exists(directory / "out"));
  return text.empty() ? "" : text.substr(file.string().size() + 2);
}

/// Keys of the smallest model: one layer, two elements, one head, three tokens.
GgufBuilder smallest_sizes() {
  return GgufBuilder()
      .string("general.architecture", "llama")
      .u32("llama.block_count", 1)
      .u32("llama.embedding_length", 2)
      .u32("llama.feed_forward_length", 2)
      .u32("llama.context_length", 8)
      .u32("llama.attention.head_count", 1)
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-6f);
}

GgufBuilder with_tokenizer(GgufBuilder builder) {
  return builder.string("tokenizer.ggml.model", "gpt2")
      .string("tokenizer.ggml.pre", "gpt-2")
      .strings("tokenizer.ggml.tokens", {"a", "b", "ab"})
      .strings("tokenizer.ggml.merges", {"a b"});
}

/// Adds the embedding alone; its data is the file's 24 bytes.
std::string with_embedding(GgufBuilder builder) {
  return builder.tensor("token_embd.weight", {2, 3}, 0, 0).file(std::string(24, '\0'));
}

TEST(GgufImport, WritesTheWeightsOfTheReferenceByteForByte) {
  const TemporaryDirectory directory;
  const ImportSummary summary = import_gguf(kTiny, directory / "out");
  EXPECT_EQ(bytes_of_file(directory / "out/model.safetensors"),
            bytes_of_file(kFixtures / "tiny.safetensors"));
  EXPECT_EQ(summary.tensors, 20);
  EXPECT_EQ(summary.parameters, 27072);
  EXPECT_EQ(summary.tokens, 265);
}

TEST(GgufImport, WritesAFolderThatReadsBack) {
  const TemporaryDirectory directory;
  import_gguf(kTiny, directory / "out");
  const HfDirectory model(directory / "out");
  EXPECT_EQ(model.model_type(), "llama");
  EXPECT_EQ(model.eos_token_ids(), (std::vector<int32_t>{2}));
  EXPECT_EQ(model.tensors().size(), 20u);
}

TEST(GgufImport, WritesEveryKeyOfTheConfig) {
  const TemporaryDirectory directory;
  import_gguf(kTiny, directory / "out", {.dtype = "float32"});
  EXPECT_EQ(read_json<ModelError>(directory / "out/config.json").dump(),
            R"({"architectures":["LlamaForCausalLM"],"model_type":"llama","vocab_size":265,)"
            R"("hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,)"
            R"("num_attention_heads":4,"num_key_value_heads":2,"head_dim":8,"hidden_act":"silu",)"
            R"("max_position_embeddings":128,"rms_norm_eps":1e-05,"rope_theta":50000.0,)"
            R"("rope_scaling":null,"tie_word_embeddings":true,"attention_bias":false,)"
            R"("mlp_bias":false,"attention_dropout":0.0,"initializer_range":0.02,)"
            R"("use_cache":true,"torch_dtype":"float32","bos_token_id":1,"eos_token_id":2,)"
            R"("pad_token_id":2})");
  EXPECT_EQ(read_json<ModelError>(directory / "out/generation_config.json").dump(),
            R"({"bos_token_id":1,"eos_token_id":2,"pad_token_id":2})");
}

TEST(GgufImport, KeepsFloat32ValuesExactly) {
  const TemporaryDirectory directory;
  import_gguf(kTiny, directory / "out", {.dtype = "float32"});
  const GgufFile file(kTiny);
  std::vector<float> stored(64 * 32);
  file.read_rows(file.tensors().at("blk.1.ffn_gate.weight"), 0, stored);
  std::vector<float> written(64 * 32);
  HfDirectory(directory / "out")
      .read("model.layers.1.mlp.gate_proj.weight", std::as_writable_bytes(std::span(written)));
  EXPECT_EQ(written, stored);
}

TEST(GgufImport, WritesFloat16) {
  const TemporaryDirectory directory;
  import_gguf(kTiny, directory / "out", {.dtype = "float16"});
  EXPECT_EQ(HfDirectory(directory / "out").tensors().at("model.norm.weight").dtype, Dtype::kF16);
}

TEST(GgufImport, RefusesADtypeItDoesNotKnow) {
  const TemporaryDirectory directory;
  EXPECT_EQ(error_text([&] { import_gguf(kTiny, directory / "out", {.dtype = "int8"}); }),
            "dtype: expected \"bfloat16\", \"float16\" or \"float32\", found \"int8\"");
}

TEST(GgufImport, ReplacesAFolderOnlyOnDemand) {
  const TemporaryDirectory directory;
  fs::create_directory(directory / "out");
  put_file(directory / "out/old", "x");
  EXPECT_EQ(
      error_text([&] { import_gguf(kTiny, directory / "out"); }),
      (directory / "out").string() + ": exists already; choose another folder or give --overwrite");
  import_gguf(kTiny, directory / "out", {.overwrite = true});
  EXPECT_FALSE(fs::exists(directory / "out/old"));
  EXPECT_TRUE(fs::exists(directory / "out/tokenizer.json"));
}

TEST(GgufImport, RefusesOtherArchitecturesAndVariants) {
  EXPECT_EQ(fault_of(GgufBuilder().file()), "general.architecture: missing");
  EXPECT_EQ(fault_of(smallest_sizes().f32("llama.attention.scale", 8.0f).file()),
            "llama.attention.scale: this variant of llama is not supported");
  EXPECT_EQ(fault_of(smallest_sizes().u32("split.count", 3).file()),
            "one of 3 parts; join them first with `llama-gguf-split --merge`");
}

TEST(GgufImport, RefusesSizesThatDoNotFitEachOther) {
  EXPECT_EQ(fault_of(smallest_sizes().u32("llama.attention.head_count_kv", 2).file()),
            "1 heads do not share 2 key and value heads evenly");
  EXPECT_EQ(fault_of(with_embedding(smallest_sizes().u32("llama.rope.dimension_count", 1))),
            "heads of 2 elements with 1 rotated are not supported");
  EXPECT_EQ(fault_of(with_embedding(smallest_sizes().u32("llama.attention.value_length", 4))),
            "heads of 2 elements with 2 rotated and values of 4 are not supported");
  EXPECT_EQ(fault_of(with_embedding(smallest_sizes().f32("llama.rope.freq_base", -1.0f))),
            "llama.rope.freq_base: expected a positive number, found -1");
  EXPECT_EQ(fault_of(smallest_sizes().file()), "no tensor \"token_embd.weight\"");
  EXPECT_EQ(fault_of(with_embedding(smallest_sizes()
                                        .string("llama.rope.scaling.type", "longrope")
                                        .f32("llama.rope.scaling.factor", 4.0f))),
            "llama.rope.scaling.type: expected \"none\", \"linear\" or \"yarn\", found "
            "\"longrope\"");
}

TEST(GgufImport, ListsAllTensorsThatDoNotFit) {
  EXPECT_EQ(fault_of(with_tokenizer(smallest_sizes())
                         .tensor("token_embd.weight", {2, 3}, 0, 0)
                         .tensor("output_norm.weight", {3}, 0, 32)
                         .tensor("extra", {1}, 0, 64)
                         .file(std::string(96, '\0'))),
            "11 tensors do not fit the model it describes\n"
            "  blk.0.attn_norm.weight: not in the file\n"
            "  blk.0.ffn_down.weight: not in the file\n"
            "  blk.0.ffn_gate.weight: not in the file\n"
            "  blk.0.ffn_up.weight: not in the file\n"
            "  blk.0.ffn_norm.weight: not in the file\n"
            "  blk.0.attn_k.weight: not in the file\n"
            "  blk.0.attn_output.weight: not in the file\n"
            "  blk.0.attn_q.weight: not in the file\n"
            "  blk.0.attn_v.weight: not in the file\n"
            "  output_norm.weight: expected (2), found (3)\n"
            "  extra: not a tensor of this architecture");
}

TEST(GgufImport, RefusesVocabulariesThatContradictThemselves) {
  const auto fault_with = [](GgufBuilder builder) { return fault_of(with_embedding(builder)); };
  const auto gpt2 = [] { return smallest_sizes().string("tokenizer.ggml.model", "gpt2"); };
  EXPECT_EQ(fault_with(smallest_sizes().string("tokenizer.ggml.model", "t5")),
            "tokenizer.ggml.model: expected \"gpt2\" or \"llama\", found \"t5\"");
  EXPECT_EQ(fault_with(gpt2().strings("tokenizer.ggml.tokens", {})),
            "tokenizer.ggml.tokens: expected 1 to 4194304 tokens, found 0");
  EXPECT_EQ(fault_with(gpt2().strings("tokenizer.ggml.tokens", {"a", "b", "c", "d"})),
            "4 tokens, but only 3 embedding rows");
  EXPECT_EQ(fault_with(gpt2().strings("tokenizer.ggml.tokens", {"a", "b", "a"})),
            "tokens 0 and 2 are both \"a\"");
  const auto tokens = [&] { return gpt2().strings("tokenizer.ggml.tokens", {"a", "b", "ab"}); };
  EXPECT_EQ(fault_with(tokens().numbers<int32_t>("tokenizer.ggml.token_type", 5, {1, 1})),
            "tokenizer.ggml.token_type: expected 3 entries, found 2");
  EXPECT_EQ(fault_with(tokens().numbers<int32_t>("tokenizer.ggml.token_type", 5, {1, 1, 9})),
            "tokenizer.ggml.token_type: token 2 has the unknown type 9");
  EXPECT_EQ(fault_with(tokens().u32("tokenizer.ggml.eos_token_id", 3)),
            "tokenizer.ggml.eos_token_id: token 3 is outside the vocabulary of 3");
  EXPECT_EQ(fault_with(tokens()), "tokenizer.ggml.merges: missing");
  EXPECT_EQ(fault_with(tokens().strings("tokenizer.ggml.merges", {"ab"})),
            "tokenizer.ggml.merges: entry 0, \"ab\", is no pair");
  EXPECT_EQ(fault_with(tokens().strings("tokenizer.ggml.merges", {"a b", "b a"})),
            "tokenizer.ggml.merges: entry 1, \"b a\", needs the token \"ba\", which the "
            "vocabulary lacks");
}

TEST(GgufImport, RefusesPiecesWithoutUsableScores) {
  const auto pieces = [] {
    return smallest_sizes()
        .string("tokenizer.ggml.model", "llama")
        .strings("tokenizer.ggml.tokens", {"a", "b", "ab"});
  };
  const auto scores = [&](std::vector<float> values) {
    return pieces().numbers("tokenizer.ggml.scores", 6, values);
  };
  EXPECT_EQ(fault_of(with_embedding(scores({0.0f}))),
            "tokenizer.ggml.scores: expected 3 entries, found 1");
  EXPECT_EQ(fault_of(with_embedding(scores({0.0f, std::nanf(""), 0.0f}))),
            "tokenizer.ggml.scores: the score of token 1 is not finite");
  EXPECT_EQ(fault_of(with_embedding(
                scores({0.0f, 0.0f, 0.0f}).flag("tokenizer.ggml.remove_extra_whitespaces", true))),
            "tokenizer.ggml: sentencepiece normalisation is not supported");
}

TEST(GgufImport, NamesTheSplittingsItKnows) {
  EXPECT_EQ(fault_of(with_embedding(smallest_sizes()
                                        .string("tokenizer.ggml.model", "gpt2")
                                        .string("tokenizer.ggml.pre", "gpt-4o")
                                        .strings("tokenizer.ggml.tokens", {"a", "b", "ab"})
                                        .strings("tokenizer.ggml.merges", {"a b"}))),
            "tokenizer.ggml.pre: unknown splitting \"gpt-4o\"; known are default, gpt-2, phi-2, "
            "olmo, mpt, smollm, starcoder, refact, llama-bpe, llama3, llama-v3, dbrx, qwen2, "
            "deepseek-r1-qwen");
}

// SHA-256 of model.safetensors as transformers 5.23 and safetensors 0.8 write SmolLM2-135M-Instruct
// in bfloat16 from the Q4_1 file with the hash below.
TEST(GgufImport, EqualsTheReferenceOnARealModel) {
  const char* const gguf = std::getenv("PEFT_TEST_GGUF");
  if (gguf == nullptr) {
    GTEST_SKIP() << "PEFT_TEST_GGUF does not name the SmolLM2-135M-Instruct GGUF file";
  }
  ASSERT_EQ(sha256_of_file(gguf),
            "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53");
  const TemporaryDirectory directory;
  import_gguf(gguf, directory / "out");
  EXPECT_EQ(sha256_of_file(directory / "out/model.safetensors"),
            "7ef915c9bf9d94d8d70211970476878352a5b95855c589ae987916d7a455242b");
}

}  // namespace
}  // namespace peft
