#include "peft/util/containment.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <vector>

#include "peft/util/error.h"

namespace peft {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#else
constexpr uint32_t kArchitecture = 0;  // no filter
#endif

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kLimitsMemory = false;
#else
constexpr bool kLimitsMemory = true;
#endif

// What reading bytes, building values and ending take. None opens, connects, starts or signals.
constexpr long kAllowedCalls[] = {
#if defined(__SANITIZE_ADDRESS__)
    SYS_gettid, SYS_sigaltstack,  // asked for when the process ends
#endif
    SYS_read,   SYS_pread64,     SYS_write,        SYS_close,    SYS_brk,
    SYS_mmap,   SYS_munmap,      SYS_mremap,       SYS_mprotect, SYS_madvise,
    SYS_futex,  SYS_exit_group,  SYS_rt_sigreturn, SYS_exit};

/// Lowers a limit, for good.
template <class Resource>
void lower(Resource resource, rlim_t value) {
  rlimit limit{};
  ::getrlimit(resource, &limit);
  limit.rlim_max = std::min(limit.rlim_max, value);
  limit.rlim_cur = limit.rlim_max;
  check<IoError>(::setrlimit(resource, &limit) == 0, "a limit of the contained process: {}",
                 std::strerror(errno));
}

sock_filter load(size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
}

/// Skips the next instruction unless the loaded word equals `value`.
sock_filter if_equal(uint32_t value) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1);
}

sock_filter give(uint32_t verdict) {
  return BPF_STMT(BPF_RET | BPF_K, verdict);
}

/// Refuses every system call that is not in the list. A kernel that cannot filter goes on without.
void filter_calls() {
  if (kArchitecture == 0) {
    return;
  }
  constexpr uint32_t kRefused = SECCOMP_RET_ERRNO | EPERM;
  std::vector<sock_filter> program = {load(offsetof(seccomp_data, arch)), if_equal(kArchitecture),
                                      load(offsetof(seccomp_data, nr))};
  for (const long call : kAllowedCalls) {
    program.push_back(if_equal(static_cast<uint32_t>(call)));
    program.push_back(give(SECCOMP_RET_ALLOW));
  }
  program.push_back(give(kRefused));
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

}  // namespace

void contain_this_process(const ContainmentLimits& limits) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  ::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0);
  if (kLimitsMemory) {
    lower(RLIMIT_AS, limits.memory_bytes);
  }
  lower(RLIMIT_CPU, limits.cpu_seconds);
  lower(RLIMIT_FSIZE, 0);
  lower(RLIMIT_NPROC, 0);
  lower(RLIMIT_CORE, 0);
  lower(RLIMIT_NOFILE, 0);
  filter_calls();
}

}  // namespace peft
