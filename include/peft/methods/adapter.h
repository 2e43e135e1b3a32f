#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "peft/models/causal_lm.h"
#include "peft/util/json.h"

namespace peft {

/// Tensors with their names, in a fixed order.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// Row keys of the micro-batch at hand, shared by the hooks of one adapter; dropout masks are a
/// function of them. Undefined outside training.
struct DropoutKeys {
  Tensor rows;  ///< (N) int64
};

/// A method at work on a model: owns what trains, rides on the host's sockets, and gives the host
/// back as it was when destroyed. The model must outlive it.
class Adapter {
 public:
  explicit Adapter(CausalLM& model);
  virtual ~Adapter();
  Adapter(const Adapter&) = delete;
  Adapter& operator=(const Adapter&) = delete;

  /// adapter_config.json as it stands now, every field of the method.
  virtual Json config() const = 0;

  /// What the optimizer gets, float32, named "<module path>.<parameter>".
  NamedTensors trainable() const;

  /// The same under the names that Hugging Face PEFT writes.
  virtual NamedTensors exported() const;

  /// Takes the values of exported names. All mismatches of one load are reported together, under
  /// `where`. Throws ModelError.
  virtual void import_tensors(const NamedTensors& tensors, const std::string& where);

  /// Added to the loss of a step; undefined: none.
  virtual Tensor penalty() const { return {}; }
  virtual void before_training(int64_t /*total_steps*/) {}
  /// After the optimizer, gradients still there. Steps count from 1.
  virtual void after_step(int64_t /*step*/) {}

  /// Training switches dropout on, and nothing else. `row_keys` belong to the next forward.
  void train(bool on);
  void begin_batch(const Tensor& row_keys) { dropout_->rows = row_keys; }

 protected:
  /// Puts a hook into a socket until the adapter ends. Its parameters train.
  template <class Hook, class M>
  void plug(std::string path, Socket<Hook>& socket, std::shared_ptr<M> module) {
    socket.plug(module);
    unplug_.push_back([&socket] { socket.unplug(); });
    hooks_.push_back({std::move(path), std::move(module)});
  }

  CausalLM& model() const { return model_; }
  const std::shared_ptr<DropoutKeys>& dropout() const { return dropout_; }

 private:
  struct PluggedHook {
    std::string path;
    std::shared_ptr<torch::nn::Module> module;
  };
  CausalLM& model_;
  std::shared_ptr<DropoutKeys> dropout_ = std::make_shared<DropoutKeys>();
  std::vector<PluggedHook> hooks_;
  std::vector<std::function<void()>> unplug_;
};

/// A seeded generator of an adapter tensor's start values: depends on the seed and the tensor's
/// name only, not on the order of construction.
at::Generator tensor_generator(uint64_t seed, const std::string& name);

}  // namespace peft
