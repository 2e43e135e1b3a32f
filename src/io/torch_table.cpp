#include "peft/io/torch_table.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "peft/util/error.h"
#include "peft/util/text.h"
#include "pickle.h"
#include "stored_zip.h"

namespace peft {
namespace {

constexpr uint64_t kLargestPickle = uint64_t{32} << 20;
constexpr size_t kLongestTensorName = 1024;

// What a file of the older form begins with: its magic number and version, two pickles of one
// number each.
constexpr std::string_view kLegacyPrefix =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e\x80\x02\x4d\xe9\x03\x2e";

bool lies_in_order(const PickledTensor& tensor) {
  const std::vector<int64_t> expected = ordered_strides(tensor.shape);
  for (size_t i = 0; i < tensor.shape.size(); ++i) {
    if (tensor.shape[i] > 1 && tensor.strides[i] != expected[i]) {
      return false;
    }
  }
  return true;
}

int64_t count_of(const PickledTensor& tensor, const std::string& where) {
  int64_t elements = 1;
  for (const int64_t size : tensor.shape) {
    check<ModelError>(!__builtin_mul_overflow(elements, size, &elements),
                      "{}: the shape [{}] has too many elements", where,
                      fmt::join(tensor.shape, ", "));
  }
  return elements;
}

/// Throws unless all elements of the tensor lie in its storage of `elements` elements of the
/// tensor's dtype.
void check_inside(const PickledTensor& tensor, int64_t count, int64_t elements,
                  const std::string& where) {
  const std::optional<int64_t> last = reach(tensor.shape, tensor.strides);
  const bool fits = last && count <= elements && tensor.offset <= elements &&
                    (count == 0 || *last < elements - tensor.offset);
  check<ModelError>(fits,
                    "{}: the shape [{}] with strides [{}] from element {} on leaves its storage of "
                    "{} elements",
                    where, fmt::join(tensor.shape, ", "), fmt::join(tensor.strides, ", "),
                    tensor.offset, elements);
}

void check_tensor_name(const PickledValue& key, const std::string& where) {
  check<ModelError>(key.kind == PickledValue::Kind::kText && is_tensor_name(key.text),
                    "{}: \"{}\" is not the name of a tensor", where,
                    escaped(key.text.substr(0, 80)));
}

/// The one folder that all records lie in, and that nothing lies in but what torch writes.
std::string archive_prefix(const std::map<std::string, ZipRecord>& records,
                           const std::string& where) {
  const std::string ending = "/data.pkl";
  std::string prefix;
  for (const auto& [name, record] : records) {
    if (name.ends_with(ending) && name.find('/') == name.size() - ending.size()) {
      prefix = name.substr(0, name.size() - ending.size() + 1);
    }
  }
  check<ModelError>(prefix.size() > 1, "{}: a zip file without data.pkl, not one of torch.save",
                    where);
  for (const auto& [name, record] : records) {
    const std::string inside = name.starts_with(prefix) ? name.substr(prefix.size()) : "";
    const bool data = inside.starts_with("data/") && inside.find('/', 5) == std::string::npos;
    const bool known = data || inside == "data.pkl" || inside == "version" ||
                       inside == "byteorder" || inside == ".format_version" ||
                       inside == ".storage_alignment" || inside == ".data/serialization_id";
    check<ModelError>(known, "{}: holds \"{}\", which torch.save does not write{}", where,
                      escaped(name),
                      inside.starts_with("code/") || inside == "constants.pkl"
                          ? "; a TorchScript file is code, not weights"
                          : "");
  }
  return prefix;
}

/// The text of a small record, checked against its checksum.
std::string text_of(const InputFile& file, const std::map<std::string, ZipRecord>& records,
                    const std::string& name) {
  const ZipRecord& record = records.at(name);
  const std::string where = fmt::format("{}: record \"{}\"", file.path().string(), escaped(name));
  check<ModelError>(record.bytes <= kLargestPickle, "{}: expected at most {} bytes, found {}",
                    where, kLargestPickle, record.bytes);
  std::string text = file.text(record.begin, record.bytes);
  check<ModelError>(crc32_of(text) == record.crc, "{}: its checksum is wrong", where);
  return text;
}

/// The pickle of a file, and where its storages lie.
struct Contents {
  Pickle pickle;
  std::map<std::string, uint64_t> begin_of;  // by the storage's key
};

Contents read_zip(const InputFile& file) {
  const std::string where = file.path().string();
  const std::map<std::string, ZipRecord> records = read_stored_zip(file);
  const std::string prefix = archive_prefix(records, where);
  const std::string order = prefix + "byteorder";
  check<ModelError>(records.count(order) == 0 || text_of(file, records, order) == "little",
                    "{}: big-endian files are not supported", where);
  Contents contents;
  const std::string text = text_of(file, records, prefix + "data.pkl");
  contents.pickle = read_pickle(text, where);
  for (const auto& [key, storage] : contents.pickle.storages) {
    const auto found = records.find(prefix + "data/" + key);
    check<ModelError>(found != records.end(), "{}: the storage \"{}\" is not in the file", where,
                      escaped(key));
    int64_t bytes = 0;
    check<ModelError>(
        !__builtin_mul_overflow(storage.elements, element_size(storage.dtype), &bytes) &&
            static_cast<uint64_t>(bytes) == found->second.bytes,
        "{}: the storage \"{}\" should have {} elements of {}, and has {} bytes", where,
        escaped(key), storage.elements, dtype_name(storage.dtype), found->second.bytes);
    contents.begin_of[key] = found->second.begin;
  }
  return contents;
}

/// Magic number, version, a description of the machine, the dictionary, the order of the storages;
/// then each storage: its number of elements and these.
Contents read_legacy(const InputFile& file) {
  const std::string where = file.path().string();
  const std::string text = file.text(0, std::min(file.size(), kLargestPickle));
  check<ModelError>(text.starts_with(kLegacyPrefix), "{}: not a file that torch.save wrote", where);
  uint64_t offset = kLegacyPrefix.size();
  const auto next = [&] {
    Pickle pickle = read_pickle(std::string_view(text).substr(offset), where);
    offset += pickle.bytes;
    return pickle;
  };
  const Pickle machine = next();
  const PickledValue& about = machine.values[machine.root];
  for (size_t i = 0; i + 1 < about.items.size(); i += 2) {
    check<ModelError>(machine.values[about.items[i]].text != "little_endian" ||
                          machine.values[about.items[i + 1]].number == 1,
                      "{}: big-endian files are not supported", where);
  }
  Contents contents;
  contents.pickle = next();
  const Pickle order = next();
  for (const size_t item : order.values[order.root].items) {
    const std::string& key = order.values[item].text;
    const auto found = contents.pickle.storages.find(key);
    check<ModelError>(found != contents.pickle.storages.end(),
                      "{}: no tensor uses the storage \"{}\"", where, escaped(key));
    const PickledStorage& storage = found->second;
    int64_t elements = -1;
    check<ModelError>(sizeof elements <= file.size() - offset, "{}: the file is cut short", where);
    file.read(offset, std::as_writable_bytes(std::span(&elements, 1)));
    offset += sizeof elements;
    int64_t bytes = 0;
    check<ModelError>(
        elements == storage.elements &&
            !__builtin_mul_overflow(elements, element_size(storage.dtype), &bytes) &&
            static_cast<uint64_t>(bytes) <= file.size() - offset,
        "{}: the storage \"{}\" should have {} elements of {}, and has {} in the {} bytes left",
        where, escaped(key), storage.elements, dtype_name(storage.dtype), elements,
        file.size() - offset);
    check<ModelError>(contents.begin_of.emplace(key, offset).second,
                      "{}: the storage \"{}\" is there twice", where, escaped(key));
    offset += static_cast<uint64_t>(bytes);
  }
  for (const auto& [key, storage] : contents.pickle.storages) {
    check<ModelError>(contents.begin_of.count(key) > 0, "{}: the storage \"{}\" is not in the file",
                      where, escaped(key));
  }
  check<ModelError>(offset == file.size(), "{}: {} bytes behind the last storage", where,
                    file.size() - offset);
  return contents;
}

TorchTensor place_of(const std::string& name, const Contents& contents, size_t tensor,
                     const std::filesystem::path& path) {
  const PickledTensor& pickled = contents.pickle.tensors[tensor];
  const PickledStorage& storage = contents.pickle.storages.at(pickled.storage);
  const std::string where = fmt::format("{}: tensor \"{}\"", path.string(), name);
  const int64_t count = count_of(pickled, where);
  const int64_t size = element_size(pickled.dtype);
  check_inside(pickled, count, storage.elements * element_size(storage.dtype) / size, where);
  TorchTensor placed;
  placed.info.dtype = pickled.dtype;
  placed.info.shape = pickled.shape;
  placed.info.begin =
      contents.begin_of.at(pickled.storage) + static_cast<uint64_t>(pickled.offset * size);
  placed.info.bytes = static_cast<uint64_t>(count * size);
  if (count > 0 && !lies_in_order(pickled)) {
    placed.strides = pickled.strides;
  }
  return placed;
}

}  // namespace

std::vector<int64_t> ordered_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) {
    strides[i - 1] = strides[i] * std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

std::optional<int64_t> reach(const std::vector<int64_t>& shape,
                             const std::vector<int64_t>& strides) {
  int64_t last = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    int64_t step = 0;
    if (shape[i] > 0 && (__builtin_mul_overflow(shape[i] - 1, strides[i], &step) ||
                         __builtin_add_overflow(last, step, &last))) {
      return std::nullopt;
    }
  }
  return last;
}

