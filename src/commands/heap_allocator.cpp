#include "peft/commands/heap_allocator.h"

#include <c10/core/CPUAllocator.h>
#include <malloc.h>

#include <cstdint>
#include <cstdlib>

#include "peft/plan/machine_memory.h"
#include "peft/util/error.h"
#include "peft/util/text.h"

namespace peft {
namespace {

constexpr size_t kAlignment = 64;  // a cache line, and what LibTorch itself promises

void release(void* data) {
  if (data != nullptr) {
    std::free(static_cast<void**>(data)[-1]);
  }
}

/// The block that malloc gave stands right before the data.
class HeapAllocator final : public at::Allocator {
 public:
  at::DataPtr allocate(size_t size) override {
    if (size == 0) {
      return {nullptr, nullptr, &release, at::Device(at::kCPU)};
    }
    const size_t extra = kAlignment + sizeof(void*);
    void* const block = size <= SIZE_MAX - extra ? std::malloc(size + extra) : nullptr;
    if (block == nullptr) {  // not `check`: its arguments would be computed each time
      fail<MemoryError>(
          "out of memory: {} more are needed, {} are available; `peft plan` says what "
          "makes a run fit",
          human_bytes(static_cast<int64_t>(size)), human_bytes(available_memory()));
    }
    const auto first = reinterpret_cast<uintptr_t>(block) + extra - 1;
    void* const data = reinterpret_cast<void*>(first - first % kAlignment);
    static_cast<void**>(data)[-1] = block;
    return {data, data, &release, at::Device(at::kCPU)};
  }
  at::DeleterFnPtr raw_deleter() const override { return &release; }
  void copy_data(void* target, const void* source, size_t size) const override {
    default_copy_data(target, source, size);
  }
};

}  // namespace

void use_heap_allocator() {
  static HeapAllocator allocator;
  c10::SetCPUAllocator(&allocator);
  // Blocks over 32 MB would come fresh from the kernel each time and be page-faulted anew.
  ::mallopt(M_MMAP_MAX, 0);
  ::mallopt(M_TRIM_THRESHOLD, -1);
}

}  // namespace peft
