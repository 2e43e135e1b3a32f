// What a bare file of adapter tensors holds: one that other tools wrote without an
// adapter_config.json.
#include "adapters_file.h"

#include <algorithm>
#include <set>

#include "peft/config/methods.h"
#include "peft/io/safetensors.h"
#include "peft/io/torch_file.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// How a tool names what a method adds to a module.
struct FileForm {
  const char* tool;
  const char* method;
  std::vector<const char*> endings;  ///< behind the module's name
  const char* rank_ending;           ///< the tensor whose first dimension is the rank; null: none
};

const std::vector<FileForm>& file_forms() {
  static const std::vector<FileForm> forms = {
      {"Hugging Face PEFT", "lora", {".lora_A.weight", ".lora_B.weight"}, ".lora_A.weight"},
      {"Hugging Face PEFT", "ia3", {".ia3_l"}, nullptr},
      {"loralib", "lora", {".lora_A", ".lora_B"}, ".lora_A"},
      {"T-Few", "ia3", {".multi_lora_b", ".multi_lora_a"}, nullptr},
  };
  return forms;
}

using Tensors = std::map<std::string, TensorInfo>;

Tensors tensors_of(const std::filesystem::path& path, PickledWeights pickled) {
  if (path.extension() == ".safetensors") {
    return SafetensorsFile(path).tensors();
  }
  check<ModelError>(pickled == PickledWeights::kAllowed,
                    "{}: a pickled file; its tensors are read as data with --allow-pickle",
                    path.string());
  return TorchFile(path).tensors();
}

/// The module that `name` belongs to in this form; empty if it is none of its tensors.
std::string module_of(const FileForm& form, const std::string& name) {
  for (const char* ending : form.endings) {
    if (name.ends_with(ending)) {
      return name.substr(0, name.size() - std::string_view(ending).size());
    }
  }
  return "";
}

std::string last_part(const std::string& path) {
  return path.substr(path.rfind('.') + 1);
}

const FileForm& form_of(const Tensors& tensors, const std::filesystem::path& path) {
  for (const FileForm& form : file_forms()) {
    const bool fits = std::any_of(tensors.begin(), tensors.end(), [&](const auto& entry) {
      return !module_of(form, entry.first).empty();
    });
    if (fits) {
      return form;
    }
  }
  fail<ModelError>("{}: no adapter's names are known to this version in it; it begins with \"{}\"",
                   path.string(), tensors.empty() ? "" : tensors.begin()->first);
}

template <class T>
Json list_of(const std::set<T>& values) {
  return Json(std::vector<T>(values.begin(), values.end()));
}

}  // namespace

Json describe_adapter_file(const std::filesystem::path& path, PickledWeights pickled) {
  const Tensors tensors = tensors_of(path, pickled);
  const FileForm& form = form_of(tensors, path);
  const Method& method = *find_method(form.method);
  int64_t parameters = 0;
  int64_t bytes = 0;
  std::set<std::string> modules, targets, others, dtypes;
  std::set<int64_t> ranks;
  for (const auto& [name, info] : tensors) {
    parameters += info.elements();
    bytes += static_cast<int64_t>(info.bytes);
    dtypes.insert(dtype_name(info.dtype));
    const std::string module = module_of(form, name);
    if (module.empty()) {
      others.insert(name);
      continue;
    }
    modules.insert(module);
    targets.insert(last_part(module));
    if (form.rank_ending != nullptr && name.ends_with(form.rank_ending) && !info.shape.empty()) {
      ranks.insert(info.shape.front());
    }
  }
  return {{"path", path.string()},
          {"written_by", form.tool},
          {"method", method.name},
          {"peft_type", method.peft_type},
          {"summary", method.summary},
          {"modules", modules.size()},
          {"target_modules", list_of(targets)},
          {"r", list_of(ranks)},
          {"other_tensors", list_of(others)},
          {"tensors", tensors.size()},
          {"parameters", parameters},
          {"bytes", bytes},
          {"dtype", join({dtypes.begin(), dtypes.end()}, ", ")}};
}

void print_adapter_file(const Json& file) {
  const auto line = [](const char* name, const std::string& value) {
    print_text(fmt::format("{:<24} {}\n", name, value));
  };
  const auto text = [&](const char* key) { return file.at(key).get<std::string>(); };
  const auto words = [&](const char* key) {
    std::vector<std::string> all;
    for (const Json& value : file.at(key)) {
      all.push_back(value.is_string() ? escaped(value.get<std::string>()) : value.dump());
    }
    return join(all, ", ");
  };
  line("path", text("path"));
  line("method", fmt::format("{} ({}): {}", text("method"), text("peft_type"), text("summary")));
  line("names as written by", text("written_by"));
  line("target_modules",
       fmt::format("{} in {} modules", words("target_modules"), file.at("modules").dump()));
  if (!file.at("r").empty()) {
    line("r", words("r") + "; alpha is not in the file");
  }
  if (!file.at("other_tensors").empty()) {
    line("trained whole", words("other_tensors"));
  }
  line("tensors", fmt::format("{} of type {}: {} parameters, {}", file.at("tensors").dump(),
                              text("dtype"), with_commas(file.at("parameters").get<int64_t>()),
                              human_bytes(file.at("bytes").get<int64_t>())));
}

}  // namespace peft
