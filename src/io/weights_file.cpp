#include "peft/io/weights_file.h"

#include <utility>

#include "peft/util/error.h"

namespace peft {
namespace {

using EitherFile = std::variant<SafetensorsFile, TorchFile>;

EitherFile opened(const std::filesystem::path& path, WeightsFile::Form form) {
  if (form == WeightsFile::Form::kPickled) {
    return EitherFile(std::in_place_type<TorchFile>, path);
  }
  return EitherFile(std::in_place_type<SafetensorsFile>, path);
}

}  // namespace

PickledWeights pickled_weights(bool allow_pickle) {
  return allow_pickle ? PickledWeights::kAllowed : PickledWeights::kRefused;
}

void fail_as_pickled(const std::filesystem::path& folder, const std::string& file) {
  fail<ModelError>(
      "{}: holds only pickled weights ({}), a format that can carry code; --allow-pickle "
      "(\"allow_pickle\": true in a run file's model) reads the tensors and nothing else of it",
      folder.string(), file);
}

WeightsFile::WeightsFile(const std::filesystem::path& path, Form form)
    : file_(opened(path, form)) {}

const std::filesystem::path& WeightsFile::path() const {
  return std::visit(
      [](const auto& file) -> const auto& { return file.path(); }, file_);
}

const std::map<std::string, TensorInfo>& WeightsFile::tensors() const {
  return std::visit(
      [](const auto& file) -> const auto& { return file.tensors(); }, file_);
}

const std::map<std::string, std::string>& WeightsFile::metadata() const {
  static const std::map<std::string, std::string> none;
  const auto* const file = std::get_if<SafetensorsFile>(&file_);
  return file != nullptr ? file->metadata() : none;
}

void WeightsFile::read(const std::string& name, std::span<std::byte> destination) const {
  std::visit([&](const auto& file) { file.read(name, destination); }, file_);
}

void WeightsFile::read(const std::string& name, uint64_t offset,
                       std::span<std::byte> destination) const {
  std::visit([&](const auto& file) { file.read(name, offset, destination); }, file_);
}

}  // namespace peft
