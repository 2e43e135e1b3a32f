#include "peft/models/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace peft {
namespace {

double number(const Json& section, const char* key, double otherwise, const std::string& where) {
  if (!section.contains(key) || section.at(key).is_null()) {
    return otherwise;
  }
  check<ModelError>(section.at(key).is_number(), "{}: {}: expected a number, found {}", where, key,
                    json_excerpt(section.at(key)));
  const double value = section.at(key).get<double>();
  check<ModelError>(std::isfinite(value) && value > 0.0,
                    "{}: {}: expected a positive number, found {}", where, key, value);
  return value;
}

/// A number without which a kind of scaling has no meaning.
double needed(const Json& section, const char* key, const std::string& where) {
  check<ModelError>(section.contains(key) && !section.at(key).is_null(),
                    "{}: {}: missing; rope_type {} needs it", where, key,
                    json_excerpt(section.at("rope_type")));
  return number(section, key, 1.0, where);
}

std::vector<double> plain(double theta, int64_t dimensions) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < dimensions / 2; ++i) {
    frequencies.push_back(
        std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(dimensions)));
  }
  return frequencies;
}

/// Llama 3.1: high frequencies stay, low ones are divided, those between are blended.
void scale_llama3(std::vector<double>& frequencies, const Json& section, double factor,
                  double original, const std::string& where) {
  const double low = needed(section, "low_freq_factor", where);
  const double high = needed(section, "high_freq_factor", where);
  for (double& f : frequencies) {
    const double wavelength = 2.0 * std::numbers::pi / f;
    if (wavelength > original / low) {
      f /= factor;
    } else if (wavelength >= original / high) {
      const double t = (original / wavelength - low) / (high - low);
      f = (1.0 - t) * f / factor + t * f;
    }
  }
}

/// YaRN (Peng et al. 2023): a ramp between interpolated and unchanged frequencies.
void scale_yarn(std::vector<double>& frequencies, const Json& section, double factor,
                double original, double theta, int64_t dimensions, const std::string& where) {
  const auto correction = [&](double rotations) {
    return static_cast<double>(dimensions) *
           std::log(original / (rotations * 2.0 * std::numbers::pi)) / (2.0 * std::log(theta));
  };
  double low = correction(number(section, "beta_fast", 32.0, where));
  double high = correction(number(section, "beta_slow", 1.0, where));
  if (section.value("truncate", true)) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(dimensions - 1));
  const double span = high == low ? 0.001 : high - low;
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / span, 0.0, 1.0);
    frequencies[i] = frequencies[i] * (1.0 - ramp) + frequencies[i] / factor * ramp;
  }
}

double yarn_attention(const Json& section, double factor, const std::string& where) {
  const auto magnitude = [&](double scale) {
    return factor <= 1.0 ? 1.0 : 0.1 * scale * std::log(factor) + 1.0;
  };
  if (section.contains("attention_factor") && !section.at("attention_factor").is_null()) {
    return number(section, "attention_factor", 1.0, where);
  }
  const double scale = number(section, "mscale", 0.0, where);
  const double all = number(section, "mscale_all_dim", 0.0, where);
  return scale > 0.0 && all > 0.0 ? magnitude(scale) / magnitude(all) : magnitude(1.0);
}

/// LongRoPE (Ding et al. 2024): every frequency has a divisor of its own.
std::vector<double> divided(std::vector<double> frequencies, const Json& section, const char* key,
                            const std::string& where) {
  const bool is_list = section.contains(key) && section.at(key).is_array();
  check<ModelError>(is_list && section.at(key).size() == frequencies.size(),
                    "{}: {}: expected a list of {} numbers", where, key, frequencies.size());
  for (size_t i = 0; i < frequencies.size(); ++i) {
    const Json& divisor = section.at(key)[i];
    check<ModelError>(divisor.is_number() && divisor > 0.0,
                      "{}: {}: expected positive numbers, found {}", where, key,
                      json_excerpt(divisor));
    frequencies[i] /= divisor.get<double>();
  }
  return frequencies;
}

double longrope_attention(const Json& section, double stretch, double original,
                          const std::string& where) {
  const double factor = number(section, "factor", stretch, where);
  const double own = factor <= 1.0 ? 1.0 : std::sqrt(1.0 + std::log(factor) / std::log(original));
  return number(section, "attention_factor", own, where);
}

