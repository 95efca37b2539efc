#include "parallel/sample_tp.h"

#include "parallel/bytes.h"

namespace weft {

void vocab_sample(Tensor ids, Tensor logits, std::span<const SampleRow> rows, int64_t vocab, Parallel& p) {
  const int ranks = p.tp.size();
  VocabSlice slice = VocabSlice::whole(vocab);
  if (ranks > 1) {
    slice.first = vocab_slice(vocab, ranks, p.tp.rank()).begin;
    slice.slices = ranks;
    slice.index = p.tp.rank();
    slice.gather = [&](std::span<std::byte> all, std::span<const std::byte> own) {
      p.tp.all_gather_v(all, own, std::vector<int64_t>(static_cast<size_t>(ranks), std::ssize(own)));
    };
  }
  sample(ids, logits, rows, slice, p.context);
}

void vocab_fingerprint(Tensor sums, Tensor logits, Tensor positions, int64_t vocab, Parallel& p) {
  const int ranks = p.tp.size();
  const int64_t first = vocab_slice(vocab, ranks, p.tp.rank()).begin;
  if (ranks == 1) return fingerprint(sums, logits, positions, first, p.context);
  const Arena::Scope scope(p.context.workspace);
  const int64_t rows = sums.dim(0);
  Tensor own = p.context.workspace.tensor(DType::i32, {rows, 2}),
         all = p.context.workspace.tensor(DType::i32, {ranks, rows, 2});
  fingerprint(own, logits, positions, first, p.context);
  p.tp.all_gather(all, own);
  if (p.context.dry()) return;
  auto* sum = sums.raw<uint64_t>();
  const auto* part = all.raw<uint64_t>();
  for (int64_t row = 0; row < rows; ++row) {
    sum[row] = 0;
    for (int rank = 0; rank < ranks; ++rank) sum[row] += part[rank * rows + row];
  }
}

// A row's pieces in the order of their ranks are the row: no row is put together twice.
void gather_logits(Tensor out, Tensor logits, int64_t vocab, Parallel& p) {
  const int ranks = p.tp.size(), me = p.tp.rank();
  std::vector<int64_t> send(static_cast<size_t>(ranks), 0), receive(static_cast<size_t>(ranks), 0);
  send[0] = logits.dim(1) * 4;
  for (int peer = 0; me == 0 && peer < ranks; ++peer) receive[peer] = vocab_slice(vocab, ranks, peer).size() * 4;
  for (int64_t row = 0; row < logits.dim(0); ++row)
    p.tp.all_to_all_v(me == 0 ? bytes(out.slice(row, row + 1)) : std::span<std::byte>(), receive,
                      bytes(logits.slice(row, row + 1)), send);
}

}  // namespace weft
