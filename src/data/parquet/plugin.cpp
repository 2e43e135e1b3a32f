#include <arrow/api.h>
#include <arrow/io/file.h>
#include <parquet/arrow/reader.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "peft/data/parquet_table.h"

namespace peft {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kBatchRows = 256;

/// What Arrow says, as an exception that stays in this file.
void check(const arrow::Status& status) {
  if (!status.ok()) {
    throw std::runtime_error(status.message());
  }
}

template <class T>
T checked(arrow::Result<T> result) {
  check(result.status());
  return std::move(result).ValueUnsafe();
}

Json value_at(const arrow::Array& array, int64_t row);

template <class List>
Json list_at(const arrow::Array& array, int64_t row) {
  const auto& list = static_cast<const List&>(array);
  Json values = Json::array();
  for (int64_t i = list.value_offset(row); i < list.value_offset(row) + list.value_length(row);
       ++i) {
    values.push_back(value_at(*list.values(), i));
  }
  return values;
}

/// Members that are null are left out: a file has one schema for all rows, and what a row lacks it
/// can only write as null.
Json struct_at(const arrow::Array& array, int64_t row) {
  const auto& fields = static_cast<const arrow::StructArray&>(array);
  Json members = Json::object();
  for (int i = 0; i < fields.num_fields(); ++i) {
    Json value = value_at(*fields.field(i), row);
    if (!value.is_null()) {
      members[fields.struct_type()->field(i)->name()] = std::move(value);
    }
  }
  return members;
}

template <class Array>
Json number_at(const arrow::Array& array, int64_t row) {
  return static_cast<const Array&>(array).Value(row);
}

template <class Array>
Json float_at(const arrow::Array& array, int64_t row) {
  const auto value = static_cast<double>(static_cast<const Array&>(array).Value(row));
  return std::isfinite(value) ? Json(value) : Json();
}

template <class Array>
Json text_at(const arrow::Array& array, int64_t row) {
  return std::string(static_cast<const Array&>(array).GetView(row));
}

Json dictionary_at(const arrow::Array& array, int64_t row) {
  const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
  return value_at(*coded.dictionary(), coded.GetValueIndex(row));
}

Json value_at(const arrow::Array& array, int64_t row) {
  if (array.IsNull(row)) {
    return nullptr;
  }
  switch (array.type_id()) {
    case arrow::Type::BOOL:
      return number_at<arrow::BooleanArray>(array, row);
    case arrow::Type::INT8:
      return number_at<arrow::Int8Array>(array, row);
    case arrow::Type::INT16:
      return number_at<arrow::Int16Array>(array, row);
    case arrow::Type::INT32:
      return number_at<arrow::Int32Array>(array, row);
    case arrow::Type::INT64:
      return number_at<arrow::Int64Array>(array, row);
    case arrow::Type::UINT8:
      return number_at<arrow::UInt8Array>(array, row);
    case arrow::Type::UINT16:
      return number_at<arrow::UInt16Array>(array, row);
    case arrow::Type::UINT32:
      return number_at<arrow::UInt32Array>(array, row);
    case arrow::Type::UINT64:
      return number_at<arrow::UInt64Array>(array, row);
    case arrow::Type::FLOAT:
      return float_at<arrow::FloatArray>(array, row);
    case arrow::Type::DOUBLE:
      return float_at<arrow::DoubleArray>(array, row);
    case arrow::Type::STRING:
      return text_at<arrow::StringArray>(array, row);
    case arrow::Type::LARGE_STRING:
      return text_at<arrow::LargeStringArray>(array, row);
    case arrow::Type::STRING_VIEW:
      return text_at<arrow::StringViewArray>(array, row);
    case arrow::Type::LIST:
      return list_at<arrow::ListArray>(array, row);
    case arrow::Type::LARGE_LIST:
      return list_at<arrow::LargeListArray>(array, row);
    case arrow::Type::FIXED_SIZE_LIST:
      return list_at<arrow::FixedSizeListArray>(array, row);
    case arrow::Type::STRUCT:
      return struct_at(array, row);
    case arrow::Type::DICTIONARY:
      return dictionary_at(array, row);
    default:  // dates, decimals, bytes: as Arrow spells them
      return checked(array.GetScalar(row))->ToString();
  }
}

/// A file that is read batch by batch.
class ParquetFile {
 public:
  explicit ParquetFile(const std::string& path)
      : reader_(checked(parquet::arrow::OpenFile(checked(arrow::io::ReadableFile::Open(path)),
                                                 arrow::default_memory_pool()))) {
    reader_->set_batch_size(kBatchRows);
    batches_ = checked(reader_->GetRecordBatchReader());
  }

  /// Null behind the last row.
  const std::string* next() {
    while (batch_ == nullptr || row_ == batch_->num_rows()) {
      check(batches_->ReadNext(&batch_));
      row_ = 0;
      if (batch_ == nullptr) {
        return nullptr;
      }
    }
    Json members = Json::object();
    for (int i = 0; i < batch_->num_columns(); ++i) {
      members[batch_->column_name(i)] = value_at(*batch_->column(i), row_);
    }
    ++row_;
    text_ = members.dump();
    return &text_;
  }

 private:
  std::unique_ptr<parquet::arrow::FileReader> reader_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::RecordBatch> batch_;
  int64_t row_ = 0;
  std::string text_;
};

void tell(const std::exception& error, char* reason, size_t size) {
  std::string text = error.what();
  std::replace(text.begin(), text.end(), '\n', ' ');
  std::strncpy(reason, text.c_str(), size - 1);
  reason[size - 1] = '\0';
}

void* open_file(const char* path, char* reason, size_t size) {
  try {
    return std::make_unique<ParquetFile>(path).release();
  } catch (const std::exception& error) {
    tell(error, reason, size);
    return nullptr;
  }
}

const char* next_row(void* file, size_t* length, char* reason, size_t size) {
  try {
    reason[0] = '\0';
    const std::string* const text = static_cast<ParquetFile*>(file)->next();
    *length = text == nullptr ? 0 : text->size();
    return text == nullptr ? nullptr : text->data();
  } catch (const std::exception& error) {
    tell(error, reason, size);
    return nullptr;
  }
}

void close_file(void* file) {
  const std::unique_ptr<ParquetFile> owned(static_cast<ParquetFile*>(file));
}

}  // namespace
}  // namespace peft

extern "C" __attribute__((visibility("default"))) const peft::ParquetTable* peft_parquet_table() {
  static constexpr peft::ParquetTable kTable = {peft::kParquetTableVersion, peft::open_file,
                                                peft::next_row, peft::close_file};
  return &kTable;
}