Tensor float_tensor(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat);
}

}  // namespace

void check_whole_heads(const Json& settings, const std::string& where) {
  const Json share = settings.value("partial_rotary_factor", Json(1.0));
  check<ModelError>(share == 1.0,
                    "{}: partial_rotary_factor: expected 1, as models of this family rotate whole "
                    "heads, found {}",
                    where, json_excerpt(share));
}

Rope::Rope(const Json& settings, int64_t head_dim, int64_t positions, const std::string& where) {
  theta_ = number(settings, "rope_theta", 1e4, where);
  dimensions_ = static_cast<int64_t>(static_cast<double>(head_dim) *
                                     number(settings, "partial_rotary_factor", 1.0, where));
  check<ModelError>(dimensions_ > 0 && dimensions_ <= head_dim && dimensions_ % 2 == 0,
                    "{}: rotary dimensions: expected an even number up to {}, found {}", where,
                    head_dim, dimensions_);
  if (settings.contains("rope_type") && settings.at("rope_type").is_string()) {
    type_ = settings.at("rope_type").get<std::string>();
  }
  const bool has_factor =
      type_ == "linear" || type_ == "dynamic" || type_ == "llama3" || type_ == "yarn";
  factor_ = has_factor ? needed(settings, "factor", where) : 1.0;
  const auto most = static_cast<double>(positions);
  const double original = number(settings, "original_max_position_embeddings", most, where);
  original_positions_ = static_cast<int64_t>(type_ == "dynamic" ? most : original);
  std::vector<double> frequencies = plain(theta_, dimensions_);
  if (type_ == "linear") {
    for (double& f : frequencies) {
      f /= factor_;
    }
  } else if (type_ == "llama3") {
    scale_llama3(frequencies, settings, factor_, original, where);
  } else if (type_ == "yarn") {
    scale_yarn(frequencies, settings, factor_, original, theta_, dimensions_, where);
    attention_factor_ = yarn_attention(settings, factor_, where);
  } else if (type_ == "longrope") {
    long_frequencies_ = float_tensor(divided(frequencies, settings, "long_factor", where));
    frequencies = divided(frequencies, settings, "short_factor", where);
    attention_factor_ = longrope_attention(settings, most / original, original, where);
  } else {
    check<ModelError>(type_ == "default" || type_ == "dynamic",
                      "{}: rope_type: expected default, linear, dynamic, llama3, yarn or longrope, "
                      "found \"{}\"",
                      where, type_);
  }
  frequencies_ = float_tensor(frequencies);
}

Tensor Rope::frequencies(int64_t length) const {
  if (length <= original_positions_) {
    return frequencies_;
  }
  if (type_ != "dynamic") {
    return long_frequencies_.defined() ? long_frequencies_ : frequencies_;
  }
  const double d = static_cast<double>(dimensions_);
  const double stretch =
      factor_ * static_cast<double>(length) / static_cast<double>(original_positions_) -
      (factor_ - 1.0);
  return float_tensor(plain(theta_ * std::pow(stretch, d / (d - 2.0)), dimensions_));
}

std::pair<Tensor, Tensor> Rope::tables(const Tensor& positions, const Segments& segments) const {
  const at::Device device = positions.device();
  const Tensor rows = positions.to(at::kFloat);
  Tensor angles;
  if (depends_on_length() && positions.size(0) > 0) {
    std::vector<Tensor> parts;
    for (int64_t b = 0; b < segments.count(); ++b) {
      const int64_t begin = segments.bounds[static_cast<size_t>(b)];
      const Tensor part = rows.narrow(0, begin, segments.length(b));
      const bool shared = segments.prefix && b == 0;
      const Tensor& all = shared || part.size(0) == 0 ? rows : part;
      const auto length = static_cast<int64_t>(all.max().item<double>()) + 1;
      parts.push_back(at::outer(part, frequencies(length).to(device)));
    }
    angles = at::cat(parts);
  } else {
    angles = at::outer(rows, frequencies_.to(device));
  }
  if (attention_factor_ == 1.0) {
    return {angles.cos(), angles.sin()};
  }
  return {angles.cos() * attention_factor_, angles.sin() * attention_factor_};
}

}  // namespace peft
