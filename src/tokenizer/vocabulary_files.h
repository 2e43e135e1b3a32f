#pragma once

#include <filesystem>
#include <memory>

#include "peft/tokenizer/tokenizer.h"
#include "special_tokens.h"

namespace peft {

/// The tokenizer of BERT's vocab.txt, one token a line: what transformers' BertTokenizer makes of
/// it, with its options do_lower_case, strip_accents and tokenize_chinese_chars.
std::unique_ptr<Tokenizer> load_word_pieces(const std::filesystem::path& vocabulary,
                                            const TokenizerConfig& config);

/// The tokenizer of vocab.json and merges.txt: byte-level BPE as transformers' class of that name
/// splits words; GPT-2's when the config names none. Throws ModelError for a class we do not know.
std::unique_ptr<Tokenizer> load_byte_pairs(const std::filesystem::path& vocabulary,
                                           const std::filesystem::path& merges,
                                           const TokenizerConfig& config);

}  // namespace peft
