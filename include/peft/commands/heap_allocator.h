#pragma once

namespace peft {

/// Makes LibTorch take a CPU tensor's memory from malloc, aligned by us, and keep what is freed.
/// glibc's posix_memalign cannot reuse a freed block for a request of the same size (it looks for
/// one that is larger by the alignment), so that a training step leaves holes of a fifth of its
/// peak.
void use_heap_allocator();

}  // namespace peft
