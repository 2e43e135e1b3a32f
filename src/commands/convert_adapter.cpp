// peft adapters convert: any adapter that changes weight matrices -> a plain LoRA.
#include <algorithm>

#include "peft/commands/commands.h"
#include "peft/commands/engine_start.h"
#include "peft/commands/open_model.h"
#include "peft/methods/to_lora.h"
#include "peft/util/durable_file.h"
#include "peft/util/log.h"

namespace peft {
namespace {

Json errors_json(const std::vector<ModuleFit>& fits) {
  if (fits.empty()) {
    return nullptr;
  }
  const auto worst = std::max_element(
      fits.begin(), fits.end(),
      [](const ModuleFit& a, const ModuleFit& b) { return a.relative_error < b.relative_error; });
  double sum = 0.0;
  for (const ModuleFit& fit : fits) {
    sum += fit.relative_error;
  }
  return {{"worst", worst->relative_error},
          {"worst_module", worst->path},
          {"mean", sum / static_cast<double>(fits.size())}};
}

Json modules_json(const LoraConversion& conversion) {
  Json modules = Json::array();
  for (const NamedUpdate& entry : conversion.lora.updates) {
    modules.push_back(
        {{"path", entry.path}, {"rank", entry.update.rank()}, {"relative_error", nullptr}});
    for (const ModuleFit& fit : conversion.fits) {
      if (fit.path == entry.path) {
        modules.back()["relative_error"] = fit.relative_error;
      }
    }
  }
  return modules;
}

void report(const LoraConversion& conversion, const StoredAdapter& stored, const std::string& out) {
  log_info("{} {} -> LORA {}: {} modules, rank {} at most",
           stored.config.at("peft_type").get<std::string>(), stored.path.string(), out,
           conversion.lora.updates.size(), conversion.lora.rank());
  const Json errors = errors_json(conversion.fits);
  if (errors.is_null()) {
    log_info("exact: the same update in LoRA's form");
  } else {
    log_info("{} modules cut: relative error {:.3g} at worst ({}), {:.3g} on average",
             conversion.fits.size(), errors["worst"].get<double>(),
             errors["worst_module"].get<std::string>(), errors["mean"].get<double>());
  }
}

}  // namespace

void run_convert_adapter(const Json& request) {
  start_engine("cpu", request.at("threads").get<int64_t>());
  const StoredAdapter stored =
      read_adapter(request.at("adapter").get<std::string>(), pickles_of(request));
  check_convertible(stored);
  std::optional<HfDirectory> base;
  if (needs_base(stored)) {
    base = base_directory(request, stored);
  }
  const LoraConversion conversion =
      to_lora(stored, base ? &*base : nullptr, request.at("rank").get<int64_t>());
  const std::string out = request.at("out").get<std::string>();
  write_folder(out, request.at("overwrite").get<bool>(), [&](const std::filesystem::path& folder) {
    write_adapter(put_together(conversion.lora, folder));
    copy_labels(stored.path, folder);
  });
  report(conversion, stored, out);
  if (request.at("json").get<bool>()) {
    const Json result = {{"out", out},
                         {"from", stored.config.at("peft_type")},
                         {"exact", conversion.fits.empty()},
                         {"rank", conversion.lora.rank()},
                         {"relative_error", errors_json(conversion.fits)},
                         {"modules", modules_json(conversion)}};
    fmt::print("{}\n", result.dump(2));
  }
}

}  // namespace peft