bool is_tensor_name(const std::string& name) {
  return !name.empty() && name.size() <= kLongestTensorName && escaped(name) == name;
}

TorchTable read_torch_table(const InputFile& file) {
  const std::string where = file.path().string();
  const Contents contents = is_zip(file) ? read_zip(file) : read_legacy(file);
  const Pickle& pickle = contents.pickle;
  const PickledValue& root = pickle.values[pickle.root];
  check<ModelError>(root.kind == PickledValue::Kind::kDict,
                    "{}: expected a dictionary of tensors, found something else", where);
  check<ModelError>(root.items.size() / 2 <= kMostTorchTensors,
                    "{}: expected at most {} tensors, found {}", where, kMostTorchTensors,
                    root.items.size() / 2);
  TorchTable table;
  for (size_t i = 0; i + 1 < root.items.size(); i += 2) {
    const PickledValue& key = pickle.values[root.items[i]];
    const PickledValue& value = pickle.values[root.items[i + 1]];
    check_tensor_name(key, where);
    check<ModelError>(value.kind == PickledValue::Kind::kTensor,
                      "{}: \"{}\" is no tensor; expected the weights of a model and nothing else",
                      where, key.text);
    const TorchTensor placed = place_of(key.text, contents, value.tensor, file.path());
    check<ModelError>(table.emplace(key.text, placed).second, "{}: tensor \"{}\": is there twice",
                      where, key.text);
  }
  return table;
}

}  // namespace peft
