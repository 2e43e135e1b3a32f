#include "peft/config/run_config.h"

#include <set>

#include "peft/config/adapter_config.h"
#include "peft/config/given_values.h"
#include "peft/config/keys.h"
#include "peft/config/methods.h"
#include "peft/util/text.h"

namespace peft {
namespace {

/// null, "auto" and 0 are spelled out in many files beside the key that counts.
bool asks_for_nothing(const Json& value) {
  return value.is_null() || value == "auto" || (value.is_number() && value == 0);
}

/// Of two exclusive keys in one source both asking for something is a fault; a flag overrules the
/// file's, with a note.
void settle_exclusive_pairs(GivenValues& given) {
  for (const ExclusivePair& pair : exclusive_pairs()) {
    const GivenValue* first = given.find(pair.first);
    const GivenValue* second = given.find(pair.second);
    if (first == nullptr || second == nullptr) {
      continue;
    }
    if (asks_for_nothing(first->value) || asks_for_nothing(second->value)) {
      given.drop(asks_for_nothing(first->value) ? pair.first : pair.second);
    } else if (first->from_flag == second->from_flag) {
      given.add_fault(second->where, second->name,
                      fmt::format("cannot be given together with \"{}\" ({}); keep one",
                                  first->name, first->where));
    } else {
      const GivenValue* loser = first->from_flag ? second : first;
      const GivenValue* winner = first->from_flag ? first : second;
      given.add_note(fmt::format("{} ({}) is overruled by {} ({})", loser->name, loser->where,
                                 winner->name, winner->where));
      given.drop(loser == first ? pair.first : pair.second);
    }
  }
}

/// Builds `values` and `origin` key by key.
class Resolution {
 public:
  Resolution(GivenValues& given, std::string file) : given_(given), file_(std::move(file)) {}

  ResolvedConfig run() {
    for (const Section section :
         {Section::kModel, Section::kAdapter, Section::kData, Section::kTraining}) {
      section == Section::kAdapter ? resolve_adapter() : resolve_section(section);
    }
    settle_partners();
    return std::move(result_);
  }

 private:
  void set(const std::string& section, const std::string& name, Json value, std::string origin) {
    result_.values[section][name] = std::move(value);
    result_.origin[section + "." + name] = std::move(origin);
  }

  void resolve_section(Section section) {
    for (const Key& key : keys_of(section)) {
      if (key.support == Support::kUsed) {
        resolve_key(section_name(section), key);
      }
    }
  }

  void resolve_key(const std::string& section, const Key& key) {
    const std::string path = section + "." + key.name;
    if (const GivenValue* value = given_.find(path);
        value != nullptr && key.support != Support::kNotUsed) {
      set(section, key.name, value->value, value->origin(path));
    } else if (key.fallback) {
      set(section, key.name, *key.fallback, "default");
    } else if (key.support == Support::kUsed) {
      given_.add_fault(file_, path, "missing; " + key.summary);
    }
  }

  void resolve_adapter() {
    if (const GivenValue* path = given_.find("adapter.path")) {
      continue_adapter(*path);
      return;
    }
    const GivenValue* type = given_.find("adapter.peft_type");
    method_ = find_method(type != nullptr ? type->value.get<std::string>() : "LORA");
    for (const Key& key : keys_of(Section::kAdapter, method_->peft_type)) {
      resolve_key("adapter", key);
    }
    Json& adapter = result_.values["adapter"];
    if (adapter.contains("lora_alpha") && adapter["lora_alpha"].is_null()) {
      const std::string rank = adapter.contains("init_r") ? "init_r" : "r";
      set("adapter", "lora_alpha", 2 * adapter[rank].get<int64_t>(), "auto: 2 x " + rank);
    }
    report_contradictions();
  }

  void continue_adapter(const GivenValue& path) {
    const std::string directory = path.value.get<std::string>();
    const Json saved = read_adapter_config(directory);
    method_ = find_method(saved.at("peft_type").get<std::string>());
    for (const Key& key : keys_of(Section::kAdapter, method_->peft_type)) {
      if (key.name == "path") {
        set("adapter", key.name, path.value, path.origin("adapter.path"));
      } else if (key.fallback) {
        set("adapter", key.name, saved.at(key.name), directory + "/adapter_config.json");
        change_saved(key, directory);
      }
    }
    report_contradictions();
  }

  /// Takes the run file's value of a key of a stored adapter, unless that would change its shape.
  void change_saved(const Key& key, const std::string& directory) {
    const std::string path = "adapter." + key.name;
    const GivenValue* given = given_.find(path);
    if (given == nullptr || key.support != Support::kUsed) {
      return;
    }
    const Json& saved = result_.values["adapter"][key.name];
    if (!key.fixed_by_adapter) {
      set("adapter", key.name, given->value, given->origin(path));
    } else if (!same_shape(saved, given->value)) {
      given_.add_fault(
          given->where, given->name,
          fmt::format("expected {} as in {}, found {}; training goes on with the shape "
                      "of the stored adapter",
                      json_excerpt(saved), directory, json_excerpt(given->value)));
    }
  }

  /// Lists of modules are sets: PEFT stores them in any order.
  static bool same_shape(const Json& a, const Json& b) {
    if (a.is_array() && b.is_array()) {
      return std::set<Json>(a.begin(), a.end()) == std::set<Json>(b.begin(), b.end());
    }
    return a == b;
  }

  void report_contradictions() {
    for (const std::string& fault : adapter_contradictions(result_.values["adapter"])) {
      const std::string path = "adapter." + fault.substr(0, fault.find(':'));
      const GivenValue* given = given_.find(path);
      given_.add_fault(given != nullptr ? given->where : file_, path,
                       fault.substr(fault.find(':') + 2));
    }
  }

  void settle_partners() {
    for (const ExclusivePair& pair : exclusive_pairs()) {
      if (given_.find(pair.second) != nullptr) {
        const size_t dot = pair.first.find('.');
        set(pair.first.substr(0, dot), pair.first.substr(dot + 1), pair.otherwise,
            "auto: " + pair.second + " is given");
      }
    }
    if (result_.values["training"]["learning_rate"].is_null()) {
      set("training", "learning_rate", method_->learning_rate,
          fmt::format("auto: usual for {}", method_->peft_type));
    }
  }

  GivenValues& given_;
  std::string file_;
  const Method* method_ = nullptr;
  ResolvedConfig result_{Json::object(), Json::object(), {}};
};

void throw_faults(const std::vector<std::string>& faults, const std::string& file) {
  check<UsageError>(faults.size() != 1, "{}", faults.empty() ? "" : faults.front());
  check<UsageError>(faults.empty(), "{}: {} mistakes\n  {}", file, faults.size(),
                    join(faults, "\n  "));
}

}  // namespace

ResolvedConfig resolve_config(const Json& document, const JsonPositions& positions,
                              const std::string& file, const std::vector<Override>& overrides) {
  GivenValues given;
  given.add_document(document, positions, file);
  for (const Override& flag : overrides) {
    given.add_override(flag);
  }
  given.resolve();
  settle_exclusive_pairs(given);
  throw_faults(given.faults(), file);
  ResolvedConfig result = Resolution(given, file).run();
  throw_faults(given.faults(), file);
  result.notes = given.notes();
  return result;
}

ResolvedConfig load_config(const std::filesystem::path& file,
                           const std::vector<Override>& overrides) {
  JsonPositions positions;
  const Json document = read_json<UsageError>(file, {}, &positions);
  return resolve_config(document, positions, file.string(), overrides);
}

}  // namespace peft
