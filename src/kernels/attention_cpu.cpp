#include "attention_cpu.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include "attention_softcap.h"

namespace peft {
namespace {

// Queries that share a mask in memory. A window costs keys * (window + kBlock) instead of keys^2.
constexpr int64_t kBlock = 128;

// One call of ATen's flash attention: `batch` equal pieces that follow one another.
struct Piece {
  int64_t batch = 1;
  int64_t query = 0;    // first row of q
  int64_t queries = 0;  // rows per element of the batch
  int64_t key = 0;      // first row of k and v
  int64_t stride = 0;   // rows of k and v from one element of the batch to the next
  int64_t keys = 0;
  bool adds = false;                      // the queries have seen other keys in the piece before
  bool causal = false;                    // queries == keys, lower triangle
  std::optional<int64_t> first_position;  // masked: of query 0, counted from key 0
};

// Queries with `shift` keys before their own: those keys without a mask, then a lower triangle.
void append_prefix_and_triangle(std::vector<Piece>& pieces, const Piece& segment) {
  Piece prefix = segment;
  prefix.keys = segment.keys - segment.queries;
  pieces.push_back(prefix);
  Piece triangle = segment;
  triangle.key += prefix.keys;
  triangle.keys = segment.queries;
  triangle.causal = true;
  triangle.adds = true;
  pieces.push_back(triangle);
}

bool same_shape_follows(const Segments& queries, const Segments& keys, int64_t a, int64_t b) {
  return queries.length(a) == queries.length(b) && keys.length(a) == keys.length(b);
}

// Queries in blocks, each with just the keys that one of them can see.
void append_blocks(std::vector<Piece>& pieces, const Piece& segment,
                   const AttentionOptions& options) {
  const int64_t shift = segment.keys - segment.queries;
  const int64_t window = options.window > 0 ? options.window : segment.keys + segment.queries;
  // Causal queries before the first key see nothing; their rows stay zero.
  const int64_t first = options.causal ? std::max<int64_t>(0, -shift) : 0;
  for (int64_t begin = first; begin < segment.queries; begin += kBlock) {
    const int64_t end = std::min(begin + kBlock, segment.queries);
    const int64_t low = std::clamp<int64_t>(begin + shift - window + 1, 0, segment.keys);
    const int64_t high = options.causal ? end + shift : segment.keys;
    if (high <= low) {
      continue;
    }
    Piece piece;
    piece.query = segment.query + begin;
    piece.queries = end - begin;
    piece.key = segment.key + low;
    piece.keys = high - low;
    piece.first_position = begin + shift - low;
    const bool one_sees_all = piece.queries == 1;
    const bool nothing_hidden = !options.causal && options.window == 0;
    if (one_sees_all || nothing_hidden) {
      piece.first_position.reset();
    }
    pieces.push_back(piece);
  }
}

std::vector<Piece> pieces_of(const Segments& queries, const Segments& keys,
                             const AttentionOptions& options) {
  std::vector<Piece> pieces;
  for (int64_t b = 0; b < queries.count();) {
    int64_t end = b + 1;
    while (end < queries.count() && same_shape_follows(queries, keys, b, end)) {
      ++end;
    }
    Piece piece;
    piece.batch = end - b;
    piece.query = queries.bounds[static_cast<size_t>(b)];
    piece.queries = queries.length(b);
    piece.key = keys.bounds[static_cast<size_t>(b)];
    piece.keys = piece.stride = keys.length(b);
    // Capped scores know masks only, no triangle; their blocks bound the memory they take.
    const bool wide = options.softcap == 0 && (options.window == 0 || options.window >= piece.keys);
    const bool square = piece.queries == piece.keys;
    if (piece.queries == 0 || piece.keys == 0) {
      // No output rows, or zeros.
    } else if (wide && (!options.causal || square || piece.queries == 1)) {
      piece.causal = options.causal && square;
      pieces.push_back(piece);
    } else if (wide && piece.keys > piece.queries) {
      append_prefix_and_triangle(pieces, piece);
    } else {
      for (int64_t i = 0; i < piece.batch; ++i) {
        Piece one = piece;
        one.query += i * piece.queries;
        one.key += i * piece.keys;
        append_blocks(pieces, one, options);
      }
    }
    b = end;
  }
  return pieces;
}

// Additive masks of the pieces; neighbours mostly share one.
class Masks {
 public:
  Masks(const AttentionOptions& options, const Tensor& like)
      : options_(options), tensor_options_(like.options().requires_grad(false)) {}

  std::optional<Tensor> of(const Piece& piece) {
    if (!piece.first_position) {
      return std::nullopt;
    }
    const bool same = last_.defined() && position_ == *piece.first_position &&
                      last_.size(0) == piece.queries && last_.size(1) == piece.keys;
    if (!same) {
      last_ = built(piece);
      position_ = *piece.first_position;
    }
    return last_.unsqueeze(0).unsqueeze(0);
  }

 private:
  Tensor built(const Piece& piece) const {
    const Tensor seen = visible_keys(*piece.first_position, piece.queries, piece.keys, options_,
                                     tensor_options_.device());
    return at::zeros({piece.queries, piece.keys}, tensor_options_)
        .masked_fill_(seen.logical_not(), -std::numeric_limits<double>::infinity());
  }

