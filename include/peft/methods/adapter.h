#pragma once

#include <cstdint>
#include <functional>
#include <map>
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

  /// What a file holds, under the names that Hugging Face PEFT writes.
  virtual NamedTensors exported() const;
  /// The file's name and the config beside it. `base` is where the host came from.
  virtual const char* weights_file() const { return "adapter_model.safetensors"; }
  virtual Json file_config(const std::string& base) const;
  /// Further files that its readers ask for, by name: a classifier's labels.
  virtual std::vector<std::pair<std::string, Json>> other_files() const;

  /// Takes the values of exported names. All mismatches of one load are reported together, under
  /// `where`. Throws ModelError.
  virtual void import_tensors(const NamedTensors& stored, const std::string& where);

  /// Trains the host's classification head beside the method, as PEFT does for SEQ_CLS. A new head
  /// starts as in transformers: normal with deviation 0.02, biases zero.
  void train_class_head(uint64_t seed);

  /// Added to the loss of a step; undefined: none.
  virtual Tensor penalty() const { return {}; }
  virtual void before_training(int64_t /*total_steps*/) {}
  /// After the optimizer, gradients still there. Steps count from 1.
  virtual void after_step(int64_t /*step*/) {}

  /// What the method keeps beside its trainable tensors and must survive a resume (AdaLoRA's
  /// averages, masks and phase); names are the method's own.
  virtual NamedTensors state() const { return {}; }
  /// Takes what `state` gave, strictly. Throws ModelError.
  virtual void restore_state(const NamedTensors& state) {
    check<ModelError>(state.empty(), "the checkpoint holds \"{}\", which this method does not keep",
                      state.empty() ? "" : state.front().first);
  }
  /// Figures of the method for the step log: AdaLoRA's mean rank.
  virtual std::vector<std::pair<std::string, double>> figures() const { return {}; }

  /// What the update of each module counts, as its hook applies it (LoRA's s); empty: nothing is
  /// scaled. `check_scales` compares it with what the config says.
  virtual std::map<std::string, double> scales() const { return {}; }

  /// Training switches dropout on, and nothing else.
  virtual void train(bool on);
  /// Around a micro-batch: before its forward (`row_keys` are those of its dropout), and after its
  /// backward.
  virtual void begin_batch(const Tensor& row_keys) { dropout_->rows = row_keys; }
  virtual void end_batch() {}

  /// Modules of the host that it rides on or trains.
  int64_t modules() const;

  /// Leaves the host's sockets to another adapter for a while, and takes them back. An adapter is
  /// active from its start. The model computes with at most one at a time.
  void suspend();
  void resume();

  /// Rows that stand in front of every sequence and take positions from it.
  virtual int64_t virtual_tokens() const { return 0; }

  /// Why this adapter cannot be folded into the host's weights; empty: it can.
  virtual std::string merge_obstacle() const { return ""; }
  /// The value of the host's parameter `name` with the adapter folded in. value: float32, in the
  /// host's own shape; comes back as it is when merging does not change it.
  Tensor merged(const std::string& name, const Tensor& value) const;
  /// Whether merging changes the host's parameter `name`.
  bool merge_changes(const std::string& name) const;
  /// Whether merging gives a head that shares the embedding's memory a matrix of its own.
  virtual bool merge_unties() const;
  /// Folds the adapter into the model in memory; it is spent then. Throws UsageError before
  /// anything changes if it cannot be merged.
  void merge();

 protected:
  /// Puts a hook into a socket until the adapter ends. Its parameters train.
  template <class Hook, class M>
  void plug(const std::string& path, Socket<Hook>& socket, std::shared_ptr<M> module) {
    hold({[&socket, module] { socket.plug(module); }, [&socket] { socket.unplug(); }});
    if constexpr (std::is_same_v<Hook, LinearHook>) {
      linears_[path] = module;
    } else if constexpr (std::is_same_v<Hook, EmbeddingHook>) {
      embeddings_[path] = module;
    }
    hooks_.push_back({path, std::move(module)});
  }

  /// Trains a module's parameters that no socket holds; a second one at the same path replaces it.
  void train_module(const std::string& path, std::shared_ptr<torch::nn::Module> module);

  /// Trains a tensor of the host in place, in float32, until the adapter ends. `name` is the
  /// checkpoint's. A head that shares the embedding's memory gets its own first, when one of them
  /// is borrowed without the other.
  void borrow(const std::string& name, bool keep_tie = false);
  /// The same for all parameters of the modules that the list `endings` of the config key `key`
  /// names.
  void borrow_parts(const Json& endings, const std::string& key);

  /// The tensors that `import_tensors` fills, with the file's names.
  virtual NamedTensors importable() const { return exported(); }
  /// The host's parameters that train in place, by their own names.
  NamedTensors borrowed() const;
  /// The file's name of a tensor of `trainable()`.
  virtual std::string exported_name(const std::string& own) const;

  CausalLM& model() const { return model_; }
  const std::shared_ptr<DropoutKeys>& dropout() const { return dropout_; }
  bool has_borrowed(const std::string& name) const { return borrowed_.count(name) > 0; }

 private:
  struct PluggedHook {
    std::string path;
    std::shared_ptr<torch::nn::Module> module;
  };
  CausalLM& model_;
  bool was_tied_;
  std::shared_ptr<DropoutKeys> dropout_ = std::make_shared<DropoutKeys>();
  std::vector<PluggedHook> hooks_;
  std::map<std::string, std::shared_ptr<LinearHook>> linears_;
  std::map<std::string, std::shared_ptr<EmbeddingHook>> embeddings_;
  std::vector<std::string> borrowed_order_;
  std::map<std::string, Tensor> borrowed_;  // the host's parameters, training
  /// A part of the host while the adapter is active: how to take it and how to give it back.
  struct Hold {
    std::function<void()> take;
    std::function<void()> give_back;
  };
  void hold(Hold part);
  void hold_in_float32(const Tensor& parameter);

  std::vector<Hold> holds_;
  bool is_active_ = true;
};

/// Prefix of the names in Hugging Face PEFT's files.
inline constexpr const char* kPeftPrefix = "base_model.model.";

/// Names of a classifier's labels beside its adapter: {"id2label": {"0": ...}}.
inline constexpr const char* kLabelsFile = "labels.json";

/// A seeded generator of an adapter tensor's start values: depends on the seed and the tensor's
/// name only, not on the order of construction.
at::Generator tensor_generator(uint64_t seed, const std::string& name);

}  // namespace peft
