#include "peft/training/guards.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "peft/methods/effective_scale.h"
#include "peft/util/sha256.h"
#include "peft/util/signals.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr int64_t kUpdatesToWait = 3;
constexpr int64_t kPiece = int64_t{1} << 20;  // bytes that one task hashes
constexpr uint64_t kOdd = 0x9E3779B97F4A7C15u;

uint64_t turned(uint64_t value) {
  return (value << 29) | (value >> 35);
}

/// Four independent lanes, so that the multiplier is never waited for.
uint64_t hash_piece(const std::byte* data, int64_t bytes) {
  uint64_t lanes[4] = {1, 2, 3, 4};
  int64_t at = 0;
  for (; at + 32 <= bytes; at += 32) {
    uint64_t words[4];
    std::memcpy(words, data + at, sizeof words);
    for (int lane = 0; lane < 4; ++lane) {
      lanes[lane] = turned((lanes[lane] ^ words[lane]) * kOdd);
    }
  }
  for (; at < bytes; ++at) {
    lanes[0] = turned((lanes[0] ^ static_cast<uint64_t>(data[at])) * kOdd);
  }
  uint64_t hash = static_cast<uint64_t>(bytes);
  for (const uint64_t lane : lanes) {
    hash = turned((hash ^ lane) * kOdd);
  }
  return hash;
}

/// "model.layers.7.": up to the first number in a path, or nothing.
std::string layer_prefix(const std::string& path) {
  size_t begin = 0;
  for (const std::string& part : split(path, '.')) {
    const size_t end = begin + part.size() + 1;
    if (!part.empty() && part.find_first_not_of("0123456789") == std::string::npos) {
      return path.substr(0, std::min(end, path.size()));
    }
    begin = end;
  }
  return "";
}

}  // namespace

GradientGate::GradientGate(const NamedTensors& trainable) : waiting_(trainable) {
  std::erase_if(waiting_, [](const auto& entry) {
    return entry.first.find("trainable_tokens") != std::string::npos;
  });
}

void GradientGate::check_step(double learning_rate) {
  std::erase_if(waiting_, [](const auto& entry) {
    return entry.second.grad().defined() && entry.second.grad().count_nonzero().item().toLong() > 0;
  });
  ++steps_;
  updates_ += learning_rate > 0.0 ? 1 : 0;
  if (updates_ < kUpdatesToWait || waiting_.empty()) {
    return;
  }
  std::vector<std::string> names;
  for (const auto& [name, tensor] : waiting_) {
    names.push_back(name);
  }
  const size_t shown = std::min<size_t>(names.size(), 5);
  fail<NumericError>(
      "{}{}: no gradient in steps 1-{}; is it used by the forward pass?",
      fmt::join(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
      shown < names.size() ? fmt::format(" and {} more", names.size() - shown) : "", steps_);
}

bool exercise_attention(std::span<const Example> examples, const Groups& micro_batches) {
  for (const std::vector<size_t>& rows : micro_batches) {
    for (const size_t row : rows) {
      const Tokens& labels = examples[row].labels;
      if (labels.size() > 2 && std::any_of(labels.begin() + 2, labels.end(),
                                           [](int32_t label) { return label != kIgnored; })) {
        return true;
      }
    }
  }
  return false;
}

uint64_t hash_of(const Tensor& tensor) {
  const Tensor host = tensor.detach().to(at::kCPU).contiguous();
  const auto* const data = static_cast<const std::byte*>(host.const_data_ptr());
  const auto bytes = static_cast<int64_t>(host.nbytes());
  const int64_t pieces = (bytes + kPiece - 1) / kPiece;
  std::vector<uint64_t> hashes(static_cast<size_t>(pieces));
  at::parallel_for(0, pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      hashes[static_cast<size_t>(piece)] =
          hash_piece(data + piece * kPiece, std::min(kPiece, bytes - piece * kPiece));
    }
  });
  return hash_piece(reinterpret_cast<const std::byte*>(hashes.data()),
                    pieces * static_cast<int64_t>(sizeof(uint64_t)));
}

FrozenBase::FrozenBase(const CausalLM& model, const NamedTensors& trainable) : model_(model) {
  std::set<const void*> trained;
  for (const auto& [name, tensor] : trainable) {
    trained.insert(tensor.unsafeGetTensorImpl());
  }
  for (const auto& entry : model.named_parameters()) {
    check_not_stopped();  // gigabytes take seconds
    entries_.push_back({entry.key(), hash_of(entry.value()),
                        trained.count(entry.value().unsafeGetTensorImpl()) == 0});
  }
}

std::string FrozenBase::identity() const {
  Sha256 hash;
  for (const Entry& entry : entries_) {
    hash.update(std::as_bytes(std::span(entry.name)));
    hash.update(std::as_bytes(std::span(&entry.bits, 1)));
  }
  return hash.finish();
}

void FrozenBase::check_unchanged() const {
  std::vector<std::string> changed;
  const auto parameters = model_.named_parameters();
  for (const Entry& entry : entries_) {
    if (entry.frozen && hash_of(parameters[entry.name]) != entry.bits) {
      changed.push_back(entry.name);
    }
  }
  check<IntegrityError>(changed.empty(),
                        "{}: frozen, but changed by training; the adapter was not written",
                        fmt::join(changed, ", "));
}

double lost_updates(const Tensor& before, const Tensor& after, const Tensor& gradients) {
  const Tensor wanted = gradients.ne(0);
  const auto count = wanted.sum().item<int64_t>();
  const auto lost = before.eq(after).logical_and_(wanted).sum().item<int64_t>();
  return count == 0 ? 0.0 : static_cast<double>(lost) / static_cast<double>(count);
}

std::string uneven_coverage(const NamedTensors& trainable) {
  std::map<std::string, int64_t> by_layer;
  for (const auto& [name, tensor] : trainable) {
    if (const std::string layer = layer_prefix(name); !layer.empty()) {
      ++by_layer[layer];
    }
  }
  if (by_layer.empty()) {
    return "";
  }
  const auto [fewest, most] =
      std::minmax_element(by_layer.begin(), by_layer.end(),
                          [](const auto& a, const auto& b) { return a.second < b.second; });
  if (fewest->second == most->second) {
    return "";
  }
  return fmt::format("{} has {} trainable tensors, {} has {}; are all target modules meant?",
                     most->first.substr(0, most->first.size() - 1), most->second,
                     fewest->first.substr(0, fewest->first.size() - 1), fewest->second);
}

void check_read_back(const Adapter& adapter, const std::filesystem::path& folder) {
  const StoredAdapter stored = read_adapter(folder);
  const std::map<std::string, Tensor> found(stored.tensors.begin(), stored.tensors.end());
  const NamedTensors expected = adapter.exported();
  check<IoError>(found.size() == expected.size(), "{}: expected {} tensors, read back {}",
                 folder.string(), expected.size(), found.size());
  for (const auto& [name, tensor] : expected) {
    const auto entry = found.find(name);
    check<IoError>(
        entry != found.end() && at::equal(entry->second, tensor.detach().to(at::kCPU, at::kFloat)),
        "{}: {} reads back different from what was written", folder.string(), name);
  }
  check_scales(adapter, stored.config, stored.tensors, folder.string());
}

}  // namespace peft