  AttentionOptions options_;
  at::TensorOptions tensor_options_;
  Tensor last_;
  int64_t position_ = 0;
};

// The piece's rows of q or of what is like it, (rows, heads) or (rows, heads, Dh), without a copy:
// (batch, heads, rows per element) or (batch, heads, rows per element, Dh).
Tensor queries_of(const Tensor& x, const Piece& piece) {
  return x.narrow(0, piece.query, piece.batch * piece.queries)
      .unflatten(0, {piece.batch, piece.queries})
      .transpose(1, 2);
}

// The same of k, v and their gradients.
Tensor keys_of(const Tensor& x, const Piece& piece) {
  std::vector<int64_t> sizes = {piece.batch, piece.keys, x.size(1), x.size(2)};
  std::vector<int64_t> strides = {piece.stride * x.stride(0), x.stride(0), x.stride(1),
                                  x.stride(2)};
  return x.as_strided(sizes, strides, x.storage_offset() + piece.key * x.stride(0)).transpose(1, 2);
}

// Softmax over two sets of keys: the mean of what each gave, weighed by its share of the sum.
void add_context(Tensor context, Tensor statistics, const Tensor& more,
                 const Tensor& more_statistics) {
  const Tensor sum = at::logaddexp(statistics, more_statistics);
  context.mul_((statistics - sum).exp_().unsqueeze(-1));
  context.addcmul_(more, (more_statistics - sum).exp_().unsqueeze(-1));
  statistics.copy_(sum);
}

std::optional<double> scale_of(const AttentionOptions& options) {
  return options.scale == 0 ? std::nullopt : std::optional<double>(options.scale);
}

// Context and logsumexp of a piece.
std::tuple<Tensor, Tensor> forward_of(const Tensor& q, const Tensor& k, const Tensor& v,
                                      const Piece& piece, const std::optional<Tensor>& mask,
                                      const AttentionOptions& options) {
  if (options.softcap != 0) {
    return softcap_attention(q, k, v, mask, options);
  }
  return at::_scaled_dot_product_flash_attention_for_cpu(q, k, v, /*dropout_p=*/0.0, piece.causal,
                                                         mask, scale_of(options));
}

// (dq, dk, dv) of a piece.
std::tuple<Tensor, Tensor, Tensor> backward_of(const Tensor& grad, const Tensor& q, const Tensor& k,
                                               const Tensor& v, const Tensor& out,
                                               const Tensor& logsumexp, const Piece& piece,
                                               const std::optional<Tensor>& mask,
                                               const AttentionOptions& options) {
  if (options.softcap != 0) {
    return softcap_attention_backward(grad, q, k, v, out, logsumexp, mask, options);
  }
  return at::_scaled_dot_product_flash_attention_for_cpu_backward(
      grad, q, k, v, out, logsumexp, /*dropout_p=*/0.0, piece.causal, mask, scale_of(options));
}

}  // namespace

Tensor visible_keys(int64_t first_position, int64_t Lq, int64_t Lk, const AttentionOptions& options,
                    at::Device device) {
  const auto index = at::TensorOptions(at::kLong).device(device);
  const Tensor position = at::arange(first_position, first_position + Lq, index).unsqueeze(1);
  const Tensor key = at::arange(Lk, index).unsqueeze(0);
  Tensor seen = at::ones({Lq, Lk}, index.dtype(at::kBool));
  if (options.causal) {
    seen = seen.logical_and(key <= position);
  }
  if (options.window > 0) {
    seen = seen.logical_and(key > position - options.window);
  }
  return seen;
}

std::tuple<Tensor, Tensor> attention_cpu(const Tensor& q, const Tensor& k, const Tensor& v,
                                         const Segments& queries, const Segments& keys,
                                         const AttentionOptions& options) {
  const Tensor out = at::zeros(q.sizes(), q.options());
  const Tensor logsumexp = at::empty({q.size(0), q.size(1)}, q.options());
  Masks masks(options, q);
  for (const Piece& piece : pieces_of(queries, keys, options)) {
    const auto [context, statistics] =
        forward_of(queries_of(q, piece), keys_of(k, piece), keys_of(v, piece), piece,
                   masks.of(piece), options);
    if (piece.adds) {
      add_context(queries_of(out, piece), queries_of(logsumexp, piece), context, statistics);
    } else {
      queries_of(out, piece).copy_(context);
      queries_of(logsumexp, piece).copy_(statistics);
    }
  }
  return {out, logsumexp};
}

std::tuple<Tensor, Tensor, Tensor> attention_cpu_backward(
    const Tensor& grad, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& out,
    const Tensor& logsumexp, const Segments& queries, const Segments& keys,
    const AttentionOptions& options) {
  const Tensor dq = at::zeros(q.sizes(), q.options());
  const Tensor dk = at::zeros(k.sizes(), k.options());
  const Tensor dv = at::zeros(v.sizes(), v.options());
  Masks masks(options, q);
  for (const Piece& piece : pieces_of(queries, keys, options)) {
    // A weight is exp(score - logsumexp) with the sum over all keys, whatever piece they are in.
    const auto [gq, gk, gv] = backward_of(
        queries_of(grad, piece), queries_of(q, piece), keys_of(k, piece), keys_of(v, piece),
        queries_of(out, piece), queries_of(logsumexp, piece), piece, masks.of(piece), options);
    // Pieces of one segment share queries or keys, so theirs add up.
    queries_of(dq, piece).add_(gq);
    keys_of(dk, piece).add_(gk);
    keys_of(dv, piece).add_(gv);
  }
  return {dq, dk, dv};
}

}  // namespace peft
