#include "peft/io/checkpoint_folder.h"

#include <algorithm>
#include <charconv>

#include "peft/util/durable_file.h"
#include "peft/util/sha256.h"

namespace peft {
namespace {

namespace fs = std::filesystem;

constexpr const char* kManifest = "MANIFEST.json";
constexpr int64_t kFormat = 1;
constexpr std::string_view kPrefix = "checkpoint-";
// A checkpoint that lacks one of these is none.
constexpr const char* kParts[] = {"trainable.safetensors", "optimizer.safetensors",
                                  "trainer_state.json", "adapter/adapter_config.json"};

/// Paths of the regular files below `folder`, relative to it, but the manifest.
std::vector<std::string> files_below(const fs::path& folder) {
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    check<IntegrityError>(!entry.is_symlink(), "{}: {} is a symbolic link", folder.string(), name);
    if (!entry.is_directory() && name != kManifest) {
      files.push_back(name);
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

std::string hash_of(const fs::path& file) {
  try {
    return sha256_of_file(file);
  } catch (const IoError& error) {
    throw IntegrityError(error.what());
  }
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path file = folder / kManifest;
  check<IntegrityError>(fs::exists(file), "{}: no {}", folder.string(), kManifest);
  const Json json = read_json<IntegrityError>(file);
  JsonReader<IntegrityError> reader(json, file.string());
  Manifest manifest;
  int64_t format = 0;
  Json files;
  reader.require("format", format);
  check<IntegrityError>(format == kFormat, "{}: expected format {}, found {}", file.string(),
                        kFormat, format);
  reader.require("step", manifest.step);
  reader.require("tool", manifest.tool);
  reader.require("identity", manifest.identity);
  reader.require("config", manifest.config);
  reader.require("files", files);
  reader.finish();
  check<IntegrityError>(
      manifest.identity.is_object() && manifest.config.is_object() && files.is_object(),
      "{}: identity, config and files must be objects", file.string());
  for (const auto& [name, entry] : files.items()) {
    JsonReader<IntegrityError> fields(entry, file.string() + ": files: " + name);
    Manifest::File& stored = manifest.files[name];
    fields.require("bytes", stored.bytes);
    fields.require("sha256", stored.sha256);
    fields.finish();
  }
  return manifest;
}

void check_file(const fs::path& folder, const std::string& name, const Manifest::File& expected) {
  const fs::path file = folder / name;
  std::error_code unreadable;
  const uint64_t bytes = fs::file_size(file, unreadable);
  check<IntegrityError>(!unreadable && bytes == expected.bytes, "{}: expected {} bytes, found {}",
                        file.string(), expected.bytes,
                        unreadable ? unreadable.message() : std::to_string(bytes));
  const std::string hash = hash_of(file);
  check<IntegrityError>(hash == expected.sha256, "{}: expected SHA-256 {}, found {}", file.string(),
                        expected.sha256, hash);
}

}  // namespace

void write_manifest(const fs::path& folder, Manifest manifest) {
  Json files = Json::object();
  for (const std::string& name : files_below(folder)) {
    files[name] = {{"bytes", fs::file_size(folder / name)},
                   {"sha256", sha256_of_file(folder / name)}};
  }
  const Json json = {{"format", kFormat},
                     {"step", manifest.step},
                     {"tool", std::move(manifest.tool)},
                     {"identity", std::move(manifest.identity)},
                     {"config", std::move(manifest.config)},
                     {"files", std::move(files)}};
  write_file(folder / kManifest, json.dump(2) + "\n");
}

Manifest verify_checkpoint(const fs::path& folder) try {
  check<IntegrityError>(fs::is_directory(fs::symlink_status(folder)), "{}: no such folder",
                        folder.string());
  Manifest manifest = read_manifest(folder);
  const auto named = checkpoint_step(folder);
  check<IntegrityError>(!named || *named == manifest.step, "{}: {} says step {}", folder.string(),
                        kManifest, manifest.step);
  for (const char* part : kParts) {
    check<IntegrityError>(manifest.files.count(part) > 0, "{}: {} does not list {}",
                          folder.string(), kManifest, part);
  }
  const std::vector<std::string> found = files_below(folder);
  for (const std::string& name : found) {
    check<IntegrityError>(manifest.files.count(name) > 0, "{}: {} does not list {}",
                          folder.string(), kManifest, name);
  }
  for (const auto& [name, expected] : manifest.files) {
    check<IntegrityError>(std::binary_search(found.begin(), found.end(), name), "{}: {} is missing",
                          folder.string(), name);
    check_file(folder, name, expected);
  }
  return manifest;
} catch (const fs::filesystem_error& problem) {
  fail<IntegrityError>("{}: {}", folder.string(), problem.code().message());
}

fs::path checkpoint_path(const fs::path& run, int64_t step) {
  return run / fmt::format("{}{}", kPrefix, step);
}

std::optional<int64_t> checkpoint_step(const fs::path& folder) {
  const std::string name =
      folder.has_filename() ? folder.filename().string() : folder.parent_path().filename().string();
  int64_t step = 0;
  if (!name.starts_with(kPrefix)) {
    return std::nullopt;
  }
  const char* const end = name.data() + name.size();
  const auto number = std::from_chars(name.data() + kPrefix.size(), end, step);
  const bool canonical = number.ec == std::errc() && number.ptr == end && step >= 0 &&
                         name == fmt::format("{}{}", kPrefix, step);
  return canonical ? std::optional(step) : std::nullopt;
}

std::vector<CheckpointFolder> list_checkpoints(const fs::path& run) {
  std::vector<CheckpointFolder> found;
  std::error_code unreadable;
  for (fs::directory_iterator entry(run, unreadable), end; entry != end;
       entry.increment(unreadable)) {
    if (const auto step = checkpoint_step(entry->path())) {
      found.push_back({*step, entry->path()});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const CheckpointFolder& a, const CheckpointFolder& b) { return a.step > b.step; });
  return found;
}

}  // namespace peft
