#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "peft/interchange/gguf_model.h"
#include "peft/io/gguf.h"

namespace peft {

/// Reads the keys of one architecture: "block_count" is "llama.block_count" of a llama file. Every
/// fault is a ModelError that names the file and the key.
class GgufFields {
 public:
  explicit GgufFields(const GgufFile& file);

  const GgufFile& file() const { return file_; }
  std::string where() const { return file_.path().string(); }
  const std::string& architecture() const { return architecture_; }
  /// The whole name of a key.
  std::string name(const std::string& key) const { return architecture_ + "." + key; }

  bool has(const std::string& key) const;
  bool has_tensor(const std::string& name) const { return file_.tensors().count(name) > 0; }

  /// A whole number from 1 to 2^31; `absent` where the key is missing, an error without it.
  int64_t size(const std::string& key, std::optional<int64_t> absent = {}) const;
  /// The same with zero allowed.
  int64_t count(const std::string& key, int64_t absent) const;
  /// A finite positive number.
  double positive(const std::string& key, std::optional<double> absent = {}) const;
  bool flag(const std::string& key, bool absent) const;
  std::string text(const std::string& key, const std::string& absent) const;

  /// Keys that must be absent or zero: variants that share the architecture's name.
  void refuse(std::initializer_list<const char*> keys) const;
  /// All elements of a tensor that must have `elements` of them.
  std::vector<float> values_of(const std::string& tensor, int64_t elements) const;

 private:
  const GgufFile& file_;
  std::string architecture_;
};

/// Sizes that every decoder has, checked against each other.
struct GgufSizes {
  int64_t layers = 0, hidden = 0, mlp = 0, positions = 0, vocabulary = 0;
  int64_t heads = 0, kv_heads = 0, head_dim = 0;
  int64_t rotated = 0;  ///< elements of a head that the rope turns
  bool tied = false;    ///< no output.weight: the embedding is the head

  int64_t query() const { return heads * head_dim; }
  int64_t key_value() const { return kv_heads * head_dim; }
  /// The share of a head that is rotated, such that Hugging Face's rounding gives `rotated` again.
  double rotated_share() const;
};

GgufSizes read_gguf_sizes(const GgufFields& fields);

/// config.json's rope_scaling: null, linear, yarn or Llama 3's rule (recognised by the factors of
/// rope_freqs.weight).
Json read_gguf_rope_scaling(const GgufFields& fields, const GgufSizes& sizes, double rope_theta);

/// What GgufWeights::projection adds beside a weight, and what was done to both.
struct GgufProjection {
  bool bias = false;
  GgufChange change = GgufChange::kNone;
  int64_t heads = 0;
};

/// Collects the tensors of one part of a model: Hugging Face names below `prefix`, GGUF names below
/// `gguf_prefix`.
class GgufWeights {
 public:
  GgufWeights(GgufModel& model, std::string prefix, std::string gguf_prefix)
      : model_(model), prefix_(std::move(prefix)), gguf_prefix_(std::move(gguf_prefix)) {}

  /// A weight of any shape and, where asked, a bias as long as its output.
  void add(const std::string& name, const std::string& gguf_name, std::vector<int64_t> shape,
           const GgufProjection& projection = {});
  /// One expert of a stack, or of a tensor of its own where an older file has these.
  void add_expert(const std::string& name, const std::string& gguf_name, std::vector<int64_t> shape,
                  int64_t experts, int64_t expert);

 private:
  GgufModel& model_;
  std::string prefix_, gguf_prefix_;
};

}  // namespace peft
