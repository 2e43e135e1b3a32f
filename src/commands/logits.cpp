#include <ATen/ATen.h>

#include <fstream>

#include "peft/commands/commands.h"
#include "peft/commands/open_model.h"
#include "peft/io/safetensors.h"
#include "peft/util/log.h"

namespace peft {
namespace {

/// Rows {"input_ids": [...]} of a jsonl file.
std::vector<std::vector<int32_t>> read_rows(const std::filesystem::path& file, int64_t vocabulary) {
  const std::string text = read_text<DataError>(file, size_t{1} << 30);
  std::vector<std::vector<int32_t>> rows;
  size_t begin = 0;
  for (int64_t line = 1; begin < text.size(); ++line) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view part = std::string_view(text).substr(begin, end - begin);
    begin = end + 1;
    if (part.find_first_not_of(" \t\r") == std::string_view::npos) {
      continue;
    }
    const std::string where = fmt::format("{}:{}", file.string(), line);
    const Json row = parse_json<DataError>(part, where, {.bytes = size_t{64} << 20});
    JsonReader<DataError> reader(row, where);
    std::vector<int32_t> ids;
    reader.require("input_ids", ids);
    check<DataError>(!ids.empty(), "{}: input_ids: expected at least one id", where);
    for (const int32_t id : ids) {
      check<DataError>(id >= 0 && id < vocabulary, "{}: input_ids: expected ids below {}, found {}",
                       where, vocabulary, id);
    }
    rows.push_back(std::move(ids));
  }
  check<DataError>(!rows.empty(), "{}: no rows", file.string());
  return rows;
}

}  // namespace

void run_logits(const Json& request) {
  const at::NoGradGuard no_grad;
  OpenModel open = open_model(request);
  open.attach();
  const auto rows =
      read_rows(request.at("tokens").get<std::string>(), open.model->shape().vocabulary);
  std::vector<Tensor> logits;
  std::vector<TensorToWrite> tensors;
  for (const std::vector<int32_t>& ids : rows) {
    check<DataError>(static_cast<int64_t>(ids.size()) <= open.model->longest_sequence(),
                     "row {}: {} tokens, the model has {} positions", logits.size() + 1, ids.size(),
                     open.model->longest_sequence());
    const Batch batch = make_batch({ids}).to(open.device);
    logits.push_back(open.model->logits(batch).squeeze(0).to(at::kCPU, at::kFloat).contiguous());
    if (!logits.back().isfinite().all().item<bool>()) {
      log_warning("row {}: logits that are not finite", logits.size());
    }
    tensors.push_back({fmt::format("logits.{}", logits.size() - 1),
                       Dtype::kF32,
                       logits.back().sizes().vec(),
                       {static_cast<const std::byte*>(logits.back().const_data_ptr()),
                        static_cast<size_t>(logits.back().nbytes())}});
  }
  const std::string out = request.at("out").get<std::string>();
  write_safetensors(out, std::move(tensors));
  log_info("{} rows -> {}", rows.size(), out);
}

}  // namespace peft
