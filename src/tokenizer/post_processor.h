#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aligned_text.h"
#include "peft/tokenizer/tokenizer.h"
#include "peft/util/json.h"

namespace peft {

/// A token of a text while it is being encoded.
struct FoundToken {
  int32_t id = 0;
  int64_t begin = 0;  ///< code points of the text
  int64_t end = 0;
};

/// How many characters of white space a token begins and ends with.
struct Margins {
  int64_t leading = 0;
  int64_t trailing = 0;
};

/// What happens to the tokens of a text at the end: the "post_processor" of tokenizer.json.
class PostProcessor {
 public:
  virtual ~PostProcessor() = default;

  /// `margins` belong to the tokens when `reads_margins`, and are empty otherwise.
  virtual void process(std::vector<FoundToken>& tokens, const std::vector<Margins>& margins,
                       bool add_special_tokens) const = 0;
  virtual bool reads_margins() const { return false; }
  /// What it puts around two texts; the second is of token type 1 where nothing else is said.
  virtual PairFrame pair_frame() const { return {{}, {}, {}, 0}; }
};

/// Reads a post-processor of any known type. Throws ModelError that names an unknown one.
std::unique_ptr<PostProcessor> read_post_processor(const Json& json, const std::string& where);

}  // namespace peft
