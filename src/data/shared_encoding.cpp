#include "peft/data/shared_encoding.h"

#include <algorithm>

#include "peft/util/text.h"

namespace peft {
namespace {

/// Bytes that both texts begin with, to the end of a character.
size_t common_bytes(std::string_view a, std::string_view b) {
  auto at = static_cast<size_t>(
      std::mismatch(a.begin(),
                    a.begin() + static_cast<std::ptrdiff_t>(std::min(a.size(), b.size())),
                    b.begin())
          .first -
      a.begin());
  while (at > 0 && at < a.size() && (static_cast<unsigned char>(a[at]) & 0xC0) == 0x80) {
    --at;
  }
  return at;
}

}  // namespace

Encoding encode_after(const EncodedText& known, std::string_view text, const Tokenizer& tokenizer) {
  const size_t common = common_bytes(known.text, text);
  const int64_t shared = count_code_points(text.substr(0, common));
  const auto& offsets = known.tokens.offsets;
  for (size_t i = offsets.size(); i > 0; --i) {
    const auto [begin, end] = offsets[i - 1];
    const int32_t id = known.tokens.ids[i - 1];
    if (begin == end || end > shared || !tokenizer.is_special(id)) {
      continue;
    }
    const size_t first = code_point_offset(text, begin);
    const size_t size = code_point_offset(text.substr(first), end - begin);
    if (text.substr(first, size).find(tokenizer.token(id)) == std::string_view::npos) {
      continue;  // an unknown word, not a special token of the text
    }
    Encoding encoding = {
        {known.tokens.ids.begin(), known.tokens.ids.begin() + static_cast<std::ptrdiff_t>(i - 1)},
        {offsets.begin(), offsets.begin() + static_cast<std::ptrdiff_t>(i - 1)}};
    const Encoding rest = tokenizer.encode(text.substr(first), /*add_special_tokens=*/false);
    for (size_t j = 0; j < rest.ids.size(); ++j) {
      encoding.ids.push_back(rest.ids[j]);
      encoding.offsets.emplace_back(rest.offsets[j].first + begin, rest.offsets[j].second + begin);
    }
    return encoding;
  }
  return tokenizer.encode(text, /*add_special_tokens=*/false);
}

}  // namespace peft
