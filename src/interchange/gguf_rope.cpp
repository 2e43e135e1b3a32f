#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include "gguf_fields.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

// The only values of these that Llama 3.x was published with; the file keeps just their effect.
constexpr double kLowFrequencyFactor = 1.0;
constexpr double kHighFrequencyFactor = 4.0;
constexpr int64_t kLlama3Positions = 8192;

/// What the wavelength of each pair of a head is divided by under Llama 3's scaling.
std::vector<double> llama3_factors(int64_t head_dim, double rope_theta, double factor) {
  std::vector<double> factors;
  const auto original = static_cast<double>(kLlama3Positions);
  for (int64_t i = 0; i < head_dim / 2; ++i) {
    const double exponent = 2.0 * static_cast<double>(i) / static_cast<double>(head_dim);
    const double wavelength = 2.0 * std::numbers::pi * std::pow(rope_theta, exponent);
    const double smooth = (original / wavelength - kLowFrequencyFactor) /
                          (kHighFrequencyFactor - kLowFrequencyFactor);
    const double kept = std::clamp(smooth, 0.0, 1.0);
    factors.push_back(1.0 / ((1.0 - kept) / factor + kept));
  }
  return factors;
}

/// The file holds the scaling as one factor per pair of elements; config.json holds its parameters.
Json llama3_scaling(const GgufFields& fields, const GgufSizes& sizes, double rope_theta) {
  const std::vector<float> found = fields.values_of("rope_freqs.weight", sizes.head_dim / 2);
  if (std::all_of(found.begin(), found.end(), [](float f) { return f == 1.0f; })) {
    return nullptr;
  }
  const double factor = found.back();
  const std::vector<double> expected = llama3_factors(sizes.head_dim, rope_theta, factor);
  for (size_t i = 0; i < found.size(); ++i) {
    check<ModelError>(
        std::abs(found[i] - expected[i]) <= 1e-4 * expected[i],
        "{}: rope_freqs.weight: factor {} is {}, where Llama 3's rule gives {}; other "
        "scalings of the positions are not supported",
        fields.where(), i, found[i], expected[i]);
  }
  return {{"rope_type", "llama3"},
          {"factor", factor},
          {"low_freq_factor", kLowFrequencyFactor},
          {"high_freq_factor", kHighFrequencyFactor},
          {"original_max_position_embeddings", kLlama3Positions}};
}

}  // namespace

Json read_gguf_rope_scaling(const GgufFields& fields, const GgufSizes& sizes, double rope_theta) {
  if (fields.has_tensor("rope_freqs.weight")) {
    return llama3_scaling(fields, sizes, rope_theta);
  }
  std::string type = fields.text("rope.scaling.type", "none");
  double factor = fields.positive("rope.scaling.factor", 1.0);
  if (!fields.has("rope.scaling.factor") && fields.has("rope.scale_linear")) {
    type = "linear";  // the key of older files
    factor = fields.positive("rope.scale_linear");
  }
  if (type == "none" || factor == 1.0) {
    return nullptr;
  }
  check<ModelError>(type == "linear" || type == "yarn",
                    "{}: {}: expected \"none\", \"linear\" or \"yarn\", found \"{}\"",
                    fields.where(), fields.name("rope.scaling.type"), escaped(type));
  Json scaling = {{"rope_type", type}, {"factor", factor}};
  if (type == "yarn") {
    scaling["original_max_position_embeddings"] =
        fields.size("rope.scaling.original_context_length");
  }
  return scaling;
}

}  // namespace peft
