#pragma once

namespace peft {

// Classes of characters. They come from several versions of Unicode, as in Hugging Face's library,
// because token ids show which.

/// Unicode's White_Space.
bool is_whitespace(char32_t character);

/// What BERT's clean_text removes: controls, format characters, private use, U+0000, U+FFFD.
bool is_removed_by_bert(char32_t character);

/// The blocks of ideographs that BERT puts spaces around.
bool is_chinese(char32_t character);

/// What BERT's strip_accents removes: non-spacing marks.
bool is_accent(char32_t character);

/// What StripAccents removes: combining marks of all kinds.
bool is_combining_mark(char32_t character);

/// Punctuation, and what ASCII has of symbols.
bool is_punctuation(char32_t character);

/// Numbers of every kind: digits, letters, fractions.
bool is_numeric(char32_t character);

/// Lower case as one character; U+0130's is two, of which this is the first.
char32_t lower_case(char32_t character);

}  // namespace peft
