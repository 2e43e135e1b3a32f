#include "gguf_fields.h"

#include <cmath>
#include <utility>

#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kLargestSize = int64_t{1} << 31;
constexpr int64_t kLargestHead = 65536;

}  // namespace

GgufFields::GgufFields(const GgufFile& file) : file_(file) {
  JsonReader<ModelError> reader(file.values(), where());
  reader.require("general.architecture", architecture_);
}

bool GgufFields::has(const std::string& key) const {
  return file_.values().contains(name(key));
}

int64_t GgufFields::count(const std::string& key, int64_t absent) const {
  JsonReader<ModelError> reader(file_.values(), where());
  int64_t value = absent;
  reader.read(name(key), value);
  check<ModelError>(value >= 0 && value <= kLargestSize, "{}: {}: expected a number, found {}",
                    where(), name(key), value);
  return value;
}

int64_t GgufFields::size(const std::string& key, std::optional<int64_t> absent) const {
  check<ModelError>(absent || has(key), "{}: {}: missing", where(), name(key));
  const int64_t value = count(key, absent.value_or(0));
  check<ModelError>(value > 0, "{}: {}: expected a positive number, found {}", where(), name(key),
                    value);
  return value;
}

double GgufFields::positive(const std::string& key, std::optional<double> absent) const {
  JsonReader<ModelError> reader(file_.values(), where());
  double value = absent.value_or(0.0);
  if (!absent) {
    reader.require(name(key), value);
  } else {
    reader.read(name(key), value);
  }
  check<ModelError>(std::isfinite(value) && value > 0.0,
                    "{}: {}: expected a positive number, found {}", where(), name(key), value);
  return value;
}

bool GgufFields::flag(const std::string& key, bool absent) const {
  JsonReader<ModelError> reader(file_.values(), where());
  bool value = absent;
  reader.read(name(key), value);
  return value;
}

std::string GgufFields::text(const std::string& key, const std::string& absent) const {
  JsonReader<ModelError> reader(file_.values(), where());
  std::string value = absent;
  reader.read(name(key), value);
  return value;
}

void GgufFields::refuse(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) {
    const auto found = file_.values().find(name(key));
    check<ModelError>(
        found == file_.values().end() || (found->is_number() && found->get<double>() == 0.0),
        "{}: {}: this variant of {} is not supported", where(), name(key), architecture_);
  }
}

std::vector<float> GgufFields::values_of(const std::string& tensor, int64_t elements) const {
  const auto found = file_.tensors().find(tensor);
  check<ModelError>(found != file_.tensors().end(), "{}: no tensor \"{}\"", where(), tensor);
  check<ModelError>(found->second.elements() == elements, "{}: {}: expected {} factors, found {}",
                    where(), tensor, elements, found->second.elements());
  std::vector<float> values(static_cast<size_t>(elements));
  file_.read_rows(found->second, 0, values);
  return values;
}

double GgufSizes::rotated_share() const {
  const auto whole = static_cast<double>(head_dim);
  const double share = static_cast<double>(rotated) / whole;
  const bool survives = static_cast<int64_t>(whole * share) == rotated;
  return survives ? share : (static_cast<double>(rotated) + 0.5) / whole;
}

GgufSizes read_gguf_sizes(const GgufFields& fields) {
  GgufSizes sizes;
  sizes.layers = fields.size("block_count");
  sizes.hidden = fields.size("embedding_length");
  sizes.mlp = fields.size("feed_forward_length");
  sizes.positions = fields.size("context_length");
  sizes.heads = fields.size("attention.head_count");
  sizes.kv_heads = fields.size("attention.head_count_kv", sizes.heads);
  const std::string where = fields.where();
  check<ModelError>(sizes.heads % sizes.kv_heads == 0,
                    "{}: {} heads do not share {} key and value heads evenly", where, sizes.heads,
                    sizes.kv_heads);
  check<ModelError>(fields.has("attention.key_length") || sizes.hidden % sizes.heads == 0,
                    "{}: {} heads do not divide {} hidden elements", where, sizes.heads,
                    sizes.hidden);
  sizes.head_dim = fields.size("attention.key_length", sizes.hidden / sizes.heads);
  check<ModelError>(sizes.head_dim % 2 == 0 && sizes.head_dim <= kLargestHead,
                    "{}: heads of {} elements", where, sizes.head_dim);
  const int64_t value_length = fields.size("attention.value_length", sizes.head_dim);
  sizes.rotated = fields.size("rope.dimension_count", sizes.head_dim);
  check<ModelError>(value_length == sizes.head_dim && sizes.rotated <= sizes.head_dim,
                    "{}: heads of {} elements with {} rotated and values of {} are not supported",
                    where, sizes.head_dim, sizes.rotated, value_length);
  const auto embedding = fields.file().tensors().find("token_embd.weight");
  check<ModelError>(embedding != fields.file().tensors().end(),
                    "{}: no tensor \"token_embd.weight\"", where);
  sizes.vocabulary = embedding->second.rows();
  sizes.tied = !fields.has_tensor("output.weight");
  return sizes;
}

void GgufWeights::add(const std::string& name, const std::string& gguf_name,
                      std::vector<int64_t> shape, const GgufProjection& projection) {
  const bool transposed = projection.change == GgufChange::kTransposed;
  if (projection.bias) {
    const int64_t outputs = transposed ? shape.back() : shape.front();
    model_.weights[prefix_ + name + ".bias"] = {gguf_prefix_ + gguf_name + ".bias",
                                                {outputs},
                                                transposed ? GgufChange::kNone : projection.change,
                                                projection.heads};
  }
  model_.weights[prefix_ + name + ".weight"] = {
      gguf_prefix_ + gguf_name + ".weight", std::move(shape), projection.change, projection.heads};
}

void GgufWeights::add_expert(const std::string& name, const std::string& gguf_name,
                             std::vector<int64_t> shape, int64_t experts, int64_t expert) {
  model_.weights[prefix_ + name + ".weight"] = {.gguf_name = gguf_prefix_ + gguf_name + ".weight",
                                                .shape = std::move(shape),
                                                .experts = experts,
                                                .expert = expert};
}

}  // namespace peft
