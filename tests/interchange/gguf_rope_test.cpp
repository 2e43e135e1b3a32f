#include <gtest/gtest.h>

#include "io/gguf_builder.h"
#include "io/temporary_directory.h"
#include "peft/interchange/gguf_model.h"

namespace peft {
namespace {

/// A model of 16 heads of 8 elements with the rope base of Llama 3, and the factors given.
std::string llama3_file(const std::vector<float>& factors) {
  std::string data(128 * 4, '\0');
  for (const float factor : factors) {
    data += GgufBuilder::number(factor);
  }
  return GgufBuilder()
      .string("general.architecture", "llama")
      .u32("llama.block_count", 1)
      .u32("llama.embedding_length", 128)
      .u32("llama.feed_forward_length", 2)
      .u32("llama.context_length", 131072)
      .u32("llama.attention.head_count", 16)
      .f32("llama.attention.layer_norm_rms_epsilon", 1e-5f)
      .f32("llama.rope.freq_base", 500000.0f)
      .tensor("token_embd.weight", {128, 1}, 0, 0)
      .tensor("rope_freqs.weight", {factors.size()}, 0, 128 * 4)
      .file(data);
}

Json scaling_of(const std::string& content) {
  const TemporaryDirectory directory;
  put_file(directory / "m.gguf", content);
  return read_gguf_model(GgufFile(directory / "m.gguf")).config.at("rope_scaling");
}

// Wavelengths of a head of 8 elements are 6.3, 167, 4443 and 118,143 tokens: with 8192 positions
// the first two stay, the third lies in the middle, (8192 / 4443 - 1) / 3 = 0.2813 of the way, and
// the last is divided by 8. 1 / (0.7187 / 8 + 0.2813) = 2.6945.
TEST(GgufRope, FindsLlama3sScalingInItsFactors) {
  EXPECT_EQ(scaling_of(llama3_file({1.0f, 1.0f, 2.69453f, 8.0f})).dump(),
            R"({"rope_type":"llama3","factor":8.0,"low_freq_factor":1.0,"high_freq_factor":4.0,)"
            R"("original_max_position_embeddings":8192})");
}

TEST(GgufRope, TakesFactorsOfOneForNone) {
  EXPECT_TRUE(scaling_of(llama3_file({1.0f, 1.0f, 1.0f, 1.0f})).is_null());
}

TEST(GgufRope, RefusesFactorsOfAnotherRule) {
  const std::string text = error_text([] { scaling_of(llama3_file({1.0f, 1.0f, 5.0f, 8.0f})); });
  EXPECT_NE(text.find("rope_freqs.weight: factor 2 is 5, where Llama 3's rule gives 2.69"),
            std::string::npos)
      << text;
  EXPECT_NE(error_text([] {
              scaling_of(llama3_file({1.0f, 8.0f}));
            }).find("rope_freqs.weight: expected 4 factors, found 2"),
            std::string::npos);
}

}  // namespace
}  // namespace peft
