#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace peft {

/// Threads that turn pieces of work into results, which come back in the order of the work.
template <class Work, class Result>
class OrderedWorkers {
 public:
  /// `turn` is called by all threads at once; what it throws comes out of `take`. Where the system
  /// has no more threads there are fewer, at least one, or std::system_error.
  OrderedWorkers(size_t threads, std::function<Result(const Work&)> turn) : turn_(std::move(turn)) {
    threads_.reserve(threads);
    for (size_t i = 0; i < threads; ++i) {
      try {
        threads_.emplace_back([this] { work(); });
      } catch (const std::system_error&) {
        if (threads_.empty()) {
          throw;
        }
        return;
      }
    }
  }

  ~OrderedWorkers() {
    {
      const std::lock_guard lock(mutex_);
      is_closed_ = true;
      waiting_.clear();
    }
    changed_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  OrderedWorkers(const OrderedWorkers&) = delete;
  OrderedWorkers& operator=(const OrderedWorkers&) = delete;

  void give(Work work) {
    auto piece = std::make_shared<Piece>(Piece{std::move(work), {}, {}});
    {
      const std::lock_guard lock(mutex_);
      given_.push_back(piece);
      waiting_.push_back(std::move(piece));
    }
    changed_.notify_all();
  }

  /// Pieces that were given and not taken.
  size_t pending() const { return given_.size(); }

  /// The result of the oldest piece, once it is there. One must be pending.
  Result take() {
    const std::shared_ptr<Piece> piece = std::move(given_.front());
    given_.pop_front();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return piece->result || piece->error; });
    if (piece->error) {
      std::rethrow_exception(piece->error);
    }
    return std::move(*piece->result);
  }

 private:
  struct Piece {
    Work work;
    std::optional<Result> result;
    std::exception_ptr error;
  };

  void work() {
    for (;;) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return is_closed_ || !waiting_.empty(); });
      if (waiting_.empty()) {
        return;
      }
      const std::shared_ptr<Piece> piece = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      std::optional<Result> result;
      std::exception_ptr error;
      try {
        result = turn_(piece->work);
      } catch (...) {
        error = std::current_exception();
      }
      lock.lock();
      piece->result = std::move(result);
      piece->error = error;
      lock.unlock();
      changed_.notify_all();
    }
  }

  std::function<Result(const Work&)> turn_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<Piece>> waiting_;  // for a thread; guarded
  std::deque<std::shared_ptr<Piece>> given_;    // the owner's
  bool is_closed_ = false;                      // guarded
  std::vector<std::thread> threads_;
};

}  // namespace peft
