#include "registered_dataset.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLargestRegister = size_t{16} << 20;

/// LLaMA-Factory's names of columns and tags, and ours.
constexpr std::pair<const char*, const char*> kColumns[] = {
    {"prompt", "instruction"}, {"query", "input"},   {"response", "output"},
    {"history", "history"},    {"system", "system"}, {"messages", "messages"},
    {"tools", "tools"},        {"role_tag", "role"}, {"content_tag", "content"}};
constexpr std::pair<const char*, const char*> kRoleTags[] = {{"user_tag", "user"},
                                                             {"assistant_tag", "assistant"},
                                                             {"observation_tag", "tool"},
                                                             {"system_tag", "system"}};

std::optional<std::string> text_member(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? std::optional(found->get<std::string>())
             : std::nullopt;
}

Json columns_of(const Json& entry) {
  Json columns = Json::object();
  Json roles = Json::object();
  for (const char* part : {"columns", "tags"}) {
    const Json names = entry.value(part, Json::object());
    for (const auto& [theirs, ours] : kColumns) {
      if (const auto name = text_member(names, theirs)) {
        columns[ours] = *name;
      }
    }
    for (const auto& [tag, role] : kRoleTags) {
      if (const auto name = text_member(names, tag)) {
        roles[*name] = role;
      }
    }
  }
  // A prompt alone is a text to be learned whole.
  if (columns.contains("instruction") && !columns.contains("output")) {
    columns["text"] = columns["instruction"];
    columns.erase("instruction");
  }
  if (!roles.empty()) {
    columns["roles"] = std::move(roles);
  }
  return columns;
}

}  // namespace

std::optional<RegisteredDataset> find_registered(const fs::path& path) {
  const fs::path list = path.parent_path() / "dataset_info.json";
  std::error_code unknown;
  if (!fs::is_regular_file(list, unknown)) {
    return std::nullopt;
  }
  const Json entries = read_json<DataError>(list, {.bytes = kLargestRegister});
  const std::string name = path.filename().string();
  if (!entries.is_object() || !entries.contains(name)) {
    return std::nullopt;
  }
  const Json& entry = entries.at(name);
  const std::string where = fmt::format("{}: {}", list.string(), name);
  check<DataError>(entry.is_object(), "{}: expected an object, found {}", where,
                   json_excerpt(entry));
  const auto file = text_member(entry, "file_name");
  check<DataError>(file.has_value(),
                   "{}: it has no file_name, so it lies somewhere else; download it and name the "
                   "file",
                   where);
  check<DataError>(entry.value("ranking", Json(false)) != true,
                   "{}: these are preference rows, which need a preference objective", where);
  RegisteredDataset found{path.parent_path() / *file, columns_of(entry)};
  if (const Json samples = entry.value("num_samples", Json()); samples.is_number_integer()) {
    found.limit = samples.get<int64_t>();
  }
  return found;
}

}  // namespace peft
