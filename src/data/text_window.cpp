#include "peft/data/text_window.h"

#include <algorithm>

#include "peft/util/error.h"

namespace peft {
namespace {

InputFile open_data_file(const std::filesystem::path& path) {
  try {
    return InputFile(path);
  } catch (const ModelError& error) {
    throw DataError(error.what());
  }
}

}  // namespace

TextWindow::TextWindow(const std::filesystem::path& file, size_t block)
    : file_(open_data_file(file)), name_(file.string()), block_(block) {
  extend();
  check<DataError>(!text().starts_with("\xFF\xFE") && !text().starts_with("\xFE\xFF"),
                   "{}: expected UTF-8, found UTF-16; convert it: iconv -f UTF-16 -t UTF-8", name_);
  had_byte_order_mark_ = text().starts_with("\xEF\xBB\xBF");
  begin_ = had_byte_order_mark_ ? 3 : 0;
}

void TextWindow::extend() {
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t old_size = buffer_.size();
  const auto rest = static_cast<size_t>(file_.size() - offset_);
  buffer_.resize(old_size + std::min(rest, std::max(block_, old_size)));
  const std::span<char> added(buffer_.data() + old_size, buffer_.size() - old_size);
  try {
    file_.read(offset_, std::as_writable_bytes(added));
  } catch (const ModelError& error) {
    throw DataError(error.what());
  }
  offset_ += added.size();
}

void TextWindow::pass(size_t bytes) {
  const std::string_view passed = text().substr(0, bytes);
  line_ += std::count(passed.begin(), passed.end(), '\n');
  const size_t last_break = passed.rfind('\n');
  column_ = last_break == std::string_view::npos ? column_ + static_cast<int64_t>(bytes)
                                                 : static_cast<int64_t>(bytes - last_break);
  begin_ += bytes;
}

bool TextWindow::skip(std::string_view set) {
  for (;;) {
    const size_t place = text().find_first_not_of(set);
    pass(std::min(place, text().size()));
    if (place != std::string_view::npos) {
      return true;
    }
    if (!has_more()) {
      return false;
    }
    extend();
  }
}

size_t TextWindow::find(char character, size_t from) {
  for (;;) {
    const size_t place = text().find(character, from);
    if (place != std::string_view::npos || !has_more() || text().size() > kMost) {
      return std::min(place, text().size());
    }
    from = text().size();
    extend();
  }
}

}  // namespace peft
